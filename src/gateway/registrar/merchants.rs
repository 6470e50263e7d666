//! Merchants, their groups, and the rotation of their control keys.

use super::RegistryError;
use crate::gateway::{Gateway, Merchant};
use crate::payment::ids::{GroupId, MerchantId};
use crate::payment::{DAY, Millis, SECOND};
use crate::store::{MerchantRecord, Numbered};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The largest number that a caller may choose: those that are counted must fit above it.
const ID_MAX: i64 = 999_999_999_999;
/// A control key that was just made or taken, to be shown once.
pub type ControlKey = Zeroizing<String>;

/// The longest time for which two control keys are good.
const OVERLAP_MAX: Millis = 30 * DAY;
/// Characters of a control key.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 16..=128;
/// Characters of a login.
const LOGIN_MAX: usize = 64;

/// A merchant without its secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownMerchant {
    pub id: MerchantId,
    pub login: String,
    /// Until when the control key before the present one is good, if it is.
    pub old_key_until: Option<Millis>,
}

impl Gateway {
    /// Adds a merchant, with this control key or with a fresh one.
    ///
    /// # Errors
    /// A login or key that cannot be one; a number or login that is taken.
    pub async fn register_merchant(
        &self,
        id: Option<i64>,
        login: &str,
        control_key: Option<&str>,
    ) -> Result<(MerchantId, ControlKey), RegistryError> {
        let graphic = login.bytes().all(|b| b.is_ascii_graphic());
        if !graphic || !(1..=LOGIN_MAX).contains(&login.len()) {
            let why = "must be 1 to 64 printable ASCII characters without spaces";
            return Err(RegistryError::invalid("login", why));
        }
        let _turn = self.registry_turn.lock().await;
        if self.store().merchant_by_login(login).await?.is_some() {
            return Err(RegistryError::conflict("a merchant has this login"));
        }
        let control_key = self.new_control_key(control_key)?;
        let id = MerchantId(self.number(id, Numbered::Merchants).await?);
        self.enrol_merchant(id, login, &control_key).await?;
        Ok((id, control_key))
    }

    /// So many merchants with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merchants_after(
        &self,
        after: MerchantId,
        most: u32,
    ) -> Result<Vec<KnownMerchant>, RegistryError> {
        let now = self.clock().now();
        let records = self.store().merchants_after(after, most).await?;
        let known = |record: MerchantRecord| KnownMerchant {
            id: record.id,
            login: record.login,
            old_key_until: record.old_control_key.map(|(_, until)| until).filter(|at| now < *at),
        };
        Ok(records.into_iter().map(known).collect())
    }

    /// Gives a merchant another control key. For the overlap the present one proves the merchant
    /// as well; callbacks are signed with the new one at once. Answers the new key, and until when
    /// the old one is good.
    ///
    /// # Errors
    /// No such merchant; a key that cannot be one; a rotation before this one that still overlaps,
    /// unless this one has no overlap and so ends all keys but the new one.
    pub async fn rotate_control_key(
        &self,
        login: &str,
        control_key: Option<&str>,
        overlap_seconds: u32,
    ) -> Result<(ControlKey, Millis), RegistryError> {
        let overlap = Millis::from(overlap_seconds) * SECOND;
        if overlap > OVERLAP_MAX {
            return Err(RegistryError::invalid("overlap_seconds", "30 days are the most"));
        }
        let control_key = self.new_control_key(control_key)?;
        let merchant = self.merchant_called(login).await?;
        let sealed =
            self.parts.keys.seal_control_key(merchant.id, &control_key, &self.parts.entropy);
        let now = self.clock().now();
        let until = now + overlap;
        if !self.store().rotate_control_key(merchant.id, &sealed, until, now).await? {
            let why = "the rotation before this one still overlaps; wait, or write 0 \
                       overlap_seconds, which ends all keys but the new one";
            return Err(RegistryError::conflict(why));
        }
        self.forget_registry();
        Ok((control_key, until))
    }

    /// Adds a group of a merchant's endpoints.
    ///
    /// # Errors
    /// No such merchant; a number that is taken.
    pub async fn register_group(
        &self,
        id: Option<i64>,
        login: &str,
    ) -> Result<GroupId, RegistryError> {
        let merchant = self.merchant_called(login).await?;
        let _turn = self.registry_turn.lock().await;
        let id = GroupId(self.number(id, Numbered::Groups).await?);
        self.enrol_group(id, merchant.id).await?;
        Ok(id)
    }

    /// So many groups with higher numbers than `after`, in order, and whose they are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn groups_after(
        &self,
        after: GroupId,
        most: u32,
    ) -> Result<Vec<(GroupId, MerchantId)>, RegistryError> {
        Ok(self.store().groups_after(after, most).await?)
    }

    /// The login of a merchant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn login_of(&self, merchant: MerchantId) -> Result<String, RegistryError> {
        Ok(self.merchant(merchant).await?.login.clone())
    }

    /// The merchant with this login, as the database has it now.
    pub(super) async fn merchant_called(
        &self,
        login: &str,
    ) -> Result<Arc<Merchant>, RegistryError> {
        let found = self.merchant_now(login).await?;
        found.ok_or_else(|| RegistryError::missing("no merchant has this login"))
    }

    /// The number that the caller chose, if it is free, or the next that is.
    pub(super) async fn number(
        &self,
        chosen: Option<i64>,
        kind: Numbered,
    ) -> Result<i64, RegistryError> {
        let Some(number) = chosen else {
            return Ok(self.store().next_free(kind).await?);
        };
        if !(1..=ID_MAX).contains(&number) {
            return Err(RegistryError::invalid("id", format!("must be 1 to {ID_MAX}")));
        }
        if self.store().is_taken(kind, number).await? {
            return Err(RegistryError::conflict(format!("the id {number} is taken")));
        }
        Ok(number)
    }

    fn new_control_key(&self, given: Option<&str>) -> Result<ControlKey, RegistryError> {
        let Some(key) = given else {
            return Ok(Zeroizing::new(self.parts.entropy.uuid().to_uppercase()));
        };
        let graphic = key.bytes().all(|b| b.is_ascii_graphic());
        if !graphic || !KEY_LENGTHS.contains(&key.len()) {
            let why = "must be 16 to 128 printable ASCII characters without spaces";
            return Err(RegistryError::invalid("control_key", why));
        }
        Ok(Zeroizing::new(key.to_owned()))
    }
}
