//! The second door: payment terminals that are played here, for points of sale that speak nexo
//! Retailer, in XML 3.1 or in the JSON family (nexo contract).
//!
//! | request | who speaks |
//! |---|---|
//! | `POST /EPASSaleToPOI/3.1` (also below `/t/{poiid}`, with a slash or without) | XML |
//! | `POST /nexo` | JSON, plain or protected |
//! | `POST /sync`, `POST /async` | JSON with an API key |
//! | `POST /v1/merchants/{m}/devices/{d}/sync` and `/async`, `GET …/status` | the same |
//! | `GET /v1/merchants/{m}/connectedDevices` | the same |
//! | `PUT /sandbox/terminals/{poiid}/next` | who plays the customer |
//!
//! [`front`] takes a message to its terminal, [`rules`] says what a terminal does with it where it
//! stands, [`device`] is a terminal's working memory, [`service`] carries out what must not be done
//! twice, [`core`] is the way to the payment core. [`wire`] reads and writes.

mod acquisition;
mod admission;
mod call;
mod clock_text;
mod codec;
mod condition;
mod core;
mod device;
mod dialogue;
mod front;
mod json_door;
mod line;
mod manners;
mod message;
mod next;
mod office;
mod payment;
mod payment_answer;
mod receipt;
mod recovery;
mod reversal;
mod rules;
mod sale;
mod service;
mod session;
mod speaker;
mod status;
pub mod wire;
mod xml_door;

pub(crate) use json_door::*;
pub(crate) use next::*;

pub(crate) use xml_door::*;

use crate::clock::Entropy;
use crate::gateway::Gateway;
use crate::payment::ids::TerminalId;
use crate::sandbox::reader::Counters;
use actix_web::web::{self, ServiceConfig};
use device::Device;
use message::Message;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The largest message taken.
const MESSAGE_MAX: usize = 256 * 1024;

/// How many answers may be on their way to points of sale that do not wait for them; each stays for
/// a quarter of an hour if nobody listens.
const ANSWERS_MAX: usize = 1_000;

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
pub struct Nexo {
    pub gateway: Arc<Gateway>,
    pub entropy: Entropy,
    /// The counters of the readers inside the terminals.
    pub counters: Arc<Counters>,
    /// Whether only this machine can call, so that terminals without a key may be used.
    pub is_local: bool,
    devices: Devices,
    /// Places for answers that go to points of sale later.
    answers: Arc<Semaphore>,
}

type Devices = Arc<Mutex<HashMap<TerminalId, Arc<Device>>>>;

impl Nexo {
    /// The door to the terminals of a gateway.
    #[must_use]
    pub fn new(
        gateway: Arc<Gateway>,
        entropy: Entropy,
        counters: Arc<Counters>,
        is_local: bool,
    ) -> Self {
        let answers = Arc::new(Semaphore::new(ANSWERS_MAX));
        Self { gateway, entropy, counters, is_local, devices: Devices::default(), answers }
    }

    /// The working memory of a terminal.
    fn device(&self, terminal: TerminalId) -> Arc<Device> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(devices.entry(terminal).or_default())
    }
}

/// What a point of sale gets.
enum Reply {
    Message(Box<Message>),
    /// Nothing is to be said: 204.
    Empty,
    /// As the JSON family acknowledges an abort.
    Ok,
    /// The line breaks before the answer.
    HangUp,
}

impl Reply {
    fn message(message: Message) -> Self {
        Self::Message(Box::new(message))
    }
}

/// Mounts the door.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(
            web::resource(["/EPASSaleToPOI/3.1", "/EPASSaleToPOI/3.1/"])
                .route(web::post().to(sale_to_poi)),
        )
        .service(
            web::resource(["/t/{poiid}/EPASSaleToPOI/3.1", "/t/{poiid}/EPASSaleToPOI/3.1/"])
                .route(web::post().to(sale_to_one_poi)),
        )
        .service(web::resource(["/nexo", "/nexo/"]).route(web::post().to(local)))
        .service(web::resource("/sync").route(web::post().to(sync)))
        .service(web::resource("/async").route(web::post().to(later)))
        .service(
            web::resource("/v1/merchants/{merchant}/devices/{device}/sync")
                .route(web::post().to(device_sync)),
        )
        .service(
            web::resource("/v1/merchants/{merchant}/devices/{device}/async")
                .route(web::post().to(device_later)),
        )
        .service(
            web::resource("/v1/merchants/{merchant}/devices/{device}/status")
                .route(web::get().to(device_status)),
        )
        .service(
            web::resource("/v1/merchants/{merchant}/connectedDevices")
                .route(web::get().to(connected_devices)),
        )
        .route("/sandbox/terminals/{poi_id}/next", web::put().to(choose_next));
}
