//! Why a control does not agree: whose it is and by which keys it may be made is put before
//! [`diagnose`].

use super::{Failure, Gateway, Merchant};
use crate::crypto::control_diagnosis::{Case, Command, Diagnosis, PreviousKey, diagnose};
use crate::payment::Millis;
use std::sync::Arc;

/// Ids of end points and groups that may have been hashed.
const ADDRESSES_MAX: u32 = 20;

/// A control to be explained.
#[derive(Clone, Copy)]
pub struct ControlPuzzle<'a> {
    /// The login of the merchant whose key it is.
    pub login: &'a str,
    pub command: Command,
    /// The form, or the callback's address or query, exactly as it was sent.
    pub form: &'a str,
    /// Of a callback: the control that the merchant computed.
    pub computed: Option<&'a str>,
}

/// What is known about a control, so that it can be thought about on a thread of its own.
struct Known {
    command: Command,
    form: String,
    computed: Option<String>,
    merchant: Arc<Merchant>,
    endpoints: Vec<i64>,
    now: Millis,
}

impl Gateway {
    /// Says what is hashed for a control, what is wrong with it and what to change. The answer
    /// holds neither the key nor a control that the asker does not have.
    ///
    /// # Errors
    /// When the database cannot be read, or the merchant's key cannot be opened.
    pub async fn explain_control(&self, puzzle: ControlPuzzle<'_>) -> Result<Diagnosis, Failure> {
        let Some(merchant) = self.merchant_now(puzzle.login).await? else {
            return Ok(Diagnosis::of_unknown_login(puzzle.login));
        };
        // Thousands of digests may be made: one question at a time, not where requests are served.
        let turn = Arc::clone(&self.explain_turn).lock_owned().await;
        let known = Known {
            command: puzzle.command,
            form: puzzle.form.to_owned(),
            computed: puzzle.computed.map(str::to_owned),
            endpoints: self.store().addresses_of(merchant.id, ADDRESSES_MAX).await?,
            merchant,
            now: self.clock().now(),
        };
        let explained = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            known.explain()
        });
        explained.await.map_err(|error| Failure::Internal(error.to_string()))
    }
}

impl Known {
    fn explain(&self) -> Diagnosis {
        let previous = self.merchant.old_control_key.as_ref();
        let previous = previous.map(|(key, until)| PreviousKey { key, is_good: self.now < *until });
        diagnose(&Case {
            command: self.command,
            text: &self.form,
            computed: self.computed.as_deref(),
            login: Some(&self.merchant.login),
            key: &self.merchant.control_key,
            previous,
            endpoints: &self.endpoints,
        })
    }
}
