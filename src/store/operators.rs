//! Operators. Of their tokens only digests lie here.

use super::sql::{Row, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::operator::{Operator, Role};

const BY_TOKEN: &str =
    "SELECT name, role, enabled, created_at FROM operators WHERE token_digest = $1";
const BY_NAME: &str = "SELECT name, role, enabled, created_at FROM operators WHERE name = $1";
const ALL: &str = "SELECT name, role, enabled, created_at FROM operators ORDER BY name";
const INSERT: &str = "\
    INSERT INTO operators (name, role, token_digest, enabled, created_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING";
const DISABLE: &str = "UPDATE operators SET enabled = 0 WHERE name = $1";

impl Store {
    /// The operator whose token has this digest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn operator_of(&self, token_digest: &str) -> Result<Option<Operator>, StoreError> {
        self.row(sql(BY_TOKEN).bind(token_digest)).await?.map(operator_from).transpose()
    }

    /// The operator with this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        self.row(sql(BY_NAME).bind(name)).await?.map(operator_from).transpose()
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.rows(sql(ALL)).await?.into_iter().map(operator_from).collect()
    }

    /// Adds an operator. `false` if somebody has the name.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_operator(
        &self,
        operator: &Operator,
        token_digest: &str,
    ) -> Result<bool, StoreError> {
        let statement = sql(INSERT)
            .bind(operator.name.as_str())
            .bind(operator.role.name())
            .bind(token_digest)
            .bind(operator.enabled)
            .bind(operator.created_at);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Shuts an operator out for good. `false` if there is none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn disable_operator(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.change(vec![sql(DISABLE).bind(name)]).await?.changed > 0)
    }
}

fn operator_from(mut row: Row) -> Result<Operator, StoreError> {
    Ok(Operator {
        name: row.text()?,
        role: Role::from_name(&row.text()?).ok_or_else(|| corrupt("role"))?,
        enabled: row.flag()?,
        created_at: row.int()?,
    })
}
