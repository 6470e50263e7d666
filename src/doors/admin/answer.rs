//! How the operators' door says no: a status, and JSON that says what is wrong and what to do.

use crate::gateway::{Failure, RegistryError};
use crate::payment::refusal::Refusal;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use std::fmt;

/// Why a request is not done.
pub(crate) enum Problem {
    /// The caller's affair.
    Told(StatusCode, String),
    Failed(Failure),
}

impl Problem {
    /// The request is malformed.
    pub(super) fn bad(why: impl Into<String>) -> Self {
        Self::Told(StatusCode::BAD_REQUEST, why.into())
    }

    /// What it is about is not there.
    pub(super) fn missing(what: impl Into<String>) -> Self {
        Self::Told(StatusCode::NOT_FOUND, what.into())
    }

    /// It does not go with what is there.
    pub(super) fn conflict(why: impl Into<String>) -> Self {
        Self::Told(StatusCode::CONFLICT, why.into())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Missing(what) => Self::missing(what),
            RegistryError::Conflict(why) => Self::conflict(why),
            RegistryError::Failure(failure) => Self::Failed(failure),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(status, why) => write!(f, "{status}: {why}"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.error_response().status()
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Told(status, why) => problem(*status, why),
            Self::Failed(failure) => failed(failure),
        }
    }
}

/// A JSON answer that says what is wrong and what to do.
pub(super) fn problem(status: StatusCode, message: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status).json(serde_json::json!({ "error": message.into() }))
}

/// The answer to a request that the gateway did not do.
pub(super) fn failed(failure: &Failure) -> HttpResponse {
    match failure {
        Failure::Refused {
            refusal: refusal @ (Refusal::OrderNotFound | Refusal::EndpointNotFound(_)),
            ..
        } => problem(StatusCode::NOT_FOUND, refusal.to_string()),
        Failure::Refused { refusal: Refusal::InvalidParameter { name, why }, .. } => {
            problem(StatusCode::BAD_REQUEST, format!("{name}: {why}"))
        }
        Failure::Refused { refusal, cause } => {
            problem(StatusCode::CONFLICT, format!("{refusal}: {cause}"))
        }
        Failure::Unavailable(_) | Failure::NonceReused => {
            tracing::warn!(%failure, "answered 503");
            crate::doors::http::unavailable()
        }
        Failure::Internal(_) => {
            tracing::error!(%failure, "answered 500");
            HttpResponse::InternalServerError().finish()
        }
    }
}
