//! What a reader sends as `encrypted-data` (MAPI 4): read into one form, whoever made the reader.
//!
//! Nothing is decrypted here. [`reader_keys`](super::reader_keys) opens a message, and
//! [`clear_list`](super::clear_list) makes one list of what was sealed and what was clear.

mod chip;
mod miura;
mod qr_code;
mod stripe;

pub use chip::{AS_TEXT, ChipMessage};
pub use miura::MiuraMessage;
pub use qr_code::QrCodeMessage;
pub use stripe::Container;

use super::tlv::{self, Tag, Tlv, TlvError};
use crate::payment::card::EntryMode;
use crate::payment::key_set::Cipher;
use crate::payment::ksn::Ksn;
use crate::payment::reader::ReaderKind;
use std::fmt;

/// The template of Spire readers and of the `sim` profile.
const TEMPLATE: Tag = Tag(0xE9);
/// What is sealed, and the KSN of its key.
const SEALED: Tag = Tag(0xDF_AE63);
const KSN: Tag = Tag(0xDF_AE64);
const ENTRY_MODE: Tag = Tag(0xDF_AE65);
const SERIAL: Tag = Tag(0xDF_AE66);
const PIN_BLOCK: Tag = Tag(0xDF_AE71);
const PIN_KSN: Tag = Tag(0xDF_AE72);

/// The longest `encrypted-data` that is read, in hex digits.
pub(super) const HEX_MAX: usize = 16 * 1024;
/// The longest serial number of a reader.
const SERIAL_MAX: usize = 32;
/// The longest sealed PIN block, that of the `sim` profile: nonce, eight bytes, tag.
const PIN_BLOCK_MAX: usize = 36;

/// One message of a reader, still sealed. `Debug` shows the serial and the KSNs only.
#[derive(Clone, PartialEq, Eq)]
pub struct ReaderMessage {
    /// The reader's serial number, 1 to 32 graphic ASCII characters.
    pub serial: String,
    /// How the card met the reader, by the reader's word.
    pub entry_mode: EntryMode,
    /// One, or two with consecutive counters. None in a chip's last word.
    pub sealed: Vec<Sealed>,
    /// What the reader sent in the clear: a chip's tags, masked numbers.
    pub clear: Vec<(Tag, Vec<u8>)>,
    /// Present when the cardholder entered a PIN for online checking.
    pub pin: Option<SealedPin>,
}

/// A sealed value and the KSN of its key. What is inside shows when it is opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    pub ksn: Ksn,
    pub ciphertext: Vec<u8>,
}

/// A sealed PIN block and the KSN of its key.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedPin {
    pub block: Vec<u8>,
    pub ksn: Ksn,
}

/// Why a text is not a reader's message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageError {
    #[error("longer than 16384 hex digits")]
    TooLong,
    #[error("not hexadecimal")]
    NotHex,
    #[error("not BER-TLV: {0}")]
    NotTlv(#[from] TlvError),
    #[error("starts with tag {0} instead of {1}")]
    NotTheTemplate(Tag, &'static str),
    #[error("bytes follow the template {0}")]
    Trailing(Tag),
    #[error("tag {0} stands twice")]
    Repeated(Tag),
    #[error("tag {0} is missing")]
    Missing(Tag),
    #[error("tag {0}: a KSN has 10 or 12 bytes")]
    BadKsn(Tag),
    #[error("tag DFAE65 is not one of the digits 0 to 3")]
    BadEntryMode,
    #[error("tag {0} is not a serial number of 1 to 32 graphic characters")]
    BadSerial(Tag),
    #[error("tag {0} is empty or too long for a PIN block")]
    BadPinBlock(Tag),
    #[error("tag DFAE60 is not a list of tags of two bytes each")]
    BadTagList,
    #[error("tag DFAE60 names {names} values, DFAE61 holds {values}")]
    ValuesDiffer { names: usize, values: usize },
    #[error("each DFAE02 is followed by its DFAE03")]
    BadPairs,
    #[error("tag 9F02 is not the text of a code: base64url of a KSN's length, a KSN, sealed bytes")]
    BadCode,
    #[error("tag 9F01 is not the version 1")]
    BadVersion,
}

impl ReaderMessage {
    /// Reads the value of `encrypted-data`, hex of either case, as this kind of reader lays it out.
    ///
    /// # Errors
    /// `MessageError`; nothing has been decrypted by then.
    pub fn parse(layout: ReaderKind, text: &str) -> Result<Self, MessageError> {
        let bytes = read_hex(text)?;
        match layout {
            ReaderKind::Miura => Ok(MiuraMessage::from_bytes(&bytes)?.into()),
            ReaderKind::QrCode => Ok(QrCodeMessage::from_bytes(&bytes)?.into()),
            ReaderKind::Sim | ReaderKind::Spire => {
                let list = read_template(&bytes, TEMPLATE)?;
                if let Some(tag) = tlv::repeated(&list) {
                    return Err(MessageError::Repeated(tag));
                }
                match chip::is_chip(&list) {
                    true => Ok(ChipMessage::from_list(&list)?.into()),
                    false => Ok(Container::from_list(&list)?.into()),
                }
            }
        }
    }

    /// The KSNs in the message, that of the PIN block included.
    pub fn ksns(&self) -> impl Iterator<Item = Ksn> {
        self.sealed.iter().map(|sealed| sealed.ksn).chain(self.pin.iter().map(|pin| pin.ksn))
    }

    /// The lowest and the highest counter that the message uses up.
    #[must_use]
    pub fn counters(&self, cipher: Cipher) -> (u32, u32) {
        let counters = || self.ksns().map(|ksn| ksn.counter(cipher));
        (counters().min().unwrap_or_default(), counters().max().unwrap_or_default())
    }
}

impl fmt::Debug for ReaderMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReaderMessage({}, {:?})", self.serial, self.ksns().collect::<Vec<_>>())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(.., {})", self.ksn)
    }
}

impl fmt::Debug for SealedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedPin(.., {})", self.ksn)
    }
}

fn read_hex(text: &str) -> Result<Vec<u8>, MessageError> {
    if text.len() > HEX_MAX {
        return Err(MessageError::TooLong);
    }
    let mut bytes = vec![0; text.len() / 2];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| MessageError::NotHex)?;
    Ok(bytes)
}

/// What lies in the one template that the bytes are.
fn read_template(bytes: &[u8], expected: Tag) -> Result<Vec<Tlv<'_>>, MessageError> {
    let (template, rest) = tlv::read_first(bytes)?;
    if template.tag != expected {
        return Err(MessageError::NotTheTemplate(template.tag, "E9"));
    }
    if !rest.is_empty() {
        return Err(MessageError::Trailing(expected));
    }
    Ok(template.children()?)
}

fn required<'a>(list: &[Tlv<'a>], tag: Tag) -> Result<&'a [u8], MessageError> {
    tlv::find(list, tag).ok_or(MessageError::Missing(tag))
}

fn read_ksn(list: &[Tlv<'_>], tag: Tag) -> Result<Ksn, MessageError> {
    Ksn::from_slice(required(list, tag)?).ok_or(MessageError::BadKsn(tag))
}

fn read_serial(bytes: &[u8], tag: Tag) -> Result<String, MessageError> {
    let text = str::from_utf8(bytes).unwrap_or_default();
    let fits = (1..=SERIAL_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err(MessageError::BadSerial(tag)) }
}

/// A PIN block comes with its KSN or not at all.
fn read_pin(list: &[Tlv<'_>], block: Tag, ksn: Tag) -> Result<Option<SealedPin>, MessageError> {
    if tlv::find(list, block).is_none() && tlv::find(list, ksn).is_none() {
        return Ok(None);
    }
    let sealed = required(list, block)?;
    if !(1..=PIN_BLOCK_MAX).contains(&sealed.len()) {
        return Err(MessageError::BadPinBlock(block));
    }
    Ok(Some(SealedPin { block: sealed.to_vec(), ksn: read_ksn(list, ksn)? }))
}
