//! Looking at gates, and opening one that stayed shut.

use super::{Admin, failed};
use crate::gateway::Failure;
use crate::payment::ids::EndpointId;
use actix_web::HttpResponse;
use actix_web::web::{self, Path};
use serde::Serialize;
use utoipa::ToSchema;

/// How a gate stands.
#[derive(Serialize, ToSchema)]
pub struct GateAnswer {
    #[schema(example = "1111")]
    pub gate_id: String,
    /// The open business day, counted from 1.
    #[schema(example = 42)]
    pub day: i64,
    /// Whether it is shut: nothing begins there.
    pub is_day_closing: bool,
    /// The close that keeps it shut.
    pub closing: Option<ClosingAnswer>,
}

/// A close that keeps a gate shut.
#[derive(Serialize, ToSchema)]
pub struct ClosingAnswer {
    #[schema(example = "000000001004")]
    pub batch: String,
    pub request_id: String,
    /// `waiting`, `settling` or `blocked`.
    #[schema(example = "blocked")]
    pub state: String,
    /// Milliseconds since 1970.
    pub started_at: i64,
}

/// See whether a gate is shut, and why.
#[utoipa::path(get, path = "/admin/gates/{endpoint}", tag = "Operators",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    security(("operator" = [])),
    responses((status = 200, description = "How the gate stands", body = GateAnswer),
              (status = 401, description = "Not the operators' token"),
              (status = 404, description = "No such gate")))]
pub(crate) async fn gate(admin: web::Data<Admin>, path: Path<i64>) -> HttpResponse {
    admin.tell(EndpointId(*path)).await
}

/// Open a gate that a close keeps shut. A day that is not over yet goes on.
#[utoipa::path(post, path = "/admin/gates/{endpoint}/unlock", tag = "Operators",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    security(("operator" = [])),
    responses((status = 200, description = "How the gate stands now", body = GateAnswer),
              (status = 401, description = "Not the operators' token"),
              (status = 404, description = "No such gate")))]
pub(crate) async fn unlock(admin: web::Data<Admin>, path: Path<i64>) -> HttpResponse {
    let endpoint = EndpointId(*path);
    if let Err(failure) = admin.gateway.unlock_gate(endpoint).await {
        return failed(&failure);
    }
    admin.tell(endpoint).await
}

impl Admin {
    async fn tell(&self, endpoint: EndpointId) -> HttpResponse {
        match self.look(endpoint).await {
            Ok(gate) => HttpResponse::Ok().json(gate),
            Err(failure) => failed(&failure),
        }
    }

    async fn look(&self, endpoint: EndpointId) -> Result<GateAnswer, Failure> {
        let gate = self.gateway.gate(endpoint).await?;
        let close = match gate.closing {
            Some(id) => self.gateway.day_close(id).await?,
            None => None,
        };
        Ok(GateAnswer {
            gate_id: endpoint.to_string(),
            day: gate.day,
            is_day_closing: gate.closing.is_some(),
            closing: close.map(|close| ClosingAnswer {
                batch: format!("{:012}", close.id.0),
                request_id: close.request_id,
                state: close.state.name().to_owned(),
                started_at: close.started_at,
            }),
        })
    }
}
