//! `tillgate callbacks`: what came of an end point's callbacks, sending them again, letting them
//! wait.

use super::client::http_client;
use super::operator_access::OperatorAccess;
use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;

/// How many callbacks are asked for at once: as many as the gateway gives.
const PAGE: usize = 1000;
/// So many characters of what a receiver answered fit into the table.
const ANSWER_SHOWN: usize = 60;

#[derive(Args)]
pub(super) struct CallbacksArguments {
    #[command(flatten)]
    access: OperatorAccess,
    /// Print the gateway's answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List an end point's callbacks, oldest first
    List {
        /// The end point's id
        #[arg(long)]
        endpoint: i64,
        /// Only those that are waiting, sending, held, delivered or dead
        #[arg(long)]
        state: Option<String>,
    },
    /// Show a callback and what came of each attempt
    Show {
        /// The callback's id, as `list` or the header webhook-id tells it
        #[arg(value_parser = callback_id)]
        id: i64,
    },
    /// Send one callback again, whatever came of it
    Resend {
        /// The callback's id, as `list` or the header webhook-id tells it
        #[arg(value_parser = callback_id)]
        id: i64,
    },
    /// Send again all of an end point's callbacks that were given up
    Requeue {
        /// The end point's id
        #[arg(long)]
        endpoint: i64,
    },
    /// Send again, in their order, an end point's callbacks of a stretch of time
    Replay {
        /// The end point's id
        #[arg(long)]
        endpoint: i64,
        /// The first moment, for example 2026-11-21T12:00:00Z
        #[arg(long)]
        from: String,
        /// The moment that is no longer part of it
        #[arg(long)]
        to: String,
    },
    /// Let an end point's callbacks wait; none is lost
    Stop {
        /// The end point's id
        #[arg(long)]
        endpoint: i64,
    },
    /// Let an end point's callbacks go again, those that waited in their order
    Start {
        /// The end point's id
        #[arg(long)]
        endpoint: i64,
    },
}

/// A callback and where it stands, as the gateway tells it.
#[derive(Deserialize)]
pub(super) struct Callback {
    pub(super) id: i64,
    pub(super) event_id: String,
    pub(super) order: i64,
    url: String,
    pub(super) status: String,
    state: String,
    attempts: i64,
    due_at: Option<String>,
    pub(super) created_at: String,
    #[serde(default)]
    attempts_made: Vec<Attempt>,
}

/// What came of one attempt.
#[derive(Deserialize)]
struct Attempt {
    number: i64,
    outcome: String,
    made_at: String,
    took_millis: i64,
    http_status: Option<u16>,
    cause: Option<String>,
    answer: Option<String>,
}

/// How many callbacks a request was about.
#[derive(Deserialize)]
struct Counted {
    count: u64,
}

pub(super) async fn run(arguments: CallbacksArguments) -> anyhow::Result<()> {
    let CallbacksArguments { access, json, command } = arguments;
    let told = command.ask(&access).await?;
    let text = match json {
        true => format!("{}\n", serde_json::to_string_pretty(&told)?),
        false => command.told(told).context("the gateway's answer cannot be read")?,
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

impl Command {
    /// What the gateway answers.
    async fn ask(&self, access: &OperatorAccess) -> anyhow::Result<Value> {
        let (http, base) = (http_client()?, format!("{}/admin/v1", access.base()));
        let steer = |endpoint: &i64, how: &str| {
            http.post(format!("{base}/endpoints/{endpoint}/callbacks/{how}"))
        };
        let request = match self {
            Self::List { endpoint, state } => {
                return all(&http, access, *endpoint, state.as_deref()).await;
            }
            Self::Show { id } => http.get(format!("{base}/callbacks/{id}")),
            Self::Resend { id } => http.post(format!("{base}/callbacks/{id}/resend")),
            Self::Requeue { endpoint } => steer(endpoint, "requeue"),
            Self::Replay { endpoint, from, to } => {
                steer(endpoint, "replay").json(&json!({ "from": from, "to": to }))
            }
            Self::Stop { endpoint } => {
                access.send(steer(endpoint, "stop")).await?;
                http.get(format!("{base}/endpoints/{endpoint}/callbacks"))
            }
            Self::Start { endpoint } => steer(endpoint, "start"),
        };
        Ok(access.send(request).await?.json().await?)
    }

    /// The answer for people, with what to do next.
    fn told(&self, answer: Value) -> serde_json::Result<String> {
        Ok(match self {
            Self::List { endpoint, .. } => {
                listed(&serde_json::from_value::<Vec<_>>(answer)?, *endpoint)
            }
            Self::Show { .. } => shown(&serde_json::from_value(answer)?),
            Self::Resend { id } => match counted(answer)? {
                0 => format!(
                    "callback {id} is under way just now, so nothing was done\n{}",
                    look(*id)
                ),
                _ => format!("callback {id} goes out now\n{}", look(*id)),
            },
            Self::Requeue { endpoint } => match counted(answer)? {
                0 => format!("no callback of end point {endpoint} was given up; nothing to do\n"),
                count => format!("{} given up\n{}", go_out(count), look_at_all(*endpoint)),
            },
            Self::Replay { endpoint, .. } => match counted(answer)? {
                0 => format!("none of that time has come to an end\n{}", look_at_all(*endpoint)),
                count => format!("{} ended\n{}", go_out(count), look_at_all(*endpoint)),
            },
            Self::Stop { endpoint } => format!(
                "callbacks of end point {endpoint} wait from now on; none is lost\n{}",
                let_go(*endpoint)
            ),
            Self::Start { endpoint } => format!(
                "callbacks of end point {endpoint} go out again; {} had waited\n{}",
                counted(answer)?,
                look_at_all(*endpoint)
            ),
        })
    }
}

/// An id, or the event id that is made of it.
fn callback_id(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix("evt_").unwrap_or(text);
    digits.parse().map_err(|_| "must be a callback's id, like 1001 or evt_1001".to_owned())
}

/// Asks for a page of an end point's callbacks, in order, of one state or of any.
pub(super) fn page_after(
    http: &Client,
    access: &OperatorAccess,
    endpoint: i64,
    state: Option<&str>,
    after: i64,
) -> RequestBuilder {
    let url = format!("{}/admin/v1/callbacks", access.base());
    let page = [("endpoint", endpoint.to_string()), ("after", after.to_string())];
    let query = http.get(url).query(&page).query(&[("limit", PAGE)]);
    state.into_iter().fold(query, |query, state| query.query(&[("state", state)]))
}

/// All pages, one behind the other.
async fn all(
    http: &Client,
    access: &OperatorAccess,
    endpoint: i64,
    state: Option<&str>,
) -> anyhow::Result<Value> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let after = found.last().and_then(|last| last["id"].as_i64()).unwrap_or(0);
        let page = access.send(page_after(http, access, endpoint, state, after)).await?;
        let page: Vec<Value> = page.json().await?;
        let whole = page.len() < PAGE;
        found.extend(page);
        if whole {
            return Ok(Value::Array(found));
        }
    }
}

fn counted(answer: Value) -> serde_json::Result<u64> {
    serde_json::from_value(answer).map(|Counted { count }| count)
}

fn listed(callbacks: &[Callback], endpoint: i64) -> String {
    if callbacks.is_empty() {
        return format!(
            "end point {endpoint} has no such callbacks; a sale with notify_url makes one\n"
        );
    }
    let mut text = format!(
        "{:>8}  {:>8}  {:<10}  {:<9}  {:>8}  {:<24}  next attempt\n",
        "callback", "order", "tells", "state", "attempts", "created"
    );
    for Callback { id, order, status, state, attempts, created_at, due_at, .. } in callbacks {
        let next = due_at.as_deref().filter(|_| state == "waiting").unwrap_or("-");
        let _ = writeln!(
            text,
            "{id:>8}  {order:>8}  {status:<10}  {state:<9}  {attempts:>8}  {created_at:<24}  {next}"
        );
    }
    let are = |wanted: &str| callbacks.iter().any(|callback| callback.state == wanted);
    if are("dead") {
        let again = format!("tillgate callbacks requeue --endpoint {endpoint}");
        let _ = writeln!(text, "to send the dead ones again when the receiver works:  {again}");
    }
    if are("held") {
        text.push_str(&let_go(endpoint));
    }
    text
}

fn shown(callback: &Callback) -> String {
    let Callback { id, event_id, order, url, status, state, attempts, created_at, .. } = callback;
    let mut text = format!(
        "callback   {id} ({event_id}) tells that order {order} is {status}\n\
         goes to    {url}\n\
         created    {created_at}\n\
         state      {state}\n\
         attempts   {attempts}\n"
    );
    if let Some(due_at) = callback.due_at.as_deref().filter(|_| state == "waiting") {
        let _ = writeln!(text, "next       {due_at}");
    }
    if !callback.attempts_made.is_empty() {
        let _ = writeln!(
            text,
            "\n{:>7}  {:<24}  {:>9}  {:<9}  {:>4}  what came of it",
            "attempt", "made at", "took", "outcome", "HTTP"
        );
    }
    for attempt in &callback.attempts_made {
        let Attempt { number, outcome, made_at, took_millis, http_status, .. } = attempt;
        let (took, http) = (format!("{took_millis} ms"), http_status.map(|code| code.to_string()));
        let _ = writeln!(
            text,
            "{number:>7}  {made_at:<24}  {took:>9}  {outcome:<9}  {:>4}  {}",
            http.as_deref().unwrap_or("-"),
            attempt.came_of_it()
        );
    }
    if state == "dead" {
        let again = format!("tillgate callbacks resend {id}");
        let _ = writeln!(text, "\nto send it again when the receiver works:  {again}");
    }
    text
}

impl Attempt {
    /// Why it failed, and the front of what was answered, in quotes: a stranger's text.
    fn came_of_it(&self) -> String {
        let answer = self.answer.as_deref().map(|answer| {
            let front: String = answer.chars().take(ANSWER_SHOWN).collect();
            format!("{front:?}{}", if front.len() < answer.len() { "…" } else { "" })
        });
        let parts: Vec<_> = self.cause.clone().into_iter().chain(answer).collect();
        parts.join(": ")
    }
}

fn go_out(count: u64) -> String {
    match count {
        1 => "1 callback goes out now that was".to_owned(),
        _ => format!("{count} callbacks go out now that were"),
    }
}

fn look(id: i64) -> String {
    format!("to see what comes of it:  tillgate callbacks show {id}\n")
}

fn look_at_all(endpoint: i64) -> String {
    format!("to see where they stand:  tillgate callbacks list --endpoint {endpoint}\n")
}

fn let_go(endpoint: i64) -> String {
    format!("to let those that wait go:  tillgate callbacks start --endpoint {endpoint}\n")
}
