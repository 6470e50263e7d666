//! Who may use the operators' door.

use super::{Failure, Gateway};
use crate::crypto::token::token_digest;
use crate::payment::operator::{Operator, Role, is_operator_name};
use crate::payment::refusal::Refusal;
use zeroize::Zeroizing;

/// A token, to be shown once: it cannot be read again.
pub type Token = Zeroizing<String>;

impl Gateway {
    /// Adds an operator and makes their token. `None` if somebody has the name.
    ///
    /// # Errors
    /// `Refused` for a name that cannot be one; when the database cannot be written.
    pub async fn enrol_operator(&self, name: &str, role: Role) -> Result<Option<Token>, Failure> {
        if !is_operator_name(name) {
            let why = "use 1 to 32 small letters, digits, '.', '-', '_'; not root, not nobody";
            return Err(Refusal::invalid("name", why).into());
        }
        let fresh = Zeroizing::new(self.parts.entropy.bytes::<32>());
        let token = Zeroizing::new(hex::encode(fresh.as_slice()));
        let (name, created_at) = (name.to_owned(), self.clock().now());
        let operator = Operator { name, role, enabled: true, created_at };
        let added = self.store().add_operator(&operator, &token_digest(&token)).await?;
        Ok(added.then_some(token))
    }

    /// All operators but the one of the settings.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn operators(&self) -> Result<Vec<Operator>, Failure> {
        Ok(self.store().operators().await?)
    }

    /// Shuts an operator out for good, at once. `None` if there is none of this name.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn disable_operator(&self, name: &str) -> Result<Option<Operator>, Failure> {
        self.store().disable_operator(name).await?;
        Ok(self.store().operator(name).await?)
    }

    /// Whose token this is, if they are not shut out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn operator_of(&self, token: &str) -> Result<Option<Operator>, Failure> {
        let found = self.store().operator_of(&token_digest(token)).await?;
        Ok(found.filter(|operator| operator.enabled))
    }
}
