//! What operators do to the registry: everything is looked at before it is written, so that each
//! fault has a sentence of its own.

mod ceremonies;
mod endpoints;
mod key_blocks;
mod key_sets;
mod merchants;
mod readers;
mod terminals;
mod transport_keys;

pub use ceremonies::{Goal, Made, Progress};
pub use key_blocks::Exported;
pub use key_sets::{KeySetFacts, Known};
pub use merchants::{ControlKey, KnownMerchant};
pub use readers::{Injected, InjectedKey, Injection, NewReader, Place};
pub use terminals::NewTerminal;
pub use transport_keys::KnownTransportKey;

use super::{Failure, KeyStoreError};
use crate::payment::refusal::Refusal;
use crate::store::StoreError;

/// Why the registry stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// What it is about is not there.
    #[error("{0}")]
    Missing(String),
    /// It does not go with what is there.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl RegistryError {
    fn missing(what: impl Into<String>) -> Self {
        Self::Missing(what.into())
    }

    fn conflict(why: impl Into<String>) -> Self {
        Self::Conflict(why.into())
    }

    fn invalid(name: &str, why: impl Into<String>) -> Self {
        Self::Failure(Refusal::invalid(name, why).into())
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        match error {
            // Here they take turns, so this was another instance, which passed the same looks a
            // moment ago.
            StoreError::Taken(_) => Self::conflict(
                "somebody has just added one, perhaps with the same number; look at what is there \
                 now, and try again",
            ),
            error => Self::Failure(error.into()),
        }
    }
}

impl From<KeyStoreError> for RegistryError {
    fn from(error: KeyStoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Refusal> for RegistryError {
    fn from(refusal: Refusal) -> Self {
        Self::Failure(refusal.into())
    }
}
