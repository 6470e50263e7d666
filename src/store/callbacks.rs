//! Callbacks as operators see and steer them: what is owed to whom, what came of each attempt, and
//! whose callbacks wait.

use super::sql::{Row, Statement, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::{AmendmentId, EndpointId, NoticeId, OrderId};
use crate::payment::notice::{AttemptFacts, Webhooks};

/// So many rows are changed in one transaction, so that sales in between need not wait.
const AT_ONCE: u64 = 2000;

/// A callback and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackRecord {
    pub id: NoticeId,
    pub order: OrderId,
    pub amendment: Option<AmendmentId>,
    pub endpoint: EndpointId,
    pub url: String,
    /// The status that it tells.
    pub status: String,
    /// `waiting`, `sending`, `held`, `delivered` or `dead`.
    pub state: String,
    pub attempts: i64,
    pub due_at: Option<Millis>,
    pub created_at: Millis,
}

/// An attempt that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptRecord {
    pub number: i64,
    /// `delivered`, `retried` or `given_up`.
    pub outcome: String,
    pub facts: AttemptFacts,
}

/// Why an end point's callbacks wait, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackStop {
    pub reason: String,
    pub stopped_at: Millis,
}

/// A key of Standard Webhooks as stored.
#[derive(Clone)]
pub struct WebhookKeyRecord {
    pub endpoint: EndpointId,
    pub number: i64,
    pub key_sealed: Vec<u8>,
    pub created_at: Millis,
    /// Until when it signs, if another one has come.
    pub expires_at: Option<Millis>,
}

/// Which callbacks are to be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    One(NoticeId),
    /// All that were given up.
    Dead(EndpointId),
    /// All that ended, of a time from this moment on until before that one.
    Range(EndpointId, Millis, Millis),
}

macro_rules! select_callback {
    ($tail:literal) => {
        concat!(
            "SELECT id, order_id, amendment_id, endpoint_id, url, status, state, attempts, due_at, \
                    created_at FROM notices ",
            $tail
        )
    };
}

const CALLBACK: &str = select_callback!("WHERE id = $1");
const CALLBACKS: &str = select_callback!("WHERE endpoint_id = $1 AND id > $2 ORDER BY id LIMIT $3");
/// Few of very many: each in words of its own, so that its index is found.
const CALLBACKS_DEAD: &str =
    select_callback!("WHERE endpoint_id = $1 AND id > $2 AND state = 'dead' ORDER BY id LIMIT $3");
const CALLBACKS_HELD: &str =
    select_callback!("WHERE endpoint_id = $1 AND id > $2 AND state = 'held' ORDER BY id LIMIT $3");
const CALLBACKS_WAITING: &str = select_callback!(
    "WHERE endpoint_id = $1 AND id > $2 AND state = 'waiting' ORDER BY id LIMIT $3"
);
const CALLBACKS_OF_STATE: &str =
    select_callback!("WHERE endpoint_id = $1 AND id > $2 AND state = $4 ORDER BY id LIMIT $3");
const ATTEMPTS: &str = "\
    SELECT number, outcome, made_at, took_millis, address, http_status, cause, answer \
    FROM callback_attempts WHERE notice_id = $1 ORDER BY number";
const STOP: &str = "SELECT reason, stopped_at FROM callback_stops WHERE endpoint_id = $1";
const ADD_STOP: &str = "\
    INSERT INTO callback_stops (endpoint_id, reason, stopped_at) VALUES ($1, $2, $3) \
    ON CONFLICT (endpoint_id) DO NOTHING";
const REMOVE_STOP: &str = "DELETE FROM callback_stops WHERE endpoint_id = $1";
const HOLD: &str = "\
    UPDATE notices SET state = 'held', due_at = NULL \
    WHERE id IN (SELECT id FROM notices WHERE endpoint_id = $1 AND state = 'waiting' \
                 ORDER BY id LIMIT $2) AND state = 'waiting'";
const LET_GO: &str = "\
    UPDATE notices SET state = 'waiting', due_at = $3 \
    WHERE id IN (SELECT id FROM notices WHERE endpoint_id = $1 AND state = 'held' \
                 ORDER BY id LIMIT $2) AND state = 'held'";
/// Held by an instance that had not heard yet that they were let go. By end point, because those
/// of a stopped one may be a million.
const LET_GO_FORGOTTEN: &str = "\
    UPDATE notices SET state = 'waiting', due_at = $1 \
    WHERE state = 'held' AND id IN ( \
        SELECT id FROM notices WHERE state = 'held' AND endpoint_id IN ( \
            SELECT e.id FROM endpoints AS e WHERE NOT EXISTS ( \
                SELECT 1 FROM callback_stops AS s WHERE s.endpoint_id = e.id)) LIMIT $2)";
/// What is under way is not disturbed, and what waits anyway only comes sooner.
const SEND_AGAIN: &str = "\
    UPDATE notices SET state = 'waiting', due_at = $2, attempts_before = attempts \
    WHERE id = $1 AND state <> 'sending'";
const SEND_DEAD_AGAIN: &str = "\
    UPDATE notices SET state = 'waiting', due_at = $3, attempts_before = attempts \
    WHERE id IN (SELECT id FROM notices WHERE endpoint_id = $1 AND state = 'dead' \
                 ORDER BY id LIMIT $2) AND state = 'dead'";
/// Up to which number the next piece of a range goes.
const PIECE_OF_RANGE: &str = "\
    SELECT MAX(id) FROM (SELECT id FROM notices WHERE endpoint_id = $1 AND id > $2 \
                         ORDER BY id LIMIT $3) AS piece";
/// Piece by piece upwards, so that what is delivered again meanwhile does not come a third time.
const SEND_RANGE_AGAIN: &str = "\
    UPDATE notices SET state = 'waiting', due_at = $4, attempts_before = attempts \
    WHERE endpoint_id = $1 AND id > $2 AND id <= $3 AND state IN ('delivered', 'dead') \
      AND created_at >= $5 AND created_at < $6";
const WEBHOOKS: &str = "SELECT webhooks FROM endpoints WHERE id = $1";
const SET_WEBHOOKS: &str = "UPDATE endpoints SET webhooks = $2 WHERE id = $1";
const WEBHOOK_KEYS: &str = "\
    SELECT endpoint_id, number, key_sealed, created_at, expires_at FROM webhook_keys \
    WHERE endpoint_id = $1 ORDER BY number DESC";
const EXPIRE_KEYS: &str = "\
    UPDATE webhook_keys SET expires_at = $2 \
    WHERE endpoint_id = $1 AND (expires_at IS NULL OR expires_at > $2)";
const ADD_KEY: &str = "\
    INSERT INTO webhook_keys (endpoint_id, number, key_sealed, created_at) \
    VALUES ($1, $2, $3, $4)";
/// The next stretch of numbers: where it ends, when its oldest was made, and how many of it ended
/// and are old. Numbers rise with time, so that what is old stands in front.
const STRETCH: &str = "\
    SELECT MAX(id), MIN(created_at), \
           COUNT(CASE WHEN created_at < $2 AND state IN ('delivered', 'dead') THEN 1 END) \
    FROM (SELECT id, created_at, state FROM notices WHERE id > $1 ORDER BY id LIMIT $3) AS stretch";
macro_rules! old_callbacks {
    () => {
        " notices WHERE id > $1 AND id <= $2 AND created_at < $3 AND state IN ('delivered', 'dead')"
    };
}
const PURGE_ATTEMPTS: &str = concat!(
    "DELETE FROM callback_attempts WHERE notice_id IN (SELECT id FROM",
    old_callbacks!(),
    ")"
);
const PURGE: &str = concat!("DELETE FROM", old_callbacks!());
/// Who waits longest tells enough: of a million not all are counted.
const WAITING: &str = "\
    SELECT endpoint_id, COUNT(*), MIN(created_at) FROM ( \
        SELECT endpoint_id, created_at FROM notices WHERE due_at IS NOT NULL \
        ORDER BY due_at LIMIT 20000) AS front \
    GROUP BY endpoint_id";

impl Store {
    /// The callback with this number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn callback(&self, id: NoticeId) -> Result<Option<CallbackRecord>, StoreError> {
        self.row(sql(CALLBACK).bind(id.0)).await?.map(callback_from).transpose()
    }

    /// So many callbacks of an end point with higher numbers than `after`, in order; of one state,
    /// or of any if that is empty.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn callbacks_after(
        &self,
        endpoint: EndpointId,
        state: &str,
        after: NoticeId,
        most: u32,
    ) -> Result<Vec<CallbackRecord>, StoreError> {
        let text = match state {
            "" => CALLBACKS,
            "dead" => CALLBACKS_DEAD,
            "held" => CALLBACKS_HELD,
            "waiting" => CALLBACKS_WAITING,
            _ => CALLBACKS_OF_STATE,
        };
        let mut query = sql(text).bind(endpoint.0).bind(after.0).bind(i64::from(most));
        if text == CALLBACKS_OF_STATE {
            query = query.bind(state);
        }
        self.rows(query).await?.into_iter().map(callback_from).collect()
    }

    /// What came of each attempt to deliver a callback, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn attempts_of(&self, id: NoticeId) -> Result<Vec<AttemptRecord>, StoreError> {
        self.rows(sql(ATTEMPTS).bind(id.0)).await?.into_iter().map(attempt_from).collect()
    }

    /// Why an end point's callbacks wait, if they do.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn callback_stop(&self, of: EndpointId) -> Result<Option<CallbackStop>, StoreError> {
        let read = |mut row: Row| Ok(CallbackStop { reason: row.text()?, stopped_at: row.int()? });
        self.row(sql(STOP).bind(of.0)).await?.map(read).transpose()
    }

    /// Lets an end point's callbacks wait. Answers whether they did not before.
    ///
    /// # Errors
    /// When the database cannot be written; what was not put aside is at its next attempt.
    pub async fn stop_callbacks(
        &self,
        of: EndpointId,
        reason: &str,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let stop = sql(ADD_STOP).bind(of.0).bind(reason).bind(now);
        if self.change(vec![stop]).await?.changed == 0 {
            return Ok(false);
        }
        self.in_pieces(|most| sql(HOLD).bind(of.0).bind(most)).await.map(|_| true)
    }

    /// Lets those go that wait although their end point does not: another instance may have put
    /// them aside just after it was started. Answers how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn let_go_forgotten(&self, now: Millis) -> Result<u64, StoreError> {
        self.in_pieces(|most| sql(LET_GO_FORGOTTEN).bind(now).bind(most)).await
    }

    /// Lets an end point's callbacks go. Answers how many had waited. Safe to repeat.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn start_callbacks(&self, of: EndpointId, now: Millis) -> Result<u64, StoreError> {
        self.change(vec![sql(REMOVE_STOP).bind(of.0)]).await?;
        self.in_pieces(|most| sql(LET_GO).bind(of.0).bind(most).bind(now)).await
    }

    /// Has callbacks sent again, in their order, with their schedule begun anew. Answers how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn send_again(&self, which: Again, now: Millis) -> Result<u64, StoreError> {
        match which {
            Again::One(id) => {
                Ok(self.change(vec![sql(SEND_AGAIN).bind(id.0).bind(now)]).await?.changed)
            }
            Again::Dead(of) => {
                self.in_pieces(|most| sql(SEND_DEAD_AGAIN).bind(of.0).bind(most).bind(now)).await
            }
            Again::Range(of, from, until) => self.send_range_again(of, (from, until), now).await,
        }
    }

    async fn send_range_again(
        &self,
        of: EndpointId,
        (from, until): (Millis, Millis),
        now: Millis,
    ) -> Result<u64, StoreError> {
        let most = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let (mut after, mut all) = (0, 0);
        loop {
            let piece = sql(PIECE_OF_RANGE).bind(of.0).bind(after).bind(most);
            let last = self.row(piece).await?.map(|mut row| row.optional_int()).transpose()?;
            let Some(last) = last.flatten() else {
                return Ok(all);
            };
            let again = sql(SEND_RANGE_AGAIN).bind(of.0).bind(after).bind(last).bind(now);
            all += self.change(vec![again.bind(from).bind(until)]).await?.changed;
            after = last;
        }
    }

    /// Whether and how an end point's callbacks are signed; `None` if there is no such end point.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn webhooks(&self, of: EndpointId) -> Result<Option<Webhooks>, StoreError> {
        let Some(mut row) = self.row(sql(WEBHOOKS).bind(of.0)).await? else {
            return Ok(None);
        };
        Webhooks::from_name(&row.text()?).map(Some).ok_or_else(|| corrupt("end point"))
    }

    /// Changes how an end point's callbacks are signed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_webhooks(&self, of: EndpointId, to: Webhooks) -> Result<(), StoreError> {
        self.change(vec![sql(SET_WEBHOOKS).bind(of.0).bind(to.name())]).await.map(drop)
    }

    /// An end point's keys of Standard Webhooks, the present one first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn webhook_keys(&self, of: EndpointId) -> Result<Vec<WebhookKeyRecord>, StoreError> {
        self.rows(sql(WEBHOOK_KEYS).bind(of.0)).await?.into_iter().map(key_from).collect()
    }

    /// Adds a key; those before it sign until then.
    ///
    /// # Errors
    /// `Taken` when another one has just come; when the database cannot be written.
    pub async fn add_webhook_key(
        &self,
        key: &WebhookKeyRecord,
        until: Millis,
    ) -> Result<(), StoreError> {
        let expire = sql(EXPIRE_KEYS).bind(key.endpoint.0).bind(until);
        let add = sql(ADD_KEY)
            .bind(key.endpoint.0)
            .bind(key.number)
            .bind(&*key.key_sealed)
            .bind(key.created_at);
        self.change(vec![expire, add]).await.map(drop)
    }

    /// Forgets callbacks that ended and are older than this, with their attempts. Answers how many.
    /// It goes stretch by stretch over those that are old and wait, up to the first that are young.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn purge_callbacks(&self, before: Millis) -> Result<u64, StoreError> {
        let most = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let (mut after, mut gone) = (0, 0);
        loop {
            let stretch = sql(STRETCH).bind(after).bind(before).bind(most);
            let mut stretch = self.row(stretch).await?.ok_or_else(|| corrupt("stretch"))?;
            let (last, oldest) = (stretch.optional_int()?, stretch.optional_int()?);
            let Some(last) = last.filter(|_| oldest.is_some_and(|oldest| oldest < before)) else {
                return Ok(gone);
            };
            if stretch.int()? > 0 {
                let of_stretch = |text| sql(text).bind(after).bind(last).bind(before);
                let purge = vec![of_stretch(PURGE_ATTEMPTS), of_stretch(PURGE)];
                gone += self.change(purge).await?.changed;
            }
            after = last;
        }
    }

    /// How many callbacks wait for each end point, 20,000 at most in all, and when the oldest of
    /// them was made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waiting_callbacks(&self) -> Result<Vec<(EndpointId, i64, Millis)>, StoreError> {
        let read = |mut row: Row| Ok((EndpointId(row.int()?), row.int()?, row.int()?));
        self.rows(sql(WAITING)).await?.into_iter().map(read).collect()
    }

    /// Runs a change of at most so many rows until there are no more.
    async fn in_pieces(&self, piece: impl Fn(i64) -> Statement) -> Result<u64, StoreError> {
        let most = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let mut all = 0;
        loop {
            let changed = self.change(vec![piece(most)]).await?.changed;
            all += changed;
            if changed < AT_ONCE {
                return Ok(all);
            }
        }
    }
}

fn callback_from(mut row: Row) -> Result<CallbackRecord, StoreError> {
    Ok(CallbackRecord {
        id: NoticeId(row.int()?),
        order: OrderId(row.int()?),
        amendment: row.optional_int()?.map(AmendmentId),
        endpoint: EndpointId(row.int()?),
        url: row.text()?,
        status: row.text()?,
        state: row.text()?,
        attempts: row.int()?,
        due_at: row.optional_int()?,
        created_at: row.int()?,
    })
}

fn attempt_from(mut row: Row) -> Result<AttemptRecord, StoreError> {
    let (number, outcome) = (row.int()?, row.text()?);
    let (made_at, took, address) = (row.int()?, row.int()?, row.optional_text()?);
    let http_status = row.optional_int()?.map(u16::try_from).transpose();
    let http_status = http_status.map_err(|_| corrupt("attempt"))?;
    let (cause, answer) = (row.optional_text()?, row.optional_text()?);
    let facts = AttemptFacts { made_at, took, address, http_status, cause, answer };
    Ok(AttemptRecord { number, outcome, facts })
}

fn key_from(mut row: Row) -> Result<WebhookKeyRecord, StoreError> {
    Ok(WebhookKeyRecord {
        endpoint: EndpointId(row.int()?),
        number: row.int()?,
        key_sealed: row.bytes()?,
        created_at: row.int()?,
        expires_at: row.optional_int()?,
    })
}
