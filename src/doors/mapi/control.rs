//! Who sent a request that carries a SHA-1 `control` (MAPI 2.1).

use crate::crypto::sign::control_matches;
use crate::gateway::{Failure, Gateway, Merchant};
use crate::payment::refusal::Refusal;
use std::sync::Arc;

/// The merchant with this login, if its key makes the control. An unknown login looks like a wrong
/// control. `formula` says for the log what the control should have been.
///
/// # Errors
/// `InvalidControl`, or what keeps the database from answering.
pub(super) async fn merchant_of(
    gateway: &Gateway,
    login: &str,
    control: &str,
    expected: impl Fn(&str) -> String,
    formula: &str,
) -> Result<Arc<Merchant>, Failure> {
    let now = gateway.clock().now();
    // An unknown login takes as long as a known one.
    let fits = |merchant: Option<&Merchant>| match merchant {
        Some(merchant) => {
            merchant.good_keys(now).any(|key| control_matches(&expected(key), control))
        }
        None => control_matches(&expected(""), control),
    };
    let mut merchant = gateway.merchant_by_login(login).await?;
    let mut fitting = fits(merchant.as_deref());
    if !fitting {
        // What is remembered of the merchant may be older than its key.
        merchant = gateway.merchant_now(login).await?;
        fitting = fits(merchant.as_deref());
    }
    match merchant {
        Some(merchant) if fitting => Ok(merchant),
        known => Err(Failure::Refused {
            refusal: Refusal::InvalidControl,
            cause: match known {
                Some(_) => format!("the control is not SHA-1({formula})"),
                None => "no merchant has this login".to_owned(),
            },
        }),
    }
}
