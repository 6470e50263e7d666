//! How each maker's reader lays out what it has read (MAPI 4.2 to 4.4, 4.8).

use super::ReaderFault;
use crate::clock::Entropy;
use crate::crypto::advice::{advice_tags, write_advice};
use crate::crypto::card_writer::{
    ChipRun, PlasticCard, chip_tags, track1_characters, track2_characters, track2_equivalent,
    write_clear_card,
};
use crate::crypto::reader::{
    ChipMessage, Container, MiuraMessage, QrCodeMessage, Sealed, SealedPin,
};
use crate::crypto::reader_keys::{InitialKey, PinEntry};
use crate::crypto::tlv::Tag;
use crate::crypto::tlv_write::write;
use crate::payment::card::{EntryMode, Pan};
use crate::payment::ksn::Ksn;
use crate::payment::money::Amount;
use crate::payment::pin_format::PinFormat;
use crate::payment::reader::Reader;
use zeroize::Zeroizing;

/// The card number, masked.
const SPIRE_MASK: Tag = Tag(0x5A);
const MIURA_MASK: Tag = Tag(0xDF_AE5A);
/// How the card met the terminal (EMV 9F39): inserted, held to it.
const POS_ENTRY_MODE: Tag = Tag(0x9F39);
const INSERTED: u8 = 0x05;
const HELD: u8 = 0x07;
/// Miura: present if the card was held to the reader; one means EMV mode.
const CONTACTLESS: Tag = Tag(0xDF30);
const TRACK2: Tag = Tag(0x57);
/// Miura's templates: a stripe, the chip asks to go online, its last words.
const MIURA_STRIPE: Tag = Tag(0xE1);
const MIURA_ONLINE: Tag = Tag(0xE4);
const MIURA_APPROVED: Tag = Tag(0xE3);
const MIURA_DECLINED: Tag = Tag(0xE5);

/// A card at the reader, and what its holder enters.
pub(super) struct Held<'a> {
    pub(super) plastic: PlasticCard<'a>,
    pub(super) entry_mode: EntryMode,
    pub(super) pin: Option<&'a str>,
}

/// One message to be made by one reader.
#[derive(Clone, Copy)]
pub(super) struct Sealing<'a> {
    pub(super) reader: &'a Reader,
    pub(super) key: &'a InitialKey,
    pub(super) counter: u32,
    pub(super) amount: Amount,
    pub(super) entropy: &'a Entropy,
}

impl Sealing<'_> {
    pub(super) fn ksn(self) -> Result<Ksn, ReaderFault> {
        let ksn = self.reader.initial_ksn.with_counter(self.reader.cipher, self.counter);
        ksn.ok_or(ReaderFault::Exhausted)
    }

    fn seal(self, clear: &[u8]) -> Result<Sealed, ReaderFault> {
        let (ksn, fresh) = (self.ksn()?, self.entropy.bytes());
        let ciphertext = self.key.seal(clear, fresh, ksn, &self.reader.serial, self.amount)?;
        Ok(Sealed { ksn, ciphertext })
    }

    /// The PIN under the message's own KSN, in the first format that the cipher carries.
    fn seal_pin(self, held: &Held<'_>) -> Result<Option<SealedPin>, ReaderFault> {
        let Some(pin) = held.pin else {
            return Ok(None);
        };
        let cipher = self.reader.cipher;
        let format = PinFormat::ALL.into_iter().find(|format| cipher.carries(*format));
        let entry =
            PinEntry { pin, format: format.ok_or(ReaderFault::NotAPin)?, pan: held.plastic.pan };
        let (ksn, random) = (self.ksn()?, self.entropy.bytes());
        let block = self.key.seal_pin(entry, ksn, &self.reader.serial, self.amount, random);
        Ok(Some(SealedPin { block: block.map_err(|_| ReaderFault::NotAPin)?, ksn }))
    }

    fn container(
        self,
        clear: &[u8],
        entry_mode: EntryMode,
        pin: Option<SealedPin>,
    ) -> Result<String, ReaderFault> {
        let Sealed { ksn, ciphertext } = self.seal(clear)?;
        let serial = self.reader.serial.clone();
        Ok(Container { ciphertext, ksn, entry_mode, serial, pin }.write())
    }

    pub(super) fn sim(self, held: &Held<'_>, run: Option<&ChipRun>) -> Result<String, ReaderFault> {
        let clear = write_clear_card(&held.plastic, run);
        self.container(&clear, held.entry_mode, self.seal_pin(held)?)
    }

    pub(super) fn sim_completion(self, approved: bool) -> Result<String, ReaderFault> {
        self.container(&write_advice(approved, self.entropy.bytes()), EntryMode::Chip, None)
    }

    pub(super) fn spire_stripe(self, held: &Held<'_>) -> Result<String, ReaderFault> {
        let clear = track2_characters(&held.plastic);
        self.container(&clear, held.entry_mode, self.seal_pin(held)?)
    }

    pub(super) fn spire_chip(self, held: &Held<'_>, run: &ChipRun) -> Result<String, ReaderFault> {
        let Held { plastic: card, entry_mode, .. } = held;
        let mut clear = chip_tags(card, run);
        clear.push((SPIRE_MASK, mask(card.pan)));
        let met = if *entry_mode == EntryMode::Contactless { HELD } else { INSERTED };
        clear.push((POS_ENTRY_MODE, vec![met]));
        let track = Some(self.seal(&track2_equivalent(card))?);
        let (serial, pin) = (self.reader.serial.clone(), self.seal_pin(held)?);
        Ok(ChipMessage { serial, entry_mode: *entry_mode, track, clear, pin }.write())
    }

    pub(super) fn spire_completion(self, approved: bool) -> String {
        let clear = advice_tags(approved, self.entropy.bytes());
        let serial = self.reader.serial.clone();
        let entry_mode = EntryMode::Chip;
        ChipMessage { serial, entry_mode, track: None, clear, pin: None }.write()
    }

    pub(super) fn miura_stripe(self, held: &Held<'_>) -> Result<String, ReaderFault> {
        let card = &held.plastic;
        let next = self.reader.cipher.next_counter(self.counter).ok_or(ReaderFault::Exhausted)?;
        let second = Sealing { counter: next, ..self };
        let sealed =
            vec![self.seal(&track1_characters(card))?, second.seal(&track2_characters(card))?];
        let clear = vec![(MIURA_MASK, mask(card.pan))];
        Ok(self.miura(MIURA_STRIPE, EntryMode::Swipe, sealed, clear, self.seal_pin(held)?))
    }

    pub(super) fn miura_chip(self, held: &Held<'_>, run: &ChipRun) -> Result<String, ReaderFault> {
        let (card, entry_mode) = (&held.plastic, held.entry_mode);
        let mut inside = Zeroizing::new(Vec::with_capacity(64));
        write(TRACK2, &track2_equivalent(card), &mut inside);
        let mut clear = chip_tags(card, run);
        clear.push((MIURA_MASK, mask(card.pan)));
        if entry_mode == EntryMode::Contactless {
            clear.push((CONTACTLESS, vec![1]));
        }
        let sealed = vec![self.seal(&inside)?];
        Ok(self.miura(MIURA_ONLINE, entry_mode, sealed, clear, self.seal_pin(held)?))
    }

    pub(super) fn miura_completion(self, approved: bool) -> String {
        let template = if approved { MIURA_APPROVED } else { MIURA_DECLINED };
        let clear = advice_tags(approved, self.entropy.bytes());
        self.miura(template, EntryMode::Chip, Vec::new(), clear, None)
    }

    /// The phone shows a code that is good for one payment.
    pub(super) fn qr_code(self, held: &Held<'_>) -> Result<String, ReaderFault> {
        if held.pin.is_some() {
            return Err(ReaderFault::NoPin);
        }
        let sealed = self.seal(&write_clear_card(&held.plastic, None))?;
        Ok(QrCodeMessage { serial: self.reader.serial.clone(), sealed }.write())
    }

    fn miura(
        self,
        template: Tag,
        entry_mode: EntryMode,
        sealed: Vec<Sealed>,
        clear: Vec<(Tag, Vec<u8>)>,
        pin: Option<SealedPin>,
    ) -> String {
        let serial = self.reader.serial.clone();
        MiuraMessage { template, serial, entry_mode, sealed, clear, pin }.write()
    }
}

/// First six and last four digits, stars between.
pub(super) fn mask(pan: &Pan) -> Vec<u8> {
    let hidden = pan.expose_digits().len() - 10;
    format!("{}{}{}", pan.first_six(), "*".repeat(hidden), pan.last_four()).into_bytes()
}
