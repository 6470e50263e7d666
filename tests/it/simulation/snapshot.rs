//! What the database holds at one moment, as far as the auditor wants to know.

use super::disk::Disk;
use std::collections::BTreeMap;
use tillgate::payment::Millis;
use tillgate::payment::ids::OrderId;
use tillgate::payment::order::{Kind, Status};

const ORDERS: &str = "\
    SELECT id, client_orderid, amount_minor, status, version, kind, \
           card_sealed IS NOT NULL, \
           request ->> 'callback_url' IS NOT NULL, stage || outcome || updated_at, request_digest \
    FROM orders ORDER BY id";
const JOBS: &str = "SELECT order_id, step, due_at, id <> order_id FROM jobs ORDER BY id";
const NOTICES: &str = "\
    SELECT order_id, status, state, due_at, attempts FROM notices ORDER BY id";
/// Holds that were released, or are about to be.
const RELEASED: &str = "SELECT order_id, status FROM amendments WHERE kind = 'cancel'";
/// What each order took from card holders, or gave them.
const LEDGER: &str = "\
    SELECT order_id, \
           SUM(CASE WHEN movement = 'sale' AND debit = 'card_holders' THEN amount_minor \
                    WHEN movement = 'refund' AND credit = 'card_holders' THEN -amount_minor \
                    ELSE 0 END), \
           COUNT(*) FROM ledger GROUP BY order_id";
const COUNTERS: &str = "SELECT id, last_counter FROM readers ORDER BY id";

#[derive(Default)]
pub struct Snapshot {
    pub orders: BTreeMap<OrderId, OrderRow>,
    pub jobs: Vec<JobRow>,
    pub notices: Vec<NoticeRow>,
    /// By order, the status of the transaction that releases its hold.
    pub released: BTreeMap<OrderId, Status>,
    /// By order, what it took (negative: gave), and by how many movements.
    pub taken: BTreeMap<OrderId, (i64, i64)>,
    /// The last accepted counter of each reader.
    pub counters: BTreeMap<i64, i64>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderRow {
    pub name: String,
    pub minor: i64,
    pub status: Status,
    pub version: i64,
    pub kind: Kind,
    pub has_card: bool,
    pub wants_callback: bool,
    /// Everything else that a final order may not change.
    pub rest: [String; 2],
}

pub struct JobRow {
    pub order: OrderId,
    pub step: String,
    pub due_at: Millis,
    /// It belongs to a later transaction on the order.
    pub is_later: bool,
}

pub struct NoticeRow {
    pub order: OrderId,
    pub status: String,
    pub state: String,
    /// `None` when nothing more will be sent.
    pub due_at: Option<Millis>,
    pub attempts: u32,
}

impl Snapshot {
    pub fn take(disk: &Disk) -> Self {
        let order = |row: Vec<String>| {
            let [id, name, minor, status, version, kind, has_card, wants_callback, rest @ ..] =
                <[String; 10]>::try_from(row).unwrap();
            let row = OrderRow {
                name,
                minor: number(&minor),
                status: Status::from_name(&status).unwrap(),
                version: number(&version),
                kind: Kind::from_name(&kind).unwrap(),
                has_card: has_card == "1",
                wants_callback: wants_callback == "1",
                rest,
            };
            (OrderId(number(&id)), row)
        };
        let job = |row: Vec<String>| JobRow {
            order: OrderId(number(&row[0])),
            step: row[1].clone(),
            due_at: number(&row[2]),
            is_later: row[3] == "1",
        };
        let notice = |row: Vec<String>| NoticeRow {
            order: OrderId(number(&row[0])),
            status: row[1].clone(),
            state: row[2].clone(),
            due_at: row[3].parse().ok(),
            attempts: row[4].parse().unwrap(),
        };
        let counter = |row: Vec<String>| (number(&row[0]), number(&row[1]));
        Self {
            orders: disk.rows(ORDERS).into_iter().map(order).collect(),
            jobs: disk.rows(JOBS).into_iter().map(job).collect(),
            notices: disk.rows(NOTICES).into_iter().map(notice).collect(),
            released: disk
                .rows(RELEASED)
                .into_iter()
                .map(|row| (OrderId(number(&row[0])), Status::from_name(&row[1]).unwrap()))
                .collect(),
            taken: disk
                .rows(LEDGER)
                .into_iter()
                .map(|row| (OrderId(number(&row[0])), (number(&row[1]), number(&row[2]))))
                .collect(),
            counters: disk.rows(COUNTERS).into_iter().map(counter).collect(),
        }
    }

    /// When the next job or callback falls due, if anything is still to be done.
    pub fn next_due(&self) -> Option<Millis> {
        let jobs = self.jobs.iter().map(|job| job.due_at);
        let notices = self.notices.iter().filter_map(|notice| notice.due_at);
        jobs.chain(notices).min()
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap()
}
