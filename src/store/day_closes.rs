//! Gates and the closes of their days. Each step is a short transaction that first takes the row
//! that its rivals want. The gate's row is held by whoever posts, so that nothing is posted to a
//! day that has ended.

use super::rows::json;
use super::sql::{Row, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::day::{DayClose, State, Totals};
use crate::payment::ids::{DayCloseId, EndpointId, SerialNumber};
use crate::payment::ledger::{Account, Movement};

const COLUMNS: &str = "\
    SELECT id, endpoint_id, request_id, claimed, day, close_date, serial, state, totals, \
           response_code, started_at, looks FROM day_closes WHERE endpoint_id = $1 AND request_id = $2";
const BY_ID: &str = "\
    SELECT id, endpoint_id, request_id, claimed, day, close_date, serial, state, totals, \
           response_code, started_at, looks FROM day_closes WHERE id = $1";
const DUE: &str = "\
    SELECT id, endpoint_id, request_id, claimed, day, close_date, serial, state, totals, \
           response_code, started_at, looks FROM day_closes WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
const GATE: &str = "SELECT day, closing_id, opened_at FROM gates WHERE endpoint_id = $1";
const SELF_CLOSING: &str = "SELECT id FROM endpoints WHERE close_at IS NOT NULL ORDER BY id";

/// Whoever shuts the gate first.
const SHUT: &str = "\
    UPDATE gates SET closing_id = $2 \
    WHERE endpoint_id = $1 AND closing_id IS NULL \
      AND NOT EXISTS (SELECT 1 FROM day_closes WHERE endpoint_id = $1 AND request_id = $3)";
const INSERT: &str = "\
    INSERT INTO day_closes (id, endpoint_id, request_id, claimed, day, close_date, serial, state, \
           started_at, due_at) \
    SELECT $1, $2, $3, $4, g.day, $5, $6, 'waiting', $7, $7 FROM gates AS g \
    WHERE g.endpoint_id = $2 AND g.closing_id = $1 \
    ON CONFLICT (endpoint_id, request_id) DO NOTHING";
/// A gate that was shut for a request that another instance was faster with.
const UNSHUT: &str = "\
    UPDATE gates SET closing_id = NULL \
    WHERE endpoint_id = $1 AND closing_id = $2 \
      AND NOT EXISTS (SELECT 1 FROM day_closes WHERE id = $2)";

/// Transactions that may still move money on the gate's open day.
const IN_FLIGHT: &str = "\
    SELECT COUNT(*) FROM jobs AS j JOIN orders AS o ON o.id = j.order_id \
           LEFT JOIN amendments AS a ON a.id = j.id \
    WHERE o.endpoint_id = $1 AND COALESCE(a.status, o.status) = 'processing'";

const MARK: &str = "UPDATE day_closes SET state = $3, due_at = $4 WHERE id = $1 AND state = $2";
const LOOK_LATER: &str = "\
    UPDATE day_closes SET due_at = $2, looks = looks + 1 WHERE id = $1 AND due_at IS NOT NULL";
const NEXT_DAY: &str = "\
    UPDATE gates SET day = day + 1, opened_at = $3 \
    WHERE endpoint_id = $1 AND closing_id = $2 AND day = $4 \
      AND EXISTS (SELECT 1 FROM day_closes WHERE id = $2 AND state = 'settling')";
const COUNTED: &str = "\
    SELECT movement, COUNT(*), CAST(SUM(amount_minor) AS BIGINT) FROM ledger \
    WHERE endpoint_id = $1 AND day = $2 GROUP BY movement";
const SETTLE: &str = "\
    INSERT INTO ledger (endpoint_id, day, transaction_id, movement, order_id, debit, credit, \
           amount_minor, posted_at) \
    SELECT $1, $2, $3, $4, 0, $5, $6, $7, $8 \
    WHERE EXISTS (SELECT 1 FROM day_closes WHERE id = $3 AND state = 'settling') \
    ON CONFLICT DO NOTHING";
const FINISH: &str = "\
    UPDATE day_closes SET state = 'finished', totals = $2, response_code = $3, due_at = NULL \
    WHERE id = $1 AND state = 'settling'";
const OPEN: &str = "UPDATE gates SET closing_id = NULL WHERE endpoint_id = $1 AND closing_id = $2";
const RELEASE: &str = "\
    UPDATE day_closes SET state = 'released', due_at = NULL \
    WHERE id = $1 AND state IN ('waiting', 'blocked')";

/// How a gate stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gate {
    /// The open day, counted from 1.
    pub day: i64,
    /// The close that keeps it shut.
    pub closing: Option<DayCloseId>,
    /// When its day began; 0 for the first one.
    pub opened_at: Millis,
}

impl Store {
    /// The gate behind an endpoint.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn gate(&self, endpoint: EndpointId) -> Result<Option<Gate>, StoreError> {
        let read = |mut row: Row| {
            Ok(Gate {
                day: row.int()?,
                closing: row.optional_int()?.map(DayCloseId),
                opened_at: row.int()?,
            })
        };
        self.row(sql(GATE).bind(endpoint.0)).await?.map(read).transpose()
    }

    /// The endpoints whose days close by themselves.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn self_closing_endpoints(&self) -> Result<Vec<EndpointId>, StoreError> {
        let rows = self.rows(sql(SELF_CLOSING)).await?;
        rows.into_iter().map(|mut row| Ok(EndpointId(row.int()?))).collect()
    }

    /// The close that a request asked for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn day_close(
        &self,
        endpoint: EndpointId,
        request_id: &str,
    ) -> Result<Option<DayClose>, StoreError> {
        self.row(sql(COLUMNS).bind(endpoint.0).bind(request_id)).await?.map(close_from).transpose()
    }

    /// The close with this batch number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn day_close_by_id(&self, id: DayCloseId) -> Result<Option<DayClose>, StoreError> {
        self.row(sql(BY_ID).bind(id.0)).await?.map(close_from).transpose()
    }

    /// Closes that are to go on by `now`, at most so many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn due_day_closes(
        &self,
        now: Millis,
        most: u32,
    ) -> Result<Vec<DayClose>, StoreError> {
        let rows = self.rows(sql(DUE).bind(now).bind(i64::from(most))).await?;
        let told = |error| tracing::error!(%error, "a close that this version cannot read");
        Ok(rows.into_iter().filter_map(|row| close_from(row).map_err(told).ok()).collect())
    }

    /// Shuts the gate and begins a close; its day is the one that is open then. `false` when the
    /// gate is shut already, or this request has been taken before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_day_close(&self, close: &DayClose) -> Result<bool, StoreError> {
        let (id, endpoint) = (close.id.0, close.endpoint.0);
        let statements = vec![
            sql(SHUT).bind(endpoint).bind(id).bind(close.request_id.as_str()),
            sql(INSERT)
                .bind(id)
                .bind(endpoint)
                .bind(close.request_id.as_str())
                .bind(json(&close.claimed)?)
                .bind(close.close_date.as_str())
                .bind(close.serial.0)
                .bind(close.started_at),
            sql(UNSHUT).bind(endpoint).bind(id),
        ];
        self.change(statements).await?;
        let begun = self.day_close(close.endpoint, &close.request_id).await?;
        Ok(begun.is_some_and(|begun| begun.id == close.id))
    }

    /// How many transactions of the endpoint are in flight.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn in_flight(&self, endpoint: EndpointId) -> Result<i64, StoreError> {
        let row = self.row(sql(IN_FLIGHT).bind(endpoint.0)).await?;
        row.ok_or_else(|| corrupt("count"))?.int()
    }

    /// Lets a close wait until `due_at`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn look_later(&self, id: DayCloseId, due_at: Millis) -> Result<(), StoreError> {
        self.change(vec![sql(LOOK_LATER).bind(id.0).bind(due_at)]).await.map(drop)
    }

    /// Ends the day: from here on what is posted belongs to the next one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_day(&self, close: &DayClose, now: Millis) -> Result<(), StoreError> {
        let statements = vec![
            // First the row that whoever gives the close up wants, too.
            mark(close.id, State::Waiting, State::Settling, Some(now)),
            sql(NEXT_DAY).bind(close.endpoint.0).bind(close.id.0).bind(now).bind(close.day),
        ];
        self.change(statements).await.map(drop)
    }

    /// Gives a close up; its gate stays shut.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn block_day_close(&self, id: DayCloseId) -> Result<(), StoreError> {
        self.change(vec![mark(id, State::Waiting, State::Blocked, None)]).await.map(drop)
    }

    /// What the ledger says of a day that is over.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn totals_of(&self, close: &DayClose) -> Result<Totals, StoreError> {
        let rows = self.rows(sql(COUNTED).bind(close.endpoint.0).bind(close.day)).await?;
        let mut totals = Totals::default();
        for mut row in rows {
            let movement = Movement::from_name(&row.text()?).ok_or_else(|| corrupt("movement"))?;
            totals.add(movement, row.int()?, row.int()?);
        }
        Ok(totals)
    }

    /// Ends a close: posts the settlement, keeps totals and answer, opens the gate.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn finish_day_close(
        &self,
        close: &DayClose,
        totals: &Totals,
        response_code: &str,
        now: Millis,
    ) -> Result<(), StoreError> {
        let net = totals.net_minor();
        // What card holders paid, the acquirer now owes; or the other way round.
        let (debit, credit) = match net >= 0 {
            true => (Account::Acquirer, Account::CardHolders),
            false => (Account::CardHolders, Account::Acquirer),
        };
        let settle = sql(SETTLE)
            .bind(close.endpoint.0)
            .bind(close.day)
            .bind(close.id.0)
            .bind(Movement::Settlement.name())
            .bind(debit.name())
            .bind(credit.name())
            .bind(net.abs())
            .bind(now);
        let finish =
            sql(FINISH).bind(close.id.0).bind(json(totals)?).bind(response_code.to_owned());
        let open = sql(OPEN).bind(close.endpoint.0).bind(close.id.0);
        let settle = (net != 0).then_some(settle);
        let statements = settle.into_iter().chain([finish, open]).collect();
        self.change(statements).await.map(drop)
    }

    /// Opens a gate that a close keeps shut. A close whose day is over goes on; one whose day is
    /// not is given up.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release_gate(
        &self,
        endpoint: EndpointId,
        closing: DayCloseId,
    ) -> Result<(), StoreError> {
        let statements =
            vec![sql(RELEASE).bind(closing.0), sql(OPEN).bind(endpoint.0).bind(closing.0)];
        self.change(statements).await.map(drop)
    }
}

fn mark(id: DayCloseId, from: State, to: State, due_at: Option<Millis>) -> super::sql::Statement {
    sql(MARK).bind(id.0).bind(from.name()).bind(to.name()).bind(due_at)
}

fn close_from(mut row: Row) -> Result<DayClose, StoreError> {
    Ok(DayClose {
        id: DayCloseId(row.int()?),
        endpoint: EndpointId(row.int()?),
        request_id: row.text()?,
        claimed: super::lookup::parse(&row.text()?, "claimed totals")?,
        day: row.int()?,
        close_date: row.text()?,
        serial: SerialNumber(row.int()?),
        state: State::from_name(&row.text()?).ok_or_else(|| corrupt("state of a close"))?,
        totals: row
            .optional_text()?
            .map(|text| super::lookup::parse(&text, "totals"))
            .transpose()?,
        response_code: row.optional_text()?,
        started_at: row.int()?,
        looks: row.int()?,
    })
}
