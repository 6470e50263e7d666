//! Which sales were sent, which were accepted, and whose callback came.

use anyhow::{Context, bail};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What stands before the number in a `client_orderid`.
const PREFIX: &str = "bench-";

/// The book of one gateway's sales.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    sales: Vec<Sale>,
    /// Accepted sales: their numbers and the gateway's ids.
    accepted: Vec<(usize, i64)>,
    arrived: usize,
    last_arrival: Option<Instant>,
    /// From the sending of a sale to its callback, in microseconds; since they were last taken.
    latencies: Vec<u32>,
    /// The first thing that was wrong with a callback.
    fault: Option<String>,
}

#[derive(Clone, Copy, Default)]
struct Sale {
    sent: Option<Instant>,
    called_back: bool,
}

/// What the callbacks since the last look came to.
pub(super) struct Arrivals {
    pub latencies: Vec<u32>,
    pub last: Option<Instant>,
}

impl Ledger {
    /// The number of a new sale.
    pub(super) fn next_number(&self) -> usize {
        let mut pages = self.pages();
        pages.sales.push(Sale::default());
        pages.sales.len() - 1
    }

    /// Notes that a sale is being sent.
    pub(super) fn sent(&self, number: usize) {
        if let Some(sale) = self.pages().sales.get_mut(number) {
            sale.sent = Some(Instant::now());
        }
    }

    /// Notes that a sale was accepted as this order.
    pub(super) fn accepted(&self, number: usize, order: i64) {
        self.pages().accepted.push((number, order));
    }

    /// Notes that the callback of a sale came. A repeat is no fault and counts nothing.
    pub(super) fn called_back(&self, client_orderid: &str) {
        let now = Instant::now();
        let mut pages = self.pages();
        let sale = number_of(client_orderid).and_then(|number| pages.sales.get_mut(number));
        let Some((sale, sent)) = sale.and_then(|sale| sale.sent.map(|sent| (sale, sent))) else {
            let fault = format!("a callback came for {client_orderid:?}, which nobody sent");
            pages.fault.get_or_insert(fault);
            return;
        };
        if std::mem::replace(&mut sale.called_back, true) {
            return;
        }
        pages.arrived += 1;
        pages.last_arrival = Some(now);
        pages.latencies.push(micros(now - sent));
    }

    /// How many accepted sales still owe their callback.
    ///
    /// # Errors
    /// When a callback came that no sale explains.
    pub(super) fn owed(&self) -> anyhow::Result<usize> {
        let pages = self.pages();
        if let Some(fault) = &pages.fault {
            bail!("{fault}");
        }
        let (accepted, arrived) = (pages.accepted.len(), pages.arrived);
        accepted.checked_sub(arrived).context("more callbacks came than sales were accepted")
    }

    /// The callbacks since this was last asked.
    pub(super) fn take_arrivals(&self) -> Arrivals {
        let mut pages = self.pages();
        Arrivals { latencies: std::mem::take(&mut pages.latencies), last: pages.last_arrival }
    }

    /// Any accepted sale: its name and the gateway's id.
    pub(super) fn pick(&self, random: u64) -> Option<(String, i64)> {
        let pages = self.pages();
        let count = u64::try_from(pages.accepted.len()).ok()?;
        let place = usize::try_from(random.checked_rem(count)?).ok()?;
        let (number, order) = pages.accepted.get(place)?;
        Some((name_of(*number), *order))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `client_orderid` of a sale.
pub(super) fn name_of(number: usize) -> String {
    format!("{PREFIX}{number}")
}

fn number_of(client_orderid: &str) -> Option<usize> {
    client_orderid.strip_prefix(PREFIX)?.parse().ok()
}

/// Whole microseconds; more than an hour is an hour and a bit.
pub(super) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_sale_owes_one_callback() {
        let ledger = Ledger::default();
        let (first, second) = (ledger.next_number(), ledger.next_number());
        ledger.sent(first);
        ledger.accepted(first, 1001);
        assert_eq!(ledger.owed().unwrap(), 1);
        ledger.called_back(&name_of(first));
        ledger.called_back(&name_of(first));
        assert_eq!(ledger.owed().unwrap(), 0);
        assert_eq!(ledger.take_arrivals().latencies.len(), 1);
        assert_eq!(ledger.pick(7), Some(("bench-0".to_owned(), 1001)));
        ledger.called_back(&name_of(second));
        assert!(ledger.owed().is_err(), "the second was never sent");
    }

    #[test]
    fn an_empty_book_has_nothing_to_pick() {
        assert_eq!(Ledger::default().pick(7), None);
    }
}
