//! The container in which a reader sends sealed card data: template E9 (MAPI 4.2, 4.8).

use super::ksn::Ksn;
use super::tlv::{self, Tag, Tlv, TlvError};
use super::tlv_write::write;
use crate::payment::card::EntryMode;
use std::fmt;

const TEMPLATE: Tag = Tag(0xE9);
const CIPHERTEXT: Tag = Tag(0xDF_AE63);
const KSN: Tag = Tag(0xDF_AE64);
const ENTRY_MODE: Tag = Tag(0xDF_AE65);
const SERIAL: Tag = Tag(0xDF_AE66);
const PIN_BLOCK: Tag = Tag(0xDF_AE71);
const PIN_KSN: Tag = Tag(0xDF_AE72);

/// The longest `encrypted-data` that is read, in hex digits.
const HEX_MAX: usize = 16 * 1024;
/// The longest serial number of a reader.
const SERIAL_MAX: usize = 32;

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

/// A sealed PIN block and the KSN of its key.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedPin {
    pub block: Vec<u8>,
    pub ksn: Ksn,
}

/// Why a text is not a container.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("longer than 16384 hex digits")]
    TooLong,
    #[error("not hexadecimal")]
    NotHex,
    #[error("not BER-TLV: {0}")]
    Tlv(#[from] TlvError),
    #[error("starts with tag {0} instead of E9")]
    NotTheTemplate(Tag),
    #[error("bytes follow the template E9")]
    Trailing,
    #[error("tag {0} stands twice")]
    Repeated(Tag),
    #[error("tag {0} is missing")]
    Missing(Tag),
    #[error("tag {0}: a KSN has 10 bytes")]
    BadKsn(Tag),
    #[error("tag DFAE65 is not one of the digits 0 to 3")]
    BadEntryMode,
    #[error("tag DFAE66 is not a serial number of 1 to 32 graphic characters")]
    BadSerial,
}

impl Container {
    /// Reads the value of `encrypted-data`, hex of either case. Unknown tags are passed over.
    ///
    /// # Errors
    /// `ContainerError`; nothing has been decrypted by then.
    pub fn parse(text: &str) -> Result<Self, ContainerError> {
        if text.len() > HEX_MAX {
            return Err(ContainerError::TooLong);
        }
        let bytes = hex::decode(text).map_err(|_| ContainerError::NotHex)?;
        let (template, rest) = tlv::read_first(&bytes)?;
        if template.tag != TEMPLATE {
            return Err(ContainerError::NotTheTemplate(template.tag));
        }
        if !rest.is_empty() {
            return Err(ContainerError::Trailing);
        }
        let list = template.children()?;
        match tlv::repeated(&list) {
            Some(tag) => Err(ContainerError::Repeated(tag)),
            None => Self::from_list(&list),
        }
    }

    fn from_list(list: &[Tlv<'_>]) -> Result<Self, ContainerError> {
        let ksn_of = |tag| Ksn::from_slice(required(list, tag)?).ok_or(ContainerError::BadKsn(tag));
        let serial = required(list, SERIAL)?;
        let pin = match (tlv::find(list, PIN_BLOCK), tlv::find(list, PIN_KSN)) {
            (None, None) => None,
            // Either one alone is an error, and `required` names the other.
            _ => Some(SealedPin {
                block: required(list, PIN_BLOCK)?.to_vec(),
                ksn: ksn_of(PIN_KSN)?,
            }),
        };
        Ok(Self {
            ciphertext: required(list, CIPHERTEXT)?.to_vec(),
            ksn: ksn_of(KSN)?,
            entry_mode: match required(list, ENTRY_MODE)? {
                [digit] => EntryMode::from_digit(*digit),
                _ => None,
            }
            .ok_or(ContainerError::BadEntryMode)?,
            serial: read_serial(serial).ok_or(ContainerError::BadSerial)?,
            pin,
        })
    }

    /// The upper-case hex text for `encrypted-data`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut inside = Vec::with_capacity(self.ciphertext.len() + 128);
        write(CIPHERTEXT, &self.ciphertext, &mut inside);
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

impl fmt::Debug for SealedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedPin(.., {})", self.ksn)
    }
}

fn required<'a>(list: &[Tlv<'a>], tag: Tag) -> Result<&'a [u8], ContainerError> {
    tlv::find(list, tag).ok_or(ContainerError::Missing(tag))
}

fn read_serial(bytes: &[u8]) -> Option<String> {
    let fits = (1..=SERIAL_MAX).contains(&bytes.len());
    let text = str::from_utf8(bytes).ok()?;
    (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Container::parse(&without_ksn), Err(ContainerError::Missing(PIN_KSN)));
        let without_block = container.write().replace("DFAE7124", "DFAE7324");
        assert_eq!(Container::parse(&without_block), Err(ContainerError::Missing(PIN_BLOCK)));
    }

    #[test]
    fn what_is_not_a_container_is_refused_by_its_fault() {
        let spoilt = |from: &str, to: &str| Container::parse(&GOLDEN.replacen(from, to, 1));
        assert_eq!(Container::parse(&"0".repeat(HEX_MAX + 1)), Err(ContainerError::TooLong));
        assert_eq!(Container::parse("E"), Err(ContainerError::NotHex));
        assert_eq!(Container::parse(""), Err(ContainerError::Tlv(TlvError::Truncated)));
        assert_eq!(spoilt("E964", "EA64"), Err(ContainerError::NotTheTemplate(Tag(0xEA))));
        assert_eq!(Container::parse(&format!("{GOLDEN}00")), Err(ContainerError::Trailing));
        assert_eq!(spoilt("DFAE66", "DFAE67"), Err(ContainerError::Missing(SERIAL)));
        assert_eq!(spoilt("DFAE650130", "DFAE650134"), Err(ContainerError::BadEntryMode));
        assert_eq!(spoilt("3130303030343632", "3130303030340A32"), Err(ContainerError::BadSerial));
        assert_eq!(spoilt("E964", "E969"), Err(ContainerError::Tlv(TlvError::Truncated)));
        let twice = format!("{}DFAE650130", GOLDEN.replacen("E964", "E969", 1));
        assert_eq!(Container::parse(&twice), Err(ContainerError::Repeated(ENTRY_MODE)));
    }
}
