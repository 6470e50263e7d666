//! Going on with what a crash left behind (nexo contract 6.5): the core knows what became of each
//! payment, so that none is lost, done twice, or left in doubt.

use super::Nexo;
use super::call::transaction_id;
use super::condition::{Condition, Failed};
use super::message::StoredHeader;
use super::office::{self, Reconciliation};
use super::reversal::{self, Reversal};
use super::sale::Sale;
use super::service::{Carried, Done, carry_out};
use super::wire::message::Header;
use super::{acquisition, payment};
use crate::gateway::{Failure, ServiceClaim, ServiceRecord};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many services are taken over at a time.
const AT_ONCE: u32 = 100;

impl Nexo {
    /// Ends the services that nobody goes on with, each for itself. Answers how many.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn recover(&self) -> Result<usize, Failure> {
        let left = self.gateway.take_over_services(AT_ONCE).await?;
        let count = left.len();
        join_all(left.into_iter().map(|record| self.go_on(record))).await;
        Ok(count)
    }

    async fn go_on(&self, record: ServiceRecord) {
        let number = record.number;
        match self.carried(&record).await {
            Ok(carried) => {
                tracing::info!(service = %number, "going on with a service that was left behind");
                let until = record.leased_until;
                carry_out(carried, until, async move |carried| {
                    let done = ended(&carried, &record).await;
                    (carried, done)
                })
                .await;
            }
            Err(failure) => {
                tracing::warn!(%failure, service = %number, "a service left behind has no end yet");
            }
        }
    }

    async fn carried(&self, record: &ServiceRecord) -> Result<Carried, Failure> {
        let known = self.gateway.terminal_by_id(record.key.terminal).await?;
        let known = known.ok_or_else(|| {
            Failure::Internal(format!("service {} has no terminal", record.number))
        })?;
        let call = self.call_of(known, header_of(record)?, None).await?;
        let transaction =
            transaction_id(&call.transaction_text(record.number.0), record.started_at);
        let speaker = call.speaker(transaction);
        let claim = ServiceClaim { number: record.number, claims: record.claims };
        Ok(Carried { call, claim, started_at: record.started_at, speaker, turn: None })
    }
}

/// What a left service comes to.
async fn ended(carried: &Carried, record: &ServiceRecord) -> Result<Done, Failure> {
    match record.key.category.as_str() {
        "Payment" => payment::go_on(carried, &facts::<Sale>(record)?).await,
        "Reversal" => reversal::go_on(carried, &facts::<Reversal>(record)?).await,
        "Reconciliation" => office::go_on(carried, &facts::<Reconciliation>(record)?).await,
        "CardAcquisition" => {
            let facts: Value = facts(record)?;
            Ok(acquisition::left_behind(carried, &facts["sale_transaction"]))
        }
        _ => {
            let failed = Failed::new(Condition::Aborted, "The terminal was restarted");
            Ok(Done::quiet(carried.call.refused(None, &failed)))
        }
    }
}

fn facts<T: for<'de> Deserialize<'de>>(record: &ServiceRecord) -> Result<T, Failure> {
    serde_json::from_str(&record.request).map_err(|error| {
        Failure::Internal(format!("service {} cannot be read: {error}", record.number))
    })
}

/// The header of the request; what was remembered of it.
fn header_of(record: &ServiceRecord) -> Result<Header, Failure> {
    #[derive(Deserialize)]
    struct Remembered {
        header: StoredHeader,
    }
    Ok(facts::<Remembered>(record)?.header.0)
}

/// What is remembered of a service, as it goes on from here after a crash. It has a `header`.
///
/// # Errors
/// When it cannot be written, which would be a fault of ours.
pub(super) fn remembered(facts: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(facts).map_err(|error| Failure::Internal(error.to_string()))
}
