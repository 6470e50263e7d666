//! What virtual readers can be told to do, by name: to behave, to fail, or to send what is wrong.
//!
//! A row says what the counter does, what else the reader does, at which readers and with which
//! cards, and what comes of it. [`play`](super::play) does it; `tests/it/scripts.rs` plays every
//! row at every reader that it is for.

use super::event::Event;
use crate::payment::card::EntryMode;
use crate::payment::key_set::Cipher;
use crate::payment::reader::{Reader, ReaderKind};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Stable, in lower case with hyphens.
    pub name: &'static str,
    /// One sentence for people.
    pub says: &'static str,
    /// The readers that it is for.
    pub models: &'static [Model],
    pub ways: Ways,
    pub(super) count: Count,
    pub(super) deed: Deed,
    pub outcome: Outcome,
}

/// Readers that send messages of different make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    Sim,
    SpireTdes,
    SpireAes,
    Miura,
    QrCode,
}

impl Model {
    /// The model of a reader.
    #[must_use]
    pub fn of(reader: &Reader) -> Self {
        match (reader.kind, reader.cipher) {
            (ReaderKind::Sim, _) => Self::Sim,
            (ReaderKind::Spire, Cipher::AesDukpt(_)) => Self::SpireAes,
            (ReaderKind::Spire, _) => Self::SpireTdes,
            (ReaderKind::Miura, _) => Self::Miura,
            (ReaderKind::QrCode, _) => Self::QrCode,
        }
    }

    /// The name in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::SpireTdes => "spire-tdes",
            Self::SpireAes => "spire-aes",
            Self::Miura => "miura",
            Self::QrCode => "qr-code",
        }
    }
}

/// How a card may meet the reader in a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ways {
    Any,
    Stripe,
    Chip,
}

impl Ways {
    /// Whether the script can be played so.
    #[must_use]
    pub fn allow(self, mode: EntryMode) -> bool {
        match self {
            Self::Any => true,
            Self::Stripe => matches!(mode, EntryMode::Swipe | EntryMode::FallbackSwipe),
            Self::Chip => mode.has_chip(),
        }
    }
}

/// What comes of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The sale is accepted.
    Accepted,
    /// The sale is refused with this `error-code`.
    Refused(u32),
    /// There is nothing to send: the reader gives the event of this script only.
    Event,
}

/// Which counter a reading has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// The next one, as it should.
    Next,
    /// None is used: the reader had not got that far.
    Unused,
    /// That of the last accepted message.
    Replayed,
    /// That of a reader that began anew.
    Fallen,
    /// Many further on.
    Jumped,
    /// The last one of the key's life.
    Last,
    /// One that DUKPT skips.
    Illegal,
}

/// What else the reader does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    Behave,
    Fail(Event),
    Tell(Event),
    FallBack,
    OldClock,
    RandomKey,
    PublicKey,
    OtherVariant,
    OtherKeySet,
    OtherDevice,
    OtherSerial,
    OtherAmount,
    OtherCurrency,
    Misprint,
    Expire,
    Garble,
    OtherMask,
    Truncate,
    OddDigit,
    Trail,
    Frame,
    HexOfHex,
    Base64,
    LowerCase,
}

const ALL: &[Model] = &[Model::Sim, Model::SpireTdes, Model::SpireAes, Model::Miura, Model::QrCode];
/// Those that a card meets.
const CARDS: &[Model] = &[Model::Sim, Model::SpireTdes, Model::SpireAes, Model::Miura];
const DUKPT: &[Model] = &[Model::SpireTdes, Model::SpireAes, Model::Miura];
const TDES: &[Model] = &[Model::SpireTdes, Model::Miura];

/// Every script. `counter-at-end` is the last: after it a reader is good for nothing else.
pub const SCRIPTS: &[Script] = &[
    good("ok", "The reader does what it should.", Count::Next, Deed::Behave),
    good("slow", "The reader takes its time, and says so.", Count::Next, Deed::Tell(Event::SLOW)),
    good(
        "fallback-after-chip-error",
        "The chip cannot be read, so the stripe of the same card is swiped.",
        Count::Next,
        Deed::FallBack,
    )
    .at(CARDS),
    good(
        "lower-case-hex",
        "The app sends the digits in lower case, which is as good.",
        Count::Next,
        Deed::LowerCase,
    ),
    good(
        "counter-jumped",
        "The counter is 65536 ahead; refused (33) only where an end point limits the jump.",
        Count::Jumped,
        Deed::Behave,
    ),
    fails("card-removed-early", "The card is taken away before the chip is done.", BURNT)
        .with(Event::CARD_REMOVED)
        .at(CARDS),
    fails("bluetooth-lost", "The phone loses the reader after the card was read.", BURNT)
        .with(Event::BLUETOOTH_LOST),
    fails("packet-damaged", "A packet arrives with a wrong check sum.", BURNT)
        .with(Event::PACKET_DAMAGED),
    fails("low-battery", "The battery is too low to begin.", Count::Unused)
        .with(Event::LOW_BATTERY),
    fails("tampered", "The case was opened and the keys are gone.", Count::Unused)
        .with(Event::TAMPERED),
    fails("user-cancelled", "The card holder presses Cancel.", Count::Unused)
        .with(Event::USER_CANCELLED),
    fails("timed-out", "No card meets the reader in time.", Count::Unused).with(Event::TIMED_OUT),
    fails("card-blocked", "The card says that it is blocked.", Count::Unused)
        .with(Event::CARD_BLOCKED)
        .at(CARDS),
    fails("chip-unreadable", "The chip does not answer; a swipe is asked for.", Count::Unused)
        .by(Ways::Chip)
        .with(Event::CHIP_UNREADABLE)
        .at(CARDS),
    fails("stripe-unreadable", "The stripe is worn or was swiped too fast.", Count::Unused)
        .by(Ways::Stripe)
        .with(Event::STRIPE_UNREADABLE)
        .at(CARDS),
    fails("not-configured", "The reader never got its configuration.", Count::Unused)
        .with(Event::NOT_CONFIGURED),
    fails("key-missing", "Nobody has injected a key.", Count::Unused).with(Event::KEY_MISSING),
    fails(
        "invalid-command",
        "The app sends a command that the reader does not know.",
        Count::Unused,
    )
    .with(Event::INVALID_COMMAND),
    wrong("clock-wrong", "The chip signs a date of five years ago.", 32, Deed::OldClock)
        .by(Ways::Chip)
        .at(CARDS),
    wrong("wrong-amount-inside", "The chip signs one minor unit more.", 32, Deed::OtherAmount)
        .by(Ways::Chip)
        .at(CARDS),
    wrong("wrong-currency-inside", "The chip signs another currency.", 32, Deed::OtherCurrency)
        .by(Ways::Chip)
        .at(CARDS),
    wrong("wrong-key", "The reader has a key that nobody knows.", 24, Deed::RandomKey),
    wrong(
        "sandbox-key-in-production",
        "The reader has the standard's public test key under a KSN of the real key set.",
        24,
        Deed::PublicKey,
    ),
    wrong(
        "pin-variant-key",
        "The data is sealed with the other variant of the TDES key.",
        24,
        Deed::OtherVariant,
    )
    .at(TDES),
    wrong("other-key-set-ksn", "The KSN names a key set of somebody else.", 35, Deed::OtherKeySet),
    wrong("other-device-ksn", "The KSN is that of another device.", 24, Deed::OtherDevice),
    wrong("unknown-serial", "Nobody has registered this serial.", 21, Deed::OtherSerial),
    wrong("counter-replayed", "The last accepted counter is sent again.", 25, Deed::Behave)
        .counting(Count::Replayed),
    wrong("counter-fallen", "The reader was reset and counts from the start.", 25, Deed::Behave)
        .counting(Count::Fallen),
    wrong("illegal-counter", "The counter is one that DUKPT skips.", 9, Deed::Behave)
        .counting(Count::Illegal)
        .at(DUKPT),
    wrong("garbled-ciphertext", "Every sealed byte arrives changed.", 24, Deed::Garble).at(CARDS),
    wrong("mask-differs", "The masked number is another card's.", 9, Deed::OtherMask)
        .by(Ways::Chip)
        .at(DUKPT),
    wrong("luhn-fails", "The number on the card has a wrong check digit.", 30, Deed::Misprint),
    wrong("expired-card", "The card expired in January 2020.", 31, Deed::Expire),
    wrong("truncated-frame", "Half of the message is missing.", 9, Deed::Truncate),
    wrong("odd-digit", "The last hexadecimal digit is missing.", 9, Deed::OddDigit),
    wrong("trailing-bytes", "The status word 9000 is still behind the message.", 9, Deed::Trail)
        .at(CARDS),
    wrong(
        "vendor-frame-pasted",
        "The message is sent with the frame around it: STX, ETX and check byte.",
        9,
        Deed::Frame,
    ),
    wrong("hex-of-hex", "The digits are written in hexadecimal once more.", 9, Deed::HexOfHex),
    wrong("base64-instead-of-hex", "The message is written in base64.", 9, Deed::Base64),
    good(
        "counter-at-end",
        "The reader uses its last counter; whatever it sends next is refused (34).",
        Count::Last,
        Deed::Behave,
    )
    .at(CARDS)
    .by(Ways::Stripe),
];

/// The card was read and its data sealed, so a counter is gone.
const BURNT: Count = Count::Next;

const fn good(name: &'static str, says: &'static str, count: Count, deed: Deed) -> Script {
    let (models, ways, outcome) = (ALL, Ways::Any, Outcome::Accepted);
    Script { name, says, models, ways, count, deed, outcome }
}

const fn wrong(name: &'static str, says: &'static str, code: u32, deed: Deed) -> Script {
    Script { outcome: Outcome::Refused(code), ..good(name, says, Count::Next, deed) }
}

const fn fails(name: &'static str, says: &'static str, count: Count) -> Script {
    Script { outcome: Outcome::Event, ..good(name, says, count, Deed::Behave) }
}

impl Script {
    const fn with(self, event: Event) -> Self {
        Self { deed: Deed::Fail(event), ..self }
    }

    const fn by(self, ways: Ways) -> Self {
        Self { ways, ..self }
    }

    const fn at(self, models: &'static [Model]) -> Self {
        Self { models, ..self }
    }

    const fn counting(self, count: Count) -> Self {
        Self { count, ..self }
    }

    /// The script of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        SCRIPTS.iter().find(|script| script.name == name)
    }

    /// The names of the entry modes that it is for, as callers give them.
    #[must_use]
    pub fn entry_modes(&self) -> Vec<&'static str> {
        let cards: &[_] = match self.ways {
            Ways::Any => &["swipe", "insert", "tap", "fallback"],
            Ways::Stripe => &["swipe", "fallback"],
            Ways::Chip => &["insert", "tap"],
        };
        let code = self.models.contains(&Model::QrCode).then_some("scan");
        cards.iter().copied().chain(code).collect()
    }

    /// Which counter the reading has.
    #[must_use]
    pub fn count(&self) -> Count {
        self.count
    }

    /// What the reader tells the app, if anything.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        match self.deed {
            Deed::Fail(event) | Deed::Tell(event) => Some(event),
            Deed::FallBack => Some(Event::CHIP_UNREADABLE),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_script_has_a_name_of_its_own_a_sentence_and_readers() {
        let names: HashSet<_> = SCRIPTS.iter().map(|script| script.name).collect();
        assert_eq!(names.len(), SCRIPTS.len());
        assert!(SCRIPTS.len() >= 26);
        for script in SCRIPTS {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(script.name.chars().all(plain), "{}", script.name);
            assert!(script.says.ends_with('.') && !script.models.is_empty(), "{}", script.name);
            assert_eq!(Script::find(script.name).map(|found| found.says), Some(script.says));
            let fails = matches!(script.deed, Deed::Fail(_));
            assert_eq!(script.outcome == Outcome::Event, fails, "{}", script.name);
        }
        assert!(Script::find("unheard-of").is_none());
    }

    #[test]
    fn the_codes_of_the_sdk_are_kept() {
        let code = |name, kind| {
            Script::find(name).and_then(|script| script.event().map(|event| event.code(kind)))
        };
        assert_eq!(code("user-cancelled", ReaderKind::Miura), Some(1065));
        assert_eq!(code("user-cancelled", ReaderKind::Spire), Some(2015));
        assert_eq!(code("timed-out", ReaderKind::Miura), Some(1066));
        assert_eq!(code("card-blocked", ReaderKind::Spire), Some(2017));
        assert_eq!(code("invalid-command", ReaderKind::Miura), Some(1033));
        assert_eq!(code("bluetooth-lost", ReaderKind::Sim), Some(102));
    }
}
