//! Holding a card to a virtual reader.

use super::scripts::{EventAnswer, check_script, find_script};
use super::{Sandbox, problem};
use crate::gateway::Failure;
use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::money::{Amount, Currency};
use crate::payment::reader::{Reader, ReaderKind};
use crate::sandbox::reader::play::Played;
use crate::sandbox::reader::script::{Script, Ways};
use crate::sandbox::reader::{Presentation, Swipe, TEST_CARDHOLDER, TEST_EXPIRY, TEST_PAN};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Which card is held to the reader, how, and for what amount.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwipeRequest {
    /// In highest units, as in the sale that follows.
    #[schema(example = "10.42")]
    pub amount: String,
    #[schema(example = "RUB")]
    pub currency: String,
    /// The card number; the sandbox's test card when left out.
    #[schema(example = "4444555566661111")]
    pub pan: Option<String>,
    /// YYMM.
    #[schema(example = "3012")]
    pub expiry: Option<String>,
    #[schema(example = "TEST CARD")]
    pub cardholder: Option<String>,
    /// `swipe` when left out, or what script and reader are for.
    pub entry_mode: Option<EntryModeName>,
    /// What the reader does, by a name from `GET /sandbox/scripts`; it behaves when left out.
    #[schema(example = "ok")]
    pub script: Option<String>,
    /// The PIN that the card holder enters, 4 to 12 digits; that of every test card is 1234.
    #[schema(example = "1234")]
    pub pin: Option<String>,
}

/// How the card meets the reader.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryModeName {
    Swipe,
    Insert,
    Tap,
    Fallback,
    /// A code on a phone, which is what `mc-qrcode` readers are for.
    Scan,
}

impl EntryModeName {
    /// How a script is played when the caller does not say.
    fn usual(script: &Script, reader: &Reader) -> Self {
        match (reader.kind, script.ways) {
            (ReaderKind::QrCode, _) => Self::Scan,
            (_, Ways::Chip) => Self::Insert,
            (_, Ways::Any | Ways::Stripe) => Self::Swipe,
        }
    }

    pub(super) fn mode(self) -> EntryMode {
        match self {
            Self::Swipe => EntryMode::Swipe,
            Self::Insert => EntryMode::Chip,
            Self::Tap => EntryMode::Contactless,
            Self::Fallback => EntryMode::FallbackSwipe,
            Self::Scan => EntryMode::QrCode,
        }
    }
}

/// What the reader hands to the app, to be sent in the sale, or the event that it tells instead.
/// A script may do both.
#[derive(Default, Serialize, ToSchema)]
pub struct SwipeAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "sim")]
    pub encrypted_type: Option<String>,
    /// Twenty hex digits, or twenty-four of AES DUKPT; the counter stands at their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "FFFF0100000001000001")]
    pub ksn: Option<String>,
    /// Only where a script says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventAnswer>,
}

/// Hold a card to a virtual reader; each call advances its counter, unless a script says otherwise.
///
/// A reader that gives nothing has done what it was told to: it is answered with 200 and an `event`
/// that stands where `encrypted_data` would.
#[utoipa::path(post, path = "/sandbox/readers/{serial}/swipe", tag = "Sandbox",
    params(("serial" = String, Path, description = "The reader's serial", example = "10000462")),
    request_body = SwipeRequest,
    responses((status = 200, description = "What the reader hands to the app", body = SwipeAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 404, description = "No reader has this serial")))]
pub(crate) async fn swipe(
    sandbox: web::Data<Sandbox>,
    serial: Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let request = match serde_json::from_slice::<SwipeRequest>(&body) {
        Ok(request) => request,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let reader = match find_reader(&sandbox, &serial).await {
        Ok(reader) => reader,
        Err(answer) => return answer,
    };
    answer_swipe(sandbox.hold_card(&reader, &request).await)
}

impl From<Swipe> for SwipeAnswer {
    fn from(swipe: Swipe) -> Self {
        Self {
            encrypted_data: Some(swipe.encrypted_data),
            encrypted_type: Some(swipe.encrypted_type.to_owned()),
            ksn: Some(swipe.ksn.to_string()),
            event: None,
        }
    }
}

/// What a reader's message, or the lack of one, is told as.
pub(super) fn answer_swipe(swipe: Result<SwipeAnswer, SwipeFault>) -> HttpResponse {
    match swipe {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(SwipeFault::Wrong(message)) => problem(StatusCode::BAD_REQUEST, message),
        Err(SwipeFault::Gateway(failure)) => unavailable(&failure),
    }
}

/// Why there is no swipe.
pub(super) enum SwipeFault {
    /// What the caller should change.
    Wrong(String),
    Gateway(Failure),
}

impl Sandbox {
    pub(super) async fn hold_card(
        &self,
        reader: &Reader,
        request: &SwipeRequest,
    ) -> Result<SwipeAnswer, SwipeFault> {
        let script = find_script(request.script.as_deref())?;
        let entry_mode = request.entry_mode.unwrap_or_else(|| EntryModeName::usual(script, reader));
        check_script(script, reader, entry_mode)?;
        let wrong = |message: String| SwipeFault::Wrong(message);
        let amount = read_amount(&request.amount, &request.currency)?;
        let pan = Pan::parse(request.pan.as_deref().unwrap_or(TEST_PAN))
            .map_err(|error| wrong(format!("pan: {error}")))?;
        let expiry = Expiry::from_yymm(request.expiry.as_deref().unwrap_or(TEST_EXPIRY))
            .ok_or_else(|| wrong("expiry: four digits, YYMM".to_owned()))?;
        let card = Presentation {
            pan: &pan,
            expiry,
            cardholder: request.cardholder.as_deref().unwrap_or(TEST_CARDHOLDER),
            entry_mode: entry_mode.mode(),
            pin: request.pin.as_deref(),
        };
        let key = self.gateway.initial_key(reader).await.map_err(SwipeFault::Gateway)?;
        let played = self.play(script, reader, &key, &card, amount);
        let Played { swipe, event } = played.map_err(|fault| wrong(fault.to_string()))?;
        let event = event.map(|event| EventAnswer::of(event, reader.kind));
        Ok(SwipeAnswer { event, ..swipe.map(SwipeAnswer::from).unwrap_or_default() })
    }
}

/// The amount of a request to a reader.
pub(super) fn read_amount(amount: &str, currency: &str) -> Result<Amount, SwipeFault> {
    let known = Currency::from_alpha(currency);
    let known =
        known.ok_or_else(|| SwipeFault::Wrong(format!("currency: {currency:?} is not known")))?;
    let amount = Amount::parse(amount, known);
    amount.map_err(|error| SwipeFault::Wrong(format!("amount: {error}")))
}

/// The reader with this serial, or the answer that there is none.
pub(super) async fn find_reader(
    sandbox: &Sandbox,
    serial: &str,
) -> Result<Arc<Reader>, HttpResponse> {
    match sandbox.gateway.reader(serial).await {
        Ok(Some(reader)) => Ok(reader),
        Ok(None) => {
            let known =
                format!("no reader has the serial {serial:?}; `dev` prints those there are");
            Err(problem(StatusCode::NOT_FOUND, known))
        }
        Err(failure) => Err(unavailable(&failure)),
    }
}

fn unavailable(failure: &Failure) -> HttpResponse {
    tracing::warn!(%failure, "the sandbox cannot answer");
    crate::doors::http::unavailable()
}
