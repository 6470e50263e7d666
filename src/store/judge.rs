//! Whether a new order may be written: a pure decision on what the database held before it.

use super::writer::{Acceptance, NewOrder};
use crate::payment::ids::OrderId;
use std::collections::{HashMap, HashSet};

/// What the database held about one new order.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    /// The order of this name at this endpoint.
    pub(super) order: Option<OrderId>,
    /// The last counter taken from the reader; none if there is no such reader.
    pub(super) last_counter: Option<i64>,
    pub(super) nonce_seen: bool,
}

impl Known {
    /// What nobody looked up, taken to be as it mostly is.
    pub(super) const NOTHING: Self =
        Self { order: None, last_counter: Some(i64::MIN), nonce_seen: false };
}

/// What becomes of a new order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Write,
    /// Our own earlier try: it was committed, only the word of it was lost.
    Written,
    Refuse(Acceptance),
}

impl Verdict {
    /// What the caller is told.
    pub(super) fn acceptance(self) -> Acceptance {
        match self {
            Self::Write | Self::Written => Acceptance::Saved,
            Self::Refuse(acceptance) => acceptance,
        }
    }
}

/// Decides one new order.
pub(super) fn judge(new: &NewOrder, known: Known) -> Verdict {
    // A reader that is not there has no counter that could rise.
    let last_counter = known.last_counter.unwrap_or(i64::MAX);
    match known.order {
        Some(order) if order == new.change.order.id => Verdict::Written,
        _ if known.nonce_seen => Verdict::Refuse(Acceptance::NonceSeen),
        Some(earlier) => Verdict::Refuse(Acceptance::Duplicate(earlier)),
        None if new.counter <= last_counter => Verdict::Refuse(Acceptance::CounterReplayed),
        None => Verdict::Write,
    }
}

/// Decides a batch as if its orders had come one after the other; `known` is how it was before
/// the first of them.
pub(super) fn judge_batch<'a>(
    orders: impl Iterator<Item = &'a NewOrder>,
    known: &[Known],
) -> Vec<Verdict> {
    let mut names = HashMap::new();
    let mut counters = HashMap::new();
    let mut nonces = HashSet::new();
    let judge_next = |(new, known): (&'a NewOrder, &Known)| {
        let order = &new.change.order;
        let name = (order.endpoint, order.client_orderid.as_str());
        let verdict = judge(
            new,
            Known {
                order: known.order.or_else(|| names.get(&name).copied()),
                last_counter: counters.get(&order.reader).copied().or(known.last_counter),
                nonce_seen: known.nonce_seen
                    || new.nonce.is_some_and(|nonce| nonces.contains(&nonce)),
            },
        );
        if verdict == Verdict::Write {
            names.insert(name, order.id);
            counters.insert(order.reader, new.counter);
            nonces.extend(new.nonce);
        }
        verdict
    };
    orders.zip(known).map(judge_next).collect()
}
