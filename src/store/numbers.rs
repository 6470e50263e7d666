//! Numbers that are never given out twice, taken from the database in blocks.

use super::sql::sql;
use super::{Store, StoreError};
use crate::payment::ids::{
    AmendmentId, DayCloseId, NoticeId, OrderId, SerialNumber, ServiceNumber,
};
use std::time::Duration;
use tokio::sync::Mutex;

/// The first number of every kind.
const FIRST: i64 = 1001;

/// How long a caller waits for a new block.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// One kind of number. A block that is not used up before a stop is lost: numbers rise, with
/// gaps, and are spread over the instances that share a database.
pub(super) struct Numbers {
    name: &'static str,
    block: i64,
    left: Mutex<std::ops::Range<i64>>,
}

const RESERVE: &str = "\
    INSERT INTO counters (name, next_value) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET next_value = counters.next_value + $3 \
    RETURNING next_value";

impl Numbers {
    pub(super) fn new(name: &'static str, block: i64) -> Self {
        Self { name, block, left: Mutex::new(0..0) }
    }

    /// The next number, soon or not at all: whoever waits for a block waits outside of every queue
    /// that has a limit.
    pub(super) async fn next(&self, store: &Store) -> Result<i64, StoreError> {
        if let Some(number) = self.left.try_lock().ok().and_then(|mut left| left.next()) {
            return Ok(number);
        }
        let late = |_| StoreError::Busy("the database gives no numbers".to_owned());
        tokio::time::timeout(WAIT_MAX, self.take(store)).await.map_err(late)?
    }

    async fn take(&self, store: &Store) -> Result<i64, StoreError> {
        let mut left = self.left.lock().await;
        if let Some(number) = left.next() {
            return Ok(number);
        }
        let end = match self.reserve(store).await {
            // The connection may have been lost since the last time; a block reserved twice is
            // only a gap.
            Err(StoreError::Busy(_)) => self.reserve(store).await?,
            result => result?,
        };
        *left = end - self.block..end;
        left.next().ok_or_else(|| StoreError::Broken("an empty block of numbers".to_owned()))
    }

    async fn reserve(&self, store: &Store) -> Result<i64, StoreError> {
        let statement = sql(RESERVE).bind(self.name).bind(FIRST + self.block).bind(self.block);
        let done = store.change(vec![statement]).await?;
        let row = done.rows.into_iter().next();
        row.ok_or_else(|| StoreError::Broken("no block of numbers".to_owned()))?.int()
    }
}

impl Store {
    /// A fresh order id.
    ///
    /// # Errors
    /// When a new block is due and the database does not give one.
    pub async fn next_order_id(&self) -> Result<OrderId, StoreError> {
        self.order_ids.next(self).await.map(OrderId)
    }

    /// A fresh id for a later transaction: no order has it.
    ///
    /// # Errors
    /// When a new block is due and the database does not give one.
    pub async fn next_amendment_id(&self) -> Result<AmendmentId, StoreError> {
        self.order_ids.next(self).await.map(AmendmentId)
    }

    /// A fresh batch number for the close of a day.
    ///
    /// # Errors
    /// When a new block is due and the database does not give one.
    pub async fn next_day_close_id(&self) -> Result<DayCloseId, StoreError> {
        self.order_ids.next(self).await.map(DayCloseId)
    }

    /// A fresh notice id.
    ///
    /// # Errors
    /// When a new block is due and the database does not give one.
    pub async fn next_notice_id(&self) -> Result<NoticeId, StoreError> {
        self.row_ids.next(self).await.map(NoticeId)
    }

    /// A fresh number for a service of a terminal.
    ///
    /// # Errors
    /// When a new block is due and the database does not give one.
    pub async fn next_service_number(&self) -> Result<ServiceNumber, StoreError> {
        self.row_ids.next(self).await.map(ServiceNumber)
    }

    /// A fresh request serial.
    ///
    /// # Errors
    /// When a new block is due and the database does not give one.
    pub async fn next_serial(&self) -> Result<SerialNumber, StoreError> {
        self.serials.next(self).await.map(SerialNumber)
    }
}
