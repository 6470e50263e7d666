//! The registry over HTTP, and the log of who changed it. Keys and tokens are shown once, when
//! they are made; whatever else is told of a key is its check value.

mod audit;
mod callback;
mod callback_call;
mod endpoint;
mod key_block;
mod key_set;
mod merchant;
mod operator;
mod reader;
mod terminal;
mod transport_key;

pub(crate) use audit::*;
pub(crate) use callback::*;
pub(crate) use callback_call::*;
pub(crate) use endpoint::*;
pub(crate) use key_block::*;
pub(crate) use key_set::*;
pub(crate) use merchant::*;
pub(crate) use operator::*;
pub(crate) use reader::*;
pub(crate) use terminal::*;
pub(crate) use transport_key::*;

use super::Admin;
use super::answer::Problem;
use super::guard::Caller;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// How many entries a page has when nobody says, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1000;

/// What a handler comes to.
type Answer = Result<HttpResponse, Problem>;

/// Mounts the routes, below `/admin/v1`.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .route("/operators", web::get().to(operators))
        .route("/operators", web::post().to(add_operator))
        .route("/operators/{name}/disable", web::post().to(disable_operator))
        .route("/audit", web::get().to(audit_rows))
        .route("/audit/verify", web::get().to(verify_audit))
        .route("/merchants", web::get().to(merchants))
        .route("/merchants", web::post().to(add_merchant))
        .route("/merchants/{login}/control-key", web::post().to(rotate_control_key))
        .route("/groups", web::get().to(groups))
        .route("/groups", web::post().to(add_group))
        .route("/endpoints", web::get().to(endpoints))
        .route("/endpoints", web::post().to(add_endpoint))
        .route("/endpoints/{endpoint}", web::get().to(endpoint))
        .route("/endpoints/{endpoint}", web::patch().to(change_endpoint))
        .route("/endpoints/{endpoint}/callback-url", web::put().to(set_callback_url))
        .route("/endpoints/{endpoint}/callbacks", web::get().to(callback_state))
        .route("/endpoints/{endpoint}/callbacks/stop", web::post().to(stop_callbacks))
        .route("/endpoints/{endpoint}/callbacks/start", web::post().to(start_callbacks))
        .route("/endpoints/{endpoint}/callbacks/requeue", web::post().to(requeue_callbacks))
        .route("/endpoints/{endpoint}/callbacks/replay", web::post().to(replay_callbacks))
        .route("/endpoints/{endpoint}/webhooks", web::put().to(set_webhooks))
        .route("/endpoints/{endpoint}/webhook-key", web::post().to(rotate_webhook_key))
        .route("/callbacks", web::get().to(callbacks))
        .route("/callbacks/{callback}", web::get().to(callback))
        .route("/callbacks/{callback}/call", web::get().to(callback_call))
        .route("/callbacks/{callback}/resend", web::post().to(resend_callback))
        .route("/key-sets", web::get().to(key_sets))
        .route("/key-sets", web::post().to(add_key_set))
        .route("/key-sets/import/{transport_key}", web::post().to(import_key_set))
        .route("/key-sets/{key_set}/export/{transport_key}", web::post().to(export_key_set))
        .route("/transport-keys", web::get().to(transport_keys))
        .route("/key-ceremonies", web::post().to(begin_ceremony))
        .route("/key-ceremonies/{ceremony}", web::get().to(ceremony))
        .route("/key-ceremonies/{ceremony}/components", web::post().to(give_component))
        .route("/readers", web::get().to(readers))
        .route("/readers", web::post().to(add_reader))
        .route("/readers/{serial}", web::get().to(reader))
        .route("/readers/{serial}/assign", web::post().to(assign))
        .route("/readers/{serial}/block", web::post().to(block))
        .route("/readers/{serial}/unblock", web::post().to(unblock))
        .route("/readers/{serial}/lost", web::post().to(lose))
        .route("/readers/{serial}/inject", web::post().to(inject))
        .route("/readers/{serial}/inject/{transport_key}", web::post().to(inject_wrapped))
        .route("/terminals", web::get().to(terminals))
        .route("/terminals", web::post().to(add_terminal))
        .route("/terminals/{poi_id}", web::patch().to(change_terminal));
}

/// Which page of a list.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// The number of the last entry of the page before; none begins.
    #[serde(default)]
    #[param(default = 0)]
    pub after: i64,
    /// How many entries at most: 1 to 1000.
    #[serde(default = "usual_page")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub limit: u32,
}

fn usual_page() -> u32 {
    PAGE
}

/// The page that a query asks for.
fn page_of(request: &HttpRequest) -> Result<PageQuery, Problem> {
    let query = web::Query::<PageQuery>::from_query(request.query_string());
    let page = query.map_err(|error| Problem::bad(error.to_string()))?.into_inner();
    if !(1..=PAGE_MAX).contains(&page.limit) {
        return Err(Problem::bad(format!("limit: must be 1 to {PAGE_MAX}")));
    }
    Ok(page)
}

/// A body of JSON. Its faults are told by place, not by what stands there.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad(told(&error)))
}

/// A value of the wrong kind is not repeated: it may be a secret in the wrong place.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.starts_with("invalid ") {
        true => format!("a wrong value at line {}, column {}", error.line(), error.column()),
        false => text,
    }
}

/// As [`read`]; no body asks for nothing special.
fn optional<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() { Ok(T::default()) } else { read(body) }
}

/// An answer that nobody on its way may keep: it shows what is shown once, or to one party only.
fn shown_once(told: &impl Serialize) -> HttpResponse {
    let kept_nowhere = HeaderValue::from_static("no-store");
    HttpResponse::Created().insert_header((CACHE_CONTROL, kept_nowhere)).json(told)
}
