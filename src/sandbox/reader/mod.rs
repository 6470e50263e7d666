//! A virtual reader: it reads a card and gives what a real one would, with a counter of its own
//! that rises with every message.

pub mod counters;
pub mod event;
mod layout;
pub mod play;
pub mod script;
mod spoil;

pub use counters::Counters;

use crate::clock::Entropy;
use crate::crypto::card_writer::{ChipRun, PlasticCard};
use crate::crypto::reader_keys::{InitialKey, OpeningError};
use crate::payment::Millis;
use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::ksn::Ksn;
use crate::payment::money::Amount;
use crate::payment::reader::{Reader, ReaderKind};
use chrono::{DateTime, Datelike};
use layout::{Held, Sealing};

/// The card in the virtual drawer when the caller brings none.
pub const TEST_PAN: &str = "4444555566661111";
/// Its expiry, YYMM.
pub const TEST_EXPIRY: &str = "3012";
/// Its holder.
pub const TEST_CARDHOLDER: &str = "TEST CARD";

/// A card held to a reader.
pub struct Presentation<'a> {
    pub pan: &'a Pan,
    pub expiry: Expiry,
    pub cardholder: &'a str,
    pub entry_mode: EntryMode,
    /// What the card holder enters for the issuer to check.
    pub pin: Option<&'a str>,
}

/// What the reader hands to the app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Swipe {
    /// Upper-case hex for `encrypted-data`.
    pub encrypted_data: String,
    /// For `encrypted-type`.
    pub encrypted_type: &'static str,
    /// The first key that the message uses.
    pub ksn: Ksn,
}

/// Why a reader gives nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReaderFault {
    #[error("the reader has used up its counter; register a new one")]
    Exhausted,
    #[error("the amount is too large for a chip")]
    AmountTooLarge,
    #[error("the reader cannot encrypt: {0}")]
    Keys(#[from] OpeningError),
    #[error("a PIN has 4 to 12 digits")]
    NotAPin,
    #[error("a scanned code has no chip that could have a last word")]
    NoChip,
    #[error("a phone with a code takes no PIN for the issuer")]
    NoPin,
}

/// Reads a card for an amount, as the reader with this initial key does.
///
/// # Errors
/// `AmountTooLarge` for a chip, `Exhausted` for a counter that no KSN can hold, `Keys` for one for
/// which there is no key.
pub fn read_card(
    reader: &Reader,
    key: &InitialKey,
    counter: u32,
    card: &Presentation<'_>,
    amount: Amount,
    now: Millis,
    entropy: &Entropy,
) -> Result<Swipe, ReaderFault> {
    read_signing(Sealing { reader, key, counter, amount, entropy }, card, amount, now)
}

/// As [`read_card`], where the chip signs what may be another amount.
fn read_signing(
    sealing: Sealing<'_>,
    card: &Presentation<'_>,
    signed: Amount,
    now: Millis,
) -> Result<Swipe, ReaderFault> {
    let Sealing { reader, counter, entropy, .. } = sealing;
    let chip = match card.entry_mode.has_chip() {
        true => {
            let today = DateTime::from_timestamp_millis(now).unwrap_or_default();
            let date = (today.year(), today.month(), today.day());
            // The low half of the counter serves as the application transaction counter.
            let atc = u16::try_from(counter & 0xFFFF).unwrap_or_default();
            let run = ChipRun::new(signed, date, atc, entropy.bytes());
            Some(run.ok_or(ReaderFault::AmountTooLarge)?)
        }
        false => None,
    };
    let has_chip = card.entry_mode != EntryMode::Swipe && card.entry_mode != EntryMode::QrCode;
    let plastic =
        PlasticCard { pan: card.pan, expiry: card.expiry, cardholder: card.cardholder, has_chip };
    let held = Held { plastic, entry_mode: card.entry_mode, pin: card.pin };
    let encrypted_data = match (reader.kind, &chip) {
        (ReaderKind::Sim, run) => sealing.sim(&held, run.as_ref())?,
        (ReaderKind::Spire, None) => sealing.spire_stripe(&held)?,
        (ReaderKind::Spire, Some(run)) => sealing.spire_chip(&held, run)?,
        (ReaderKind::Miura, None) => sealing.miura_stripe(&held)?,
        (ReaderKind::Miura, Some(run)) => sealing.miura_chip(&held, run)?,
        (ReaderKind::QrCode, _) => sealing.qr_code(&held)?,
    };
    Ok(Swipe { encrypted_data, encrypted_type: reader.kind.name(), ksn: sealing.ksn()? })
}

/// Ends a chip transaction as the reader does after the second GENERATE AC.
///
/// # Errors
/// `Exhausted` for a counter that no KSN can hold, `NoChip` of a phone with a code.
pub fn complete(
    reader: &Reader,
    key: &InitialKey,
    counter: u32,
    approved: bool,
    amount: Amount,
    entropy: &Entropy,
) -> Result<Swipe, ReaderFault> {
    let sealing = Sealing { reader, key, counter, amount, entropy };
    let encrypted_data = match reader.kind {
        ReaderKind::Sim => sealing.sim_completion(approved)?,
        ReaderKind::Spire => sealing.spire_completion(approved),
        ReaderKind::Miura => sealing.miura_completion(approved),
        ReaderKind::QrCode => return Err(ReaderFault::NoChip),
    };
    Ok(Swipe { encrypted_data, encrypted_type: reader.kind.name(), ksn: sealing.ksn()? })
}
