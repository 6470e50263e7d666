//! Payment terminals, and the points of sale that are logged in to them.

use super::rows::json;
use super::sql::{Row, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::{MerchantId, TerminalId};
use crate::payment::terminal::{Dialect, Terminal};

/// A terminal as stored.
#[derive(Clone)]
pub struct TerminalRecord {
    pub terminal: Terminal,
    pub credential_digest: Option<String>,
    pub passphrase_sealed: Option<Vec<u8>>,
    /// The period that is being counted.
    pub period: i64,
}

/// A point of sale that is logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRecord {
    /// The session's number: within it no service is done twice.
    pub session: i64,
    /// What the point of sale said of itself, as its door words it.
    pub login: String,
}

macro_rules! select_terminal {
    ($tail:literal) => {
        concat!(
            "SELECT id, poi_id, merchant_id, reader_serial, acquirer_poi_id, dialect, profile, \
                    listener_url, credential_digest, passphrase_sealed, period FROM terminals ",
            $tail
        )
    };
}

const TERMINAL: &str = select_terminal!("WHERE poi_id = $1");
const TERMINAL_BY_ID: &str = select_terminal!("WHERE id = $1");
const TERMINALS_OF: &str = select_terminal!("WHERE merchant_id = $1 ORDER BY id LIMIT $2");
const TERMINALS: &str = select_terminal!("WHERE id > $1 ORDER BY id LIMIT $2");
const CREDENTIAL: &str = "SELECT merchant_id FROM terminals WHERE credential_digest = $1 LIMIT 1";
const INSERT: &str = "\
    INSERT INTO terminals (id, poi_id, merchant_id, reader_serial, acquirer_poi_id, dialect, \
           profile, listener_url, credential_digest, passphrase_sealed, period, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)";
const CHANGE: &str = "UPDATE terminals SET profile = $2, listener_url = $3 WHERE id = $1";
/// Whoever closes a period first.
const NEXT_PERIOD: &str = "UPDATE terminals SET period = $3 WHERE id = $1 AND period = $2";
const SESSION: &str = "\
    SELECT session, login FROM terminal_sessions WHERE terminal_id = $1 AND sale_id = $2";
const SESSIONS: &str = "\
    SELECT sale_id FROM terminal_sessions WHERE terminal_id = $1 ORDER BY opened_at, sale_id \
    LIMIT 100";
const OPEN_SESSION: &str = "\
    INSERT INTO terminal_sessions (terminal_id, sale_id, session, login, opened_at) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (terminal_id, sale_id) DO UPDATE SET session = excluded.session, \
        login = excluded.login, opened_at = excluded.opened_at";
const CLOSE_SESSION: &str = "\
    DELETE FROM terminal_sessions WHERE terminal_id = $1 AND sale_id = $2 AND session = $3";

impl Store {
    /// The terminal that points of sale call by this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn terminal(&self, poi_id: &str) -> Result<Option<TerminalRecord>, StoreError> {
        self.row(sql(TERMINAL).bind(poi_id)).await?.map(terminal_from).transpose()
    }

    /// The terminal with this number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn terminal_by_id(
        &self,
        id: TerminalId,
    ) -> Result<Option<TerminalRecord>, StoreError> {
        self.row(sql(TERMINAL_BY_ID).bind(id.0)).await?.map(terminal_from).transpose()
    }

    /// A merchant's terminals, oldest first, so many at most.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn terminals_of(
        &self,
        merchant: MerchantId,
        most: u32,
    ) -> Result<Vec<TerminalRecord>, StoreError> {
        let rows = self.rows(sql(TERMINALS_OF).bind(merchant.0).bind(i64::from(most))).await?;
        rows.into_iter().map(terminal_from).collect()
    }

    /// So many terminals with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn terminals_after(
        &self,
        after: TerminalId,
        most: u32,
    ) -> Result<Vec<TerminalRecord>, StoreError> {
        let rows = self.rows(sql(TERMINALS).bind(after.0).bind(i64::from(most))).await?;
        rows.into_iter().map(terminal_from).collect()
    }

    /// The merchant one of whose terminals has the key with this digest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn owner_of_credential(
        &self,
        digest: &str,
    ) -> Result<Option<MerchantId>, StoreError> {
        let row = self.row(sql(CREDENTIAL).bind(digest)).await?;
        row.map(|mut row| Ok(MerchantId(row.int()?))).transpose()
    }

    /// Adds a terminal.
    ///
    /// # Errors
    /// `Taken` when something about it is another's; when the database cannot be written.
    pub async fn add_terminal(
        &self,
        record: &TerminalRecord,
        now: Millis,
    ) -> Result<(), StoreError> {
        let terminal = &record.terminal;
        let statement = sql(INSERT)
            .bind(terminal.id.0)
            .bind(terminal.poi_id.as_str())
            .bind(terminal.merchant.0)
            .bind(terminal.reader.as_str())
            .bind(terminal.acquirer_poi_id.as_str())
            .bind(terminal.dialect.name())
            .bind(json(&terminal.profile)?)
            .bind(terminal.listener_url.clone())
            .bind(record.credential_digest.clone())
            .bind(record.passphrase_sealed.clone())
            .bind(now);
        self.change(vec![statement]).await.map(drop)
    }

    /// Changes a terminal's profile and listener.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn change_terminal(&self, terminal: &Terminal) -> Result<(), StoreError> {
        let statement = sql(CHANGE)
            .bind(terminal.id.0)
            .bind(json(&terminal.profile)?)
            .bind(terminal.listener_url.clone());
        self.change(vec![statement]).await.map(drop)
    }

    /// Ends a terminal's period and begins the next. `false` if somebody else has ended it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn next_period(
        &self,
        id: TerminalId,
        period: i64,
        next: i64,
    ) -> Result<bool, StoreError> {
        let statement = sql(NEXT_PERIOD).bind(id.0).bind(period).bind(next);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// The session of a point of sale.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session(
        &self,
        terminal: TerminalId,
        sale_id: &str,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let row = self.row(sql(SESSION).bind(terminal.0).bind(sale_id)).await?;
        let read = |mut row: Row| Ok(SessionRecord { session: row.int()?, login: row.text()? });
        row.map(read).transpose()
    }

    /// The points of sale that are logged in, longest first; a hundred at most.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn logged_in(&self, terminal: TerminalId) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(sql(SESSIONS).bind(terminal.0)).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    /// Opens a session, in the place of the one before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn open_session(
        &self,
        terminal: TerminalId,
        sale_id: &str,
        session: &SessionRecord,
        now: Millis,
    ) -> Result<(), StoreError> {
        let statement = sql(OPEN_SESSION)
            .bind(terminal.0)
            .bind(sale_id)
            .bind(session.session)
            .bind(session.login.as_str())
            .bind(now);
        self.change(vec![statement]).await.map(drop)
    }

    /// Ends a session, unless another has taken its place.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn close_session(
        &self,
        terminal: TerminalId,
        sale_id: &str,
        session: i64,
    ) -> Result<(), StoreError> {
        let statement = sql(CLOSE_SESSION).bind(terminal.0).bind(sale_id).bind(session);
        self.change(vec![statement]).await.map(drop)
    }
}

fn terminal_from(mut row: Row) -> Result<TerminalRecord, StoreError> {
    Ok(TerminalRecord {
        terminal: Terminal {
            id: TerminalId(row.int()?),
            poi_id: row.text()?,
            merchant: MerchantId(row.int()?),
            reader: row.text()?,
            acquirer_poi_id: row.text()?,
            dialect: Dialect::from_name(&row.text()?).ok_or_else(|| corrupt("dialect"))?,
            profile: super::lookup::parse(&row.text()?, "profile of a terminal")?,
            listener_url: row.optional_text()?,
        },
        credential_digest: row.optional_text()?,
        passphrase_sealed: row.optional_bytes()?,
        period: row.int()?,
    })
}
