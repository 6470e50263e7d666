//! The services of terminals: what is under way, what was answered, and what it came to. Whoever
//! takes one up writes its row first, so that none is ever done twice.

use super::sql::{Row, Statement, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::ids::{ServiceNumber, TerminalId};
use crate::payment::{HOUR, Millis};

/// How long a number that a point of sale gave to a service is not taken again (nexo contract 6.4).
const REMEMBERED: Millis = 48 * HOUR;

/// What tells a service from all others.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ServiceKey {
    pub terminal: TerminalId,
    pub sale_id: String,
    /// The login session; 0 where there is none.
    pub session: i64,
    pub category: String,
    pub service_id: String,
}

/// A service about to be taken up.
#[derive(Clone, Debug)]
pub struct NewService {
    pub number: ServiceNumber,
    pub key: ServiceKey,
    /// The point of sale's own name for what is sold.
    pub sale_transaction: Option<String>,
    /// Keyed digest of the request: tells a repeat from another one.
    pub request_digest: String,
    /// What is needed to go on with it, without card data.
    pub request: String,
    pub started_at: Millis,
    pub leased_until: Millis,
}

/// A service as stored.
#[derive(Clone, Debug)]
pub struct ServiceRecord {
    pub number: ServiceNumber,
    pub key: ServiceKey,
    pub request_digest: String,
    pub request: String,
    /// Empty while it is under way.
    pub response: Option<String>,
    pub started_at: Millis,
    pub leased_until: Millis,
    /// How often it was taken up.
    pub claims: i64,
}

/// A service in the hands of one process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServiceClaim {
    pub number: ServiceNumber,
    /// How often it was taken up: another process that takes it over counts on.
    pub claims: i64,
}

impl ServiceClaim {
    /// Of whoever takes a service up first.
    #[must_use]
    pub fn first(number: ServiceNumber) -> Self {
        Self { number, claims: 1 }
    }
}

/// What became of taking a service up.
#[derive(Clone, Debug)]
pub enum Taken {
    /// It is the caller's.
    Mine,
    /// It was taken up before.
    Before(Box<ServiceRecord>),
    /// The terminal is busy with another.
    Busy(Box<ServiceRecord>),
}

/// How a service ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceEnd {
    pub response: String,
    /// What it moved, by the door's name for it: an amount in minor units of a currency.
    pub movement: Option<(&'static str, i64, String)>,
}

/// Which services are meant; what is left out may be anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceMatch {
    pub terminal: TerminalId,
    pub category: Option<String>,
    pub service_id: Option<String>,
    pub sale_id: Option<String>,
}

/// A service's columns, as [`service_from`] takes them.
macro_rules! select_service {
    ($tail:literal) => {
        concat!(
            "SELECT id, terminal_id, sale_id, session, category, service_id, request_digest, \
                    request, response, started_at, leased_until, claims FROM terminal_services ",
            $tail
        )
    };
}

/// Without a session a number is free again when nobody remembers it.
const FREE_OLD: &str = "\
    UPDATE terminal_services SET session = -id \
    WHERE terminal_id = $1 AND sale_id = $2 AND session = 0 AND category = $3 \
      AND service_id = $4 AND started_at <= $5 AND response IS NOT NULL";
/// Unless the terminal is busy, or the same was taken up before: in this session, or for the same
/// sale in another.
const INSERT: &str = "\
    INSERT INTO terminal_services (id, terminal_id, sale_id, session, category, service_id, \
           sale_transaction, request_digest, request, period, started_at, leased_until) \
    SELECT $1, t.id, $3, $4, $5, $6, $7, $8, $9, t.period, $10, $11 FROM terminals AS t \
    WHERE t.id = $2 AND NOT EXISTS (SELECT 1 FROM terminal_services WHERE terminal_id = $2 \
                      AND sale_id = $3 AND category = $5 AND service_id = $6 \
                      AND sale_transaction = $7 AND started_at > $12) \
    ON CONFLICT DO NOTHING";
const SAME: &str = select_service!(
    "WHERE terminal_id = $1 AND sale_id = $2 AND category = $3 AND service_id = $4 \
       AND (session = $5 OR (sale_transaction = $6 AND started_at > $7)) \
     ORDER BY CASE WHEN session = $5 THEN 0 ELSE 1 END, started_at DESC, id DESC LIMIT 1"
);
const RUNNING: &str = select_service!("WHERE terminal_id = $1 AND response IS NULL");
const BY_NUMBER: &str = select_service!("WHERE id = $1");
const MATCHING: &str = select_service!(
    "WHERE terminal_id = $1 AND (CAST($2 AS TEXT) IS NULL OR category = $2) \
       AND (CAST($3 AS TEXT) IS NULL OR service_id = $3) \
       AND (CAST($4 AS TEXT) IS NULL OR sale_id = $4) \
       AND category IN ('Payment', 'CardAcquisition', 'Reversal') \
     ORDER BY started_at DESC, id DESC LIMIT 1"
);
const LAST_ENDED: &str = select_service!(
    "WHERE terminal_id = $1 AND id <> $2 AND response IS NOT NULL \
       AND category IN ('Payment', 'Reversal') AND movement IS NOT NULL \
     ORDER BY started_at DESC, id DESC LIMIT 1"
);
const LEFT_OVER: &str =
    select_service!("WHERE response IS NULL AND leased_until <= $1 ORDER BY id LIMIT $2");
const KEEP: &str = "\
    UPDATE terminal_services SET leased_until = $3 \
    WHERE id = $1 AND claims = $2 AND response IS NULL";
const TAKE_OVER: &str = "\
    UPDATE terminal_services SET leased_until = $3, claims = claims + 1 \
    WHERE id = $1 AND claims = $2 AND leased_until <= $4 AND response IS NULL";
const FINISH: &str = "\
    UPDATE terminal_services SET response = $2, movement = $3, amount_minor = $4, currency = $5 \
    WHERE id = $1 AND claims = $6 AND response IS NULL";
const TOTALS: &str = "\
    SELECT movement, currency, COUNT(*), CAST(SUM(amount_minor) AS BIGINT) \
    FROM terminal_services WHERE terminal_id = $1 AND period = $2 AND movement IS NOT NULL \
    GROUP BY movement, currency ORDER BY currency, movement";

impl Store {
    /// Takes a service up, if its terminal is free and nobody has taken it up before.
    ///
    /// # Errors
    /// When the database cannot be written or read.
    pub async fn take_up_service(&self, new: &NewService) -> Result<Taken, StoreError> {
        let remembered = new.started_at - REMEMBERED;
        let mut statements = Vec::with_capacity(2);
        if new.key.session == 0 {
            statements.push(keyed(FREE_OLD, &new.key).bind(remembered));
        }
        statements.push(insert(new, remembered));
        if self.change_together(statements).await?.changed > 0 {
            return Ok(Taken::Mine);
        }
        let same = self.service_before(&new.key, new.sale_transaction.clone(), new.started_at);
        match same.await? {
            // Its commit was done, and the word of it lost.
            Some(before) if before.number == new.number => return Ok(Taken::Mine),
            Some(before) => return Ok(Taken::Before(Box::new(before))),
            None => {}
        }
        match self.running_service(new.key.terminal).await? {
            Some(running) => Ok(Taken::Busy(Box::new(running))),
            None => Err(StoreError::Busy("the terminal has just become free".to_owned())),
        }
    }

    /// The service that was taken up under this name: in this session, or for the same sale.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn service_before(
        &self,
        key: &ServiceKey,
        sale_transaction: Option<String>,
        now: Millis,
    ) -> Result<Option<ServiceRecord>, StoreError> {
        let same = keyed(SAME, key).bind(key.session).bind(sale_transaction).bind(now - REMEMBERED);
        self.row(same).await?.map(service_from).transpose()
    }

    /// The service that a terminal is busy with.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn running_service(
        &self,
        terminal: TerminalId,
    ) -> Result<Option<ServiceRecord>, StoreError> {
        self.row(sql(RUNNING).bind(terminal.0)).await?.map(service_from).transpose()
    }

    /// The service with this number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn service(
        &self,
        number: ServiceNumber,
    ) -> Result<Option<ServiceRecord>, StoreError> {
        self.row(sql(BY_NUMBER).bind(number.0)).await?.map(service_from).transpose()
    }

    /// The newest payment, reversal or reading of a card of those that are meant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_service(
        &self,
        of: &ServiceMatch,
    ) -> Result<Option<ServiceRecord>, StoreError> {
        let statement = sql(MATCHING)
            .bind(of.terminal.0)
            .bind(of.category.clone())
            .bind(of.service_id.clone())
            .bind(of.sale_id.clone());
        self.row(statement).await?.map(service_from).transpose()
    }

    /// The terminal's last payment, or reversal that was done, but for this one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_ended_service(
        &self,
        terminal: TerminalId,
        except: ServiceNumber,
    ) -> Result<Option<ServiceRecord>, StoreError> {
        let statement = sql(LAST_ENDED).bind(terminal.0).bind(except.0);
        self.row(statement).await?.map(service_from).transpose()
    }

    /// Services that nobody goes on with, at most so many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn services_left_over(
        &self,
        now: Millis,
        most: u32,
    ) -> Result<Vec<ServiceRecord>, StoreError> {
        let rows = self.rows(sql(LEFT_OVER).bind(now).bind(i64::from(most))).await?;
        rows.into_iter().map(service_from).collect()
    }

    /// Keeps a service until `until`. `false` if somebody else has taken it over, or it has ended.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_service(
        &self,
        claim: ServiceClaim,
        until: Millis,
    ) -> Result<bool, StoreError> {
        let statement = sql(KEEP).bind(claim.number.0).bind(claim.claims).bind(until);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Takes over, until `until`, a service that nobody goes on with. `false` if somebody else has,
    /// or it has ended.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take_over_service(
        &self,
        claim: ServiceClaim,
        until: Millis,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let ServiceClaim { number, claims } = claim;
        let statement = sql(TAKE_OVER).bind(number.0).bind(claims).bind(until).bind(now);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Ends a service. `false` if it has ended before, or somebody else has taken it over.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn finish_service(
        &self,
        claim: ServiceClaim,
        end: &ServiceEnd,
    ) -> Result<bool, StoreError> {
        let (movement, minor, currency) = match &end.movement {
            Some((movement, minor, currency)) => {
                (Some((*movement).to_owned()), Some(*minor), Some(currency.clone()))
            }
            None => (None, None, None),
        };
        let statement = sql(FINISH)
            .bind(claim.number.0)
            .bind(end.response.as_str())
            .bind(movement)
            .bind(minor)
            .bind(currency)
            .bind(claim.claims);
        Ok(self.change_together(vec![statement]).await?.changed > 0)
    }

    /// What a terminal's services of a period moved: by movement and currency their number and
    /// their sum in minor units.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn totals_of_period(
        &self,
        terminal: TerminalId,
        period: i64,
    ) -> Result<Vec<(String, String, i64, i64)>, StoreError> {
        let rows = self.rows(sql(TOTALS).bind(terminal.0).bind(period)).await?;
        rows.into_iter()
            .map(|mut row| Ok((row.text()?, row.text()?, row.int()?, row.int()?)))
            .collect()
    }
}

fn keyed(text: &'static str, key: &ServiceKey) -> Statement {
    sql(text)
        .bind(key.terminal.0)
        .bind(key.sale_id.as_str())
        .bind(key.category.as_str())
        .bind(key.service_id.as_str())
}

fn insert(new: &NewService, remembered: Millis) -> Statement {
    sql(INSERT)
        .bind(new.number.0)
        .bind(new.key.terminal.0)
        .bind(new.key.sale_id.as_str())
        .bind(new.key.session)
        .bind(new.key.category.as_str())
        .bind(new.key.service_id.as_str())
        .bind(new.sale_transaction.clone())
        .bind(new.request_digest.as_str())
        .bind(new.request.as_str())
        .bind(new.started_at)
        .bind(new.leased_until)
        .bind(remembered)
}

fn service_from(mut row: Row) -> Result<ServiceRecord, StoreError> {
    let number = ServiceNumber(row.int()?);
    let (terminal, sale_id) = (TerminalId(row.int()?), row.text()?);
    let (session, category, service_id) = (row.int()?, row.text()?, row.text()?);
    if number.0 < 1 {
        return Err(corrupt("number of a service"));
    }
    Ok(ServiceRecord {
        number,
        key: ServiceKey { terminal, sale_id, session, category, service_id },
        request_digest: row.text()?,
        request: row.text()?,
        response: row.optional_text()?,
        started_at: row.int()?,
        leased_until: row.int()?,
        claims: row.int()?,
    })
}
