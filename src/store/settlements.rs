//! What a closed day moved, line by line.

use super::sql::{Row, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::day::DayClose;
use crate::payment::ids::OrderId;
use crate::payment::ledger::Movement;
use crate::payment::order::Outcome;

/// A void has no answer of its own, so its line names the reference of what it undid.
const LINES: &str = "\
    SELECT l.transaction_id, l.movement, l.order_id, l.amount_minor, l.posted_at, \
           o.client_orderid, o.outcome, a.outcome \
    FROM ledger AS l JOIN orders AS o ON o.id = l.order_id \
         LEFT JOIN amendments AS a ON a.id = l.transaction_id \
    WHERE l.endpoint_id = $1 AND l.day = $2 AND (l.transaction_id, l.movement) > ($3, $4) \
    ORDER BY l.transaction_id, l.movement LIMIT $5";

/// One movement of a closed day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettlementLine {
    /// The amendment, or the order itself.
    pub transaction: i64,
    pub movement: Movement,
    pub order: OrderId,
    pub client_orderid: String,
    /// The acquirer's retrieval reference number.
    pub reference: Option<String>,
    pub minor: i64,
    pub posted_at: Millis,
}

impl Store {
    /// The lines of a day that is over, after the last one of the page before.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn settlement_lines(
        &self,
        close: &DayClose,
        after: Option<&SettlementLine>,
        most: u32,
    ) -> Result<Vec<SettlementLine>, StoreError> {
        let (transaction, movement) =
            after.map_or((0, ""), |line| (line.transaction, line.movement.name()));
        let statement = sql(LINES)
            .bind(close.endpoint.0)
            .bind(close.day)
            .bind(transaction)
            .bind(movement)
            .bind(i64::from(most));
        self.rows(statement).await?.into_iter().map(line_from).collect()
    }
}

fn line_from(mut row: Row) -> Result<SettlementLine, StoreError> {
    let transaction = row.int()?;
    let movement = Movement::from_name(&row.text()?).ok_or_else(|| corrupt("movement"))?;
    let outcome = |text: String| super::lookup::parse::<Outcome>(&text, "outcome");
    Ok(SettlementLine {
        transaction,
        movement,
        order: OrderId(row.int()?),
        minor: row.int()?,
        posted_at: row.int()?,
        client_orderid: row.text()?,
        reference: {
            let opening = outcome(row.text()?)?;
            match row.optional_text()?.map(outcome).transpose()? {
                Some(later) if movement != Movement::Void => later.rrn,
                _ => opening.rrn,
            }
        },
    })
}
