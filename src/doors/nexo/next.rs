//! What the sandbox's customer does in the next payment at a terminal (nexo contract 14.2): which
//! card it is made with, and what is played whatever the amount.

use super::Nexo;
use super::device::{CardAtHand, Next};
use crate::payment::card::{Expiry, Pan};
use crate::sandbox::reader::TEST_EXPIRY;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// The next payment at a terminal. What is left out is as usual.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NextPayment {
    /// The number of a test card.
    #[schema(example = "5555555555554444")]
    pan: Option<String>,
    /// YYMM; that of the sandbox's own card if it is left out.
    #[schema(example = "3012")]
    expiry: Option<String>,
    /// What is played: the last three digits of the amount that would have it played.
    #[schema(example = 123, minimum = 0, maximum = 999)]
    ending: Option<i64>,
}

/// Choose the card and the outcome of the next payment at this terminal, whatever its amount.
#[utoipa::path(put, path = "/sandbox/terminals/{poi_id}/next", tag = "Sandbox",
    params(("poi_id" = String, Path, description = "The terminal", example = "SIM-XML-1")),
    request_body = NextPayment,
    responses((status = 204, description = "The next payment will be so"),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 404, description = "No terminal has this POIID")))]
pub(crate) async fn choose_next(
    nexo: Data<Nexo>,
    poi_id: Path<String>,
    body: Bytes,
) -> HttpResponse {
    let problem = |status, why: &str| HttpResponse::build(status).json(json!({ "error": why }));
    let choice = match read(&body) {
        Ok(choice) => choice,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    match nexo.gateway.terminal(&poi_id).await {
        Ok(Some(known)) => {
            nexo.device(known.terminal.id).choose(|next| *next = choice);
            HttpResponse::NoContent().finish()
        }
        Ok(None) => problem(StatusCode::NOT_FOUND, "no terminal has this POIID"),
        Err(failure) => {
            tracing::warn!(%failure, "the sandbox cannot answer");
            crate::doors::http::unavailable()
        }
    }
}

fn read(body: &[u8]) -> Result<Next, &'static str> {
    let NextPayment { pan, expiry, ending } = serde_json::from_slice(body).map_err(
        |_| "write {\"pan\":\"…\",\"expiry\":\"YYMM\",\"ending\":123}; leave out what is as usual",
    )?;
    let pan = pan.map(Zeroizing::new);
    if pan.as_ref().is_some_and(|pan| Pan::parse(pan).is_err()) {
        return Err("pan: not a card number");
    }
    let expiry = expiry.unwrap_or_else(|| TEST_EXPIRY.to_owned());
    if Expiry::from_yymm(&expiry).is_none() {
        return Err("expiry: four digits, YYMM");
    }
    if ending.is_some_and(|ending| !(0..1000).contains(&ending)) {
        return Err("ending: 0 to 999");
    }
    Ok(Next { card: pan.map(|pan| CardAtHand { pan, expiry }), ending })
}
