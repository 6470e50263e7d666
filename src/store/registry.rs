//! The registry: merchants, endpoints and groups. Secrets lie here sealed; the store never sees
//! them open. Key sets and readers are in [`readers`](super::readers).

use super::rows::json;
use super::sql::{Row, Statement, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::day::BusinessDay;
use crate::payment::ids::{EndpointId, GroupId, MerchantId};
use crate::payment::merchant::{Endpoint, Fee, Terms};
use crate::payment::money::Currency;

/// A merchant as stored.
#[derive(Clone)]
pub struct MerchantRecord {
    pub id: MerchantId,
    pub login: String,
    pub control_key_sealed: Vec<u8>,
    /// The control key before, and until when it is still good.
    pub old_control_key: Option<(Vec<u8>, Millis)>,
}

macro_rules! select_merchant {
    ($tail:literal) => {
        concat!(
            "SELECT id, login, control_key_sealed, old_control_key_sealed, \
                    old_control_key_until FROM merchants ",
            $tail
        )
    };
}

macro_rules! select_endpoint {
    ($tail:literal) => {
        concat!(
            "SELECT id, merchant_id, group_id, currency, enabled, strict_validation, sandbox, \
                    callback_url, amount_least_minor, amount_most_minor, terminal_id, \
                    descriptor, partial_capture, partial_reversal, multi_capture, hold_days, \
                    fee_basis_points, fee_fixed_minor, time_zone, close_at, limits \
             FROM endpoints ",
            $tail
        )
    };
}

const MERCHANT_BY_LOGIN: &str = select_merchant!("WHERE login = $1");
const MERCHANT_BY_ID: &str = select_merchant!("WHERE id = $1");
const MERCHANTS: &str = select_merchant!("WHERE id > $1 ORDER BY id LIMIT $2");
/// One old key at a time: while it is still good, only a rotation that ends all old keys follows.
const ROTATE: &str = "\
    UPDATE merchants SET old_control_key_sealed = control_key_sealed, \
           old_control_key_until = $3, control_key_sealed = $2 \
    WHERE id = $1 AND ($3 <= $4 OR old_control_key_until IS NULL OR old_control_key_until <= $4)";
const ENDPOINT: &str = select_endpoint!("WHERE id = $1");
const ENDPOINT_IN_GROUP: &str =
    select_endpoint!("WHERE group_id = $1 AND currency = $2 AND enabled = 1 ORDER BY id LIMIT 1");
const ENDPOINTS: &str = select_endpoint!("WHERE id > $1 ORDER BY id LIMIT $2");
const GROUPS: &str =
    "SELECT id, merchant_id FROM endpoint_groups WHERE id > $1 ORDER BY id LIMIT $2";
/// Endpoints and groups are numbered apart, but addresses have either.
const ADDRESSES: &str = "\
    SELECT id FROM endpoints WHERE merchant_id = $1 \
    UNION SELECT id FROM endpoint_groups WHERE merchant_id = $1 ORDER BY id LIMIT $2";
const GROUP_OWNER: &str = "SELECT merchant_id FROM endpoint_groups WHERE id = $1";
const INSERT_MERCHANT: &str = "\
    INSERT INTO merchants (id, login, control_key_sealed, created_at) VALUES ($1, $2, $3, $4)";
const INSERT_GROUP: &str = "INSERT INTO endpoint_groups (id, merchant_id) VALUES ($1, $2)";
const INSERT_ENDPOINT: &str = "\
    INSERT INTO endpoints (id, merchant_id, group_id, currency, enabled, strict_validation, \
           sandbox, callback_url, amount_least_minor, amount_most_minor, terminal_id, \
           descriptor, partial_capture, partial_reversal, multi_capture, hold_days, \
           fee_basis_points, fee_fixed_minor, time_zone, close_at, limits) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
           $19, $20, $21)";
const INSERT_GATE: &str = "INSERT INTO gates (endpoint_id, day, opened_at) VALUES ($1, 1, $2)";
const UPDATE_ENDPOINT: &str = "\
    UPDATE endpoints SET enabled = $2, strict_validation = $3, callback_url = $4, \
           partial_capture = $5, partial_reversal = $6, multi_capture = $7, hold_days = $8, \
           fee_basis_points = $9, fee_fixed_minor = $10, time_zone = $11, close_at = $12, \
           limits = $13, group_id = $14, amount_least_minor = $15, amount_most_minor = $16, \
           terminal_id = $17, descriptor = $18, sandbox = $19 \
    WHERE id = $1";

impl Store {
    /// The merchant with this login.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merchant_by_login(
        &self,
        login: &str,
    ) -> Result<Option<MerchantRecord>, StoreError> {
        self.row(sql(MERCHANT_BY_LOGIN).bind(login)).await?.map(merchant_from).transpose()
    }

    /// The merchant with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merchant(&self, id: MerchantId) -> Result<Option<MerchantRecord>, StoreError> {
        self.row(sql(MERCHANT_BY_ID).bind(id.0)).await?.map(merchant_from).transpose()
    }

    /// The endpoint with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.row(sql(ENDPOINT).bind(id.0)).await?.map(endpoint_from).transpose()
    }

    /// The first endpoint of the group that is open for this currency.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoint_for(
        &self,
        group: GroupId,
        currency: Currency,
    ) -> Result<Option<Endpoint>, StoreError> {
        let statement = sql(ENDPOINT_IN_GROUP).bind(group.0).bind(currency.alpha());
        self.row(statement).await?.map(endpoint_from).transpose()
    }

    /// The merchant whose group this is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn group_owner(&self, group: GroupId) -> Result<Option<MerchantId>, StoreError> {
        let row = self.row(sql(GROUP_OWNER).bind(group.0)).await?;
        row.map(|mut row| Ok(MerchantId(row.int()?))).transpose()
    }

    /// Adds a merchant.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_merchant(
        &self,
        merchant: &MerchantRecord,
        now: Millis,
    ) -> Result<(), StoreError> {
        let statement = sql(INSERT_MERCHANT)
            .bind(merchant.id.0)
            .bind(merchant.login.as_str())
            .bind(&*merchant.control_key_sealed)
            .bind(now);
        self.change(vec![statement]).await.map(drop)
    }

    /// Adds a group of a merchant's endpoints.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_group(&self, group: GroupId, merchant: MerchantId) -> Result<(), StoreError> {
        let statement = sql(INSERT_GROUP).bind(group.0).bind(merchant.0);
        self.change(vec![statement]).await.map(drop)
    }

    /// Adds an endpoint and its gate, whose first day begins now.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_endpoint(&self, endpoint: &Endpoint, now: Millis) -> Result<(), StoreError> {
        let statement = sql(INSERT_ENDPOINT)
            .bind(endpoint.id.0)
            .bind(endpoint.merchant.0)
            .bind(endpoint.group.map(|group| group.0))
            .bind(endpoint.currency.alpha())
            .bind(endpoint.enabled)
            .bind(endpoint.strict_validation)
            .bind(endpoint.sandbox)
            .bind(endpoint.callback_url.clone())
            .bind(endpoint.amount_limits_minor.0)
            .bind(endpoint.amount_limits_minor.1)
            .bind(endpoint.terminal_id.as_str())
            .bind(endpoint.descriptor.as_str());
        let gate = sql(INSERT_GATE).bind(endpoint.id.0).bind(now);
        let statement = bind_terms(statement, &endpoint.terms).bind(json(&endpoint.limits)?);
        self.change(vec![statement, gate]).await.map(drop)
    }

    /// Changes all of an endpoint but its number, merchant and currency.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn change_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let statement = sql(UPDATE_ENDPOINT)
            .bind(endpoint.id.0)
            .bind(endpoint.enabled)
            .bind(endpoint.strict_validation)
            .bind(endpoint.callback_url.clone());
        let statement = bind_terms(statement, &endpoint.terms)
            .bind(json(&endpoint.limits)?)
            .bind(endpoint.group.map(|group| group.0))
            .bind(endpoint.amount_limits_minor.0)
            .bind(endpoint.amount_limits_minor.1)
            .bind(endpoint.terminal_id.as_str())
            .bind(endpoint.descriptor.as_str())
            .bind(endpoint.sandbox);
        self.change(vec![statement]).await.map(drop)
    }

    /// So many merchants with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merchants_after(
        &self,
        after: MerchantId,
        most: u32,
    ) -> Result<Vec<MerchantRecord>, StoreError> {
        let rows = self.rows(sql(MERCHANTS).bind(after.0).bind(i64::from(most))).await?;
        rows.into_iter().map(merchant_from).collect()
    }

    /// Gives a merchant a new control key; the present one is good until `until`. `false` if an
    /// older one is still good now, and would be forgotten too early.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn rotate_control_key(
        &self,
        merchant: MerchantId,
        control_key_sealed: &[u8],
        until: Millis,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let statement = sql(ROTATE).bind(merchant.0).bind(control_key_sealed).bind(until).bind(now);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// So many endpoints with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoints_after(
        &self,
        after: EndpointId,
        most: u32,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let rows = self.rows(sql(ENDPOINTS).bind(after.0).bind(i64::from(most))).await?;
        rows.into_iter().map(endpoint_from).collect()
    }

    /// Ids of a merchant's endpoints and groups, as they stand in addresses; so many at most.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn addresses_of(
        &self,
        merchant: MerchantId,
        most: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let rows = self.rows(sql(ADDRESSES).bind(merchant.0).bind(i64::from(most))).await?;
        rows.into_iter().map(|mut row| row.int()).collect()
    }

    /// So many groups with higher numbers than `after`, in order, and whose they are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn groups_after(
        &self,
        after: GroupId,
        most: u32,
    ) -> Result<Vec<(GroupId, MerchantId)>, StoreError> {
        let rows = self.rows(sql(GROUPS).bind(after.0).bind(i64::from(most))).await?;
        let group = |mut row: Row| Ok((GroupId(row.int()?), MerchantId(row.int()?)));
        rows.into_iter().map(group).collect()
    }
}

fn merchant_from(mut row: Row) -> Result<MerchantRecord, StoreError> {
    Ok(MerchantRecord {
        id: MerchantId(row.int()?),
        login: row.text()?,
        control_key_sealed: row.bytes()?,
        old_control_key: row.optional_bytes()?.zip(row.optional_int()?),
    })
}

fn bind_terms(statement: Statement, terms: &Terms) -> Statement {
    statement
        .bind(terms.partial_capture)
        .bind(terms.partial_reversal)
        .bind(terms.multi_capture)
        .bind(i64::from(terms.hold_days))
        .bind(i64::from(terms.fee.basis_points))
        .bind(i64::from(terms.fee.fixed_minor))
        .bind(terms.day.time_zone.name())
        .bind(terms.day.close_at.map(i64::from))
}

fn endpoint_from(mut row: Row) -> Result<Endpoint, StoreError> {
    Ok(Endpoint {
        id: EndpointId(row.int()?),
        merchant: MerchantId(row.int()?),
        group: row.optional_int()?.map(GroupId),
        currency: Currency::from_alpha(&row.text()?).ok_or_else(|| corrupt("currency"))?,
        enabled: row.flag()?,
        strict_validation: row.flag()?,
        sandbox: row.flag()?,
        callback_url: row.optional_text()?,
        amount_limits_minor: (row.int()?, row.int()?),
        terminal_id: row.text()?,
        descriptor: row.text()?,
        terms: Terms {
            partial_capture: row.flag()?,
            partial_reversal: row.flag()?,
            multi_capture: row.flag()?,
            hold_days: small(&mut row)?,
            fee: Fee { basis_points: small(&mut row)?, fixed_minor: small(&mut row)? },
            day: BusinessDay {
                time_zone: row.text()?.parse().map_err(|_| corrupt("time zone"))?,
                close_at: match row.optional_int()? {
                    Some(minutes) => {
                        Some(u32::try_from(minutes).map_err(|_| corrupt("closing time"))?)
                    }
                    None => None,
                },
            },
        },
        limits: serde_json::from_str(&row.text()?).map_err(|_| corrupt("limits"))?,
    })
}

fn small(row: &mut Row) -> Result<u32, StoreError> {
    u32::try_from(row.int()?).map_err(|_| corrupt("number"))
}
