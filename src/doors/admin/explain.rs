//! Why a reader's message is not understood.

use super::Admin;
use super::answer::{failed, problem};
use crate::crypto::diagnosis::{Diagnosis, Finding};
use crate::gateway::Puzzle;
use crate::payment::money::{Amount, Currency};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message as it was sent, and the reader that is said to have sent it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// The reader's serial.
    #[schema(example = "20000001")]
    pub reader: String,
    #[schema(example = "spire")]
    pub encrypted_type: String,
    /// Exactly as the app sent it.
    pub encrypted_data: String,
    /// In highest units, as in the sale; the `sim` profile binds it.
    #[schema(example = "10.42")]
    pub amount: Option<String>,
    /// With an amount; `RUB` when left out.
    #[schema(example = "RUB")]
    pub currency: Option<String>,
}

/// What was found. It holds no key, and of a card the first six and last four digits at most.
#[derive(Serialize, ToSchema)]
pub struct ExplainAnswer {
    /// `all-is-well`, or the mistake by its lasting name.
    #[schema(example = "key-pin")]
    pub finding: String,
    /// Whether nothing is wrong.
    pub well: bool,
    /// What the data is.
    pub says: String,
    /// What is wrong with it.
    pub wrong: String,
    /// What to change.
    pub change: String,
    /// What else there is to know.
    pub facts: Vec<String>,
}

/// Learn what is wrong with a reader's message. Nothing is stored, no counter is used up.
#[utoipa::path(post, path = "/admin/explain/decrypt", tag = "Operators",
    request_body = ExplainRequest,
    security(("operator" = [])),
    responses((status = 200, description = "What was found", body = ExplainAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not the operators' token")))]
pub(crate) async fn explain_decrypt(admin: web::Data<Admin>, body: web::Bytes) -> HttpResponse {
    let asked = match serde_json::from_slice::<ExplainRequest>(&body) {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let amount = match asked.amount() {
        Ok(amount) => amount,
        Err(message) => return problem(StatusCode::BAD_REQUEST, message),
    };
    let puzzle = Puzzle {
        serial: &asked.reader,
        encrypted_type: &asked.encrypted_type,
        encrypted_data: &asked.encrypted_data,
        amount,
    };
    match admin.gateway.explain_decrypt(puzzle).await {
        Ok(diagnosis) => HttpResponse::Ok().json(ExplainAnswer::from(diagnosis)),
        Err(failure) => failed(&failure),
    }
}

impl ExplainRequest {
    fn amount(&self) -> Result<Option<Amount>, String> {
        let Some(amount) = &self.amount else {
            return Ok(None);
        };
        let alpha = self.currency.as_deref().unwrap_or("RUB");
        let currency = Currency::from_alpha(alpha);
        let currency = currency.ok_or_else(|| format!("currency: {alpha:?} is not known"))?;
        let amount = Amount::parse(amount, currency);
        amount.map(Some).map_err(|error| format!("amount: {error}"))
    }
}

impl From<Diagnosis> for ExplainAnswer {
    fn from(diagnosis: Diagnosis) -> Self {
        let Diagnosis { finding, says, wrong, change, facts } = diagnosis;
        let well = finding == Finding::AllIsWell;
        Self { finding: finding.name().to_owned(), well, says, wrong, change, facts }
    }
}
