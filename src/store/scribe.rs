//! Writing a batch into its transaction: look, decide, write, a few round trips for all of it.

use super::batch::{Claim, Reply};
use super::dialect::Dialect;
use super::rows::{
    self, AdvanceRow, EndRow, JobRow, LookRow, NoteRow, NoticeRow, OrderRow, PhoneRow, PlanRow,
};
use super::writer::{Acceptance, Advance, NewOrder, NoticeResult};
use super::{StoreError, corrupt};
use crate::payment::ids::OrderId;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Row, Transaction};
use std::collections::{HashMap, HashSet};

/// Writes one batch into its transaction: look, decide, write.
pub(super) struct Scribe<'a> {
    pub(super) transaction: &'a mut Transaction<'static, Any>,
    pub(super) dialect: Dialect,
}

impl Scribe<'_> {
    fn connection(&mut self) -> &mut AnyConnection {
        self.transaction
    }

    /// Runs a hot statement on rows, if there are any; answers how many it changed.
    async fn run<T: Serialize>(
        &mut self,
        statement: &'static str,
        rows: &[T],
    ) -> Result<u64, StoreError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let done =
            sqlx::query(statement).bind(rows::json(rows)?).execute(self.connection()).await?;
        Ok(done.rows_affected())
    }

    /// Looks up what a batch of new orders meets, decides each, writes those that may be.
    pub(super) async fn accept(
        &mut self,
        accepts: &[(Box<NewOrder>, Reply<Acceptance>)],
    ) -> Result<Vec<Acceptance>, StoreError> {
        if accepts.is_empty() {
            return Ok(Vec::new());
        }
        let hot = self.dialect.hot();
        let rows: Vec<_> =
            accepts.iter().enumerate().map(|(place, (new, _))| LookRow::of(place, new)).collect();
        let known = self.look(hot.look, &rows).await?;
        let verdicts = judge(&rows, &known);
        let to_write =
            |place: &usize| verdicts[*place] == Acceptance::Saved && known[*place].order.is_none();
        let kept: Vec<_> = (0..rows.len()).filter(to_write).collect();
        let fresh: Vec<_> = kept.iter().map(|place| &rows[*place]).collect();
        let counters = highest_counters(&fresh);
        let new = || kept.iter().map(|place| accepts[*place].0.as_ref());
        let orders = new().map(OrderRow::of).collect::<Result<Vec<_>, _>>()?;

        let nonces = self.run(hot.insert_nonces, &fresh).await?;
        let raised = self.run(hot.raise_counters, &counters).await?;
        let inserted = self.run(hot.insert_orders, &orders).await?;
        let all = orders.len() as u64;
        if nonces != all || raised != counters.len() as u64 || inserted != all {
            // Another writer was faster between our look and our write; look again.
            return Err(StoreError::Busy("another instance took the same order".to_owned()));
        }
        self.run(hot.insert_phones, &PhoneRow::distinct(new())).await?;
        self.run(hot.insert_jobs, &new().filter_map(JobRow::of).collect::<Vec<_>>()).await?;
        let notices: Vec<_> = new()
            .filter_map(|n| n.notice.as_ref().map(|notice| NoticeRow::of(notice, &n.change, None)))
            .collect();
        self.run(hot.insert_notices, &notices).await?;
        Ok(verdicts)
    }

    async fn look(
        &mut self,
        statement: &'static str,
        rows: &[LookRow<'_>],
    ) -> Result<Vec<Known>, StoreError> {
        let found =
            sqlx::query(statement).bind(rows::json(rows)?).fetch_all(self.connection()).await?;
        let mut known: Vec<_> = rows.iter().map(|_| Known::default()).collect();
        for row in found {
            let place =
                usize::try_from(row.try_get::<i64, _>("place")?).map_err(|_| corrupt("place"))?;
            *known.get_mut(place).ok_or_else(|| corrupt("place"))? = Known {
                order: row.try_get::<Option<i64>, _>("order_id")?.map(OrderId),
                last_counter: row.try_get("last_counter")?,
                nonce_seen: row.try_get::<i64, _>("nonce_seen")? != 0,
            };
        }
        Ok(known)
    }

    /// Saves the orders whose version is still the expected one, then what follows from each.
    pub(super) async fn advance(
        &mut self,
        advances: &[(Box<Advance>, Reply<bool>)],
    ) -> Result<Vec<bool>, StoreError> {
        if advances.is_empty() {
            return Ok(Vec::new());
        }
        let hot = self.dialect.hot();
        let rows: Vec<_> = advances
            .iter()
            .map(|(advance, _)| AdvanceRow::of(advance))
            .collect::<Result<_, _>>()?;
        let returned = sqlx::query(hot.advance_orders)
            .bind(rows::json(&rows)?)
            .fetch_all(self.connection())
            .await?;
        let mut current = returned
            .iter()
            .map(|row| row.try_get::<i64, _>(0))
            .collect::<Result<HashSet<_>, _>>()?;
        // Two advances of one order in one batch: the first counts, the second is stale.
        let saved: Vec<_> =
            advances.iter().map(|(a, _)| current.remove(&a.change.order.id.0)).collect();
        let done = || advances.iter().zip(&saved).filter(|(_, saved)| **saved).map(|(a, _)| &a.0);

        let plans: Vec<_> = done().filter_map(|a| PlanRow::of(a)).collect();
        let ends: Vec<_> = done().filter_map(|a| EndRow::of(a)).collect();
        let notices: Vec<_> = done()
            .filter_map(|a| {
                let notice = a.notice.as_ref()?;
                Some(NoticeRow::of(notice, &a.change, a.notice_leased_until))
            })
            .collect();
        let planned = self.run(hot.plan_jobs, &plans).await?;
        let ended = self.run(hot.end_jobs, &ends).await?;
        if planned != plans.len() as u64 || ended != ends.len() as u64 {
            // A job was claimed by somebody else between our look and our write; look again.
            return Err(StoreError::Busy("another instance claimed the same job".to_owned()));
        }
        self.run(hot.insert_notices, &notices).await?;
        Ok(saved)
    }

    pub(super) async fn note(
        &mut self,
        notes: &[(NoticeResult, Reply<()>)],
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = notes.iter().map(|(note, _)| NoteRow::of(note)).collect();
        self.run(self.dialect.hot().note_attempts, &rows).await.map(drop)
    }

    pub(super) async fn claim<T>(
        &mut self,
        statement: &'static str,
        claim: Claim,
        read: impl Fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = sqlx::query(statement)
            .bind(claim.leased_until)
            .bind(claim.now)
            .bind(i64::from(claim.most))
            .fetch_all(self.connection())
            .await?;
        // A row that only a newer version can read must not hold up the others. It is leased, and
        // comes back when its lease ends.
        let readable = |row: &AnyRow| match read(row) {
            Ok(piece) => Some(piece),
            Err(error) => {
                tracing::error!(%error, "claimed work that this version cannot read");
                None
            }
        };
        Ok(rows.iter().filter_map(readable).collect())
    }
}

/// What the database held about one new order before the batch.
#[derive(Default)]
struct Known {
    order: Option<OrderId>,
    last_counter: Option<i64>,
    nonce_seen: bool,
}

/// Decides each new order, as if they had come one after the other.
fn judge(rows: &[LookRow<'_>], known: &[Known]) -> Vec<Acceptance> {
    let mut orders: HashMap<(i64, &str), OrderId> = HashMap::new();
    let mut counters: HashMap<i64, i64> = HashMap::new();
    let mut nonces: HashSet<(i64, &str)> = HashSet::new();
    rows.iter()
        .zip(known)
        .map(|(row, known)| {
            let name = (row.endpoint_id, row.client_orderid);
            let nonce = (row.nonce_bucket, row.nonce_digest);
            // A reader that is not there has no counter that could rise.
            let last =
                *counters.get(&row.reader_id).unwrap_or(&known.last_counter.unwrap_or(i64::MAX));
            if known.order == Some(row.order) {
                // Our own earlier try: it was committed, only the word of it was lost.
                return Acceptance::Saved;
            }
            if known.nonce_seen || nonces.contains(&nonce) {
                return Acceptance::NonceSeen;
            }
            if let Some(earlier) = known.order.or_else(|| orders.get(&name).copied()) {
                return Acceptance::Duplicate(earlier);
            }
            if row.counter <= last {
                return Acceptance::CounterReplayed;
            }
            orders.insert(name, row.order);
            counters.insert(row.reader_id, row.counter);
            nonces.insert(nonce);
            Acceptance::Saved
        })
        .collect()
}

/// One row per reader, so that a statement never updates a reader twice.
fn highest_counters<'a>(orders: &[&'a LookRow<'a>]) -> Vec<&'a LookRow<'a>> {
    let mut highest: HashMap<i64, &LookRow<'_>> = HashMap::new();
    for row in orders {
        // Accepted counters of one reader rise from row to row.
        highest.insert(row.reader_id, row);
    }
    let mut rows: Vec<_> = highest.into_values().collect();
    // The same order in every writer keeps their row locks from crossing.
    rows.sort_by_key(|row| row.reader_id);
    rows
}
