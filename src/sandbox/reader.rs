//! A virtual reader: it reads a card and gives what a real one would, with a counter of its own
//! that rises with every message.

use crate::clock::Entropy;
use crate::crypto::advice::write_advice;
use crate::crypto::card_writer::{ChipRun, PlasticCard, write_clear_card};
use crate::crypto::ksn::Ksn;
use crate::crypto::reader::Container;
use crate::crypto::reader_keys::{InitialKey, seal};
use crate::payment::Millis;
use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::money::Amount;
use crate::payment::reader::{LAST_COUNTER, Reader};
use chrono::{DateTime, Datelike};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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
}

/// What the reader hands to the app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Swipe {
    /// Upper-case hex for `encrypted-data`.
    pub encrypted_data: String,
    /// For `encrypted-type`.
    pub encrypted_type: &'static str,
    pub ksn: Ksn,
}

/// Why a reader gives nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReaderFault {
    #[error("the reader has used up its counter; register a new one")]
    Exhausted,
    #[error("the amount is too large for a chip")]
    AmountTooLarge,
}

/// The counters of the virtual readers.
#[derive(Default)]
pub struct Counters(Mutex<HashMap<String, i64>>);

impl Counters {
    /// The next counter of a reader: above all it has used here and above the last one accepted.
    ///
    /// # Errors
    /// `Exhausted` after the last one.
    pub fn next(&self, reader: &Reader) -> Result<u32, ReaderFault> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = counters.entry(reader.serial.clone()).or_insert(reader.last_counter);
        let next = (*last).max(reader.last_counter) + 1;
        if next > LAST_COUNTER {
            return Err(ReaderFault::Exhausted);
        }
        *last = next;
        u32::try_from(next).map_err(|_| ReaderFault::Exhausted)
    }
}

/// Reads a card for an amount, as the reader with this initial key does.
///
/// # Errors
/// `AmountTooLarge` for a chip, `Exhausted` for a counter that no KSN can hold.
pub fn read_card(
    reader: &Reader,
    key: &InitialKey,
    counter: u32,
    card: &Presentation<'_>,
    amount: Amount,
    now: Millis,
    entropy: &Entropy,
) -> Result<Swipe, ReaderFault> {
    let ksn = ksn_of(reader, counter).ok_or(ReaderFault::Exhausted)?;
    let chip = match card.entry_mode.has_chip() {
        true => {
            let today = DateTime::from_timestamp_millis(now).unwrap_or_default();
            let date = (today.year(), today.month(), today.day());
            // The low half of the counter serves as the application transaction counter.
            let atc = u16::try_from(counter & 0xFFFF).unwrap_or_default();
            let run = ChipRun::new(amount, date, atc, entropy.bytes());
            Some(run.ok_or(ReaderFault::AmountTooLarge)?)
        }
        false => None,
    };
    let has_chip = card.entry_mode != EntryMode::Swipe;
    let plastic =
        PlasticCard { pan: card.pan, expiry: card.expiry, cardholder: card.cardholder, has_chip };
    let clear = write_clear_card(&plastic, chip.as_ref());
    let container = Container {
        ciphertext: seal(&clear, entropy.bytes(), key, ksn, &reader.serial, amount),
        ksn,
        entry_mode: card.entry_mode,
        serial: reader.serial.clone(),
        pin: None,
    };
    Ok(Swipe { encrypted_data: container.write(), encrypted_type: "sim", ksn })
}

/// Ends a chip transaction as the reader does after the second GENERATE AC.
///
/// # Errors
/// `Exhausted` for a counter that no KSN can hold.
pub fn complete(
    reader: &Reader,
    key: &InitialKey,
    counter: u32,
    approved: bool,
    amount: Amount,
    entropy: &Entropy,
) -> Result<Swipe, ReaderFault> {
    let ksn = ksn_of(reader, counter).ok_or(ReaderFault::Exhausted)?;
    let clear = write_advice(approved, entropy.bytes());
    let container = Container {
        ciphertext: seal(&clear, entropy.bytes(), key, ksn, &reader.serial, amount),
        ksn,
        entry_mode: EntryMode::Chip,
        serial: reader.serial.clone(),
        pin: None,
    };
    Ok(Swipe { encrypted_data: container.write(), encrypted_type: "sim", ksn })
}

fn ksn_of(reader: &Reader, counter: u32) -> Option<Ksn> {
    let mut bytes = [0; 10];
    bytes[..3].copy_from_slice(&reader.key_set_prefix);
    bytes[3..7].copy_from_slice(&reader.device_id);
    Ksn::from_bytes(bytes).with_counter(counter)
}
