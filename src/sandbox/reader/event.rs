//! What a reader tells the app instead of a message, or beside one.
//!
//! The numbers are those of the mobile SDK's error lists: 102 to 112 for what the phone sees of any
//! reader (packets, tracks, configuration), 1000 and the second status byte of a Miura, 2000 and
//! the reason of a Spire. A cause for which those lists are silent has a number in their ranges.

use crate::payment::reader::ReaderKind;

/// An event by its stable name, with a number for each kind of reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub name: &'static str,
    pub message: &'static str,
    sim: u32,
    spire: u32,
    miura: u32,
}

impl Event {
    /// The number that an app sees.
    #[must_use]
    pub fn code(&self, kind: ReaderKind) -> u32 {
        match kind {
            ReaderKind::Sim | ReaderKind::QrCode => self.sim,
            ReaderKind::Spire => self.spire,
            ReaderKind::Miura => self.miura,
        }
    }

    /// One that the phone sees, whoever made the reader.
    const fn of_phone(name: &'static str, code: u32, message: &'static str) -> Self {
        Self { name, message, sim: code, spire: code, miura: code }
    }

    /// One that the reader tells: Spire's reason, Miura's status byte.
    const fn of_reader(
        name: &'static str,
        (sim, spire, miura): (u32, u32, u32),
        message: &'static str,
    ) -> Self {
        Self { name, message, sim, spire: 2000 + spire, miura: 1000 + miura }
    }

    pub(super) const BLUETOOTH_LOST: Self =
        Self::of_phone("bluetooth-lost", 102, "the connection to the reader broke off");
    pub(super) const PACKET_DAMAGED: Self =
        Self::of_phone("packet-damaged", 103, "a packet of the reader has a wrong check sum");
    pub(super) const STRIPE_UNREADABLE: Self =
        Self::of_phone("stripe-unreadable", 104, "the stripe cannot be read; swipe again");
    pub(super) const CHIP_UNREADABLE: Self = Self::of_reader(
        "chip-unreadable",
        (105, 18, 37),
        "the chip cannot be read; swipe the card",
    );
    pub(super) const CARD_BLOCKED: Self =
        Self::of_reader("card-blocked", (106, 17, 42), "the card is blocked");
    pub(super) const CARD_REMOVED: Self =
        Self::of_reader("card-removed-early", (107, 16, 35), "the card was removed too early");
    pub(super) const USER_CANCELLED: Self =
        Self::of_reader("user-cancelled", (108, 15, 65), "the card holder pressed Cancel");
    pub(super) const TIMED_OUT: Self =
        Self::of_reader("timed-out", (109, 14, 66), "no card met the reader in time");
    pub(super) const LOW_BATTERY: Self =
        Self::of_reader("low-battery", (110, 30, 80), "the battery is too low for a reading");
    pub(super) const TAMPERED: Self =
        Self::of_reader("tampered", (111, 31, 81), "the case was opened; the keys are erased");
    pub(super) const KEY_MISSING: Self =
        Self::of_reader("key-missing", (112, 32, 82), "no key is injected");
    pub(super) const NOT_CONFIGURED: Self =
        Self::of_phone("not-configured", 112, "the reader has no configuration for this end point");
    pub(super) const INVALID_COMMAND: Self =
        Self::of_reader("invalid-command", (103, 10, 33), "the reader does not know the command");
    pub(super) const SLOW: Self =
        Self::of_phone("slow", 101, "the reader took nine seconds; here nobody waits for them");
}
