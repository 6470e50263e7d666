//! `tillgate explain control` and `explain callback`: why a control does not agree, asked of a
//! running gateway, or found out here by whoever has the control key.

use super::explain::{Found, ask, read_data};
use super::operator_access::OperatorAccess;
use crate::crypto::control_diagnosis::{Case, Command, Finding, diagnose, right_control};
use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use std::io::BufRead;
use zeroize::Zeroizing;

#[derive(Args)]
pub(super) struct ControlArguments {
    /// The command that was sent
    #[arg(long, value_parser = ["status", "capture", "return", "void"])]
    command: String,
    /// The body exactly as it was sent, its control inside: the text itself, @FILE, or - for
    /// standard input
    #[arg(long)]
    form: String,
    #[command(flatten)]
    whose: WhoseKey,
}

#[derive(Args)]
pub(super) struct CallbackArguments {
    /// The address or the query exactly as it was received: the text itself, @FILE, or - for
    /// standard input
    #[arg(long)]
    form: String,
    /// The control that you computed yourself
    #[arg(long)]
    computed: Option<String>,
    #[command(flatten)]
    whose: WhoseKey,
}

#[derive(Args)]
struct WhoseKey {
    /// The merchant's login
    #[arg(long, required_unless_present = "offline")]
    login: Option<String>,
    /// Ask no gateway: the control key comes from the environment, or is the first line of
    /// standard input
    #[arg(long)]
    offline: bool,
    /// The merchant's control key, when no gateway is asked
    #[arg(long, env = "TILLGATE_CONTROL_KEY", hide_env_values = true)]
    control_key: Option<String>,
}

/// What is asked of a gateway.
#[derive(Serialize)]
struct Asked<'a> {
    login: &'a str,
    command: &'a str,
    form: &'a str,
    computed: Option<&'a str>,
}

impl ControlArguments {
    pub(super) async fn explain(&self, access: &OperatorAccess) -> anyhow::Result<Found> {
        self.whose.explain(access, &self.command, &self.form, None).await
    }
}

impl CallbackArguments {
    pub(super) async fn explain(&self, access: &OperatorAccess) -> anyhow::Result<Found> {
        let command = Command::Callback.name();
        self.whose.explain(access, command, &self.form, self.computed.as_deref()).await
    }
}

impl WhoseKey {
    async fn explain(
        &self,
        access: &OperatorAccess,
        command: &str,
        named: &str,
        computed: Option<&str>,
    ) -> anyhow::Result<Found> {
        if self.offline && named == "-" && self.control_key.is_none() {
            bail!("form and key cannot both come from standard input; give the form as @FILE");
        }
        let form = read_data(named)?;
        if self.offline {
            let command = Command::parse(command).context("--command")?;
            return self.explain_here(command, &form, computed);
        }
        let login = self.login.as_deref().unwrap_or_default();
        ask(access, "control", &Asked { login, command, form: &form, computed }).await
    }

    fn explain_here(
        &self,
        command: Command,
        form: &str,
        computed: Option<&str>,
    ) -> anyhow::Result<Found> {
        let key = self.key()?;
        let case = Case {
            command,
            text: form,
            computed,
            login: self.login.as_deref(),
            key: &key,
            previous: None,
            endpoints: &[],
        };
        let found = diagnose(&case);
        let well = found.finding == Finding::AllIsWell;
        Ok(Found {
            finding: found.finding.name().to_owned(),
            well,
            says: found.says,
            wrong: found.wrong,
            change: found.change,
            facts: found.facts,
            right_control: right_control(&case).map(|control| control.to_string()),
        })
    }

    fn key(&self) -> anyhow::Result<Zeroizing<String>> {
        if let Some(key) = &self.control_key {
            return Ok(Zeroizing::new(key.clone()));
        }
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut line).context("cannot read standard input")?;
        let key = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
        if key.is_empty() {
            bail!("no control key: set TILLGATE_CONTROL_KEY, or write it to standard input");
        }
        Ok(key)
    }
}
