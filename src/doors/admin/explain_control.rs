//! Why a control does not agree.

use super::Admin;
use super::answer::Problem;
use super::explain::ExplainAnswer;
use crate::crypto::control_diagnosis::{Command, Diagnosis, Finding};
use crate::gateway::ControlPuzzle;
use actix_web::HttpResponse;
use actix_web::web;
use serde::Deserialize;
use utoipa::ToSchema;

/// A form, or a callback, as it was sent, with its `control`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainControlRequest {
    /// The login of the merchant whose control key it is.
    #[schema(example = "sandbox")]
    pub login: String,
    /// `status`, `capture`, `return`, `void`, or `callback` for what we sent to the merchant.
    #[schema(example = "status")]
    pub command: String,
    /// The body exactly as it was sent, the control inside; of a callback its address or query as
    /// it was received.
    #[schema(example = "login=sandbox&client_orderid=902B4FF5&orderid=6877&control=…")]
    pub form: String,
    /// Of a callback: the control that the merchant computed.
    pub computed: Option<String>,
}

/// Learn why a control does not agree: what is hashed, in which order, and the first difference.
/// The key is masked, and the right control is not told.
#[utoipa::path(post, path = "/admin/explain/control", tag = "Operators",
    request_body = ExplainControlRequest,
    security(("operator" = [])),
    responses((status = 200, description = "What was found", body = ExplainAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not the operators' token")))]
pub(crate) async fn explain_control(
    admin: web::Data<Admin>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let asked = serde_json::from_slice::<ExplainControlRequest>(&body);
    let asked = asked.map_err(|error| Problem::bad(error.to_string()))?;
    let command = asked.command()?;
    let puzzle = ControlPuzzle {
        login: &asked.login,
        command,
        form: &asked.form,
        computed: asked.computed.as_deref(),
    };
    let diagnosis = admin.gateway.explain_control(puzzle).await?;
    Ok(HttpResponse::Ok().json(ExplainAnswer::from(diagnosis)))
}

impl ExplainControlRequest {
    fn command(&self) -> Result<Command, Problem> {
        let named = Command::parse(&self.command).ok_or_else(|| {
            let names = Command::ALL.map(Command::name).join(", ");
            Problem::bad(format!("command: {:?} is none of {names}", self.command))
        })?;
        match named {
            Command::Callback => Ok(named),
            _ if self.computed.is_none() => Ok(named),
            _ => Err(Problem::bad("computed: only for callback; elsewhere it is in the form")),
        }
    }
}

impl From<Diagnosis> for ExplainAnswer {
    fn from(diagnosis: Diagnosis) -> Self {
        let Diagnosis { finding, says, wrong, change, facts } = diagnosis;
        let well = finding == Finding::AllIsWell;
        Self { finding: finding.name().to_owned(), well, says, wrong, change, facts }
    }
}
