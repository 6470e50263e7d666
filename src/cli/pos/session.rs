//! A point of sale opens: it finds its terminal, begins to listen, and logs in.

use super::cashier::Cashier;
use super::ear::Ear;
use super::terminal::{Terminal, TerminalArguments};
use crate::cli::sale::say;
use anyhow::bail;
use serde_json::json;
use std::sync::Arc;

/// What a point of sale in the default style can do: everything is shown to it.
const DEFAULT: [&str; 7] = [
    "CashierStatus",
    "CashierError",
    "CashierDisplay",
    "POIReplication",
    "CustomerAssistance",
    "CashierInput",
    "PrinterReceipt",
];
/// In the light style it only asks.
const LIGHT: [&str; 1] = ["PrinterReceipt"];

/// A point of sale that is logged in.
pub(super) struct Session {
    pub(super) terminal: Terminal,
    pub(super) cashier: Arc<Cashier>,
    /// `None` in the light style.
    ear: Option<Ear>,
}

impl Session {
    /// Opens one, and says so as the first step.
    pub(super) async fn open(
        arguments: &TerminalArguments,
        cashier: Cashier,
        is_light: bool,
        with_receipts: bool,
    ) -> anyhow::Result<Self> {
        let mut terminal = Terminal::find(arguments).await?;
        // A login would stop the service of whoever is there.
        if terminal.is_busy {
            let poi = &terminal.poi_id;
            bail!(
                "{poi} is busy with another service: wait for its end, or stop it with `tillgate \
                 pos abort --terminal {poi}`"
            );
        }
        let cashier = Arc::new(cashier);
        let ear = if is_light {
            None
        } else {
            let heard = Arc::clone(&cashier);
            let (ear, url) = Ear::open(terminal.language.clone(), heard, with_receipts)?;
            terminal.call_back(url);
            Some(ear)
        };
        let session = Self { terminal, cashier, ear };
        session.log_in(is_light).await?;
        Ok(session)
    }

    async fn log_in(&self, is_light: bool) -> anyhow::Result<()> {
        let Terminal { poi_id, sale_id, language, .. } = &self.terminal;
        say(&format!("1. login           {poi_id} ({}), as {sale_id}", language.dialect.name()))?;
        let capabilities = if is_light { &LIGHT[..] } else { &DEFAULT[..] };
        let answer = self.terminal.ask(
            "Login",
            json!({
                "OperatorLanguage": "en",
                "DateTime": self.terminal.timestamp(),
                "SaleSoftware": {
                    "ProviderIdentification": "tillgate",
                    "ApplicationName": "tillgate-pos",
                    "SoftwareVersion": env!("CARGO_PKG_VERSION"),
                },
                "SaleTerminalData": {
                    "TerminalEnvironment": "Attended",
                    "SaleCapabilities": capabilities,
                },
            }),
        );
        let answer = answer.await?;
        if !answer.outcome().is_good() {
            say(&format!("   refused         {}", answer.line()))?;
        }
        answer.outcome().check(&self.terminal)?;
        self.until_idle().await;
        Ok(())
    }

    /// Waits until the terminal has nothing more to show.
    pub(super) async fn until_idle(&self) {
        if let Some(ear) = &self.ear {
            ear.until_idle().await;
        }
    }
}
