//! Reading all orders of an endpoint with their later transactions, a page at a time.
//!
//! A page goes on where the one before ended, by the names that the merchant gave its orders: the
//! index that keeps names unique is the only one that leads to an endpoint's orders. It reads every
//! order that the endpoint ever had, and leaves out those of other times: as long as the merchant's
//! own history, never as long as others', and free of charge for sales. Ids rise with time too, but
//! an instance that had nothing to do for weeks still gives out old ones, so no range of ids holds
//! all orders of a day; and an index by time would cost every sale for the sake of a report.

use super::amendments::amendment_from;
use super::lookup::{StoredOrder, columns};
use super::sql::sql;
use super::{Store, StoreError};
use crate::payment::Millis;
use crate::payment::amendment::Amendment;
use crate::payment::ids::{EndpointId, MerchantId, OrderId};
use crate::payment::order::Order;
use std::collections::HashMap;
use std::ops::Range;

const ENDPOINTS: &str = "SELECT id FROM endpoints WHERE merchant_id = $1 ORDER BY id";

/// Where a page ends. Orders can be as large as 100 kB, so it has no more than 500.
const END: &str = "\
    SELECT MAX(page.client_orderid) FROM \
        (SELECT client_orderid FROM orders WHERE endpoint_id = $1 AND client_orderid > $2 \
         ORDER BY client_orderid LIMIT 500) AS page";
/// What was made outside the time may have a transaction within.
const ORDERS: &str = concat!(
    "SELECT ",
    columns!(),
    ", r.serial FROM orders AS o LEFT JOIN readers AS r ON r.id = o.reader_id \
     WHERE o.endpoint_id = $1 AND o.client_orderid > $2 AND o.client_orderid <= $3 \
       AND ((o.created_at >= $4 AND o.created_at < $5) OR o.last_amendment_id IS NOT NULL) \
     ORDER BY o.client_orderid"
);
const AMENDMENTS: &str = "\
    SELECT a.id, a.order_id, a.ordinal, a.kind, a.status, a.amount_minor, a.serial, a.comment, \
           a.outcome, a.created_at, a.updated_at, a.version \
    FROM orders AS o JOIN amendments AS a ON a.order_id = o.id \
    WHERE o.endpoint_id = $1 AND o.client_orderid > $2 AND o.client_orderid <= $3 \
      AND o.last_amendment_id IS NOT NULL AND a.created_at >= $4 AND a.created_at < $5 \
    ORDER BY a.order_id, a.ordinal";

/// An order with those of its later transactions that were asked for, oldest first.
pub struct ReportedOrder {
    pub order: Order,
    /// The serial of the reader that read the card.
    pub reader: Option<String>,
    pub amendments: Vec<Amendment>,
}

/// Some orders of an endpoint.
pub struct ReportPage {
    pub orders: Vec<ReportedOrder>,
    /// The name after which the next page begins.
    pub end: String,
}

impl Store {
    /// The endpoints of a merchant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoints_of(&self, merchant: MerchantId) -> Result<Vec<EndpointId>, StoreError> {
        let rows = self.rows(sql(ENDPOINTS).bind(merchant.0)).await?;
        rows.into_iter().map(|mut row| Ok(EndpointId(row.int()?))).collect()
    }

    /// Orders whose names come after `after`, with the later transactions that were made within
    /// the time. Orders made at other times are among them if they have any. `None` when no
    /// order comes after.
    ///
    /// # Errors
    /// When the database cannot be read, or holds an order that cannot be understood.
    pub async fn report_page(
        &self,
        endpoint: EndpointId,
        after: &str,
        created: &Range<Millis>,
    ) -> Result<Option<ReportPage>, StoreError> {
        let end = self.row(sql(END).bind(endpoint.0).bind(after)).await?;
        let Some(end) = end.map(|mut row| row.optional_text()).transpose()?.flatten() else {
            return Ok(None);
        };
        // Named by its last order, so that one that comes meanwhile shifts nothing.
        let within = |text| {
            let page = sql(text).bind(endpoint.0).bind(after).bind(end.as_str());
            page.bind(created.start).bind(created.end)
        };
        let mut orders = Vec::new();
        let mut places = HashMap::new();
        for mut row in self.rows(within(ORDERS)).await? {
            let order = StoredOrder::read(&mut row)?.order;
            if order.last_amendment.is_some() {
                places.insert(order.id, orders.len());
            }
            let reader = row.optional_text()?;
            orders.push(ReportedOrder { order, reader, amendments: Vec::new() });
        }
        if !places.is_empty() {
            for mut row in self.rows(within(AMENDMENTS)).await? {
                let (id, order) = (row.int()?, OrderId(row.int()?));
                // One that was added since the orders were read comes with the next report.
                if let Some(found) = places.get(&order).and_then(|place| orders.get_mut(*place)) {
                    let amendment = amendment_from(id, row, &found.order)?;
                    found.amendments.push(amendment);
                }
            }
        }
        Ok(Some(ReportPage { orders, end }))
    }
}
