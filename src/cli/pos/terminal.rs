//! The line to one terminal: which dialect it speaks, and requests to it.

use super::answer::{Answer, Outcome, REJECTED};
use super::language::Language;
use crate::cli::client::http_client;
use crate::cli::clock::clock_of_sandbox;
use crate::clock::Clock;
use crate::doors::nexo::wire::message::{Class, Header, Kind, Message};
use crate::doors::nexo::wire::typed::to_tree;
use crate::payment::terminal::Dialect;
use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, SecondsFormat};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A service takes three minutes at most (nexo contract 8).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(200);
/// Service numbers have ten digits.
const NUMBERS: i64 = 10_000_000_000;

/// Which terminal, and who asks it.
#[derive(clap::Args)]
pub(super) struct TerminalArguments {
    /// Where the gateway listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The terminal (POIID)
    #[arg(long, value_name = "ID")]
    terminal: String,
    /// The name of this point of sale (`SaleID`)
    #[arg(long, default_value = "tillgate pos")]
    sale_id: String,
    /// The merchant's key. With it the JSON family is spoken at /sync, without it at /nexo
    #[arg(long, env = "TILLGATE_TERMINAL_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// What protects messages of the JSON family, where the terminal has a passphrase
    #[arg(long, env = "TILLGATE_TERMINAL_PASSPHRASE", hide_env_values = true)]
    passphrase: Option<String>,
    /// The name of the key that is made of the passphrase
    #[arg(long, value_name = "NAME", default_value = "sandbox", requires = "passphrase")]
    key_id: String,
    /// Its version
    #[arg(long, value_name = "N", default_value_t = 1, requires = "passphrase")]
    key_version: i64,
}

/// The line broke before the answer, or there is none yet. What became of the service can be asked.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
pub(super) struct Lost;

/// A terminal that can be spoken to.
pub(super) struct Terminal {
    http: reqwest::Client,
    base_url: String,
    key: Option<String>,
    pub(super) poi_id: String,
    pub(super) sale_id: String,
    pub(super) language: Language,
    clock: Clock,
    /// The number of the next service.
    next: AtomicI64,
    /// Where this point of sale listens.
    callback_url: Option<String>,
    /// Whether it carries out a service, as its diagnosis said.
    pub(super) is_busy: bool,
}

impl Terminal {
    /// Finds the terminal and its dialect by its diagnosis: in XML one of the JSON family is
    /// unknown.
    pub(super) async fn find(arguments: &TerminalArguments) -> anyhow::Result<Self> {
        let TerminalArguments { url, terminal, sale_id, api_key, .. } = arguments;
        let passphrase = arguments.passphrase.as_deref();
        let language = Language::of(passphrase, &arguments.key_id, arguments.key_version)?;
        let (http, base_url) = (http_client()?, url.trim_end_matches('/').to_owned());
        let clock = clock_of_sandbox(&http, &base_url).await;
        let mut found = Self {
            next: AtomicI64::new(clock.now() % NUMBERS),
            http,
            base_url,
            key: api_key.clone(),
            poi_id: terminal.clone(),
            sale_id: sale_id.clone(),
            language,
            clock,
            callback_url: None,
            is_busy: false,
        };
        let mut told = found.diagnosis().await?;
        let in_xml = told.outcome();
        if in_xml.condition == "UnavailableDevice" {
            found.language.dialect = Dialect::Json;
            told = found.diagnosis().await?;
            let in_json = told.outcome();
            if in_json.condition == REJECTED {
                bail!("{}", unreachable(terminal, &in_xml, &in_json));
            }
        }
        found.is_busy = told.text("/POIStatus/GlobalStatus") == Some("Busy");
        Ok(found)
    }

    async fn diagnosis(&self) -> anyhow::Result<Answer> {
        self.ask("Diagnosis", json!({ "HostDiagnosisFlag": false })).await
    }

    /// From now on the terminal hears where this point of sale listens.
    pub(super) fn call_back(&mut self, url: String) {
        self.callback_url = Some(url);
    }

    /// A fresh number for a service: ten digits of the time.
    pub(super) fn service_id(&self) -> String {
        format!("{:010}", self.next.fetch_add(1, Ordering::Relaxed) % NUMBERS)
    }

    /// The time now, as messages have it.
    pub(super) fn timestamp(&self) -> String {
        let now = DateTime::from_timestamp_millis(self.clock.now()).unwrap_or_default();
        now.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Asks something that has an answer.
    pub(super) async fn ask(&self, category: &str, body: Value) -> anyhow::Result<Answer> {
        let answer = self.send(category, &self.service_id(), &body).await?;
        answer.with_context(|| format!("the terminal has no answer to {category}"))
    }

    /// Sends a request. `None` when there is nothing to be said to it.
    ///
    /// # Errors
    /// [`Lost`], when the gateway may know the answer all the same.
    pub(super) async fn send(
        &self,
        category: &str,
        service_id: &str,
        body: &Value,
    ) -> anyhow::Result<Option<Answer>> {
        let message = self.message(category, service_id, body)?;
        let language = &self.language;
        let path = match (language.dialect, &self.key) {
            (Dialect::Xml31, _) => "/EPASSaleToPOI/3.1",
            (Dialect::Json, Some(_)) => "/sync",
            (Dialect::Json, None) => "/nexo",
        };
        let url = format!("{}{path}", self.base_url);
        let mut request = self.http.post(&url).timeout(ANSWER_TIMEOUT);
        request = request.header("Content-Type", language.content_type());
        request = request.body(language.written(&message));
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        if let Some(listener) = &self.callback_url {
            request = request.header("X-Callback-Url", listener);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                let hint = "is `tillgate dev` running, and on this port?";
                return Err(anyhow!(error).context(format!("{url} does not answer; {hint}")));
            }
            Err(_) => return Err(Lost.into()),
        };
        let status = answer.status();
        let body = answer.bytes().await.map_err(|_| Lost)?;
        match status {
            StatusCode::OK => self.read(&body),
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::SERVICE_UNAVAILABLE => Err(Lost.into()),
            StatusCode::UNAUTHORIZED => bail!(
                "{} wants the merchant's key: give it with --api-key, or as TILLGATE_TERMINAL_KEY \
                 (in `tillgate dev` it is `sandbox`)",
                self.poi_id
            ),
            StatusCode::FORBIDDEN => bail!("the key is another merchant's than {}", self.poi_id),
            status => bail!("{url} answered {status} {}", String::from_utf8_lossy(&body).trim()),
        }
    }

    fn message(&self, category: &str, service_id: &str, body: &Value) -> anyhow::Result<Message> {
        let version = match self.language.dialect {
            Dialect::Xml31 => "3.1",
            Dialect::Json => "3.0",
        };
        let header = Header {
            protocol_version: Some(version.to_owned()),
            class: Class::Service,
            category: category.to_owned(),
            kind: Kind::Request,
            service_id: Some(service_id.to_owned()),
            device_id: None,
            sale_id: self.sale_id.clone(),
            poi_id: self.poi_id.clone(),
        };
        Ok(Message { header, body: to_tree(body)?, trailer: None })
    }

    fn read(&self, body: &[u8]) -> anyhow::Result<Option<Answer>> {
        // So the JSON family acknowledges an abort.
        if body.is_empty() || body == b"ok" {
            return Ok(None);
        }
        let message = self.language.read(body).context("the answer cannot be read")?;
        Answer::of(&message, self.language.dialect).map(Some)
    }
}

/// Why a terminal speaks neither dialect, and what to do.
fn unreachable(poi_id: &str, in_xml: &Outcome, in_json: &Outcome) -> String {
    if in_json.text.contains("encrypted") {
        return format!(
            "{poi_id} takes encrypted messages only in the shop: give its --passphrase, or the \
             merchant's key with --api-key, and it is spoken to through the cloud (in `tillgate \
             dev` they are `sandbox passphrase` and `sandbox`)"
        );
    }
    format!(
        "{poi_id} does not answer, neither in XML ({}) nor in JSON ({}); `tillgate dev` prints its \
         terminals, `/admin/v1/terminals` lists those of any gateway",
        in_xml.text, in_json.text
    )
}
