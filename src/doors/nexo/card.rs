//! Another card in the hand of the sandbox's customer.

use super::Nexo;
use super::device::CardAtHand;
use crate::payment::card::{Expiry, Pan};
use crate::sandbox::reader::TEST_EXPIRY;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// The card for the next payment at a terminal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardRequest {
    /// The number of a test card.
    #[schema(example = "5555555555554444")]
    pan: String,
    /// YYMM; that of the sandbox's own card if it is left out.
    #[schema(example = "3012")]
    expiry: Option<String>,
}

/// Take another card into the hand; the next payment at this terminal is made with it.
#[utoipa::path(put, path = "/sandbox/terminals/{poi_id}/card", tag = "Sandbox",
    params(("poi_id" = String, Path, description = "The terminal", example = "SIM-XML-1")),
    request_body = CardRequest,
    responses((status = 204, description = "The card is in the hand"),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 404, description = "No terminal has this POIID")))]
pub(crate) async fn hold_card(nexo: Data<Nexo>, poi_id: Path<String>, body: Bytes) -> HttpResponse {
    let problem = |status, why: &str| HttpResponse::build(status).json(json!({ "error": why }));
    let Ok(CardRequest { pan, expiry }) = serde_json::from_slice(&body) else {
        return problem(StatusCode::BAD_REQUEST, "write {\"pan\":\"…\",\"expiry\":\"YYMM\"}");
    };
    let pan = Zeroizing::new(pan);
    if Pan::parse(&pan).is_err() {
        return problem(StatusCode::BAD_REQUEST, "pan: not a card number");
    }
    let expiry = expiry.unwrap_or_else(|| TEST_EXPIRY.to_owned());
    if Expiry::from_yymm(&expiry).is_none() {
        return problem(StatusCode::BAD_REQUEST, "expiry: four digits, YYMM");
    }
    match nexo.gateway.terminal(&poi_id).await {
        Ok(Some(known)) => {
            nexo.device(known.terminal.id).put_card(CardAtHand { pan, expiry });
            HttpResponse::NoContent().finish()
        }
        Ok(None) => problem(StatusCode::NOT_FOUND, "no terminal has this POIID"),
        Err(failure) => {
            tracing::warn!(%failure, "the sandbox cannot answer");
            crate::doors::http::unavailable()
        }
    }
}
