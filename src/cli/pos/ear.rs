//! The listener of this point of sale: what a terminal shows, prints and asks, as it comes.

use super::cashier::Cashier;
use super::language::Language;
use super::receipt;
use crate::cli::sale::say;
use crate::doors::nexo::wire::message::Message;
use crate::doors::nexo::wire::typed::{from_tree, to_tree};
use crate::payment::terminal::Dialect;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Context;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What an XML terminal shows when it has nothing to do.
const IDLE: &str = "Welcome";
/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Listens as long as the program runs.
#[derive(Clone)]
pub(super) struct Ear {
    language: Language,
    cashier: Arc<Cashier>,
    with_receipts: bool,
    idle: Arc<Notify>,
}

impl Ear {
    /// Starts to listen on this machine; answers the address, too.
    pub(super) fn open(
        language: Language,
        cashier: Arc<Cashier>,
        with_receipts: bool,
    ) -> anyhow::Result<(Self, String)> {
        let ear = Self { language, cashier, with_receipts, idle: Arc::default() };
        let data = Data::new(ear.clone());
        let app = move || App::new().app_data(data.clone()).default_service(web::post().to(hear));
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
        let address = *server.addrs().first().context("cannot listen")?;
        tokio::spawn(server.run());
        Ok((ear, format!("http://{address}/EPASSaleToPOI/3.1/")))
    }

    /// Waits until the terminal has nothing more to show. Only XML terminals say when; one that
    /// does not know this listener never does.
    pub(super) async fn until_idle(&self) {
        if self.language.dialect == Dialect::Xml31 {
            let _ = tokio::time::timeout(LAST_WORDS, self.idle.notified()).await;
        }
    }

    /// Shows a message; answers the body of the answer, if there is one.
    async fn take(&self, message: &Message) -> anyhow::Result<Option<Value>> {
        let body: Value = from_tree(&message.body)?;
        match message.header.category.as_str() {
            "Display" => {
                let text = shown(&body["DisplayOutput"][0]["OutputContent"]);
                say(&format!("   display         {text}"))?;
                if text == IDLE {
                    self.idle.notify_one();
                }
            }
            "Event" => {
                let event = body["EventToNotify"].as_str().unwrap_or("?");
                let details = body["EventDetails"].as_str().unwrap_or_default();
                say(format!("   event           {} {}", printable(event), printable(details))
                    .trim_end())?;
            }
            "Print" => {
                let output = &body["PrintOutput"];
                let document = output["DocumentQualifier"].as_str().unwrap_or("?");
                say(&format!("   print           {}", printable(document)))?;
                if self.with_receipts {
                    receipt::print(output)?;
                }
            }
            "Input" => {
                let question = shown(&body["DisplayOutput"]["OutputContent"]);
                let confirmed = self.cashier.confirms(&question).await?;
                return Ok(Some(confirmation(&body, confirmed)));
            }
            other => say(&format!("   {:<15} is not shown", printable(other)))?,
        }
        Ok(None)
    }
}

async fn hear(ear: Data<Ear>, body: Bytes) -> HttpResponse {
    let message = match ear.language.read(&body) {
        Ok(message) => message,
        Err(why) => {
            let _ = say(&format!("   ?               {why}"));
            return HttpResponse::NoContent().finish();
        }
    };
    let Ok(Some(answer)) = ear.take(&message).await else {
        return HttpResponse::NoContent().finish();
    };
    let Ok(body) = to_tree(&answer) else {
        return HttpResponse::NoContent().finish();
    };
    let answer = Message { header: message.header.answer(), body, trailer: None };
    let Ear { language, .. } = ear.as_ref();
    HttpResponse::Ok().content_type(language.content_type()).body(language.written(&answer))
}

/// The text on a display: its lines, or the event that the JSON family refers to.
fn shown(content: &Value) -> String {
    let reference = content.pointer("/PredefinedContent/ReferenceID").and_then(Value::as_str);
    let mut pairs = form_urlencoded::parse(reference.unwrap_or_default().as_bytes());
    if let Some((_, event)) = pairs.find(|(name, _)| name == "event") {
        return printable(&event);
    }
    let lines = content["OutputText"].as_array().into_iter().flatten();
    let lines: Vec<_> = lines.filter_map(|line| line["Text"].as_str()).collect();
    printable(&lines.join(" / "))
}

/// Without what would steer the screen that it is shown on.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}

fn confirmation(asked: &Value, confirmed: bool) -> Value {
    let result = |of: &Value| {
        json!({
            "Device": of["Device"],
            "InfoQualify": of["InfoQualify"],
            "Response": { "Result": "Success" },
        })
    };
    let mut input = result(&asked["InputData"]);
    input["Input"] = json!({ "InputCommand": "GetConfirmation", "ConfirmedFlag": confirmed });
    json!({ "OutputResult": result(&asked["DisplayOutput"]), "InputResult": input })
}
