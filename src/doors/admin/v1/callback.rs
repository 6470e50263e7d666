//! Callbacks: what is owed, what came of each attempt, and sending them again.

use super::{Admin, Answer, Data, PAGE, PAGE_MAX, Problem, read, shown_once};
use crate::gateway::{Again, AttemptRecord, CallbackRecord, StopReason};
use crate::payment::Millis;
use crate::payment::ids::{EndpointId, NoticeId};
use crate::payment::notice::{Webhooks, event_id};
use actix_web::web::{Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The states of a callback.
const STATES: [&str; 5] = ["waiting", "sending", "held", "delivered", "dead"];

/// Which callbacks are to be listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CallbackQuery {
    pub endpoint: i64,
    /// `waiting`, `sending`, `held` (its end point is stopped), `delivered` or `dead` (given up);
    /// any, if it is left out.
    pub state: Option<String>,
    /// The id of the last one of the page before; none begins.
    #[serde(default)]
    #[param(default = 0)]
    pub after: i64,
    /// How many at most: 1 to 1000.
    #[serde(default = "usual_page")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub limit: u32,
}

/// A callback and where it stands.
#[derive(Serialize, ToSchema)]
pub struct CallbackAnswer {
    #[schema(example = 4711)]
    pub id: i64,
    /// What every attempt says in `webhook-id`.
    #[schema(example = "evt_4711")]
    pub event_id: String,
    #[schema(example = 6877)]
    pub order: i64,
    #[schema(example = 1111)]
    pub endpoint: i64,
    /// The merchant's own address, without what we add.
    pub url: String,
    /// The status that it tells.
    #[schema(example = "approved")]
    pub status: String,
    /// `waiting`, `sending`, `held`, `delivered` or `dead`.
    #[schema(example = "delivered")]
    pub state: String,
    pub attempts: i64,
    /// When it is sent next, if it is.
    pub due_at: Option<String>,
    pub created_at: String,
}

/// A callback with its attempts.
#[derive(Serialize, ToSchema)]
pub struct CallbackHistory {
    #[serde(flatten)]
    pub callback: CallbackAnswer,
    pub attempts_made: Vec<AttemptAnswer>,
}

/// What came of one attempt.
#[derive(Serialize, ToSchema)]
pub struct AttemptAnswer {
    pub number: i64,
    /// `delivered`, `retried` or `given_up`.
    pub outcome: String,
    pub made_at: String,
    pub took_millis: i64,
    /// The network address that was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The first KiB of what was answered; long numbers and the control key are hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// How an end point's callbacks stand.
#[derive(Serialize, ToSchema)]
pub struct CallbackState {
    pub endpoint: i64,
    /// Why they wait, if they do: `operator`, or `gone` after an answer of 410.
    pub stopped: Option<String>,
    pub stopped_at: Option<String>,
    /// `off`, `get` or `post`.
    pub webhooks: String,
}

/// A stretch of time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// RFC 3339; callbacks that came to be at this moment are part of it.
    #[schema(example = "2026-11-21T12:00:00Z")]
    pub from: String,
    /// RFC 3339; those of this moment are not.
    #[schema(example = "2026-11-21T13:00:00Z")]
    pub to: String,
}

/// How many callbacks a request was about.
#[derive(Serialize, ToSchema)]
pub struct CallbackCount {
    pub count: u64,
}

/// Whether and how callbacks are signed by Standard Webhooks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhooksRequest {
    /// `off`; `get`, the documented GET with a signature over its query; `post`, JSON.
    #[schema(example = "post")]
    pub webhooks: String,
}

/// How long the keys before the new one sign, too.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookKeyRequest {
    /// Up to 30 days.
    #[schema(example = 86400)]
    pub overlap_seconds: u32,
}

/// A key of Standard Webhooks, shown once.
#[derive(Serialize, ToSchema)]
pub struct WebhookKeyAnswer {
    pub endpoint: i64,
    /// `whsec_` and base64.
    pub key: String,
}

fn usual_page() -> u32 {
    PAGE
}

fn moment(at: Millis) -> String {
    let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn read_moment(name: &str, text: &str) -> Result<Millis, Problem> {
    let read = DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis());
    read.map_err(|_| Problem::bad(format!("{name}: must be a moment like 2026-11-21T12:00:00Z")))
}

impl From<CallbackRecord> for CallbackAnswer {
    fn from(record: CallbackRecord) -> Self {
        Self {
            id: record.id.0,
            event_id: event_id(record.id),
            order: record.order.0,
            endpoint: record.endpoint.0,
            url: record.url,
            status: record.status,
            state: record.state,
            attempts: record.attempts,
            due_at: record.due_at.map(moment),
            created_at: moment(record.created_at),
        }
    }
}

impl From<AttemptRecord> for AttemptAnswer {
    fn from(record: AttemptRecord) -> Self {
        let AttemptRecord { number, outcome, facts } = record;
        Self {
            number,
            outcome,
            made_at: moment(facts.made_at),
            took_millis: facts.took,
            address: facts.address,
            http_status: facts.http_status,
            cause: facts.cause,
            answer: facts.answer,
        }
    }
}

/// Callbacks of an end point, in order.
#[utoipa::path(get, path = "/admin/v1/callbacks", tag = "Operators", params(CallbackQuery),
    security(("operator" = [])),
    responses((status = 200, description = "A page of them", body = [CallbackAnswer]),
              (status = 400, description = "The query is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn callbacks(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let query = Query::<CallbackQuery>::from_query(request.query_string());
    let query = query.map_err(|error| Problem::bad(error.to_string()))?.into_inner();
    if !(1..=PAGE_MAX).contains(&query.limit) {
        return Err(Problem::bad(format!("limit: must be 1 to {PAGE_MAX}")));
    }
    let state = query.state.unwrap_or_default();
    if !state.is_empty() && !STATES.contains(&state.as_str()) {
        return Err(Problem::bad(format!("state: must be one of {}", STATES.join(", "))));
    }
    let (of, after) = (EndpointId(query.endpoint), NoticeId(query.after));
    let found = admin.gateway.callbacks_after(of, &state, after, query.limit).await?;
    let answers: Vec<_> = found.into_iter().map(CallbackAnswer::from).collect();
    Ok(HttpResponse::Ok().json(answers))
}

/// A callback and what came of each attempt.
#[utoipa::path(get, path = "/admin/v1/callbacks/{callback}", tag = "Operators",
    params(("callback" = i64, Path, description = "The callback's id", example = 4711)),
    security(("operator" = [])),
    responses((status = 200, description = "The callback", body = CallbackHistory),
              (status = 401, description = "Not an operator's token"),
              (status = 404, description = "No such callback")))]
pub(crate) async fn callback(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let (callback, attempts) = admin.gateway.callback(NoticeId(*path)).await?;
    let attempts_made = attempts.into_iter().map(AttemptAnswer::from).collect();
    let callback = CallbackAnswer::from(callback);
    Ok(HttpResponse::Ok().json(CallbackHistory { callback, attempts_made }))
}

/// Send one callback again, whatever came of it.
#[utoipa::path(post, path = "/admin/v1/callbacks/{callback}/resend", tag = "Operators",
    params(("callback" = i64, Path, description = "The callback's id", example = 4711)),
    security(("operator" = [])),
    responses((status = 200, description = "How many: none while it is under way", body = CallbackCount),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such callback")))]
pub(crate) async fn resend_callback(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let id = NoticeId(*path);
    admin.gateway.callback(id).await?;
    Ok(counted(admin.gateway.send_again(Again::One(id)).await?))
}

/// How an end point's callbacks stand.
#[utoipa::path(get, path = "/admin/v1/endpoints/{endpoint}/callbacks", tag = "Operators",
    params(("endpoint" = i64, Path, description = "The end point", example = 1111)),
    security(("operator" = [])),
    responses((status = 200, description = "Whether they wait, and how they are signed", body = CallbackState),
              (status = 401, description = "Not an operator's token"),
              (status = 404, description = "No such end point")))]
pub(crate) async fn callback_state(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let of = EndpointId(*path);
    let webhooks = admin.gateway.webhooks(of).await?.name().to_owned();
    let stop = admin.gateway.callback_stop(of).await?;
    let stopped_at = stop.as_ref().map(|stop| moment(stop.stopped_at));
    let stopped = stop.map(|stop| stop.reason);
    Ok(HttpResponse::Ok().json(CallbackState { endpoint: of.0, stopped, stopped_at, webhooks }))
}

/// Let an end point's callbacks wait. None is lost.
#[utoipa::path(post, path = "/admin/v1/endpoints/{endpoint}/callbacks/stop", tag = "Operators",
    params(("endpoint" = i64, Path, description = "The end point", example = 1111)),
    security(("operator" = [])),
    responses((status = 204, description = "They wait"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point")))]
pub(crate) async fn stop_callbacks(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let of = EndpointId(*path);
    admin.gateway.webhooks(of).await?;
    admin.gateway.stop_callbacks(of, StopReason::Operator).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Let an end point's callbacks go, those that waited in their order.
#[utoipa::path(post, path = "/admin/v1/endpoints/{endpoint}/callbacks/start", tag = "Operators",
    params(("endpoint" = i64, Path, description = "The end point", example = 1111)),
    security(("operator" = [])),
    responses((status = 200, description = "How many had waited", body = CallbackCount),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point")))]
pub(crate) async fn start_callbacks(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let of = EndpointId(*path);
    admin.gateway.webhooks(of).await?;
    Ok(counted(admin.gateway.start_callbacks(of).await?))
}

/// Send again all of an end point's callbacks that were given up.
#[utoipa::path(post, path = "/admin/v1/endpoints/{endpoint}/callbacks/requeue", tag = "Operators",
    params(("endpoint" = i64, Path, description = "The end point", example = 1111)),
    security(("operator" = [])),
    responses((status = 200, description = "How many", body = CallbackCount),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point")))]
pub(crate) async fn requeue_callbacks(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let of = EndpointId(*path);
    admin.gateway.webhooks(of).await?;
    Ok(counted(admin.gateway.send_again(Again::Dead(of)).await?))
}

/// Send again, in their order, an end point's callbacks of a stretch of time.
#[utoipa::path(post, path = "/admin/v1/endpoints/{endpoint}/callbacks/replay", tag = "Operators",
    params(("endpoint" = i64, Path, description = "The end point", example = 1111)),
    request_body = ReplayRequest, security(("operator" = [])),
    responses((status = 200, description = "How many", body = CallbackCount),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point")))]
pub(crate) async fn replay_callbacks(admin: Data<Admin>, path: Path<i64>, body: Bytes) -> Answer {
    let ReplayRequest { from, to } = read(&body)?;
    let (from, to) = (read_moment("from", &from)?, read_moment("to", &to)?);
    if from >= to {
        return Err(Problem::bad("to: must be after from".to_owned()));
    }
    let of = EndpointId(*path);
    admin.gateway.webhooks(of).await?;
    Ok(counted(admin.gateway.send_again(Again::Range(of, from, to)).await?))
}

/// Switch Standard Webhooks on or off.
#[utoipa::path(put, path = "/admin/v1/endpoints/{endpoint}/webhooks", tag = "Operators",
    params(("endpoint" = i64, Path, description = "The end point", example = 1111)),
    request_body = WebhooksRequest, security(("operator" = [])),
    responses((status = 204, description = "So they are signed from now on"),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point"),
              (status = 409, description = "There is no key to sign with yet")))]
pub(crate) async fn set_webhooks(admin: Data<Admin>, path: Path<i64>, body: Bytes) -> Answer {
    let WebhooksRequest { webhooks } = read(&body)?;
    let to = Webhooks::from_name(&webhooks);
    let to = to.ok_or_else(|| Problem::bad("webhooks: must be off, get or post".to_owned()))?;
    admin.gateway.set_webhooks(EndpointId(*path), to).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Give an end point another key of Standard Webhooks. For the overlap the ones before sign, too.
#[utoipa::path(post, path = "/admin/v1/endpoints/{endpoint}/webhook-key", tag = "Operators",
    params(("endpoint" = i64, Path, description = "The end point", example = 1111)),
    request_body = WebhookKeyRequest, security(("operator" = [])),
    responses((status = 201, description = "The key, shown once", body = WebhookKeyAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point"),
              (status = 409, description = "Somebody has just made one")))]
pub(crate) async fn rotate_webhook_key(admin: Data<Admin>, path: Path<i64>, body: Bytes) -> Answer {
    let WebhookKeyRequest { overlap_seconds } = read(&body)?;
    let of = EndpointId(*path);
    let key = admin.gateway.rotate_webhook_key(of, overlap_seconds).await?.to_string();
    Ok(shown_once(&WebhookKeyAnswer { endpoint: of.0, key }))
}

fn counted(count: u64) -> HttpResponse {
    HttpResponse::Ok().json(CallbackCount { count })
}
