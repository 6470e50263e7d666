//! Closing the business day of a gate: it is shut, what is in flight is waited for, the ledger is
//! counted, the acquirer is told, and the gate is opened again.
//!
//! Each step is repeatable and may be taken by any instance: by the request that asks, by the same
//! request asked again, or by the schedule.

use super::registry::Merchant;
use super::{Failure, Gate, Gateway};
use crate::acquirer::Settlement;
use crate::payment::day::{Claimed, DayClose, LOOK_AGAIN, State, TOTALS_DIFFER, Totals};
use crate::payment::ids::{DayCloseId, EndpointId};
use crate::payment::ladder;
use crate::payment::merchant::Endpoint;
use crate::payment::refusal::Refusal;
use crate::payment::{MINUTE, Millis};
use chrono::NaiveDate;
use futures_util::future::join_all;
use std::sync::Arc;

/// How many closes go on at the same time.
const AT_ONCE: u32 = 100;
/// Each step leads to the next one at most this often.
const STEPS_MAX: usize = 4;

/// What a merchant asks for. The door has checked who it is.
pub struct CloseIntent {
    pub merchant: Arc<Merchant>,
    pub endpoint: EndpointId,
    pub request_id: String,
    pub claimed: Claimed,
}

/// A close as it stands.
#[derive(Clone, Debug)]
pub struct Closing {
    pub close: DayClose,
    /// Whether the gate is shut because of it.
    pub is_shut: bool,
}

impl Gateway {
    /// Closes the day of an endpoint, or tells how the close that this request asked for before
    /// stands.
    ///
    /// # Errors
    /// `Refused` when another close is under way, or the same request came with other numbers;
    /// `Unavailable`.
    pub async fn close_day(&self, intent: &CloseIntent) -> Result<Closing, Failure> {
        let endpoint = self.endpoint(intent.endpoint).await?;
        let endpoint = endpoint.filter(|endpoint| endpoint.merchant == intent.merchant.id);
        let endpoint = endpoint.ok_or(Refusal::EndpointNotFound(intent.endpoint.0))?;
        let date = endpoint.terms.day.date(self.clock().now());
        let (request_id, claimed) = (&intent.request_id, intent.claimed);
        let close = self.begin_close(&endpoint, request_id, claimed, date).await?;
        self.go_on(close).await
    }

    async fn begin_close(
        &self,
        endpoint: &Endpoint,
        request_id: &str,
        claimed: Claimed,
        date: NaiveDate,
    ) -> Result<DayClose, Failure> {
        if let Some(known) = self.store().day_close(endpoint.id, request_id).await? {
            return same_request(known, claimed);
        }
        let now = self.clock().now();
        let close = DayClose {
            id: self.store().next_day_close_id().await?,
            endpoint: endpoint.id,
            request_id: request_id.to_owned(),
            claimed,
            day: 0,
            close_date: date.to_string(),
            serial: self.store().next_serial().await?,
            state: State::Waiting,
            totals: None,
            response_code: None,
            started_at: now,
            looks: 0,
        };
        let begun = self.store().begin_day_close(&close).await?;
        self.forget_gates();
        let known = self.store().day_close(endpoint.id, request_id).await?;
        match known {
            Some(close) if begun => Ok(close),
            Some(known) => same_request(known, claimed),
            None => Err(Failure::refused(Refusal::DayIsClosing, "another close shuts the gate")),
        }
    }

    /// Takes the steps of a close that can be taken now.
    async fn go_on(&self, mut close: DayClose) -> Result<Closing, Failure> {
        for _ in 0..STEPS_MAX {
            let before = close.state;
            match close.state {
                State::Waiting => self.wait_for_flights(&close).await?,
                State::Settling => self.settle(&close).await?,
                State::Finished | State::Blocked | State::Released => break,
            }
            let after = self.store().day_close_by_id(close.id).await?;
            close = after.ok_or_else(|| Failure::Internal(format!("no close {}", close.id)))?;
            if close.state == before {
                break;
            }
        }
        self.forget_gates();
        let gate = self.gate(close.endpoint).await?;
        Ok(Closing { is_shut: gate.closing == Some(close.id), close })
    }

    async fn wait_for_flights(&self, close: &DayClose) -> Result<(), Failure> {
        let now = self.clock().now();
        let in_flight = self.store().in_flight(close.endpoint).await?;
        if in_flight == 0 {
            return Ok(self.store().end_day(close, now).await?);
        }
        if close.gives_up(now) {
            tracing::error!(
                endpoint = %close.endpoint, batch = %close.id, in_flight,
                "the gate stays shut: transactions are still in flight; an operator has to open it"
            );
            return Ok(self.store().block_day_close(close.id).await?);
        }
        Ok(self.store().look_later(close.id, now + LOOK_AGAIN).await?)
    }

    /// Counts the day and tells the acquirer, again and again until it answers.
    async fn settle(&self, close: &DayClose) -> Result<(), Failure> {
        let totals = self.store().totals_of(close).await?;
        let endpoint = self.endpoint(close.endpoint).await?;
        let endpoint =
            endpoint.ok_or_else(|| Failure::Internal(format!("no endpoint {}", close.endpoint)))?;
        let settlement = Settlement {
            batch: close.id,
            terminal_id: endpoint.terminal_id.clone(),
            currency: endpoint.currency,
            totals,
        };
        let now = self.clock().now();
        match self.in_time(self.parts.acquirer.settle(&settlement)).await {
            Ok(code) => {
                let code = verdict(close, &totals, code);
                Ok(self.store().finish_day_close(close, &totals, &code, now).await?)
            }
            Err(fault) => {
                tracing::warn!(batch = %close.id, %fault, "the acquirer does not settle the day");
                let wait = ladder::reversal_wait(rounds(now - close.started_at));
                Ok(self.store().look_later(close.id, now + wait).await?)
            }
        }
    }

    /// Goes on with all closes that wait, and begins those that are due by themselves. Answers how
    /// many it went on with.
    ///
    /// # Errors
    /// `Unavailable` when the database is away; the next call does the rest.
    pub async fn close_due_days(&self) -> Result<usize, Failure> {
        let now = self.clock().now();
        for id in self.store().self_closing_endpoints().await? {
            // One that cannot be closed holds up no other.
            if let Err(failure) = self.close_endpoint_if_due(id, now).await {
                tracing::error!(endpoint = %id, %failure, "its day cannot be closed");
            }
        }
        let due = self.store().due_day_closes(now, AT_ONCE).await?;
        let count = due.len();
        join_all(due.into_iter().map(|close| self.go_on_or_later(close, now))).await;
        Ok(count)
    }

    async fn go_on_or_later(&self, close: DayClose, now: Millis) {
        let id = close.id;
        if let Err(failure) = self.go_on(close).await {
            tracing::error!(batch = %id, %failure, "this close cannot go on");
            // If this fails, too, it is simply due again at once.
            let _ = self.store().look_later(id, now + MINUTE).await;
        }
    }

    async fn close_endpoint_if_due(&self, id: EndpointId, now: Millis) -> Result<(), Failure> {
        match self.endpoint(id).await? {
            Some(endpoint) => self.close_if_due(&endpoint, now).await,
            None => Ok(()),
        }
    }

    async fn close_if_due(&self, endpoint: &Endpoint, now: Millis) -> Result<(), Failure> {
        let Some((date, moment)) = endpoint.terms.day.last_closing(now) else {
            return Ok(());
        };
        let gate = self.gate(endpoint.id).await?;
        // A day that was opened since then, by whatever close, is not over yet.
        if gate.closing.is_some() || gate.opened_at >= moment {
            return Ok(());
        }
        // No request can have such a name: its door takes letters and digits only.
        let request_id = format!("auto-{}", date.format("%Y%m%d"));
        if self.store().day_close(endpoint.id, &request_id).await?.is_some() {
            return Ok(());
        }
        tracing::info!(endpoint = %endpoint.id, %date, "the day closes by itself");
        match self.begin_close(endpoint, &request_id, Claimed::default(), date).await {
            // Refused: another instance or a request was faster.
            Ok(_) | Err(Failure::Refused { .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// How a gate stands.
    ///
    /// # Errors
    /// `Refused` when there is none, `Unavailable`.
    pub async fn gate(&self, endpoint: EndpointId) -> Result<Gate, Failure> {
        let gate = self.store().gate(endpoint).await?;
        Ok(gate.ok_or(Refusal::EndpointNotFound(endpoint.0))?)
    }

    /// The close with this batch number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn day_close(&self, id: DayCloseId) -> Result<Option<DayClose>, Failure> {
        Ok(self.store().day_close_by_id(id).await?)
    }

    /// Opens a shut gate, for an operator. A day that was not over yet goes on; one that was over
    /// is settled all the same. Answers whether the gate was shut.
    ///
    /// # Errors
    /// As [`Gateway::gate`].
    pub async fn unlock_gate(&self, endpoint: EndpointId) -> Result<bool, Failure> {
        let Some(closing) = self.gate(endpoint).await?.closing else {
            return Ok(false);
        };
        tracing::warn!(%endpoint, batch = %closing, "an operator opens the gate");
        self.store().release_gate(endpoint, closing).await?;
        self.forget_gates();
        Ok(true)
    }
}

/// The acquirer's word, unless the caller has counted something else than the ledger.
fn verdict(close: &DayClose, totals: &Totals, code: String) -> String {
    if close.claimed.agrees_with(totals) {
        return code;
    }
    let claimed = &close.claimed;
    tracing::warn!(batch = %close.id, ?claimed, ?totals, "the caller counted something else");
    TOTALS_DIFFER.to_owned()
}

/// The close that was asked for before, if it was asked for with the same numbers.
fn same_request(known: DayClose, claimed: Claimed) -> Result<DayClose, Failure> {
    match known.claimed == claimed {
        true => Ok(known),
        false => Err(Failure::refused(
            Refusal::DayCloseDiffers,
            format!("close {} was asked for with {:?}", known.id, known.claimed),
        )),
    }
}

/// About how often something was tried that has been going on for this long.
fn rounds(since: Millis) -> u32 {
    (0..16).find(|round| ladder::reversal_wait(*round) >= since).unwrap_or(16)
}
