//! Who may call a terminal, and with what.

use super::{MESSAGE_MAX, Nexo};
use crate::doors::http::{BodyError, read_body};
use crate::gateway::{Failure, KnownTerminal};
use crate::payment::ids::MerchantId;
use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use actix_web::web::{Bytes, Payload};
use url::Url;

static API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where the point of sale that calls listens (nexo contract 2.3).
static CALLBACK_URL: HeaderName = HeaderName::from_static("x-callback-url");

/// Why somebody may not call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotAdmitted {
    /// No key, or none that anybody has.
    Unknown,
    /// The key of another merchant.
    Elsewhere,
}

/// Why a message is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotTaken {
    Body(BodyError),
    /// It is not said to be of the right kind.
    ContentType,
}

/// Reads a message of this kind.
pub(super) async fn take(
    request: &HttpRequest,
    payload: Payload,
    kinds: &[&str],
) -> Result<Bytes, NotTaken> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kinds.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        return Err(NotTaken::ContentType);
    }
    let body = read_body(request, payload).await.map_err(NotTaken::Body)?;
    match body.len() <= MESSAGE_MAX {
        true => Ok(body),
        false => Err(NotTaken::Body(BodyError::TooLarge)),
    }
}

/// The key that a caller shows.
fn key_of(request: &HttpRequest) -> Option<&str> {
    let text = |name: &HeaderName| request.headers().get(name)?.to_str().ok();
    text(&API_KEY).or_else(|| text(&AUTHORIZATION)?.strip_prefix("Bearer "))
}

impl Nexo {
    /// Where the caller says that it listens. Believed on this machine only: elsewhere whoever may
    /// call could have the gateway call anybody.
    pub(super) fn listener_of(&self, request: &HttpRequest) -> Option<Url> {
        let url = request.headers().get(&CALLBACK_URL)?.to_str().ok()?;
        self.is_local.then(|| self.gateway.admit_listener(url).ok()).flatten()
    }

    /// Whose key the caller shows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn caller(
        &self,
        request: &HttpRequest,
    ) -> Result<Result<MerchantId, NotAdmitted>, Failure> {
        let Some(key) = key_of(request) else {
            return Ok(Err(NotAdmitted::Unknown));
        };
        let owner = self.gateway.merchant_of_terminal_key(key).await?;
        Ok(owner.ok_or(NotAdmitted::Unknown))
    }

    /// Whether the caller may use the terminal. One without a key is for this machine only.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn admit(
        &self,
        request: &HttpRequest,
        known: &KnownTerminal,
    ) -> Result<Result<(), NotAdmitted>, Failure> {
        if !known.has_credential && self.is_local {
            return Ok(Ok(()));
        }
        Ok(match self.caller(request).await? {
            Ok(merchant) if merchant == known.terminal.merchant => Ok(()),
            Ok(_) => Err(NotAdmitted::Elsewhere),
            Err(unknown) => Err(unknown),
        })
    }

    /// Whether the caller may use the terminal as one in its own shop. Its passphrase, or a machine
    /// of its own, keeps others out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn admit_local(
        &self,
        request: &HttpRequest,
        known: &KnownTerminal,
    ) -> Result<Result<(), NotAdmitted>, Failure> {
        match self.is_local || known.key.is_some() {
            true => Ok(Ok(())),
            false => self.admit(request, known).await,
        }
    }
}
