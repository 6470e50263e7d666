//! What a point of sale shows, asks and prints at a terminal (nexo contract 5.9). The sandbox's
//! customer answers at once, and says yes.

use super::Reply;
use super::call::{Call, success};
use super::condition::{Condition, Failed};
use super::message::Message;
use super::payment::aborted;
use super::rules::Stage;
use super::session::busy;
use serde_json::{Value, json};

/// What the customer enters where digits are wanted.
const DIGITS: &str = "0701234567";
/// What the customer writes where a text is wanted.
const TEXT: &str = "tillgate";

/// Shows, asks or prints.
pub(super) async fn hold(call: &Call, request: &Message) -> Reply {
    let header = &request.header;
    let told = request.body.to_string();
    let Some(turn) = call.device.begin(header, &told, Stage::Dialogue, call.now()) else {
        let failed = busy(&header.category, call.dialect(), None);
        return Reply::message(call.refused(Some(&request.body), &failed));
    };
    // The customer thinks as long as a card takes.
    let (clock, pause) = (call.nexo.gateway.clock(), call.known.terminal.profile.card_ms);
    let pause = if header.category == "Input" { pause } else { 0 };
    if let Err(stopped) = turn.wait(clock, clock.now() + pause).await {
        let failed = aborted(&stopped, header.service_id.as_deref());
        return Reply::message(call.refused(Some(&request.body), &failed));
    }
    drop(turn);
    let body = &request.body;
    match header.category.as_str() {
        "Display" if !wants_answer(body) => Reply::Empty,
        "Print" if is_not_required(body) => Reply::Empty,
        "Display" => Reply::message(call.answer(json!({ "OutputResult": shown(body) }))),
        "Print" => {
            let mut answer = success();
            answer["DocumentQualifier"] = body
                .pointer("/PrintOutput/DocumentQualifier")
                .cloned()
                .unwrap_or_else(|| "Document".into());
            Reply::message(call.answer(answer))
        }
        _ => Reply::message(call.answer(entered(call, body))),
    }
}

fn wants_answer(body: &Value) -> bool {
    let outputs = body.get("DisplayOutput").and_then(Value::as_array);
    outputs.into_iter().flatten().any(|output| output["ResponseRequiredFlag"] != json!(false))
}

fn is_not_required(body: &Value) -> bool {
    body.pointer("/PrintOutput/ResponseMode").and_then(Value::as_str) == Some("NotRequired")
}

fn shown(body: &Value) -> Vec<Value> {
    let outputs = body.get("DisplayOutput").and_then(Value::as_array);
    let result = |output: &Value| {
        json!({
            "Device": output["Device"],
            "InfoQualify": output["InfoQualify"],
            "Response": { "Result": "Success" },
        })
    };
    outputs.into_iter().flatten().map(result).collect()
}

fn entered(call: &Call, body: &Value) -> Value {
    let data = &body["InputData"];
    let command = data["InputCommand"].as_str().unwrap_or_default();
    let length = |name: &str| {
        let told = data[name].as_u64().or_else(|| data[name].as_str()?.parse().ok());
        told.and_then(|told| usize::try_from(told).ok())
    };
    let cut = |text: &str| -> String {
        let most = length("MaxLength").unwrap_or(text.len()).min(64);
        let least = length("MinLength").unwrap_or(0).min(most);
        text.chars().cycle().take(text.len().clamp(least, most.max(least))).collect()
    };
    let mut input = json!({ "InputCommand": command });
    match command {
        "GetConfirmation" | "GetAnyKey" | "SiteManager" => input["ConfirmedFlag"] = true.into(),
        "DigitString" => input["DigitInput"] = cut(DIGITS).into(),
        "DecimalString" | "TextString" => input["TextInput"] = cut(TEXT).into(),
        "GetMenuEntry" => input["MenuEntryNumber"] = 1.into(),
        "GetFunctionKey" => input["FunctionKey"] = "1".into(),
        _ => return refused_input(call, data, command),
    }
    let mut answer = json!({ "InputResult": {
        "Device": data["Device"],
        "InfoQualify": data["InfoQualify"],
        "Response": { "Result": "Success" },
        "Input": input,
    }});
    if let Some(output) = body.get("DisplayOutput") {
        let output = output.get(0).unwrap_or(output);
        answer["OutputResult"] = json!({
            "Device": output["Device"],
            "InfoQualify": output["InfoQualify"],
            "Response": { "Result": "Success" },
        });
    }
    answer
}

fn refused_input(call: &Call, data: &Value, command: &str) -> Value {
    let text = format!("InputCommand {command} not supported");
    let failed = Failed::new(Condition::UnavailableService, text);
    json!({ "InputResult": {
        "Device": data["Device"],
        "InfoQualify": data["InfoQualify"],
        "Response": failed.response(call.dialect()),
    }})
}
