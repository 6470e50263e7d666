//! The reader configuration service: what the mobile SDK asks before it uses a reader.
//!
//! | request | answer |
//! |---|---|
//! | `POST /rki/spire-config/{login}/{endpoint}/{serial}` | how a Spire runs its terminal kernel |
//! | `POST /rki/spire-update/{login}/{endpoint}/{serial}` | an update's result is noted |
//! | `POST /rki/miura-check/{login}/{endpoint}/{serial}` | whether a Miura needs files |
//! | `POST /rki/inpas-config/{login}/{endpoint}` | how a terminal of its own mind is set up |
//!
//! Everything also lives under `/paynet`. Requests are forms, signed like those of the mPOS API;
//! answers are JSON. 403 says nothing; other refusals are `{"error": …}`.

mod config;
mod spire;

pub(crate) use config::*;

use crate::doors::form::{Form, read_form};
use crate::doors::http::{forbidden, unavailable};
use crate::doors::oauth::{Claim, Unsigned, authenticate};
use crate::gateway::{Failure, Gateway};
use crate::payment::ids::EndpointId;
use crate::payment::merchant::Endpoint;
use crate::payment::reader::Reader;
use crate::payment::refusal::Refusal;
use actix_web::http::StatusCode;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;

/// What the handlers need.
#[derive(Clone)]
pub struct Rki {
    pub gateway: Arc<Gateway>,
    /// Addresses under which clients know this server; empty: whatever they asked for.
    pub base_urls: Arc<[String]>,
}

/// Mounts the door, at the top and under `/paynet`.
pub fn configure(config: &mut ServiceConfig) {
    for base in ["/rki", "/paynet/rki"] {
        let path = |tail: &str| format!("{base}/{tail}");
        config
            .route(&path("spire-config/{login}/{endpoint}/{serial}"), web::post().to(spire_config))
            .route(&path("spire-update/{login}/{endpoint}/{serial}"), web::post().to(spire_update))
            .route(&path("miura-check/{login}/{endpoint}/{serial}"), web::post().to(miura_check))
            .route(&path("inpas-config/{login}/{endpoint}"), web::post().to(inpas_config));
    }
}

/// A request whose signature holds.
struct Asked {
    endpoint: Arc<Endpoint>,
    form: Form,
}

impl Rki {
    /// Reads and checks a request: its signature, its nonce, the login in its path, its fields.
    async fn hear(
        &self,
        request: &HttpRequest,
        login: &str,
        endpoint: i64,
        payload: Payload,
    ) -> Result<Asked, HttpResponse> {
        let form = read_form(request, payload).await?;
        let claim =
            Claim { gateway: &self.gateway, base_urls: &self.base_urls, request, form: &form };
        let signed = authenticate(claim, EndpointId(endpoint)).await.map_err(turn_away)?;
        let used = self.gateway.use_nonce(signed.stamped_at, signed.nonce_digest).await;
        used.map_err(|failure| turn_away(Unsigned::Failure(failure)))?;
        if signed.merchant.login != login {
            return Err(problem(StatusCode::NOT_FOUND, "LOGIN_NOT_FOUND"));
        }
        form.check_all().map_err(|refusal| refuse(&refusal))?;
        Ok(Asked { endpoint: signed.endpoint, form })
    }

    /// The reader, if it serves the end point.
    async fn reader(&self, serial: &str, endpoint: &Endpoint) -> Result<Arc<Reader>, HttpResponse> {
        let found = self.gateway.reader(serial).await;
        let found = found.map_err(|failure| turn_away(Unsigned::Failure(failure)))?;
        let reader = found.ok_or_else(|| refuse(&Refusal::ReaderNotRegistered))?;
        match reader.admit(endpoint) {
            Ok(()) => Ok(reader),
            Err(refusal) => Err(refuse(&refusal)),
        }
    }
}

/// The answer to a request that does not count as signed, or for which nothing can be looked up.
fn turn_away(unsigned: Unsigned) -> HttpResponse {
    match unsigned {
        Unsigned::Failure(failure @ Failure::Unavailable(_)) => {
            tracing::warn!(%failure, "answered 503");
            unavailable()
        }
        Unsigned::Failure(failure @ Failure::Internal(_)) => {
            tracing::error!(%failure, "answered 500");
            HttpResponse::InternalServerError().finish()
        }
        reason => forbidden(&reason),
    }
}

/// A wrong field is the caller's to mend; what does not exist for the caller is not found.
fn refuse(refusal: &Refusal) -> HttpResponse {
    let status = match refusal {
        Refusal::InvalidParameter { .. }
        | Refusal::MissingParameter(_)
        | Refusal::CurrencyNotSupported(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::NOT_FOUND,
    };
    problem(status, &refusal.to_string())
}

fn problem(status: StatusCode, message: &str) -> HttpResponse {
    tracing::info!(%status, message, "refused");
    HttpResponse::build(status).json(serde_json::json!({ "error": message }))
}
