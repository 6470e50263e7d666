//! What became of an earlier service (nexo contract 5.6): the stored answer, as it was or would
//! have been sent.

use super::call::{Call, success};
use super::condition::{Condition, Failed};
use super::message::{Message, StoredHeader};
use crate::gateway::{Failure, ServiceMatch, ServiceRecord};
use crate::payment::terminal::Dialect;
use serde_json::{Value, json};

/// Answers a `TransactionStatusRequest`.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn tell(call: &Call, request: &Message) -> Result<Value, Failure> {
    let reference = request.body.get("MessageReference");
    let text = |name: &str| {
        let value = reference.and_then(|reference| reference.get(name)).and_then(Value::as_str);
        value.map(str::to_owned)
    };
    if text("POIID").is_some_and(|poi| poi != call.known.terminal.poi_id) {
        return Ok(not_found(call, reference));
    }
    let category = match (reference, call.dialect()) {
        // The JSON family means payments where it does not say.
        (Some(_), Dialect::Json) => text("MessageCategory").or_else(|| Some("Payment".to_owned())),
        _ => text("MessageCategory"),
    };
    let sale_id = match reference {
        None => Some(request.header.sale_id.clone()),
        Some(_) => text("SaleID"),
    };
    let (terminal, service_id) = (call.known.terminal.id, text("ServiceID"));
    let wanted = ServiceMatch { terminal, category, service_id, sale_id };
    if reference.is_none()
        && let Some(running) = call.nexo.gateway.running_service(terminal).await?
    {
        return Ok(in_progress(call, &running));
    }
    match call.nexo.gateway.newest_service(&wanted).await? {
        None => Ok(not_found(call, reference)),
        Some(record) => match &record.response {
            None => Ok(in_progress(call, &record)),
            Some(response) => Ok(found(call, &record, &Message::from_stored(response)?)),
        },
    }
}

fn found(call: &Call, record: &ServiceRecord, stored: &Message) -> Value {
    let mut body = success();
    body["MessageReference"] = reference_of(call, record);
    // The codecs know where the repeated element stands.
    body["RepeatedMessageResponse"] = json!({
        "MessageHeader": StoredHeader(stored.header.clone()),
        stored.header.body_name(): stored.body,
    });
    body
}

fn in_progress(call: &Call, record: &ServiceRecord) -> Value {
    let text = match call.dialect() {
        Dialect::Xml31 => {
            format!("{} in progress: {}", record.key.category, record.key.service_id)
        }
        Dialect::Json => "Uncompleted transaction".to_owned(),
    };
    let failed = Failed::new(call.manners.in_progress, text);
    json!({
        "Response": failed.response(call.dialect()),
        "MessageReference": reference_of(call, record),
    })
}

fn not_found(call: &Call, reference: Option<&Value>) -> Value {
    let asked = reference.and_then(|reference| reference.get("ServiceID")).and_then(Value::as_str);
    let text = match (call.dialect(), asked) {
        (Dialect::Xml31, Some(id)) => {
            format!("No message with ServiceID {id} from {}", call.header.sale_id)
        }
        _ => "Message not found".to_owned(),
    };
    let failed = Failed::new(Condition::NotFound, text);
    json!({ "Response": failed.response(call.dialect()) })
}

fn reference_of(call: &Call, record: &ServiceRecord) -> Value {
    json!({
        "MessageCategory": record.key.category,
        "ServiceID": record.key.service_id,
        "SaleID": record.key.sale_id,
        "POIID": call.known.terminal.poi_id,
    })
}
