//! Counting what a card or a reader has used, for endpoints whose limits ask for it.

use super::{Failure, Gateway};
use crate::payment::Millis;
use crate::payment::card::CardFacts;
use crate::payment::ids::ReaderId;
use crate::payment::limits::{Per, SUM_MAX, Subject, Used};
use crate::payment::merchant::Endpoint;
use crate::payment::order::Order;
use crate::store::Usage;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// How many cards and readers can be used at the same moment.
const SUBJECTS_AT_ONCE: usize = 64;
/// How long an order waits for those of the same card or reader before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// One order at a time for each card and each reader that is counted, from counting to commit, so
/// that each counts those before it.
///
/// Only within this process. Instances that take orders of one card at the same instant do not see
/// each other's, and each has one under way at most: together they may let through as many too many
/// as there are other instances.
pub(super) struct Lines([Mutex<()>; SUBJECTS_AT_ONCE]);

/// The orders' turns; they end with this.
pub(super) type Turns<'a> = Vec<MutexGuard<'a, ()>>;

impl Lines {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    /// Always in the same order, so that no two wait for each other.
    async fn enter(&self, endpoint: &Endpoint, subjects: &[Subject]) -> Turns<'_> {
        let mut places: Vec<_> = subjects.iter().map(|one| place(endpoint, one)).collect();
        places.sort_unstable();
        places.dedup();
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            turns.push(self.0[place].lock().await);
        }
        turns
    }
}

fn place(endpoint: &Endpoint, subject: &Subject) -> usize {
    let mut hasher = DefaultHasher::new();
    (endpoint.id.0, subject).hash(&mut hasher);
    usize::try_from(hasher.finish() % (SUBJECTS_AT_ONCE as u64)).unwrap_or(0)
}

/// Who is counted when this card is used at this reader of the endpoint.
fn subjects(endpoint: &Endpoint, card: &CardFacts, reader: ReaderId) -> Vec<Subject> {
    endpoint.limits.counted().into_iter().map(|per| per.subject(card, reader)).collect()
}

/// What an order counts for that was not filtered.
pub(super) fn usages(endpoint: &Endpoint, order: &Order) -> Vec<Usage> {
    if !order.kind.spends() {
        return Vec::new();
    }
    let amount_minor = order.amount.minor().min(SUM_MAX);
    let subjects = subjects(endpoint, &order.card, order.reader).into_iter();
    subjects.map(|subject| Usage { subject, amount_minor }).collect()
}

impl Gateway {
    /// Waits until it is this card's and this reader's turn, if the endpoint counts them.
    pub(super) async fn enter_lines(
        &self,
        endpoint: &Endpoint,
        card: &CardFacts,
        reader: ReaderId,
    ) -> Result<Turns<'_>, Failure> {
        let subjects = subjects(endpoint, card, reader);
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let turns = tokio::time::timeout(PATIENCE, self.lines.enter(endpoint, &subjects)).await;
        turns.map_err(|_| Failure::Unavailable("too many orders of this card or reader".to_owned()))
    }

    /// What was used before an order, for each velocity rule of its endpoint.
    pub(super) async fn used_before(
        &self,
        endpoint: &Endpoint,
        order: &Order,
        earlier_hashes: &[String],
        now: Millis,
    ) -> Result<Vec<Used>, Failure> {
        let mut used = Vec::with_capacity(endpoint.limits.velocity.len());
        for rule in &endpoint.limits.velocity {
            let since = now - rule.within;
            let subject = rule.per.subject(&order.card, order.reader);
            let mut sum = self.store().used(endpoint.id, &subject, since).await?;
            // The card's names from before the key of its hash was replaced.
            let earlier = earlier_hashes.iter().filter(|_| rule.per == Per::Card);
            for name in earlier {
                let subject = Subject { name: name.clone(), ..subject.clone() };
                sum = sum + self.store().used(endpoint.id, &subject, since).await?;
            }
            used.push(sum);
        }
        Ok(used)
    }
}
