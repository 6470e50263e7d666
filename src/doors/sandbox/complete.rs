//! Letting the chip in a virtual reader have the last word.

use super::swipe::{SwipeAnswer, SwipeFault, answer_swipe, find_reader, read_amount};
use super::{Sandbox, problem};
use crate::payment::decline::APPROVED;
use crate::payment::reader::Reader;
use crate::sandbox::reader::{self, Swipe};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path};
use serde::Deserialize;
use utoipa::ToSchema;

/// What the app tells the reader of the issuer's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteRequest {
    /// In highest units, as in the sale.
    #[schema(example = "10.42")]
    pub amount: String,
    #[schema(example = "RUB")]
    pub currency: String,
    /// `auth-response-code` of the status (tag 8A); anything but `00` makes the chip decline.
    #[serde(default = "approved")]
    #[schema(example = "00")]
    pub auth_response_code: String,
    /// `emv-issuer-response` of the status. The virtual chip takes any.
    #[serde(default)]
    #[schema(example = "910A00000000000000003030")]
    pub emv_issuer_response: String,
    /// Makes the chip decline although the issuer approved.
    #[serde(default)]
    pub decline: bool,
}

fn approved() -> String {
    APPROVED.to_owned()
}

/// Let the chip have the last word; the answer goes into `emv-advice`.
#[utoipa::path(post, path = "/sandbox/readers/{serial}/complete", tag = "Sandbox",
    params(("serial" = String, Path, description = "The reader's serial", example = "10000462")),
    request_body = CompleteRequest,
    responses((status = 200, description = "What the reader hands to the app", body = SwipeAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 404, description = "No reader has this serial")))]
pub(crate) async fn complete(
    sandbox: web::Data<Sandbox>,
    serial: Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let request = match serde_json::from_slice::<CompleteRequest>(&body) {
        Ok(request) => request,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let reader = match find_reader(&sandbox, &serial).await {
        Ok(reader) => reader,
        Err(answer) => return answer,
    };
    answer_swipe(sandbox.complete(&reader, &request).await.map(SwipeAnswer::from))
}

impl Sandbox {
    async fn complete(
        &self,
        reader: &Reader,
        request: &CompleteRequest,
    ) -> Result<Swipe, SwipeFault> {
        let wrong = |message: String| SwipeFault::Wrong(message);
        let amount = read_amount(&request.amount, &request.currency)?;
        let issuer = hex::decode(request.emv_issuer_response.trim());
        issuer.map_err(|error| wrong(format!("emv_issuer_response: {error}")))?;
        let approved = request.auth_response_code == APPROVED && !request.decline;
        let key = self.gateway.initial_key(reader).await.map_err(SwipeFault::Gateway)?;
        let counter = self.counters.next(reader).map_err(|fault| wrong(fault.to_string()))?;
        reader::complete(reader, &key, counter, approved, amount, &self.entropy)
            .map_err(|fault| wrong(fault.to_string()))
    }
}
