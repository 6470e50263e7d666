//! A scanned code (MAPI 4.5): the version of its layout, the text of the code, and the device that
//! showed it.
//!
//! The contract leaves open what the text says. Ours is one that cannot be paid with twice: the
//! card, sealed by the phone under a key of its own, and the KSN of that key. In base64url,
//! without padding:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the length of the KSN |
//! | 10 or 12 | the KSN |
//! | the rest | the sealed list of the card's tags |

use super::{MessageError, ReaderMessage, Sealed, read_serial, required};
use crate::crypto::tlv::{self, Tag};
use crate::crypto::tlv_write::write;
use crate::payment::card::EntryMode;
use crate::payment::ksn::Ksn;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

const VERSION: Tag = Tag(0x9F01);
const TEXT: Tag = Tag(0x9F02);
const DEVICE: Tag = Tag(0x9F03);
/// The only version there is.
const FIRST: &[u8] = b"1";

/// A scanned code, still sealed. `Debug` shows serial and KSN only.
pub struct QrCodeMessage {
    /// The phone's serial number in the registry, 1 to 32 graphic ASCII characters.
    pub serial: String,
    pub sealed: Sealed,
}

impl QrCodeMessage {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let list = tlv::parse_list(bytes)?;
        if let Some(tag) = tlv::repeated(&list) {
            return Err(MessageError::Repeated(tag));
        }
        if required(&list, VERSION)? != FIRST {
            return Err(MessageError::BadVersion);
        }
        let serial = read_serial(required(&list, DEVICE)?, DEVICE)?;
        let text = required(&list, TEXT)?;
        Ok(Self { serial, sealed: read_text(text).ok_or(MessageError::BadCode)? })
    }

    /// The upper-case hex text for `encrypted-data`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut list = Vec::with_capacity(256);
        write(VERSION, FIRST, &mut list);
        write(TEXT, self.text().as_bytes(), &mut list);
        write(DEVICE, self.serial.as_bytes(), &mut list);
        hex::encode_upper(list)
    }

    /// What the phone shows as a code.
    #[must_use]
    pub fn text(&self) -> String {
        let ksn = self.sealed.ksn.as_bytes();
        let length = u8::try_from(ksn.len()).unwrap_or_default();
        URL_SAFE_NO_PAD.encode([&[length], ksn, &self.sealed.ciphertext].concat())
    }
}

impl From<QrCodeMessage> for ReaderMessage {
    fn from(code: QrCodeMessage) -> Self {
        let QrCodeMessage { serial, sealed } = code;
        let entry_mode = EntryMode::QrCode;
        Self { serial, entry_mode, sealed: vec![sealed], clear: Vec::new(), pin: None }
    }
}

impl fmt::Debug for QrCodeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QrCodeMessage({}, {:?})", self.serial, self.sealed)
    }
}

fn read_text(text: &[u8]) -> Option<Sealed> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (length, rest) = bytes.split_first()?;
    let (ksn, ciphertext) = rest.split_at_checked((*length).into())?;
    Some(Sealed { ksn: Ksn::from_slice(ksn)?, ciphertext: ciphertext.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::reader::ReaderKind;

    fn code() -> QrCodeMessage {
        let ksn = Ksn::from_hex("FFFF0102628D1100005E").unwrap();
        let sealed = Sealed { ksn, ciphertext: vec![0x5A; 40] };
        QrCodeMessage { serial: "40000001".to_owned(), sealed }
    }

    fn parse(text: &str) -> Result<ReaderMessage, MessageError> {
        ReaderMessage::parse(ReaderKind::QrCode, text)
    }

    #[test]
    fn a_code_is_written_and_read() {
        let text = code().write();
        assert!(text.starts_with("9F0101319F0244"), "{text}");
        assert!(text.ends_with("9F03083430303030303031"), "{text}");
        let message = parse(&text).unwrap();
        assert_eq!(message, code().into());
        assert_eq!((message.entry_mode, message.pin), (EntryMode::QrCode, None));
        assert_eq!(
            format!("{:?}", code()),
            "QrCodeMessage(40000001, Sealed(.., FFFF0102628D1100005E))"
        );
    }

    #[test]
    fn what_is_no_code_is_refused_by_its_fault() {
        let text = code().write();
        let spoilt = |from: &str, to: &str| parse(&text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(spoilt("9F010131", "9F010132"), MessageError::BadVersion);
        assert_eq!(spoilt("9F010131", ""), MessageError::Missing(VERSION));
        assert_eq!(spoilt("9F0308", "9F0408"), MessageError::Missing(DEVICE));
        assert_eq!(spoilt("9F0244", "9F0544"), MessageError::Missing(TEXT));
        assert_eq!(spoilt("9F010131", "9F0101319F010131"), MessageError::Repeated(VERSION));
        let coded = |bytes: &[u8]| {
            let mut list = Vec::new();
            write(VERSION, FIRST, &mut list);
            write(TEXT, bytes, &mut list);
            write(DEVICE, b"40000001", &mut list);
            parse(&hex::encode(list)).unwrap_err()
        };
        let short = URL_SAFE_NO_PAD.encode([10, 1, 2, 3]);
        let other_length = URL_SAFE_NO_PAD.encode([9; 60]);
        for wrong in [&b""[..], b"%%%%", short.as_bytes(), other_length.as_bytes()] {
            assert_eq!(coded(wrong), MessageError::BadCode);
        }
    }
}
