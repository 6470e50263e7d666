//! Messages of Miura readers (MAPI 4.4): the reader's whole response, one template.
//!
//! | template | when |
//! |---|---|
//! | E4 | the chip asks to go online |
//! | E0, E1 | a stripe, or a contactless card |
//! | E3, E5 | the chip's last word: approved, declined |

use super::{MessageError, ReaderMessage, Sealed, SealedPin, read_pin, read_serial, required};
use crate::crypto::tlv::{self, Tag, Tlv};
use crate::crypto::tlv_write::write;
use crate::payment::card::EntryMode;
use crate::payment::ksn::Ksn;
use std::fmt;

const TEMPLATES: [u32; 5] = [0xE0, 0xE1, 0xE3, 0xE4, 0xE5];
/// Only a chip asks to go online.
const ONLINE: Tag = Tag(0xE4);
/// The reader's sealed track data, and the KSN of its key. There may be two pairs.
const SEALED: Tag = Tag(0xDF_AE02);
const SEALED_KSN: Tag = Tag(0xDF_AE03);
const PIN_BLOCK: Tag = Tag(0xDF_AE04);
const PIN_KSN: Tag = Tag(0xDF_AE05);
const PAIRS_MAX: usize = 4;
/// The interface device's serial number.
const SERIAL: Tag = Tag(0x9F1E);
/// Present only if the card was held to the reader.
const CONTACTLESS: Tag = Tag(0xDF30);
/// What only a chip gives: its cryptogram, and what kind it is.
const CRYPTOGRAM: [Tag; 2] = [Tag(0x9F26), Tag(0x9F27)];

/// A Miura message in parts, to be read or written. `Debug` shows serial and KSNs only.
pub struct MiuraMessage {
    pub template: Tag,
    pub serial: String,
    pub entry_mode: EntryMode,
    pub sealed: Vec<Sealed>,
    /// Every other value that is no template.
    pub clear: Vec<(Tag, Vec<u8>)>,
    pub pin: Option<SealedPin>,
}

impl MiuraMessage {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let (template, rest) = tlv::read_first(bytes)?;
        if !TEMPLATES.contains(&template.tag.0) {
            return Err(MessageError::NotTheTemplate(template.tag, "E0, E1, E3, E4 or E5"));
        }
        if !rest.is_empty() {
            return Err(MessageError::Trailing(template.tag));
        }
        let (pairs, others): (Vec<_>, Vec<_>) = template
            .children()?
            .into_iter()
            .partition(|one| [SEALED, SEALED_KSN].contains(&one.tag));
        if let Some(tag) = tlv::repeated(&others) {
            return Err(MessageError::Repeated(tag));
        }
        let own = [SERIAL, PIN_BLOCK, PIN_KSN];
        let kept = others.iter().filter(|one| !own.contains(&one.tag));
        Ok(Self {
            template: template.tag,
            serial: read_serial(required(&others, SERIAL)?, SERIAL)?,
            entry_mode: entry_mode(template.tag, &others),
            sealed: read_pairs(&pairs)?,
            clear: kept.map(|one| (one.tag, one.value.to_vec())).collect(),
            pin: read_pin(&others, PIN_BLOCK, PIN_KSN)?,
        })
    }

    /// The upper-case hex text for `encrypted-data`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut inside = Vec::with_capacity(512);
        self.clear.iter().for_each(|(tag, value)| write(*tag, value, &mut inside));
        write(SERIAL, self.serial.as_bytes(), &mut inside);
        for sealed in &self.sealed {
            write(SEALED, &sealed.ciphertext, &mut inside);
            write(SEALED_KSN, sealed.ksn.as_bytes(), &mut inside);
        }
        if let Some(pin) = &self.pin {
            write(PIN_BLOCK, &pin.block, &mut inside);
            write(PIN_KSN, pin.ksn.as_bytes(), &mut inside);
        }
        let mut whole = Vec::with_capacity(inside.len() + 4);
        write(self.template, &inside, &mut whole);
        hex::encode_upper(whole)
    }
}

impl From<MiuraMessage> for ReaderMessage {
    fn from(miura: MiuraMessage) -> Self {
        let MiuraMessage { serial, entry_mode, sealed, clear, pin, .. } = miura;
        Self { serial, entry_mode, sealed, clear, pin }
    }
}

impl fmt::Debug for MiuraMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MiuraMessage({}, {:?})", self.serial, self.sealed)
    }
}

fn entry_mode(template: Tag, list: &[Tlv<'_>]) -> EntryMode {
    let has = |tag: &Tag| tlv::find(list, *tag).is_some();
    let is_chip = template == ONLINE || CRYPTOGRAM.iter().any(has);
    match (has(&CONTACTLESS), is_chip) {
        (true, _) => EntryMode::Contactless,
        (false, true) => EntryMode::Chip,
        (false, false) => EntryMode::Swipe,
    }
}

fn read_pairs(list: &[Tlv<'_>]) -> Result<Vec<Sealed>, MessageError> {
    let (pairs, rest) = list.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > PAIRS_MAX {
        return Err(MessageError::BadPairs);
    }
    pairs
        .iter()
        .map(|[sealed, ksn]| match (sealed.tag, ksn.tag) {
            (SEALED, SEALED_KSN) => Ok(Sealed {
                ksn: Ksn::from_slice(ksn.value).ok_or(MessageError::BadKsn(SEALED_KSN))?,
                ciphertext: sealed.value.to_vec(),
            }),
            _ => Err(MessageError::BadPairs),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::reader::ReaderKind;

    fn sealed(counter: u8) -> Sealed {
        let mut ksn = [0xFF; 10];
        ksn[9] = counter;
        Sealed { ksn: Ksn::from_slice(&ksn).unwrap(), ciphertext: vec![counter; 24] }
    }

    fn message() -> MiuraMessage {
        MiuraMessage {
            template: Tag(0xE4),
            serial: "30000001".to_owned(),
            entry_mode: EntryMode::Chip,
            sealed: vec![sealed(0x5E), sealed(0x5F)],
            clear: vec![(Tag(0xDF_AE5A), vec![0x44, 0x44, 0x55]), (Tag(0x9F27), vec![0x80])],
            pin: None,
        }
    }

    fn parse(text: &str) -> Result<ReaderMessage, MessageError> {
        ReaderMessage::parse(ReaderKind::Miura, text)
    }

    #[test]
    fn two_sealed_values_with_a_ksn_each_are_read_back() {
        let read = parse(&message().write()).unwrap();
        assert_eq!(read, message().into());
        assert_eq!(read.ksns().count(), 2);
        assert_eq!(parse(&message().write().to_lowercase()).unwrap(), read);
    }

    #[test]
    fn the_entry_mode_shows_in_the_tags() {
        let mut held = message();
        held.clear.push((CONTACTLESS, vec![1]));
        assert_eq!(parse(&held.write()).unwrap().entry_mode, EntryMode::Contactless);
        let swiped = MiuraMessage { template: Tag(0xE1), clear: Vec::new(), ..message() };
        assert_eq!(parse(&swiped.write()).unwrap().entry_mode, EntryMode::Swipe);
    }

    #[test]
    fn what_is_no_miura_message_is_refused_by_its_fault() {
        let text = message().write();
        let other = text.replacen("E4", "E9", 1);
        let fault = parse(&other).unwrap_err();
        assert_eq!(fault.to_string(), "starts with tag E9 instead of E0, E1, E3, E4 or E5");
        assert_eq!(parse(&format!("{text}00")), Err(MessageError::Trailing(Tag(0xE4))));
        assert_eq!(parse(&text.replacen("DFAE03", "DFAE06", 1)), Err(MessageError::BadPairs));
        assert_eq!(parse(&text.replacen("9F1E", "9F1D", 1)), Err(MessageError::Missing(SERIAL)));
        let none = MiuraMessage { sealed: Vec::new(), ..message() };
        assert_eq!(parse(&none.write()).unwrap().sealed, []);
        let many = MiuraMessage { sealed: vec![sealed(1); 5], ..message() };
        assert_eq!(parse(&many.write()), Err(MessageError::BadPairs));
        let short = text.replacen("DFAE030AFF", "DFAE0309", 1);
        assert!(parse(&short).is_err());
    }
}
