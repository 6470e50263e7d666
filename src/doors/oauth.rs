//! Who signed a request: OAuth 1.0a with HMAC-SHA1 (MAPI 2.2). Every refusal is the same 403;
//! only the log knows the reason.

use crate::crypto::nonce::nonce_digest;
use crate::crypto::oauth::{base_string, signed_params, verify};
use crate::crypto::oauth_fault::OAuthFault;
use crate::crypto::oauth_header::{HMAC_SHA1, Header};
use crate::crypto::public_url::candidate_urls;
use crate::doors::form::Form;
use crate::gateway::{Failure, Gateway, Merchant};
use crate::payment::ids::EndpointId;
use crate::payment::merchant::Endpoint;
use crate::payment::{MINUTE, Millis, SECOND};
use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HOST};
use std::sync::Arc;

/// How far the signature's time stamp may be from our clock.
const CLOCK_WINDOW: Millis = 5 * MINUTE;

/// A request whose signature holds.
pub struct Signed {
    pub merchant: Arc<Merchant>,
    pub endpoint: Arc<Endpoint>,
    pub nonce_digest: [u8; 16],
    /// The signature's own time stamp.
    pub stamped_at: Millis,
}

/// Why a request does not count as signed. For the log, never for the wire.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    #[error("there is no Authorization header")]
    NoHeader,
    #[error("the Authorization header cannot be used: {0}")]
    Header(#[from] OAuthFault),
    #[error("no merchant has this consumer key")]
    UnknownConsumer,
    #[error("end point {0} does not exist or is another merchant's")]
    ForeignEndpoint(EndpointId),
    #[error("the signature method is not HMAC-SHA1")]
    Method,
    #[error("the time stamp is {0} s away from our clock")]
    Clock(Millis),
    #[error("the signature is wrong for each of: {0}")]
    Signature(String),
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Whose request it is, where the signature is of no endpoint.
pub struct SignedBy {
    pub merchant: Arc<Merchant>,
    pub nonce_digest: [u8; 16],
    /// The signature's own time stamp.
    pub stamped_at: Millis,
}

/// A request to be authenticated: `form` is what is signed beside the header, the fields of the
/// body or, of a GET, those of the query.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    pub gateway: &'a Gateway,
    /// Addresses under which clients know this server; empty: whatever they asked for.
    pub base_urls: &'a [String],
    pub request: &'a HttpRequest,
    pub form: &'a Form,
}

/// Checks header, consumer, endpoint, method, time stamp and signature, in this order. The nonce
/// is checked when the request is carried out.
///
/// # Errors
/// The first check that fails.
pub async fn authenticate(claim: Claim<'_>, endpoint: EndpointId) -> Result<Signed, Unsigned> {
    let (header, merchant) = consumer(claim).await?;
    let found = claim.gateway.endpoint(endpoint).await?;
    let found = found
        .filter(|found| found.merchant == merchant.id)
        .ok_or(Unsigned::ForeignEndpoint(endpoint))?;
    let SignedBy { merchant, nonce_digest, stamped_at } = check(claim, &header, merchant).await?;
    Ok(Signed { merchant, endpoint: found, nonce_digest, stamped_at })
}

/// As [`authenticate`], for a request that is about no one endpoint.
///
/// # Errors
/// The first check that fails.
pub async fn authenticate_merchant(claim: Claim<'_>) -> Result<SignedBy, Unsigned> {
    let (header, merchant) = consumer(claim).await?;
    check(claim, &header, merchant).await
}

async fn consumer(claim: Claim<'_>) -> Result<(Header, Arc<Merchant>), Unsigned> {
    let text = claim.request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let header = Header::parse(text.ok_or(Unsigned::NoHeader)?)?;
    let merchant = claim.gateway.merchant_by_login(&header.consumer_key).await?;
    Ok((header, merchant.ok_or(Unsigned::UnknownConsumer)?))
}

async fn check(
    claim: Claim<'_>,
    header: &Header,
    merchant: Arc<Merchant>,
) -> Result<SignedBy, Unsigned> {
    if header.method != HMAC_SHA1 {
        return Err(Unsigned::Method);
    }
    let stamped_at = check_clock(header.timestamp, claim.gateway.clock().now())?;
    if let Err(wrong) = check_signature(claim, header, &merchant) {
        // What is remembered of the merchant may be older than its key.
        let now = claim.gateway.merchant_now(&header.consumer_key).await?;
        let now = now.ok_or(wrong)?;
        check_signature(claim, header, &now)?;
    }
    let nonce_digest = nonce_digest(&header.consumer_key, &header.nonce, header.timestamp);
    Ok(SignedBy { merchant, nonce_digest, stamped_at })
}

fn check_clock(timestamp: u64, now: Millis) -> Result<Millis, Unsigned> {
    let stamped = i64::try_from(timestamp).ok().and_then(|seconds| seconds.checked_mul(SECOND));
    let stamped = stamped.ok_or(Unsigned::Clock(i64::MAX))?;
    // Time stamps have whole seconds, so they are compared with our whole seconds.
    let distance = (now / SECOND).abs_diff(stamped / SECOND);
    if distance > (CLOCK_WINDOW / SECOND).unsigned_abs() {
        return Err(Unsigned::Clock(i64::try_from(distance).unwrap_or(i64::MAX)));
    }
    Ok(stamped)
}

/// Clients sign the address that they know: with or without the port, before or behind a proxy.
fn check_signature(claim: Claim<'_>, header: &Header, merchant: &Merchant) -> Result<(), Unsigned> {
    let Claim { base_urls, request, form, .. } = claim;
    let params = signed_params(form.fields(), header)?;
    let urls = match base_urls {
        [] => candidate_urls(&host_urls(request), request.path()),
        known => candidate_urls(known, request.path()),
    };
    let method = request.method().as_str();
    let now = claim.gateway.clock().now();
    let fits = |url: &String| {
        let base = base_string(method, url, &params);
        merchant.good_keys(now).any(|key| verify(key, &base, &header.signature))
    };
    if urls.iter().any(fits) { Ok(()) } else { Err(Unsigned::Signature(urls.join(", "))) }
}

/// Without configured addresses, the one that the client itself asked for.
fn host_urls(request: &HttpRequest) -> Vec<String> {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    host.map_or_else(Vec::new, |host| vec![format!("http://{host}"), format!("https://{host}")])
}
