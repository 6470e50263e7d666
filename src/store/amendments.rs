//! Later transactions on orders. They are rarer than orders, so they need no place in the writer's
//! batches: each change is a short transaction of portable statements, whose first one takes the
//! row that all rivals want, and whose others write only if that row is ours.

use super::rows::{NoticeRow, json};
use super::sql::{Row, Statement, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::amendment::{Amendment, Change, Kind};
use crate::payment::ids::{AmendmentId, EndpointId, SerialNumber};
use crate::payment::ledger::Posting;
use crate::payment::money::Amount;
use crate::payment::notice::Notice;
use crate::payment::order::{Order, Status};

const OF_ORDER: &str = "\
    SELECT id, order_id, ordinal, kind, status, amount_minor, serial, comment, outcome, \
           created_at, updated_at, version \
    FROM amendments WHERE order_id = $1 ORDER BY ordinal";

/// Of two that have seen the same order only one gets here first. Its gate must be open, and, where
/// the day counts, still in the day that was looked at.
const TAKE_ORDER: &str = "\
    UPDATE orders SET version = version + 1, last_amendment_id = $3 \
    WHERE id = $1 AND version = $2 \
      AND EXISTS (SELECT 1 FROM gates WHERE endpoint_id = orders.endpoint_id \
                  AND closing_id IS NULL AND ($4 IS NULL OR day = $4))";
const INSERT: &str = "\
    INSERT INTO amendments (id, order_id, ordinal, kind, status, amount_minor, serial, comment, \
           outcome, created_at, updated_at, version) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, 0 \
    WHERE EXISTS (SELECT 1 FROM orders WHERE id = $2 AND last_amendment_id = $1)";
const INSERT_JOB: &str = "\
    INSERT INTO jobs (id, order_id, step, round, due_at, claims, tries) \
    SELECT $1, $2, $3, $4, $5, 0, 0 \
    WHERE EXISTS (SELECT 1 FROM orders WHERE id = $2 AND last_amendment_id = $1)";

/// From here on nobody can claim the job from us.
const HOLD_JOB: &str = "UPDATE jobs SET claims = claims WHERE id = $1 AND claims = $2";
const UPDATE: &str = "\
    UPDATE amendments SET status = $3, outcome = $4, updated_at = $5, version = version + 1 \
    WHERE id = $1 AND version = $6 \
      AND EXISTS (SELECT 1 FROM jobs WHERE id = $1 AND claims = $2)";
/// Whoever posts holds the gate, so that its day is not closed meanwhile.
const HOLD_GATE: &str = "UPDATE gates SET day = day WHERE endpoint_id = $1";
const POST: &str = "\
    INSERT INTO ledger (endpoint_id, day, transaction_id, movement, order_id, debit, credit, \
           amount_minor, posted_at) \
    SELECT g.endpoint_id, g.day, $2, $3, $4, $5, $6, $7, $8 FROM gates AS g \
    WHERE g.endpoint_id = $1 \
      AND EXISTS (SELECT 1 FROM jobs WHERE id = $2 AND claims = $9) \
      AND EXISTS (SELECT 1 FROM amendments WHERE id = $2 AND version = $10)";
const INSERT_NOTICE: &str = "\
    INSERT INTO notices (id, order_id, amendment_id, endpoint_id, url, status, state, attempts, \
           due_at, created_at) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 \
    WHERE EXISTS (SELECT 1 FROM jobs WHERE id = $3 AND claims = $11) \
      AND EXISTS (SELECT 1 FROM amendments WHERE id = $3 AND version = $12)";
const PLAN_JOB: &str = "\
    UPDATE jobs SET step = $3, round = $4, due_at = $5, tries = 0 \
    WHERE id = $1 AND claims = $2 \
      AND EXISTS (SELECT 1 FROM amendments WHERE id = $1 AND version = $6)";
const END_JOB_OF_AMENDMENT: &str = "\
    DELETE FROM jobs WHERE id = $1 AND claims = $2 \
      AND EXISTS (SELECT 1 FROM amendments WHERE id = $1 AND version = $3)";
const IS_POSTED: &str = "\
    SELECT COUNT(*) FROM ledger \
    WHERE endpoint_id = $1 AND day = $2 AND transaction_id = $3 \
      AND movement IN ('sale', 'capture')";

/// A step of an amendment that was taken, and what follows from it.
#[derive(Debug)]
pub struct AmendmentAdvance {
    pub change: Change,
    pub claims: u32,
    pub endpoint: EndpointId,
    pub postings: Vec<Posting>,
    pub notice: Option<Notice>,
}

impl Store {
    /// All later transactions on an order, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn amendments_of(&self, order: &Order) -> Result<Vec<Amendment>, StoreError> {
        let rows = self.rows(sql(OF_ORDER).bind(order.id.0)).await?;
        let read = |mut row: Row| {
            let (id, _) = (row.int()?, row.int()?);
            amendment_from(id, row, order)
        };
        rows.into_iter().map(read).collect()
    }

    /// Saves a new amendment and its job, if the order is still as it was read, its gate is open
    /// and, where a day is given, still in that day. `false` otherwise.
    ///
    /// # Errors
    /// When the database cannot be written. If it went away at the very moment of the commit,
    /// nobody knows whether the amendment was saved; the order then tells.
    pub async fn open_amendment(
        &self,
        order: &Order,
        change: &Change,
        day: Option<i64>,
    ) -> Result<bool, StoreError> {
        let Change { amendment, next } = change;
        let planned = next.ok_or_else(|| corrupt("plan"))?;
        let (step, round) = planned.step.name_and_round();
        let (id, order_id) = (amendment.id.0, order.id.0);
        let statements = vec![
            // Whoever shuts the gate waits for us, or we for them.
            sql(HOLD_GATE).bind(order.endpoint.0),
            sql(TAKE_ORDER).bind(order_id).bind(order.version).bind(id).bind(day),
            sql(INSERT)
                .bind(id)
                .bind(order_id)
                .bind(i64::from(amendment.ordinal))
                .bind(amendment.kind.name())
                .bind(amendment.status.name())
                .bind(amendment.amount.minor())
                .bind(amendment.serial.0)
                .bind(amendment.comment.clone())
                .bind(json(&amendment.outcome)?)
                .bind(amendment.created_at),
            sql(INSERT_JOB)
                .bind(id)
                .bind(order_id)
                .bind(step)
                .bind(i64::from(round))
                .bind(planned.due_at),
        ];
        Ok(self.change(statements).await?.changed > 0)
    }

    /// Saves a step of an amendment with its postings, its next job and the callback it now owes.
    /// `false` when somebody else owns the job: then nothing was saved.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn advance_amendment(&self, advance: &AmendmentAdvance) -> Result<bool, StoreError> {
        let AmendmentAdvance { change, endpoint, postings, notice, .. } = advance;
        let amendment = &change.amendment;
        let (id, claims) = (amendment.id.0, i64::from(advance.claims));
        let mut statements = vec![
            sql(HOLD_JOB).bind(id).bind(claims),
            sql(UPDATE)
                .bind(id)
                .bind(claims)
                .bind(amendment.status.name())
                .bind(json(&amendment.outcome)?)
                .bind(amendment.updated_at)
                .bind(amendment.version),
        ];
        if !postings.is_empty() {
            statements.push(sql(HOLD_GATE).bind(endpoint.0));
        }
        // What follows counts only if the amendment has become this version, by us.
        let fence = (claims, amendment.version + 1);
        statements.extend(postings.iter().map(|posting| post(*endpoint, posting, fence)));
        statements.extend(notice.iter().map(|notice| {
            let row = NoticeRow::waiting(notice, amendment.updated_at);
            insert_notice(&row, fence)
        }));
        statements.push(match change.next {
            Some(planned) => {
                let (step, round) = planned.step.name_and_round();
                sql(PLAN_JOB)
                    .bind(id)
                    .bind(claims)
                    .bind(step)
                    .bind(i64::from(round))
                    .bind(planned.due_at)
                    .bind(fence.1)
            }
            None => sql(END_JOB_OF_AMENDMENT).bind(id).bind(claims).bind(fence.1),
        });
        Ok(self.change(statements).await?.changed > 0)
    }

    /// Whether what this transaction took stands in the books of this day.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_posted_on(
        &self,
        endpoint: EndpointId,
        day: i64,
        transaction: i64,
    ) -> Result<bool, StoreError> {
        let row = self.row(sql(IS_POSTED).bind(endpoint.0).bind(day).bind(transaction)).await?;
        Ok(row.ok_or_else(|| corrupt("count"))?.int()? > 0)
    }
}

fn post(endpoint: EndpointId, posting: &Posting, (claims, version): (i64, i64)) -> Statement {
    sql(POST)
        .bind(endpoint.0)
        .bind(posting.transaction)
        .bind(posting.movement.name())
        .bind(posting.order.0)
        .bind(posting.debit.name())
        .bind(posting.credit.name())
        .bind(posting.amount.minor())
        .bind(posting.posted_at)
        .bind(claims)
        .bind(version)
}

fn insert_notice(row: &NoticeRow<'_>, (claims, version): (i64, i64)) -> Statement {
    sql(INSERT_NOTICE)
        .bind(row.id)
        .bind(row.order_id)
        .bind(row.amendment_id)
        .bind(row.endpoint_id)
        .bind(row.url)
        .bind(row.status)
        .bind(row.state)
        .bind(row.attempts)
        .bind(row.due_at)
        .bind(row.created_at)
        .bind(claims)
        .bind(version)
}

/// Reads what follows the two ids. An amendment has the currency of its order.
pub(super) fn amendment_from(
    id: i64,
    mut row: Row,
    order: &Order,
) -> Result<Amendment, StoreError> {
    Ok(Amendment {
        id: AmendmentId(id),
        order: order.id,
        ordinal: u32::try_from(row.int()?).map_err(|_| corrupt("ordinal"))?,
        kind: Kind::from_name(&row.text()?).ok_or_else(|| corrupt("kind"))?,
        status: Status::from_name(&row.text()?).ok_or_else(|| corrupt("status"))?,
        amount: Amount::from_minor(row.int()?, order.amount.currency())
            .ok_or_else(|| corrupt("amount"))?,
        serial: SerialNumber(row.int()?),
        comment: row.optional_text()?,
        outcome: super::lookup::parse(&row.text()?, "outcome")?,
        created_at: row.int()?,
        updated_at: row.int()?,
        version: row.int()?,
    })
}
