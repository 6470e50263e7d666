//! The sandbox over HTTP: virtual readers, a callback inbox, and help with signing.
//!
//! | request | answer |
//! |---|---|
//! | `POST /sandbox/readers/{serial}/swipe` | what the reader hands to the app |
//! | `GET /sandbox/scripts` | what readers can be told to do |
//! | `POST /sandbox/readers/{serial}/complete` | what a chip leads to when the issuer has spoken |
//! | `GET /sandbox/callbacks` | what the inbox received, newest last |
//! | `GET /sandbox/inbox` | the inbox itself: the address to give as a callback URL |
//! | `GET /sandbox/clock` | what the clock shows |
//! | `POST /sandbox/clock` | the same, once it was moved forwards |
//! | `GET /sandbox/endpoints/{endpoint}/limits` | what the end point's filter stops |
//! | `PUT /sandbox/endpoints/{endpoint}/limits` | the same, once it was changed |
//! | `POST /sandbox/sign?url=…` | the same form, completed and signed |

mod clock;
mod complete;
mod inbox;
mod limits;
mod scripts;
mod sign;
mod swipe;

pub(crate) use clock::*;
pub(crate) use complete::*;
pub(crate) use inbox::*;
pub(crate) use limits::*;
pub(crate) use scripts::*;
pub(crate) use sign::*;
pub(crate) use swipe::*;

use crate::clock::Entropy;
use crate::gateway::Gateway;
use crate::sandbox::inbox::Inbox;
use crate::sandbox::reader::Counters;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use std::sync::Arc;

/// What the handlers need.
#[derive(Clone)]
pub struct Sandbox {
    pub gateway: Arc<Gateway>,
    pub inbox: Arc<Inbox>,
    pub counters: Arc<Counters>,
    pub entropy: Entropy,
    /// The login of the sandbox merchant, for whom requests are signed.
    pub login: Arc<str>,
}

/// The inbox's path: what `callback_inbox_url` ends with.
pub const INBOX_PATH: &str = "/sandbox/inbox";

/// Mounts the door.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/sandbox/readers/{serial}/swipe", web::post().to(swipe))
        .route("/sandbox/readers/{serial}/complete", web::post().to(complete))
        .route("/sandbox/scripts", web::get().to(scripts))
        .route("/sandbox/callbacks", web::get().to(callbacks))
        .route("/sandbox/clock", web::get().to(clock))
        .route("/sandbox/clock", web::post().to(move_clock))
        .route("/sandbox/endpoints/{endpoint}/limits", web::get().to(limits))
        .route("/sandbox/endpoints/{endpoint}/limits", web::put().to(set_limits))
        .route("/sandbox/sign", web::post().to(sign))
        .service(web::resource([INBOX_PATH, "/sandbox/inbox/{tail:.*}"]).to(receive));
}

/// A JSON answer that says what is wrong and what to do.
fn problem(status: actix_web::http::StatusCode, message: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status).json(serde_json::json!({ "error": message.into() }))
}
