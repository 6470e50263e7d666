//! The sandbox's clock: what it shows, and moving it, so that nobody has to wait seven days to see
//! a hold expire.

use super::{Sandbox, problem};
use crate::clock::Clock;
use crate::doors::span::parse_span;
use crate::payment::Millis;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the clock shows.
#[derive(Serialize, ToSchema)]
pub struct ClockAnswer {
    /// RFC 3339, UTC. What is signed must bear this time.
    #[schema(example = "2026-11-28T12:00:00.000Z")]
    pub now: String,
    /// How far the clock was moved since the sandbox was started, in milliseconds.
    #[schema(example = 604_800_000)]
    pub offset_ms: Millis,
}

impl ClockAnswer {
    fn of(clock: &Clock) -> Self {
        let now = DateTime::from_timestamp_millis(clock.now()).unwrap_or_default();
        Self { now: now.to_rfc3339_opts(SecondsFormat::Millis, true), offset_ms: clock.moved() }
    }
}

/// How far the clock is to go: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockRequest {
    /// A whole number and its unit: `s`, `m`, `h` or `d`.
    #[schema(example = "7d")]
    pub advance: Option<String>,
    /// Milliseconds.
    pub advance_ms: Option<Millis>,
}

impl ClockRequest {
    fn millis(&self) -> Result<Millis, String> {
        match (&self.advance, self.advance_ms) {
            (Some(text), None) => parse_span(text).ok_or_else(|| {
                format!(
                    "advance: {text:?} is not a time; write a whole number and s, m, h or d, \
                     for example \"7d\""
                )
            }),
            (None, Some(millis)) => Ok(millis),
            _ => Err("write either advance, for example {\"advance\":\"7d\"}, or advance_ms, in \
                      milliseconds"
                .to_owned()),
        }
    }
}

/// What the sandbox's clock shows.
#[utoipa::path(get, path = "/sandbox/clock", tag = "Sandbox",
    responses((status = 200, description = "The time", body = ClockAnswer)))]
pub(crate) async fn clock(sandbox: web::Data<Sandbox>) -> HttpResponse {
    HttpResponse::Ok().json(ClockAnswer::of(sandbox.gateway.clock()))
}

/// Move the sandbox's clock forwards, by ten years at most.
///
/// What falls due on the way happens at once: holds expire, callbacks are tried again. The clock
/// stays ahead until the sandbox is started again.
#[utoipa::path(post, path = "/sandbox/clock", tag = "Sandbox",
    request_body = ClockRequest,
    responses((status = 200, description = "The time to which the clock was moved", body = ClockAnswer),
              (status = 400, description = "The clock stays; `error` says why")))]
pub(crate) async fn move_clock(sandbox: web::Data<Sandbox>, body: web::Bytes) -> HttpResponse {
    let request = match serde_json::from_slice::<ClockRequest>(&body) {
        Ok(request) => request,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let clock = sandbox.gateway.clock();
    let moved =
        request.millis().and_then(|by| clock.move_forward(by).map_err(|cannot| cannot.to_string()));
    if let Err(why) = moved {
        return problem(StatusCode::BAD_REQUEST, why);
    }
    if let Err(failure) = sandbox.gateway.time_has_moved().await {
        tracing::warn!(%failure, "the clock was moved; what is due waits for the next minute");
    }
    HttpResponse::Ok().json(ClockAnswer::of(clock))
}
