//! `emv-advice` and `add-signature`: what the till sends after the acquirer approved (MAPI 3.5,
//! 3.6).

use super::status::read_order_id;
use super::{Mapi, echoed_name, fail, reply, signed_by};
use crate::crypto::sign::control_matches;
use crate::doors::form::{Form, read_form};
use crate::doors::http::{BodyError, bad_request, read_body};
use crate::doors::oauth::Signed;
use crate::gateway::{Encrypted, Failure, Noted, SignedNonce, TillMessage};
use crate::payment::ids::{EndpointId, OrderId};
use crate::payment::reader::ReaderKind;
use crate::payment::refusal::Refusal;
use actix_web::web::{self, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

/// The largest drawing taken, in bytes.
const DRAWING_MAX: usize = 64 * 1024;

/// The fields of the chip's last word.
#[derive(Validate, ToSchema)]
pub struct AdviceForm {
    /// `paynet-order-id`; `0` from a client that never received it.
    #[validate(length(max = 20, message = "longer than 20 characters"))]
    #[schema(example = "6877")]
    orderid: String,
    /// `dummy` from a client that never knew it.
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "902B4FF5")]
    client_orderid: String,
    #[serde(rename = "encrypted-type")]
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "sim")]
    encrypted_type: String,
    /// The reader's completion message in hex.
    #[serde(rename = "encrypted-data")]
    encrypted_data: String,
}

impl AdviceForm {
    fn read(form: &Form) -> Result<Self, Refusal> {
        form.check_all()?;
        let required = |name| form.require(name).map(str::to_owned);
        let advice = Self {
            orderid: required("orderid")?,
            client_orderid: required("client_orderid")?,
            encrypted_type: required("encrypted-type")?,
            encrypted_data: required("encrypted-data")?,
        };
        advice.validate().map_err(|errors| super::sale::first_error(form, &errors))?;
        if ReaderKind::from_name(&advice.encrypted_type).is_none() {
            return Err(Refusal::UnsupportedEncryptedType);
        }
        Ok(advice)
    }

    /// The order that it is about; none for `0`.
    fn order(&self) -> Result<Option<OrderId>, Refusal> {
        let order = read_order_id(&self.orderid)?;
        Ok(Some(order).filter(|order| order.0 != 0))
    }
}

/// A drawn signature: strokes made of points `[x, y, interval]`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    #[schema(example = 320)]
    width: f64,
    #[schema(example = 240)]
    height: f64,
    glyphs: Vec<Vec<[i64; 3]>>,
}

/// Tell how the chip ended a transaction that the issuer approved.
#[utoipa::path(post, path = "/mapi/v1/emv-advice/{endpoint}", tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = AdviceForm, content_type = "application/x-www-form-urlencoded"),
    security(("oauth1" = [])),
    responses(
        (status = 200, description = "`async-response` (also for a repeat), `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request"),
        (status = 403, description = "The signature does not hold"),
        (status = 503, description = "Send it again, signed anew")))]
pub(crate) async fn emv_advice(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    let form = match read_form(&request, payload).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    let signed = match signed_by(&mapi, &request, &form, EndpointId(*path)).await {
        Ok(signed) => signed,
        Err(answer) => return answer,
    };
    let result = async {
        let advice = AdviceForm::read(&form)?;
        let message = message(signed, advice.order()?, advice.client_orderid);
        let encrypted = Encrypted { layout: advice.encrypted_type, data: advice.encrypted_data };
        mapi.gateway.take_advice(message, encrypted).await
    };
    match result.await {
        Ok(noted) => {
            tracing::info!(order = %noted.accepted.order, "the chip's last word has come");
            reply::accepted(&noted.client_orderid, noted.accepted).answer(&request)
        }
        Err(failure) => fail(&mapi, &failure, echoed_name(&form), &request),
    }
}

/// Keep the signature that the card holder of an approved order drew.
#[utoipa::path(post, path = "/mapi/v1/add-signature/{endpoint}/{order}/{digest}", tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111),
           ("order" = i64, Path, description = "`paynet-order-id`", example = 6877),
           ("digest" = String, Path, description = "SHA-1 of the body, 40 hex digits")),
    request_body(content = Drawing, content_type = "application/json"),
    security(("oauth1" = [])),
    responses(
        (status = 200, description = "`async-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 403, description = "The signature of the request does not hold"),
        (status = 413, description = "The drawing is too large")))]
pub(crate) async fn add_signature(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<(i64, i64, String)>,
    payload: Payload,
) -> HttpResponse {
    let (endpoint, order, digest) = path.into_inner();
    let body = match read_body(&request, payload).await {
        Ok(body) if body.len() <= DRAWING_MAX => body,
        Ok(_) => return BodyError::TooLarge.answer(),
        Err(error) => return error.answer(),
    };
    // Of a body that is no form only the header is signed; the digest binds the body.
    let signed = match signed_by(&mapi, &request, &Form::empty(), EndpointId(endpoint)).await {
        Ok(signed) => signed,
        Err(answer) => return answer,
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return bad_request("the body is not UTF-8");
    };
    let result = async {
        check_drawing(text, &digest)?;
        let message = message(signed, Some(OrderId(order)), String::new());
        mapi.gateway.take_signature(message, text).await
    };
    let result: Result<Noted, Failure> = result.await;
    match result {
        Ok(noted) => {
            tracing::info!(order = %noted.accepted.order, "signed for");
            reply::accepted(&noted.client_orderid, noted.accepted).answer(&request)
        }
        Err(failure) => fail(&mapi, &failure, None, &request),
    }
}

fn check_drawing(text: &str, digest: &str) -> Result<(), Refusal> {
    if !control_matches(&crate::crypto::sign::control(&[text]), digest) {
        return Err(Refusal::invalid("digest", "not the SHA-1 of the body"));
    }
    let drawing: Result<Drawing, _> = serde_json::from_str(text);
    let drawing = drawing.map_err(|_| Refusal::invalid("body", "not a drawing"))?;
    match drawing.width > 0.0 && drawing.height > 0.0 && !drawing.glyphs.is_empty() {
        true => Ok(()),
        false => Err(Refusal::invalid("body", "an empty drawing")),
    }
}

fn message(signed: Signed, order: Option<OrderId>, client_orderid: String) -> TillMessage {
    TillMessage {
        merchant: signed.merchant,
        endpoint: signed.endpoint.id,
        order,
        client_orderid,
        nonce: Some(SignedNonce { digest: signed.nonce_digest, signed_at: signed.stamped_at }),
    }
}
