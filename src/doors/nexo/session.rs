//! Logging in and out (nexo contract 5.1, 5.7, 11), and what a point of sale wants to hear.

use super::call::{Call, success};
use super::clock_text::utc;
use super::condition::{Condition, Failed};
use super::message::Message;
use super::rules::Standing;
use super::speaker::{Qualify, Speaker};
use crate::gateway::Failure;
use crate::payment::terminal::Dialect;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a terminal can show and read.
const CAPABILITIES: [&str; 6] =
    ["CustomerDisplay", "CustomerError", "CustomerInput", "MagStripe", "ICC", "EMVContactless"];

/// Which messages of a terminal a point of sale takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of message, by its own name")]
pub(super) struct Audience {
    pub(super) status: bool,
    pub(super) error: bool,
    pub(super) replication: bool,
    pub(super) input: bool,
    pub(super) print: bool,
    pub(super) events: bool,
}

impl Audience {
    /// The light style: the point of sale only asks.
    pub(super) const NOBODY: Self = Self {
        status: false,
        error: false,
        replication: false,
        input: false,
        print: false,
        events: false,
    };

    /// A point of sale that never logged in, but listens.
    pub(super) const UNKNOWN: Self = Self {
        status: true,
        error: true,
        replication: false,
        input: false,
        print: false,
        events: true,
    };

    /// By its `SaleCapabilities`: with nothing but a printer it is light.
    pub(super) fn of(capabilities: &[&str]) -> Self {
        let has = |name| capabilities.contains(&name);
        if capabilities.iter().all(|name| *name == "PrinterReceipt") {
            return Self::NOBODY;
        }
        Self {
            status: has("CashierStatus"),
            error: has("CashierError"),
            replication: has("POIReplication"),
            input: has("CashierInput"),
            print: has("PrinterReceipt"),
            events: true,
        }
    }
}

/// Logs a point of sale in. What it was busy with before is over.
pub(super) async fn log_in(call: &Call, request: &Message) -> Result<Value, Failure> {
    let now = call.now();
    if let Some(stopped) = call.device.reset(&request.header.sale_id) {
        // Its own answer comes first, so that nothing of it is still under way.
        stopped.answer().await;
    }
    call.device.set_ahead(None);
    let audience = Audience::of(&capabilities_of(&request.body));
    let login =
        serde_json::to_string(&audience).map_err(|error| Failure::Internal(error.to_string()))?;
    let terminal = &call.known.terminal;
    call.nexo.gateway.log_in(terminal.id, &request.header.sale_id, login).await?;
    let speaker = call.speaker_for(audience, Value::Null);
    welcome(&speaker);
    let mut body = success();
    body["POISystemData"] = json!({
        "DateTime": utc(now),
        "POISoftware": {
            "ProviderIdentification": "tillgate",
            "ApplicationName": "tillgate-terminal",
            "SoftwareVersion": env!("CARGO_PKG_VERSION"),
        },
        "POITerminalData": {
            "TerminalEnvironment": "Attended",
            "POISerialNumber": format!("171{:07}", terminal.id.0),
            "POICapabilities": CAPABILITIES,
        },
        "POIStatus": status_of(call),
    });
    Ok(body)
}

fn welcome(speaker: &Speaker) {
    speaker.show(Qualify::Status, "Please wait", None);
    speaker.show(Qualify::Status, "Welcome", None);
}

fn capabilities_of(body: &Value) -> Vec<&str> {
    let listed = body.pointer("/SaleTerminalData/SaleCapabilities").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Ends the session, if there is one. With leave the terminal is maintained, where it wants to be.
pub(super) async fn log_out(call: &Call, request: &Message) -> Result<Value, Failure> {
    let (gateway, terminal) = (&call.nexo.gateway, &call.known.terminal);
    let speaker = call.speaker(Value::Null);
    if let Some(session) = &call.session {
        gateway.log_out(terminal.id, &request.header.sale_id, session).await?;
    }
    call.device.set_ahead(None);
    let allowed = request.body.get("MaintenanceAllowed").and_then(Value::as_bool);
    if allowed == Some(true) && call.device.wants_maintenance() {
        // The parameters are there at once; a person who watches sees both events.
        call.device.maintain(true);
        speaker.event(call.now(), "BeginMaintenance", Value::Null);
        call.device.maintain(false);
        speaker.event(call.now(), "EndMaintenance", Value::Null);
    }
    Ok(success())
}

/// `POIStatus`.
pub(super) fn status_of(call: &Call) -> Value {
    let global = match call.device.standing(call.now()) {
        Standing::Maintenance => "Maintenance",
        Standing::Serving(_) => "Busy",
        Standing::Idle | Standing::Cooldown => "OK",
    };
    json!({
        "GlobalStatus": global,
        "SecurityOKFlag": true,
        "PEDOKFlag": true,
        "CardReaderOKFlag": true,
        "CommunicationOKFlag": true,
    })
}

/// Why a point of sale that is not logged in is not served.
pub(super) fn login_first(call: &Call) -> Failed {
    Failed::new(call.manners.not_logged_in, "Login required")
}

/// Why nothing else can be done now.
pub(super) fn busy(category: &str, dialect: Dialect, with: Option<&str>) -> Failed {
    let text = match (dialect, with) {
        (Dialect::Json, Some(service)) => format!("Terminal busy with {service}"),
        _ => format!("POI Terminal Busy to Process another Request: {category}Request"),
    };
    Failed::new(Condition::Busy, text)
}
