//! What the accounts come to: the ledger added up.

use super::sql::{Row, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::ids::{EndpointId, MerchantId};
use crate::payment::ledger::Account;
use crate::payment::money::Currency;

/// Each row of the ledger twice: once for the account that got, once for the one that gave.
const BALANCES: &str = "\
    SELECT l.endpoint_id, l.day, e.currency, l.account, CAST(SUM(l.minor) AS BIGINT) \
    FROM (SELECT endpoint_id, day, credit AS account, amount_minor AS minor FROM ledger \
          UNION ALL \
          SELECT endpoint_id, day, debit, -amount_minor FROM ledger) AS l \
         JOIN endpoints AS e ON e.id = l.endpoint_id \
    WHERE e.merchant_id = $1 AND ($2 IS NULL OR l.endpoint_id = $2) AND ($3 IS NULL OR l.day = $3) \
    GROUP BY l.endpoint_id, l.day, e.currency, l.account \
    ORDER BY l.endpoint_id, l.day, l.account";

/// What one account of an endpoint comes to on one day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Balance {
    pub endpoint: EndpointId,
    /// Which day of the gate, counted by its closes from 1.
    pub day: i64,
    pub currency: Currency,
    pub account: Account,
    /// What it got less what it gave, in minor units.
    pub minor: i64,
}

impl Store {
    /// The balances of a merchant's endpoints, or of one of them, on all days, or on one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn balances(
        &self,
        merchant: MerchantId,
        endpoint: Option<EndpointId>,
        day: Option<i64>,
    ) -> Result<Vec<Balance>, StoreError> {
        let statement =
            sql(BALANCES).bind(merchant.0).bind(endpoint.map(|endpoint| endpoint.0)).bind(day);
        self.rows(statement).await?.into_iter().map(balance_from).collect()
    }
}

fn balance_from(mut row: Row) -> Result<Balance, StoreError> {
    Ok(Balance {
        endpoint: EndpointId(row.int()?),
        day: row.int()?,
        currency: Currency::from_alpha(&row.text()?).ok_or_else(|| corrupt("currency"))?,
        account: Account::from_name(&row.text()?).ok_or_else(|| corrupt("account"))?,
        minor: row.int()?,
    })
}
