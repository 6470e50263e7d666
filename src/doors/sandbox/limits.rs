//! The limits of an endpoint, to be tried out: what they forbid is filtered.

use super::{Sandbox, problem};
use crate::doors::limits::LimitsBody;
use crate::gateway::Failure;
use crate::payment::ids::EndpointId;
use crate::payment::merchant::Endpoint;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path};
use std::sync::Arc;

/// The limits of an endpoint.
#[utoipa::path(get, path = "/sandbox/endpoints/{endpoint}/limits", tag = "Sandbox",
    params(("endpoint" = String, Path, description = "The end point's id", example = "1111")),
    responses((status = 200, description = "The limits", body = LimitsBody),
              (status = 404, description = "No end point has this id")))]
pub(crate) async fn limits(sandbox: web::Data<Sandbox>, endpoint: Path<String>) -> HttpResponse {
    match find_endpoint(&sandbox, &endpoint).await {
        Ok(endpoint) => HttpResponse::Ok().json(LimitsBody::of(&endpoint.limits)),
        Err(answer) => answer,
    }
}

/// Replace the limits of an endpoint; `{}` takes all away.
///
/// What they forbid is accepted and ends as `filtered` with a code, is called back, and is never
/// sent to the acquirer.
#[utoipa::path(put, path = "/sandbox/endpoints/{endpoint}/limits", tag = "Sandbox",
    params(("endpoint" = String, Path, description = "The end point's id", example = "1111")),
    request_body = LimitsBody,
    responses((status = 200, description = "The limits as they now are", body = LimitsBody),
              (status = 400, description = "The limits stay as they were; `error` says why"),
              (status = 404, description = "No end point has this id")))]
pub(crate) async fn set_limits(
    sandbox: web::Data<Sandbox>,
    endpoint: Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let limits = serde_json::from_slice::<LimitsBody>(&body).map_err(|error| error.to_string());
    let limits = match limits.and_then(LimitsBody::into_limits) {
        Ok(limits) => limits,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let endpoint = match find_endpoint(&sandbox, &endpoint).await {
        Ok(endpoint) => Endpoint { limits, ..(*endpoint).clone() },
        Err(answer) => return answer,
    };
    match sandbox.gateway.change_endpoint(&endpoint).await {
        Ok(()) => HttpResponse::Ok().json(LimitsBody::of(&endpoint.limits)),
        Err(Failure::Refused { refusal, .. }) => {
            problem(StatusCode::BAD_REQUEST, refusal.to_string())
        }
        Err(failure) => unavailable(&failure),
    }
}

async fn find_endpoint(sandbox: &Sandbox, id: &str) -> Result<Arc<Endpoint>, HttpResponse> {
    let found = match id.parse().map(EndpointId) {
        Ok(id) => sandbox.gateway.endpoint(id).await.map_err(|failure| unavailable(&failure))?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        let known = format!("no end point has the id {id:?}; `dev` prints those there are");
        problem(StatusCode::NOT_FOUND, known)
    })
}

fn unavailable(failure: &Failure) -> HttpResponse {
    tracing::warn!(%failure, "the sandbox cannot answer");
    crate::doors::http::unavailable()
}
