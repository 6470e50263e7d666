//! What operators do over HTTP, proved by a token in `Authorization: Bearer …`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /admin/balances?merchant=…` | what the accounts come to, by endpoint and day, JSON |
//! | `GET /admin/gates/{endpoint}` | how a gate stands, JSON |
//! | `POST /admin/gates/{endpoint}/unlock` | the same, after it was opened |
//! | `POST /admin/explain/control` | what is wrong with a control, JSON |
//! | `POST /admin/explain/decrypt` | what is wrong with a reader's message, JSON |
//! | `POST /admin/orders/{order}/resolve` | 204, once what was unknown is decided |
//! | `GET /admin/settlements/{batch}.csv`, `….json` | what a closed day moved |
//! | `/admin/v1/…` | the registry and the audit log: [`v1`] |
//!
//! [`guard`] stands before all of them: it tells who calls, holds the role against the route, and
//! writes the audit log. Without a token in the settings the door is shut: every request is
//! answered 404.

mod answer;
mod balance;
mod explain;
mod explain_control;
mod gate;
mod guard;
mod order;
mod settlement;
pub(crate) mod v1;

pub(crate) use balance::*;
pub(crate) use explain::*;
pub(crate) use explain_control::*;
pub(crate) use gate::*;
pub(crate) use order::*;
pub(crate) use settlement::*;

use crate::gateway::Gateway;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use answer::{failed, problem};
use std::sync::Arc;

/// What the handlers need.
#[derive(Clone)]
pub struct Admin {
    pub gateway: Arc<Gateway>,
    /// The token of the operator `root`; none shuts the door.
    pub token: Option<Arc<str>>,
}

/// Mounts the door.
pub fn configure(config: &mut ServiceConfig) {
    let door = web::scope("/admin")
        .wrap(from_fn(guard::admit))
        .service(web::scope("/v1").configure(v1::configure))
        .route("/balances", web::get().to(balances))
        .route("/explain/control", web::post().to(explain_control))
        .route("/explain/decrypt", web::post().to(explain_decrypt))
        .route("/gates/{endpoint}", web::get().to(gate))
        .route("/gates/{endpoint}/unlock", web::post().to(unlock))
        .route("/orders/{order}/resolve", web::post().to(resolve))
        .route("/settlements/{batch}.csv", web::get().to(settlement_csv))
        .route("/settlements/{batch}.json", web::get().to(settlement_json));
    config.service(door);
}
