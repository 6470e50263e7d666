//! Deciding what nobody else can decide.

use super::{Admin, failed, problem};
use crate::payment::ids::OrderId;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Path};
use serde::Deserialize;
use utoipa::ToSchema;

/// What the operator found out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// Whether the money moved.
    pub approved: bool,
}

/// Decide a transaction whose outcome is unknown.
#[utoipa::path(post, path = "/admin/orders/{order}/resolve", tag = "Operators",
    params(("order" = i64, Path, description = "`paynet-order-id`", example = 6877)),
    request_body = ResolveRequest,
    security(("operator" = [])),
    responses((status = 204, description = "Decided"),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not the operators' token"),
              (status = 404, description = "No such order"),
              (status = 409, description = "Nothing about the order is unknown")))]
pub(crate) async fn resolve(
    admin: web::Data<Admin>,
    path: Path<i64>,
    body: web::Bytes,
) -> HttpResponse {
    let decision = match serde_json::from_slice::<ResolveRequest>(&body) {
        Ok(decision) => decision,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
    };
    match admin.gateway.resolve(OrderId(*path), decision.approved).await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(failure) => failed(&failure),
    }
}
