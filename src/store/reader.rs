//! Reading: look-ups of orders that wait are answered together, like commits, with no timer. On
//! SQLite an order is found sooner than another thread is woken, so there its caller does it.

use super::connection::Connection;
use super::lookup::{Key, StoredOrder};
use super::sql::{Done, Row, Statement};
use super::sqlite::SqliteConnection;
use super::{Store, StoreError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many look-ups may wait; the next caller is told to come back.
const QUEUE_MAX: usize = 8192;
/// How many are answered together at most.
const TOGETHER_MAX: usize = 256;
/// How long a reader is waited for. A database that hangs must not take its callers along.
const ANSWER_MAX: Duration = Duration::from_secs(1);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) enum Read {
    Find(Key, Reply<Option<StoredOrder>>),
    Run(Statement, Reply<Done>),
    Stop,
}

/// The queues in front of the two lanes: orders in one, everything else in the other, where a
/// long statement holds up no sale.
pub(super) struct Reader {
    orders: mpsc::Sender<Read>,
    statements: mpsc::Sender<Read>,
    /// Connections with which callers find orders themselves, until they are closed.
    direct: Vec<Mutex<Option<SqliteConnection>>>,
}

/// The other ends of the queues.
pub(super) struct Queues {
    pub(super) orders: mpsc::Receiver<Read>,
    pub(super) statements: mpsc::Receiver<Read>,
}

impl Reader {
    pub(super) fn new(direct: Vec<SqliteConnection>) -> (Self, Queues) {
        let (orders, orders_queue) = mpsc::channel(QUEUE_MAX);
        let (statements, statements_queue) = mpsc::channel(QUEUE_MAX);
        let queues = Queues { orders: orders_queue, statements: statements_queue };
        let direct = direct.into_iter().map(|one| Mutex::new(Some(one))).collect();
        (Self { orders, statements, direct }, queues)
    }

    /// Finds an order on the caller's thread, if a connection is free for it.
    fn find_directly(&self, key: &Key) -> Option<Result<Option<StoredOrder>, StoreError>> {
        let free = self.direct.iter().find_map(|connection| connection.try_lock().ok())?;
        Some(free.as_ref()?.find_one(key))
    }

    /// Answers what is queued, then ends the lanes and closes all connections.
    pub(super) async fn stop(&self) {
        for connection in &self.direct {
            drop(connection.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        for lane in [&self.orders, &self.statements] {
            // A lane that has ended already needs no stopping.
            let _ = lane.send(Read::Stop).await;
            lane.closed().await;
        }
    }
}

async fn ask<T>(
    lane: &mpsc::Sender<Read>,
    read: impl FnOnce(Reply<T>) -> Read,
) -> Result<T, StoreError> {
    let (reply, answer) = oneshot::channel();
    lane.try_send(read(reply))
        .map_err(|_| StoreError::Busy("too many questions are waiting".to_owned()))?;
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(StoreError::Busy("the reader has stopped".to_owned())),
        Err(_) => Err(StoreError::Busy("the database does not answer".to_owned())),
    }
}

impl Store {
    pub(super) async fn find(&self, key: Key) -> Result<Option<StoredOrder>, StoreError> {
        if let Some(found) = self.reader.find_directly(&key) {
            return found;
        }
        ask(&self.reader.orders, |reply| Read::Find(key, reply)).await
    }

    /// All rows that a reading statement gives.
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let done = ask(&self.reader.statements, |reply| Read::Run(statement, reply)).await?;
        Ok(done.rows)
    }

    /// The first row that a reading statement gives.
    pub(super) async fn row(&self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }
}

/// One lane. The connection is declared last, so that it is closed before the queue is.
pub(super) async fn run(mut queue: mpsc::Receiver<Read>, mut connection: impl Connection) {
    let mut waiting = Vec::with_capacity(TOGETHER_MAX);
    let mut stopping = false;
    while !stopping && queue.recv_many(&mut waiting, TOGETHER_MAX).await > 0 {
        let (mut keys, mut callers) = (Vec::new(), Vec::new());
        for read in waiting.drain(..) {
            match read {
                // Whoever asked has given up: the database was away.
                Read::Find(_, reply) if reply.is_closed() => {}
                Read::Run(_, reply) if reply.is_closed() => {}
                Read::Find(key, reply) => {
                    keys.push(key);
                    callers.push(reply);
                }
                Read::Run(statement, reply) => {
                    let _ = reply.send(run_twice(&mut connection, statement).await);
                }
                Read::Stop => stopping = true,
            }
        }
        if !keys.is_empty() {
            find_all(&mut connection, keys, callers).await;
        }
    }
}

/// Answers all callers. If one order cannot be read, each is looked for alone, so that only its
/// own caller hears of it.
async fn find_all(
    connection: &mut impl Connection,
    keys: Vec<Key>,
    callers: Vec<Reply<Option<StoredOrder>>>,
) {
    match find_twice(connection, &keys).await {
        Err(StoreError::Broken(_)) if keys.len() > 1 => {
            for (key, caller) in keys.into_iter().zip(callers) {
                answer(vec![caller], find_twice(connection, &[key]).await);
            }
        }
        found => answer(callers, found),
    }
}

/// Reading again is free of danger, and the connection may have been lost since the last time.
async fn find_twice(
    connection: &mut impl Connection,
    keys: &[Key],
) -> Result<Vec<Option<StoredOrder>>, StoreError> {
    match connection.find(keys).await {
        Err(StoreError::Busy(_)) => connection.find(keys).await,
        result => result,
    }
}

async fn run_twice(
    connection: &mut impl Connection,
    statement: Statement,
) -> Result<Done, StoreError> {
    let statements = [statement];
    match connection.run(&statements).await {
        Err(StoreError::Busy(_)) => connection.run(&statements).await,
        result => result,
    }
}

/// A caller that has gone away is not told.
fn answer(
    callers: Vec<Reply<Option<StoredOrder>>>,
    found: Result<Vec<Option<StoredOrder>>, StoreError>,
) {
    match found {
        Ok(found) => {
            for (caller, order) in callers.into_iter().zip(found) {
                let _ = caller.send(Ok(order));
            }
        }
        Err(error) => {
            for caller in callers {
                let _ = caller.send(Err(error.clone()));
            }
        }
    }
}
