//! The auditor: compares the database, the host's book, the receiver's post and the shop's answers
//! after every step, and says what does not fit.

use super::disk::Disk;
use super::host::Entry;
use super::network::Network;
use super::notebook::Notebook;
use super::receiver::Receiver;
use super::request::Request;
use super::shop::{Settled, Shop};
use super::snapshot::{JobRow, NoticeRow, OrderRow, Snapshot};
use super::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tillgate::payment::ids::OrderId;
use tillgate::payment::order::{Kind, Status};

pub struct Auditor {
    network: Arc<Network>,
    receiver: Arc<Receiver>,
    shop: Shop,
    time: Time,
    notebook: Notebook,
    /// What it saw the last time.
    before: Snapshot,
}

impl Auditor {
    pub fn new(
        network: &Arc<Network>,
        receiver: &Arc<Receiver>,
        shop: &Shop,
        time: &Time,
        notebook: &Notebook,
    ) -> Self {
        Self {
            network: Arc::clone(network),
            receiver: Arc::clone(receiver),
            shop: shop.clone(),
            time: time.clone(),
            notebook: notebook.clone(),
            before: Snapshot::default(),
        }
    }

    pub fn last_seen(&self) -> &Snapshot {
        &self.before
    }

    /// What must hold after every step.
    pub fn audit(&mut self, disk: &mut Disk) {
        if !self.notebook.take_stirred() {
            return;
        }
        let now = match disk.has_changed() {
            true => {
                let now = Snapshot::take(disk);
                self.compare_with_before(&now);
                now
            }
            false => std::mem::take(&mut self.before),
        };
        for (id, order) in &now.orders {
            self.check_order(*id, order, &now);
        }
        self.check_counters(&now);
        self.check_answers(&now);
        self.check_post(&now);
        for id in self.network.sent_orders() {
            self.must(now.orders.contains_key(&id), || format!("order {id} was sent, not saved"));
        }
        self.before = now;
    }

    /// What must hold when everybody has had time enough.
    pub fn audit_the_end(&self) {
        let seen = &self.before;
        for JobRow { order, step, .. } in &seen.jobs {
            self.notebook.accuse(format!("order {order} is stuck before its {step}"));
        }
        for NoticeRow { order, state, attempts, .. } in &seen.notices {
            let delivered = state == "delivered" && self.receiver.has_confirmed(*order);
            self.must(delivered, || {
                format!("the callback of {order} is {state} after {attempts} attempts")
            });
        }
        self.must(self.shop.is_done(), || "a request was never answered".to_owned());
    }

    fn must(&self, holds: bool, accusation: impl FnOnce() -> String) {
        if !holds {
            self.notebook.accuse(accusation());
        }
    }

    fn compare_with_before(&self, now: &Snapshot) {
        for (id, before) in &self.before.orders {
            let Some(after) = now.orders.get(id) else {
                self.notebook.accuse(format!("order {id} has vanished"));
                continue;
            };
            let moves = may_become(before.status, after.status);
            self.must(moves, || format!("order {id} became {after:?} from {before:?}"));
            // A later transaction is a new version of the order, and changes nothing else.
            let as_before = OrderRow { version: before.version, ..after.clone() };
            let final_stays = !before.status.is_final() || *before == as_before;
            self.must(final_stays, || format!("order {id} was final and changed to {after:?}"));
            self.must(before.version <= after.version, || format!("order {id} went back"));
        }
        for (id, after) in &now.orders {
            if self.before.orders.get(id).map(|before| before.status) != Some(after.status) {
                self.notebook.count(reached(after.status));
            }
        }
        for (reader, before) in &self.before.counters {
            let risen = now.counters.get(reader).is_some_and(|after| after >= before);
            self.must(risen, || format!("the counter of reader {reader} fell"));
        }
    }

    fn check_order(&self, id: OrderId, order: &OrderRow, now: &Snapshot) {
        let own = now.jobs.iter().filter(|job| job.order == id && !job.is_later);
        let is_final = order.status.is_final();
        let steps: Vec<_> = own.map(|job| job.step.as_str()).collect();
        let fits = match (order.status, steps.as_slice()) {
            (Status::Processing, [step]) => ["authorise", "inquire"].contains(step),
            (Status::Unknown, ["reverse"]) => true,
            (Status::Approved, ["expire"]) => order.kind == Kind::Preauth,
            (Status::Approved, []) => order.kind != Kind::Preauth || now.released.contains_key(&id),
            (_, steps) => is_final && steps.is_empty(),
        };
        self.must(fits, || format!("order {id} is {:?} and waits for {steps:?}", order.status));
        self.must(order.has_card != is_final, || format!("order {id} keeps its card wrongly"));

        let told: Vec<_> = now.notices.iter().filter(|notice| notice.order == id).collect();
        let owed = usize::from(is_final && order.wants_callback);
        let fits = told.len() == owed && told.iter().all(|n| n.status == order.status.name());
        self.must(fits, || format!("order {id} owes {owed} callbacks, not {}", told.len()));
        for notice in told.iter().filter(|notice| notice.state == "delivered") {
            let heard = self.receiver.has_confirmed(notice.order);
            self.must(heard, || format!("the callback of {id} counts as delivered and was not"));
        }
        if is_final {
            self.check_money(id, order, now.released.get(&id).copied());
        }
        let owed = match order.kind {
            Kind::Sale => Some((order.minor, 1)),
            Kind::Refund => Some((-order.minor, 1)),
            Kind::Preauth => None,
        };
        let owed = owed.filter(|_| order.status == Status::Approved);
        let taken = now.taken.get(&id).copied();
        self.must(taken == owed, || format!("order {id} should move {owed:?}, moved {taken:?}"));
    }

    /// Of a final order the host's book and ours say the same.
    fn check_money(&self, id: OrderId, order: &OrderRow, released: Option<Status>) {
        let entry = self.network.entry(id);
        let fits = match order.status {
            Status::Approved => match released {
                None => entry == Some(Entry::Approved),
                Some(Status::Approved) => entry == Some(Entry::Reversed),
                Some(_) => matches!(entry, Some(Entry::Approved | Entry::Reversed)),
            },
            // Never arrived, declined there too, or taken back.
            Status::Declined => {
                matches!(entry, None | Some(Entry::Declined | Entry::Reversed))
            }
            // Its card could not be opened in time, which takes a clock that leaps for hours.
            Status::Error => entry.is_none() && self.time.has_strayed(),
            _ => entry.is_none(),
        };
        self.must(fits, || format!("order {id} is {:?}, and at the host {entry:?}", order.status));
    }

    /// A reader's counter is in one order at most, and the reader remembers it.
    fn check_counters(&self, now: &Snapshot) {
        let requests = self.shop.requests();
        let mut taken = BTreeSet::new();
        for (id, order) in &now.orders {
            let Some(request) = requests.iter().find(|request| request.minor == order.minor) else {
                self.notebook.accuse(format!("order {id} is nobody's: {order:?}"));
                continue;
            };
            let Request { reader, counter, name, .. } = request;
            self.must(*name == order.name, || format!("order {id} has another name: {order:?}"));
            let new = taken.insert((*reader, *counter));
            self.must(new, || format!("counter {counter} of reader {reader} was taken twice"));
            let kept = now.counters.get(reader).is_some_and(|last| last >= counter);
            self.must(kept, || format!("reader {reader} forgot its counter {counter}"));
        }
    }

    /// What the shop was told is so, and stays so.
    fn check_answers(&self, now: &Snapshot) {
        let requests = self.shop.requests();
        let by_amount: BTreeMap<_, _> =
            now.orders.iter().map(|(id, order)| (order.minor, *id)).collect();
        for (place, settled) in self.shop.settled() {
            let Request { name, minor, .. } = &requests[place];
            let made = by_amount.get(minor);
            let fits = match settled {
                Settled::Accepted(id) => made == Some(&id),
                Settled::CounterPassed => made.is_none(),
                Settled::Rival(id) => {
                    let rival = now.orders.get(&id);
                    made.is_none() && rival.is_some_and(|rival| rival.name == *name)
                }
            };
            self.must(fits, || format!("{name} for {minor} was {settled:?}, and is {made:?}"));
        }
        let names: BTreeSet<_> = now.orders.values().map(|order| &order.name).collect();
        self.must(names.len() == now.orders.len(), || "one name, two orders".to_owned());
    }

    /// Callbacks tell of final orders, and the truth.
    fn check_post(&self, now: &Snapshot) {
        for (id, told) in self.receiver.take_unaudited() {
            self.notebook.count("a callback received");
            let status = now.orders.get(&id).map(|order| order.status);
            let true_ = status.is_some_and(|s| s.is_final() && s.name() == told);
            self.must(true_, || format!("a callback said {told} of {id}, which is {status:?}"));
        }
    }
}

fn may_become(before: Status, after: Status) -> bool {
    match before {
        Status::Processing => after != Status::Filtered,
        Status::Unknown => matches!(after, Status::Unknown | Status::Declined),
        done => after == done,
    }
}

fn reached(status: Status) -> &'static str {
    match status {
        Status::Processing => "an order that began",
        Status::Unknown => "an order whose outcome became unknown",
        Status::Approved => "an order that was approved",
        Status::Declined => "an order that was declined",
        Status::Filtered => "an order that was filtered",
        Status::Error => "an order that ended in an error",
    }
}
