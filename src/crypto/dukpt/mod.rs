//! DUKPT: a key of its own for every message of a reader, found by the host without any state.
//!
//! The key set's base derivation key gives each reader an initial key; the reader's key serial
//! number (KSN), sent with every message, ends with a counter that leads from the initial key to
//! the key of that message. [`tdes`] is the scheme of ANSI X9.24-1, [`aes`] that of X9.24-3.
//!
//! Each counter value is used for one message only, and values with many one bits never: the host
//! takes a derivation step for each of them. Whether a value was used before is not known here.

pub mod aes;
mod counter;
pub mod tdes;

/// What a working key is for, seen from the reader: requests go to the host, responses come back.
///
/// The uses of X9.24-1:2009 table A-1, which X9.24-3:2017 has too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Use {
    /// PIN blocks.
    Pin,
    /// MACs the reader makes.
    MacRequest,
    /// MACs the reader checks.
    MacResponse,
    /// MACs in both directions under one key. With TDES this is the request key.
    MacBoth,
    /// Data the reader encrypts.
    DataRequest,
    /// Data the reader decrypts.
    DataResponse,
    /// Data in both directions under one key. With TDES this is the request key.
    DataBoth,
}

/// Why no key was derived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DukptError {
    #[error("the given key is for another cipher")]
    Cipher,
    #[error("the KSN's counter is zero, which stands for the initial key")]
    ZeroCounter,
    #[error("the KSN's counter has more one bits than any reader counts with")]
    TooManyOnes,
    #[error("a working key must not be stronger than the initial key")]
    TooStrong,
}
