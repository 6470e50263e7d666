//! What operators and their machines ask: is it alive, is it ready, how is it doing.

use crate::gateway::Gateway;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

/// What the handlers need.
#[derive(Clone)]
pub struct Ops {
    pub gateway: Arc<Gateway>,
    /// Renders the metrics; absent when no recorder is installed.
    pub metrics: Option<PrometheusHandle>,
}

/// Mounts the door.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "Operations",
    responses((status = 200, description = "The process runs", body = String)))]
pub(crate) async fn live() -> impl Responder {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("alive\n")
}

/// Orders can be taken.
#[utoipa::path(get, path = "/health/ready", tag = "Operations",
    responses((status = 200, description = "Orders can be taken", body = String),
              (status = 503, description = "The database does not answer")))]
pub(crate) async fn ready(ops: web::Data<Ops>) -> HttpResponse {
    match ops.gateway.ready().await {
        Ok(()) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"),
        Err(failure) => {
            tracing::warn!(%failure, "not ready");
            super::http::unavailable()
        }
    }
}

/// Metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "Operations",
    responses((status = 200, description = "Prometheus text format", body = String)))]
pub(crate) async fn metrics(ops: web::Data<Ops>) -> HttpResponse {
    match &ops.metrics {
        Some(handle) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(handle.render()),
        None => HttpResponse::NotFound().finish(),
    }
}
