//! The four questions of a reader's SDK.

use super::spire::SpireConfig;
use super::{Rki, refuse};
use crate::doors::form::Form;
use crate::payment::merchant::Endpoint;
use crate::payment::reader::{Reader, ReaderKind};
use crate::payment::refusal::Refusal;
use actix_web::web::{self, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the SDK tells with `spire-config`. Version and device fields are for the log.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the fields of the form, for the document")]
pub struct SpireConfigForm {
    /// The same as in the path.
    #[schema(example = "20000001")]
    terminal_serial_number: Option<String>,
    /// Minor units.
    #[schema(example = "1042")]
    amount_in_cents: Option<String>,
    /// That of the end point.
    #[schema(example = "RUB")]
    currency: Option<String>,
    device_id: Option<String>,
    sdk_version: Option<String>,
    ios_version: Option<String>,
    firmware_version: Option<String>,
    app_version: Option<String>,
    app_build: Option<String>,
}

/// What the SDK tells with `spire-update`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the fields of the form, for the document")]
pub struct SpireUpdateForm {
    filename: String,
    result: String,
}

/// An answer that says no more than that the request was heard.
#[derive(Serialize, ToSchema)]
pub struct Acknowledged {}

/// Whether a Miura needs files.
#[derive(Serialize, ToSchema)]
pub struct MiuraCheck {
    #[schema(example = "30000001")]
    terminal_serial_number: String,
    update_required: bool,
    /// Empty while nothing is required.
    update_files: Vec<String>,
}

/// How a terminal that authorises by itself is to be set up.
#[derive(Serialize, ToSchema)]
pub struct InpasConfig {
    #[schema(example = "10000462")]
    terminal_id: String,
    /// ISO 4217, three digits.
    #[schema(example = "643")]
    currency_code: String,
    merchant_name_and_location: String,
    /// Seconds.
    timeout: u32,
}

/// Seconds for which a terminal may be silent.
const INPAS_TIMEOUT: u32 = 120;

/// Ask how a Spire reader is to run its terminal kernel.
#[utoipa::path(post, path = "/rki/spire-config/{login}/{endpoint}/{serial}", tag = "Readers",
    params(("login" = String, Path, description = "The merchant's login", example = "sandbox"),
           ("endpoint" = i64, Path, description = "End point id", example = 1111),
           ("serial" = String, Path, description = "The reader's serial", example = "20000001")),
    request_body(content = SpireConfigForm, content_type = "application/x-www-form-urlencoded"),
    security(("oauth1" = [])),
    responses((status = 200, description = "The configuration", body = SpireConfig),
              (status = 400, description = "A field is wrong; `error` says which"),
              (status = 403, description = "The signature does not hold"),
              (status = 404, description = "No such reader at this end point")))]
pub(crate) async fn spire_config(
    rki: web::Data<Rki>,
    request: HttpRequest,
    path: Path<(String, i64, String)>,
    payload: Payload,
) -> HttpResponse {
    let (endpoint, reader, form) =
        match ask(&rki, &request, &path, payload, ReaderKind::Spire).await {
            Ok(asked) => asked,
            Err(answer) => return answer,
        };
    match check_config_form(&form, &reader, &endpoint) {
        Ok(()) => HttpResponse::Ok().json(SpireConfig::of(&reader, &endpoint)),
        Err(refusal) => refuse(&refusal),
    }
}

/// Tell how an update of a Spire reader ended.
#[utoipa::path(post, path = "/rki/spire-update/{login}/{endpoint}/{serial}", tag = "Readers",
    params(("login" = String, Path, description = "The merchant's login", example = "sandbox"),
           ("endpoint" = i64, Path, description = "End point id", example = 1111),
           ("serial" = String, Path, description = "The reader's serial", example = "20000001")),
    request_body(content = SpireUpdateForm, content_type = "application/x-www-form-urlencoded"),
    security(("oauth1" = [])),
    responses((status = 200, description = "It is noted", body = Acknowledged),
              (status = 400, description = "A field is missing; `error` says which"),
              (status = 403, description = "The signature does not hold"),
              (status = 404, description = "No such reader at this end point")))]
pub(crate) async fn spire_update(
    rki: web::Data<Rki>,
    request: HttpRequest,
    path: Path<(String, i64, String)>,
    payload: Payload,
) -> HttpResponse {
    let (_, reader, form) = match ask(&rki, &request, &path, payload, ReaderKind::Spire).await {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    match (form.require("filename"), form.require("result")) {
        (Ok(_), Ok(_)) => {
            // What the app tells is not logged: it may be anything.
            tracing::info!(serial = reader.serial, "a reader tells how its update went");
            HttpResponse::Ok().json(Acknowledged {})
        }
        (Err(refusal), _) | (_, Err(refusal)) => refuse(&refusal),
    }
}

/// Ask whether a Miura reader may be used, and whether it needs files first.
#[utoipa::path(post, path = "/rki/miura-check/{login}/{endpoint}/{serial}", tag = "Readers",
    params(("login" = String, Path, description = "The merchant's login", example = "sandbox"),
           ("endpoint" = i64, Path, description = "End point id", example = 1111),
           ("serial" = String, Path, description = "The reader's serial", example = "30000001")),
    security(("oauth1" = [])),
    responses((status = 200, description = "The reader may be used", body = MiuraCheck),
              (status = 403, description = "The signature does not hold"),
              (status = 404, description = "No such reader at this end point")))]
pub(crate) async fn miura_check(
    rki: web::Data<Rki>,
    request: HttpRequest,
    path: Path<(String, i64, String)>,
    payload: Payload,
) -> HttpResponse {
    match ask(&rki, &request, &path, payload, ReaderKind::Miura).await {
        Ok((_, reader, _)) => HttpResponse::Ok().json(MiuraCheck {
            terminal_serial_number: reader.serial.clone(),
            update_required: false,
            update_files: Vec::new(),
        }),
        Err(answer) => answer,
    }
}

/// Ask how a terminal that authorises by itself is to be set up.
#[utoipa::path(post, path = "/rki/inpas-config/{login}/{endpoint}", tag = "Readers",
    params(("login" = String, Path, description = "The merchant's login", example = "sandbox"),
           ("endpoint" = i64, Path, description = "End point id", example = 1111)),
    security(("oauth1" = [])),
    responses((status = 200, description = "The configuration", body = InpasConfig),
              (status = 403, description = "The signature does not hold"),
              (status = 404, description = "Another merchant's login")))]
pub(crate) async fn inpas_config(
    rki: web::Data<Rki>,
    request: HttpRequest,
    path: Path<(String, i64)>,
    payload: Payload,
) -> HttpResponse {
    let (login, endpoint) = path.into_inner();
    match rki.hear(&request, &login, endpoint, payload).await {
        Ok(asked) => HttpResponse::Ok().json(InpasConfig {
            terminal_id: asked.endpoint.terminal_id.clone(),
            currency_code: format!("{:03}", asked.endpoint.currency.numeric()),
            merchant_name_and_location: asked.endpoint.descriptor.clone(),
            timeout: INPAS_TIMEOUT,
        }),
        Err(answer) => answer,
    }
}

/// Where, by which reader, and with what fields.
type AskedOf = (Arc<Endpoint>, Arc<Reader>, Form);

/// A question about one reader, which must be of the maker's kind.
async fn ask(
    rki: &Rki,
    request: &HttpRequest,
    (login, endpoint, serial): &(String, i64, String),
    payload: Payload,
    kind: ReaderKind,
) -> Result<AskedOf, HttpResponse> {
    let asked = rki.hear(request, login, *endpoint, payload).await?;
    let reader = rki.reader(serial, &asked.endpoint).await?;
    // A reader of another maker does not exist for this question.
    if reader.kind != kind {
        return Err(refuse(&Refusal::ReaderNotRegistered));
    }
    Ok((asked.endpoint, reader, asked.form))
}

/// What the SDK says of reader, amount and currency must fit, where it says anything.
fn check_config_form(form: &Form, reader: &Reader, endpoint: &Endpoint) -> Result<(), Refusal> {
    if form.get("terminal_serial_number").is_some_and(|serial| serial != reader.serial) {
        return Err(Refusal::invalid("terminal_serial_number", "another than in the path"));
    }
    if form.get("amount_in_cents").is_some_and(|cents| cents.parse::<u64>().is_err()) {
        return Err(Refusal::invalid("amount_in_cents", "not a whole number"));
    }
    match form.get("currency").filter(|currency| *currency != endpoint.currency.alpha()) {
        Some(other) => Err(Refusal::CurrencyNotSupported(other.chars().take(3).collect())),
        None => Ok(()),
    }
}
