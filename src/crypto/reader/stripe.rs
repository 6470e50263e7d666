//! The template E9 with one sealed value: a stripe as Spire readers send it (MAPI 4.2), and every
//! message of the `sim` profile (MAPI 4.8).

use super::{
    ENTRY_MODE, KSN, MessageError, PIN_BLOCK, PIN_KSN, ReaderMessage, SEALED, SERIAL, Sealed,
    SealedPin, TEMPLATE, read_hex, read_ksn, read_pin, read_serial, read_template, required,
};
use crate::crypto::tlv::{self, Tlv};
use crate::crypto::tlv_write::write;
use crate::payment::card::EntryMode;
use crate::payment::ksn::Ksn;
use std::fmt;

/// One message of a reader, still sealed. `Debug` shows the serial and the KSN only.
#[derive(Clone, PartialEq, Eq)]
pub struct Container {
    /// `nonce ‖ ciphertext ‖ tag` of the card data.
    pub ciphertext: Vec<u8>,
    /// Names the key that sealed it.
    pub ksn: Ksn,
    /// How the card met the reader, by the reader's word.
    pub entry_mode: EntryMode,
    /// The reader's serial number, 1 to 32 graphic ASCII characters.
    pub serial: String,
    /// Present when the cardholder entered a PIN for online checking.
    pub pin: Option<SealedPin>,
}

impl Container {
    /// Reads the value of `encrypted-data`, hex of either case. Unknown tags are passed over.
    ///
    /// # Errors
    /// `MessageError`; nothing has been decrypted by then.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        let bytes = read_hex(text)?;
        let list = read_template(&bytes, TEMPLATE)?;
        match tlv::repeated(&list) {
            Some(tag) => Err(MessageError::Repeated(tag)),
            None => Self::from_list(&list),
        }
    }

    pub(super) fn from_list(list: &[Tlv<'_>]) -> Result<Self, MessageError> {
        Ok(Self {
            ciphertext: required(list, SEALED)?.to_vec(),
            ksn: read_ksn(list, KSN)?,
            entry_mode: match required(list, ENTRY_MODE)? {
                [digit] => EntryMode::from_digit(*digit),
                _ => None,
            }
            .filter(|mode| *mode != EntryMode::QrCode)
            .ok_or(MessageError::BadEntryMode)?,
            serial: read_serial(required(list, SERIAL)?, SERIAL)?,
            pin: read_pin(list, PIN_BLOCK, PIN_KSN)?,
        })
    }

    /// The upper-case hex text for `encrypted-data`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut inside = Vec::with_capacity(self.ciphertext.len() + 128);
        write(SEALED, &self.ciphertext, &mut inside);
        write(KSN, self.ksn.as_bytes(), &mut inside);
        write(ENTRY_MODE, &[self.entry_mode.digit()], &mut inside);
        write(SERIAL, self.serial.as_bytes(), &mut inside);
        if let Some(pin) = &self.pin {
            write(PIN_BLOCK, &pin.block, &mut inside);
            write(PIN_KSN, pin.ksn.as_bytes(), &mut inside);
        }
        let mut whole = Vec::with_capacity(inside.len() + 4);
        write(TEMPLATE, &inside, &mut whole);
        hex::encode_upper(whole)
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({}, {})", self.serial, self.ksn)
    }
}

impl From<Container> for ReaderMessage {
    fn from(container: Container) -> Self {
        let Container { ciphertext, ksn, entry_mode, serial, pin } = container;
        let sealed = vec![Sealed { ksn, ciphertext }];
        Self { serial, entry_mode, sealed, clear: Vec::new(), pin }
    }
}

#[cfg(test)]
mod tests {
    use super::super::HEX_MAX;
    use super::*;
    use crate::crypto::tlv::{Tag, TlvError};

    /// The golden container of MAPI 14.
    const GOLDEN: &str = "E964DFAE6341000102030405060708090A0BD6DCCBD6DA523CC24A394FBE12CBBA6650\
        3A6FBD0AA3174656E14EA2877112F4B9FC021A4E1B01072B99327E65343D35D63B72934FDFAE640AFFFF0102\
        628D1100005EDFAE650130DFAE66083130303030343632";

    #[test]
    fn the_golden_container_is_read_in_either_case_and_written_back() {
        let container = Container::parse(GOLDEN).unwrap();
        assert_eq!(container.ciphertext.len(), 65);
        assert_eq!(
            (container.entry_mode, container.serial.as_str()),
            (EntryMode::Swipe, "10000462")
        );
        assert_eq!(container.write(), GOLDEN);
        assert_eq!(Container::parse(&GOLDEN.to_lowercase()).as_ref(), Ok(&container));
        assert_eq!(format!("{container:?}"), "Container(10000462, FFFF0102628D1100005E)");
    }

    #[test]
    fn a_pin_block_comes_with_its_ksn_or_not_at_all() {
        let mut container = Container::parse(GOLDEN).unwrap();
        container.pin = Some(SealedPin { block: vec![1; 36], ksn: container.ksn });
        assert_eq!(Container::parse(&container.write()).as_ref(), Ok(&container));
        let without_ksn = container.write().replace("DFAE720A", "DFAE730A");
        assert_eq!(Container::parse(&without_ksn), Err(MessageError::Missing(PIN_KSN)));
        let without_block = container.write().replace("DFAE7124", "DFAE7324");
        assert_eq!(Container::parse(&without_block), Err(MessageError::Missing(PIN_BLOCK)));
    }

    #[test]
    fn what_is_not_a_container_is_refused_by_its_fault() {
        let spoilt = |from: &str, to: &str| Container::parse(&GOLDEN.replacen(from, to, 1));
        assert_eq!(Container::parse(&"0".repeat(HEX_MAX + 1)), Err(MessageError::TooLong));
        assert_eq!(Container::parse("E"), Err(MessageError::NotHex));
        assert_eq!(Container::parse(""), Err(MessageError::NotTlv(TlvError::Truncated)));
        assert_eq!(spoilt("E964", "EA64"), Err(MessageError::NotTheTemplate(Tag(0xEA), "E9")));
        assert_eq!(Container::parse(&format!("{GOLDEN}00")), Err(MessageError::Trailing(TEMPLATE)));
        assert_eq!(spoilt("DFAE66", "DFAE67"), Err(MessageError::Missing(SERIAL)));
        assert_eq!(spoilt("DFAE650130", "DFAE650134"), Err(MessageError::BadEntryMode));
        assert_eq!(
            spoilt("3130303030343632", "3130303030340A32"),
            Err(MessageError::BadSerial(SERIAL))
        );
        assert_eq!(spoilt("E964", "E969"), Err(MessageError::NotTlv(TlvError::Truncated)));
        let twice = format!("{}DFAE650130", GOLDEN.replacen("E964", "E969", 1));
        assert_eq!(Container::parse(&twice), Err(MessageError::Repeated(ENTRY_MODE)));
    }
}
