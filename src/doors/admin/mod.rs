//! What operators do over HTTP, proved by a token in `Authorization: Bearer …`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /admin/balances?merchant=…` | what the accounts come to, by endpoint and day, JSON |
//! | `GET /admin/gates/{endpoint}` | how a gate stands, JSON |
//! | `POST /admin/gates/{endpoint}/unlock` | the same, after it was opened |
//! | `POST /admin/explain/decrypt` | what is wrong with a reader's message, JSON |
//! | `POST /admin/orders/{order}/resolve` | 204, once what was unknown is decided |
//! | `GET /admin/settlements/{batch}.csv`, `….json` | what a closed day moved |
//!
//! Without a token in the settings the door is shut: every request is answered 404.

mod balance;
mod explain;
mod gate;
mod order;
mod settlement;

pub(crate) use balance::*;
pub(crate) use explain::*;
pub(crate) use gate::*;
pub(crate) use order::*;
pub(crate) use settlement::*;

use crate::crypto::sign::secrets_match;
use crate::gateway::{Failure, Gateway};
use crate::payment::refusal::Refusal;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;

/// What the handlers need.
#[derive(Clone)]
pub struct Admin {
    pub gateway: Arc<Gateway>,
    /// The operators' token; none shuts the door.
    pub token: Option<Arc<str>>,
}

/// Mounts the door.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/admin/balances", web::get().to(balances))
        .route("/admin/explain/decrypt", web::post().to(explain_decrypt))
        .route("/admin/gates/{endpoint}", web::get().to(gate))
        .route("/admin/gates/{endpoint}/unlock", web::post().to(unlock))
        .route("/admin/orders/{order}/resolve", web::post().to(resolve))
        .route("/admin/settlements/{batch}.csv", web::get().to(settlement_csv))
        .route("/admin/settlements/{batch}.json", web::get().to(settlement_json));
}

impl Admin {
    /// The answer to whoever is no operator.
    fn turn_away(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let Some(token) = &self.token else {
            return Some(HttpResponse::NotFound().finish());
        };
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = header.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        if secrets_match(token, given) {
            return None;
        }
        tracing::warn!("answered 401: not the operators' token");
        let told = "use the operators' token: Authorization: Bearer TOKEN";
        Some(problem(StatusCode::UNAUTHORIZED, told))
    }
}

/// A JSON answer that says what is wrong and what to do.
fn problem(status: StatusCode, message: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status).json(serde_json::json!({ "error": message.into() }))
}

fn failed(failure: &Failure) -> HttpResponse {
    match failure {
        Failure::Refused {
            refusal: refusal @ (Refusal::OrderNotFound | Refusal::EndpointNotFound(_)),
            ..
        } => problem(StatusCode::NOT_FOUND, refusal.to_string()),
        Failure::Refused { refusal, cause } => {
            problem(StatusCode::CONFLICT, format!("{refusal}: {cause}"))
        }
        Failure::Unavailable(_) | Failure::NonceReused => {
            tracing::warn!(%failure, "answered 503");
            super::http::unavailable()
        }
        Failure::Internal(_) => {
            tracing::error!(%failure, "answered 500");
            HttpResponse::InternalServerError().finish()
        }
    }
}
