//! What the store needs of a database: three things, done by [`super::sqlite`] and
//! [`super::postgres`] in their own ways.

use super::StoreError;
use super::batch::{Batch, Results};
use super::lookup::{Key, StoredOrder};
use super::sql::{Done, Statement};

/// One connection, owned by one lane of the writer or of the reader. A connection that was lost
/// is opened again by the next call.
pub(super) trait Connection: Send + 'static {
    /// Saves a batch in one durable transaction, or nothing of it.
    ///
    /// # Errors
    /// `Busy` when the same batch may be tried again.
    fn commit(&mut self, batch: &Batch)
    -> impl Future<Output = Result<Results, StoreError>> + Send;

    /// Finds orders, each in its key's place.
    fn find(
        &mut self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<Option<StoredOrder>>, StoreError>> + Send;

    /// Runs other statements; several of them in one transaction.
    fn run(
        &mut self,
        statements: &[Statement],
    ) -> impl Future<Output = Result<Done, StoreError>> + Send;
}
