//! Which sales were sent, which were accepted, and whose callback came.

use anyhow::{Context, bail};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The names of orders that were put into the table past the gateway, in an order that says nothing
/// about their age. The factor is odd, so no name comes twice; SQL can calculate it, too.
pub(super) const STORED_FACTOR: i64 = 2_654_435_761;
pub(super) const STORED_MODULUS: i64 = 1 << 32;
pub(super) const STORED_PREFIX: &str = "stored-";
/// The id of the first of them is the next one.
pub(super) const STORED_BEFORE: i64 = 1_000_000;

/// The book of one gateway's sales.
pub(super) struct Ledger {
    /// What stands before the number in a `client_orderid`.
    prefix: &'static str,
    pages: Mutex<Pages>,
    arrival: Notify,
}

#[derive(Default)]
struct Pages {
    sales: Vec<Sale>,
    /// Accepted sales: their numbers and the gateway's ids.
    accepted: Vec<(usize, i64)>,
    /// How many orders are there that nobody sold.
    stored: i64,
    arrived: usize,
    arrivals: Arrivals,
    /// The first thing that was wrong with a callback.
    fault: Option<String>,
}

#[derive(Clone, Copy, Default)]
struct Sale {
    sent: Option<Instant>,
    called_back: bool,
    refused: bool,
}

/// What the callbacks since the last look came to.
#[derive(Default)]
pub(super) struct Arrivals {
    /// From the sending of a sale to its callback, in microseconds.
    pub latencies: Vec<u32>,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
}

impl Ledger {
    /// An empty book. Books whose sales go to the same gateway need different prefixes.
    pub(super) fn new(prefix: &'static str) -> Self {
        Self { prefix, pages: Mutex::default(), arrival: Notify::new() }
    }

    /// The number of a new sale.
    pub(super) fn next_number(&self) -> usize {
        let mut pages = self.pages();
        pages.sales.push(Sale::default());
        pages.sales.len() - 1
    }

    /// The `client_orderid` of a sale.
    pub(super) fn name_of(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// Notes that a sale is being sent, or should have been at this moment.
    pub(super) fn sent(&self, number: usize, at: Instant) {
        if let Some(sale) = self.pages().sales.get_mut(number) {
            sale.sent = Some(at);
        }
    }

    /// Notes that a sale was accepted as this order.
    pub(super) fn accepted(&self, number: usize, order: i64) {
        self.pages().accepted.push((number, order));
    }

    /// Notes that a sale was answered with "try again later". Nobody knows whether it becomes an
    /// order; if so, it does not count.
    pub(super) fn refused(&self, number: usize) {
        let mut pages = self.pages();
        if let Some(sale) = pages.sales.get_mut(number) {
            sale.refused = true;
            let called_back_before = usize::from(sale.called_back);
            pages.arrived -= called_back_before;
        }
    }

    /// Notes that this many orders lie in the table that nobody sold.
    pub(super) fn stored(&self, orders: i64) {
        self.pages().stored = orders;
    }

    /// How many sales were accepted.
    pub(super) fn accepted_count(&self) -> usize {
        self.pages().accepted.len()
    }

    /// Notes that the callback of a sale came. A repeat is no fault and counts nothing.
    pub(super) fn called_back(&self, client_orderid: &str) {
        let now = Instant::now();
        let mut pages = self.pages();
        let sale = self.number_of(client_orderid).and_then(|number| pages.sales.get_mut(number));
        let Some((sale, sent)) = sale.and_then(|sale| sale.sent.map(|sent| (sale, sent))) else {
            let fault = format!("a callback came for {client_orderid:?}, which nobody sent");
            pages.fault.get_or_insert(fault);
            return;
        };
        if std::mem::replace(&mut sale.called_back, true) || sale.refused {
            return;
        }
        pages.arrived += 1;
        pages.arrivals.first.get_or_insert(now);
        pages.arrivals.last = Some(now);
        pages.arrivals.latencies.push(micros(now - sent));
        self.arrival.notify_one();
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

    /// Waits for the callbacks of all accepted sales without a pause in which they could go
    /// unnoticed: for one waiter, who sends nothing meanwhile.
    ///
    /// # Errors
    /// As [`Self::owed`].
    pub(super) async fn settled(&self) -> anyhow::Result<()> {
        while self.owed()? > 0 {
            self.arrival.notified().await;
        }
        Ok(())
    }

    /// The callbacks since this was last asked.
    pub(super) fn take_arrivals(&self) -> Arrivals {
        std::mem::take(&mut self.pages().arrivals)
    }

    /// Any order that is there: its name and the gateway's id.
    pub(super) fn pick(&self, random: u64) -> Option<(String, i64)> {
        let pages = self.pages();
        let stored = u64::try_from(pages.stored).ok()?;
        let count = stored + u64::try_from(pages.accepted.len()).ok()?;
        let place = random.checked_rem(count)?;
        if let Some(place) = place.checked_sub(stored) {
            let (number, order) = pages.accepted.get(usize::try_from(place).ok()?)?;
            return Some((self.name_of(*number), *order));
        }
        let place = i64::try_from(place).ok()? + 1;
        Some((stored_name(place), STORED_BEFORE + place))
    }

    fn number_of(&self, client_orderid: &str) -> Option<usize> {
        client_orderid.strip_prefix(self.prefix)?.strip_prefix('-')?.parse().ok()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `client_orderid` of a stored order, counted from 1.
fn stored_name(place: i64) -> String {
    format!("{STORED_PREFIX}{}", place * STORED_FACTOR % STORED_MODULUS)
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
        let ledger = Ledger::new("bench");
        let (first, second) = (ledger.next_number(), ledger.next_number());
        ledger.sent(first, Instant::now());
        ledger.accepted(first, 1001);
        assert_eq!(ledger.owed().unwrap(), 1);
        ledger.called_back(&ledger.name_of(first));
        ledger.called_back(&ledger.name_of(first));
        assert_eq!(ledger.owed().unwrap(), 0);
        let arrivals = ledger.take_arrivals();
        assert_eq!((arrivals.latencies.len(), arrivals.first), (1, arrivals.last));
        assert_eq!(ledger.pick(7), Some(("bench-0".to_owned(), 1001)));
        ledger.called_back(&ledger.name_of(second));
        assert!(ledger.owed().is_err(), "the second was never sent");
    }

    #[test]
    fn a_sale_that_was_refused_owes_nothing_whatever_becomes_of_it() {
        let ledger = Ledger::new("bench");
        for late in [true, false] {
            let number = ledger.next_number();
            ledger.sent(number, Instant::now());
            let steps = [Ledger::refused, |book: &Ledger, n| book.called_back(&book.name_of(n))];
            let order = if late { [0, 1] } else { [1, 0] };
            for step in order {
                let step: usize = step;
                steps[step](&ledger, number);
            }
            assert_eq!(ledger.owed().unwrap(), 0);
        }
    }

    #[test]
    fn an_empty_book_has_nothing_to_pick() {
        assert_eq!(Ledger::new("bench").pick(7), None);
    }

    #[test]
    fn stored_orders_are_picked_like_sold_ones() {
        let ledger = Ledger::new("bench");
        ledger.stored(10_000_000);
        ledger.accepted(5, 77);
        assert_eq!(ledger.pick(0), Some(("stored-2654435761".to_owned(), 1_000_001)));
        assert_eq!(ledger.pick(1), Some(("stored-1013904226".to_owned(), 1_000_002)));
        assert_eq!(ledger.pick(10_000_000), Some(("bench-5".to_owned(), 77)));
    }

    #[test]
    fn another_book_keeps_its_own_sales() {
        let ledger = Ledger::new("bench");
        ledger.sent(ledger.next_number(), Instant::now());
        ledger.called_back("other-0");
        assert!(ledger.owed().is_err());
    }
}
