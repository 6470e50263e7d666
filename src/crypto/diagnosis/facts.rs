//! What is learnt about a message on the way. No key and no value of a card comes here.

use super::Case;
use crate::crypto::card_data::ClearCard;
use crate::crypto::reader::ReaderMessage;
use crate::crypto::tag_names::told;
use crate::crypto::tlv::Tag;
use crate::payment::card::EntryMode;
use crate::payment::key_set::Cipher;
use crate::payment::ksn::Ksn;

/// What the data is, and what else there is to know.
#[derive(Default)]
pub(super) struct Facts {
    says: String,
    list: Vec<String>,
}

impl Facts {
    /// Says what the data is; the last word counts.
    pub(super) fn is(&mut self, what: impl Into<String>) {
        self.says = what.into();
    }

    pub(super) fn add(&mut self, fact: impl Into<String>) {
        self.list.push(fact.into());
    }

    /// Tags with the lengths of their values.
    pub(super) fn tags(&mut self, of: &str, tags: impl Iterator<Item = (Tag, usize)>) {
        for (tag, length) in tags {
            self.add(format!("{of} {}: {length} bytes", told(tag)));
        }
    }

    pub(super) fn message(&mut self, case: &Case<'_>, message: &ReaderMessage) {
        let reader = case.reader;
        let met = match (message.sealed.is_empty(), message.entry_mode) {
            (true, _) => "without a sealed card",
            (false, EntryMode::Swipe) => "of a swiped card",
            (false, EntryMode::FallbackSwipe) => "of a card swiped because its chip failed",
            (false, EntryMode::Chip) => "of an inserted card",
            (false, EntryMode::Contactless) => "of a card held to the reader",
            (false, EntryMode::QrCode) => "of a scanned code",
        };
        self.is(format!("a {} message {met}, reader {}", case.encrypted_type, message.serial));
        self.add(format!("reader {} encrypts by {}", reader.serial, cipher_name(reader.cipher)));
        self.add(format!("its key set is {}", own_set(case)));
        for ksn in message.ksns() {
            self.add(told_ksn(case, ksn));
        }
        for sealed in &message.sealed {
            self.add(format!("sealed: {} bytes", sealed.ciphertext.len()));
        }
        let clear = message.clear.iter().map(|(tag, value)| (*tag, value.len()));
        self.tags("in the clear,", clear);
        if message.pin.is_some() {
            self.add("a sealed PIN block is in the message; it is not tried");
        }
    }

    /// The first six and last four digits: all that may be shown.
    pub(super) fn card(&mut self, card: &ClearCard) {
        let (first, last, brand) = (card.pan.first_six(), card.pan.last_four(), card.pan.brand());
        self.add(format!("it opens: card {first}******{last}, {}", brand.name()));
        let (year, month) = (card.expiry.year(), card.expiry.month());
        self.add(format!("the card is good until {month:02}/{year}"));
        self.tags("sealed or clear,", card.emv.iter().map(|(tag, value)| (*tag, value.len())));
    }

    pub(super) fn told(self) -> (String, Vec<String>) {
        let mut list = self.list;
        let mut seen = Vec::with_capacity(list.len());
        list.retain(|fact| {
            let new = !seen.contains(fact);
            seen.push(fact.clone());
            new
        });
        (self.says, list)
    }
}

/// Cipher and variant, for people.
pub(super) fn cipher_name(cipher: Cipher) -> String {
    match cipher.variant() {
        Some(variant) => format!("{}, key variant {variant}", cipher.name()),
        None => cipher.name().to_owned(),
    }
}

/// The reader's key set by number, prefix and check value.
pub(super) fn own_set(case: &Case<'_>) -> String {
    let prefix = &case.reader.key_set_prefix;
    told_set(case.reader.key_set.0, prefix, case.base.check_value())
}

/// A key set by number, prefix and check value.
pub(super) fn told_set(id: i64, prefix: &[u8], check_value: [u8; 3]) -> String {
    let (prefix, check_value) = (hex::encode_upper(prefix), hex::encode_upper(check_value));
    format!("{id}, KSN prefix {prefix}, check value {check_value}")
}

fn told_ksn(case: &Case<'_>, ksn: Ksn) -> String {
    let (cipher, last) = (case.reader.cipher, case.reader.last_counter);
    format!("KSN {ksn}: counter {}; the last one taken is {last}", ksn.counter(cipher))
}
