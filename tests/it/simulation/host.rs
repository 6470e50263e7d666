//! The acquirer's host and its book: the truth about money, whatever anybody heard of it.

use crate::dice::Dice;
use std::collections::BTreeMap;
use tillgate::payment::Millis;
use tillgate::payment::host::{Authorisation, HostAnswer, Inquiry};
use tillgate::payment::ids::OrderId;

/// The book, by order.
pub struct Host {
    book: BTreeMap<OrderId, Entry>,
    dice: Dice,
}

/// What the book says of one order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// It will be decided at this moment.
    Thinking {
        until: Millis,
        approves: bool,
    },
    Approved,
    Declined,
    Reversed,
}

impl Host {
    pub fn new(dice: Dice) -> Self {
        Self { book: BTreeMap::new(), dice }
    }

    /// The same order again is the same transaction; one that was reversed stays so.
    pub fn authorise(&mut self, order: OrderId, now: Millis) -> Authorisation {
        let dice = &self.dice;
        let entry = self.book.entry(order).or_insert_with(|| {
            let approves = !dice.one_in(4);
            match (dice.one_in(5), approves) {
                (true, _) => Entry::Thinking { until: now + dice.between(1, 90_000), approves },
                (false, true) => Entry::Approved,
                (false, false) => Entry::Declined,
            }
        });
        match settled(entry, now) {
            Entry::Thinking { .. } => {
                Authorisation::Pending { ask_after: self.dice.between(0, 60_000) }
            }
            Entry::Approved => Authorisation::Answered(decision("00")),
            Entry::Declined | Entry::Reversed => Authorisation::Answered(decision("05")),
        }
    }

    pub fn inquire(&mut self, order: OrderId, now: Millis) -> Inquiry {
        match self.book.get_mut(&order).map(|entry| settled(entry, now)) {
            None => Inquiry::NotFound,
            Some(Entry::Thinking { .. }) => Inquiry::Undecided,
            Some(Entry::Approved) => Inquiry::Answered(decision("00")),
            Some(Entry::Declined | Entry::Reversed) => Inquiry::Answered(decision("05")),
        }
    }

    /// Undoes an order, whatever became of it and even if it is yet to arrive.
    pub fn reverse(&mut self, order: OrderId) {
        self.book.insert(order, Entry::Reversed);
    }

    pub fn has_reversed(&self, order: OrderId) -> bool {
        self.book.get(&order) == Some(&Entry::Reversed)
    }

    /// What the book says now.
    pub fn entry(&mut self, order: OrderId, now: Millis) -> Option<Entry> {
        self.book.get_mut(&order).map(|entry| settled(entry, now))
    }
}

/// The entry after its time to think is over.
fn settled(entry: &mut Entry, now: Millis) -> Entry {
    if let Entry::Thinking { until, approves } = *entry
        && until <= now
    {
        *entry = if approves { Entry::Approved } else { Entry::Declined };
    }
    *entry
}

fn decision(response_code: &str) -> HostAnswer {
    HostAnswer {
        response_code: response_code.to_owned(),
        approval_code: None,
        rrn: None,
        processor_tx_id: None,
        issuer_data: None,
    }
}
