//! Holding a card to a virtual reader.

use super::{Sandbox, problem};
use crate::gateway::Failure;
use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::money::{Amount, Currency};
use crate::payment::reader::Reader;
use crate::sandbox::reader::{
    Presentation, Swipe, TEST_CARDHOLDER, TEST_EXPIRY, TEST_PAN, read_card,
};
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
    #[serde(default)]
    pub entry_mode: EntryModeName,
    /// The PIN that the card holder enters, 4 to 12 digits; that of every test card is 1234.
    #[schema(example = "1234")]
    pub pin: Option<String>,
}

/// How the card meets the reader.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryModeName {
    #[default]
    Swipe,
    Insert,
    Tap,
    Fallback,
}

impl EntryModeName {
    fn mode(self) -> EntryMode {
        match self {
            Self::Swipe => EntryMode::Swipe,
            Self::Insert => EntryMode::Chip,
            Self::Tap => EntryMode::Contactless,
            Self::Fallback => EntryMode::FallbackSwipe,
        }
    }
}

/// What the reader hands to the app, to be sent in the sale.
#[derive(Serialize, ToSchema)]
pub struct SwipeAnswer {
    pub encrypted_data: String,
    #[schema(example = "sim")]
    pub encrypted_type: String,
    /// Twenty hex digits; the last six count up.
    #[schema(example = "FFFF0100000001000001")]
    pub ksn: String,
}

/// Hold a card to a virtual reader; each call advances its counter.
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

/// What a reader's message, or the lack of one, is told as.
pub(super) fn answer_swipe(swipe: Result<Swipe, SwipeFault>) -> HttpResponse {
    match swipe {
        Ok(swipe) => HttpResponse::Ok().json(SwipeAnswer {
            encrypted_data: swipe.encrypted_data,
            encrypted_type: swipe.encrypted_type.to_owned(),
            ksn: swipe.ksn.to_string(),
        }),
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
    ) -> Result<Swipe, SwipeFault> {
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
            entry_mode: request.entry_mode.mode(),
            pin: request.pin.as_deref(),
        };
        let key = self.gateway.initial_key(reader).await.map_err(SwipeFault::Gateway)?;
        let counter = self.counters.next(reader).map_err(|fault| wrong(fault.to_string()))?;
        let now = self.gateway.clock().now();
        read_card(reader, &key, counter, &card, amount, now, &self.entropy)
            .map_err(|fault| wrong(fault.to_string()))
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
