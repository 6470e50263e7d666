//! Chip and contactless cards as Spire readers send them (MAPI 4.3): a list of tags, and the
//! reader's supplementary message with their values in the same order.
//!
//! The contract leaves open where the sealed track and its KSN stand. The reader is asked for them
//! by the private tags DF63 and DF64, like DFAE63 and DFAE64 of a stripe; they are also taken from
//! those tags themselves, beside the list. A sealed track may stand under its own tag 57, too.
//! Values are text in hexadecimal digits, parted by the separator 1C, but for those tags that are
//! text themselves.

use super::{
    KSN, MessageError, PIN_BLOCK, PIN_KSN, ReaderMessage, SEALED, SERIAL, Sealed, SealedPin,
    TEMPLATE, read_pin, read_serial, required,
};
use crate::crypto::tlv::{self, Tag, Tlv};
use crate::crypto::tlv_write::write;
use crate::payment::card::EntryMode;
use crate::payment::ksn::Ksn;
use std::fmt;

const NAMES: Tag = Tag(0xDF_AE60);
const VALUES: Tag = Tag(0xDF_AE61);
/// Parts the values of the supplementary message.
const SEPARATOR: u8 = 0x1C;

const TRACK2: Tag = Tag(0x57);
/// The interface device's serial number.
const DEVICE_SERIAL: Tag = Tag(0x9F1E);
/// How the card met the terminal (ISO 8583 field 22, EMV 9F39).
const POS_ENTRY_MODE: Tag = Tag(0x9F39);
const CONTACTLESS: [u8; 2] = [0x07, 0x91];
const SEALED_TRACK: Tag = Tag(0xDF63);
const TRACK_KSN: Tag = Tag(0xDF64);
/// Sent as text, not as hexadecimal digits: label, name, serial number, preferred name.
pub const AS_TEXT: [u32; 4] = [0x50, 0x5F20, 0x9F1E, 0x9F12];
/// The most values that one message has.
const VALUES_MAX: usize = 96;

/// A chip's message in parts, to be read or written. `Debug` shows serial and KSN only.
pub struct ChipMessage {
    pub serial: String,
    pub entry_mode: EntryMode,
    /// The sealed track-2 equivalent. The chip's last word comes without.
    pub track: Option<Sealed>,
    /// Every other value, by its tag; the card number masked.
    pub clear: Vec<(Tag, Vec<u8>)>,
    pub pin: Option<SealedPin>,
}

/// Whether the list is a chip's.
pub(super) fn is_chip(list: &[Tlv<'_>]) -> bool {
    tlv::find(list, NAMES).is_some() || tlv::find(list, VALUES).is_some()
}

impl ChipMessage {
    pub(super) fn from_list(list: &[Tlv<'_>]) -> Result<Self, MessageError> {
        let mut values = read_values(required(list, NAMES)?, required(list, VALUES)?)?;
        let mut take = |tag| {
            let place = values.iter().position(|(own, _)| *own == tag)?;
            Some(values.remove(place).1)
        };
        let beside = |tag| tlv::find(list, tag).map(<[u8]>::to_vec);
        let track = beside(SEALED).or_else(|| take(SEALED_TRACK)).or_else(|| take(TRACK2));
        let ksn = beside(KSN).or_else(|| take(TRACK_KSN));
        let track = match track {
            Some(ciphertext) => {
                let ksn = Ksn::from_slice(&ksn.ok_or(MessageError::Missing(TRACK_KSN))?);
                Some(Sealed { ksn: ksn.ok_or(MessageError::BadKsn(TRACK_KSN))?, ciphertext })
            }
            None => None,
        };
        let serial = beside(SERIAL).map(|serial| (serial, SERIAL));
        let serial = serial.or_else(|| take(DEVICE_SERIAL).map(|serial| (serial, DEVICE_SERIAL)));
        let (serial, named) = serial.ok_or(MessageError::Missing(DEVICE_SERIAL))?;
        Ok(Self {
            serial: read_serial(&serial, named)?,
            entry_mode: entry_mode(&values),
            track,
            clear: values,
            pin: read_pin(list, PIN_BLOCK, PIN_KSN)?,
        })
    }

    /// The upper-case hex text for `encrypted-data`.
    #[must_use]
    pub fn write(&self) -> String {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        let mut put = |tag: Tag, value: &[u8]| {
            names.extend_from_slice(&two_bytes(tag));
            if !values.is_empty() {
                values.push(SEPARATOR);
            }
            match AS_TEXT.contains(&tag.0) {
                true => values.extend_from_slice(value),
                false => values.extend_from_slice(hex::encode_upper(value).as_bytes()),
            }
        };
        if let Some(Sealed { ksn, ciphertext }) = &self.track {
            put(SEALED_TRACK, ciphertext);
            put(TRACK_KSN, ksn.as_bytes());
        }
        put(DEVICE_SERIAL, self.serial.as_bytes());
        self.clear.iter().for_each(|(tag, value)| put(*tag, value));
        let mut inside = Vec::with_capacity(names.len() + values.len() + 64);
        write(NAMES, &names, &mut inside);
        write(VALUES, &values, &mut inside);
        if let Some(pin) = &self.pin {
            write(PIN_BLOCK, &pin.block, &mut inside);
            write(PIN_KSN, pin.ksn.as_bytes(), &mut inside);
        }
        let mut whole = Vec::with_capacity(inside.len() + 4);
        write(TEMPLATE, &inside, &mut whole);
        hex::encode_upper(whole)
    }
}

impl From<ChipMessage> for ReaderMessage {
    fn from(chip: ChipMessage) -> Self {
        let ChipMessage { serial, entry_mode, track, clear, pin } = chip;
        Self { serial, entry_mode, sealed: track.into_iter().collect(), clear, pin }
    }
}

impl fmt::Debug for ChipMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChipMessage({}, {:?})", self.serial, self.track)
    }
}

fn entry_mode(values: &[(Tag, Vec<u8>)]) -> EntryMode {
    let told = values.iter().find(|(tag, _)| *tag == POS_ENTRY_MODE);
    match told.map(|(_, value)| value.as_slice()) {
        Some([mode]) if CONTACTLESS.contains(mode) => EntryMode::Contactless,
        _ => EntryMode::Chip,
    }
}

fn read_values(names: &[u8], values: &[u8]) -> Result<Vec<(Tag, Vec<u8>)>, MessageError> {
    let (names, rest) = names.as_chunks::<2>();
    if !rest.is_empty() || names.is_empty() || names.len() > VALUES_MAX {
        return Err(MessageError::BadTagList);
    }
    let tags = names.iter().map(|name| read_name(*name).ok_or(MessageError::BadTagList));
    let tags = tags.collect::<Result<Vec<_>, _>>()?;
    let fields = values.split(|byte| *byte == SEPARATOR).take(VALUES_MAX + 1);
    let read: Vec<_> = tags.iter().zip(fields.clone()).map(read_value).collect();
    let counted = fields.count();
    if counted != tags.len() {
        return Err(MessageError::ValuesDiffer { names: tags.len(), values: counted });
    }
    let mut sorted = tags;
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(MessageError::Repeated(pair.first().copied().unwrap_or(NAMES))),
        None => Ok(read),
    }
}

/// A tag of one byte is followed by zeros.
fn read_name(name: [u8; 2]) -> Option<Tag> {
    let [first, second] = name;
    let goes_on = first & 0x1F == 0x1F;
    match (goes_on, second) {
        (false, 0) if first != 0 => Some(Tag(first.into())),
        (true, 1..=0x7F) => Some(Tag(u16::from_be_bytes(name).into())),
        _ => None,
    }
}

fn two_bytes(tag: Tag) -> [u8; 2] {
    let [_, _, high, low] = tag.0.to_be_bytes();
    if high == 0 { [low, 0] } else { [high, low] }
}

/// What is not in hexadecimal digits is taken as it is.
fn read_value((tag, field): (&Tag, &[u8])) -> (Tag, Vec<u8>) {
    let decoded = hex::decode(field).ok().filter(|_| !AS_TEXT.contains(&tag.0));
    (*tag, decoded.unwrap_or_else(|| field.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::reader::ReaderKind;

    fn ksn() -> Ksn {
        Ksn::from_hex("FFFF0200000000200001").unwrap()
    }

    fn message() -> ChipMessage {
        ChipMessage {
            serial: "20000001".to_owned(),
            entry_mode: EntryMode::Chip,
            track: Some(Sealed { ksn: ksn(), ciphertext: vec![0x1C; 24] }),
            clear: vec![
                (Tag(0x5A), b"444455******1111".to_vec()),
                (Tag(0x5F20), b"TEST/CARD".to_vec()),
                (Tag(0x9F26), vec![0x1C; 8]),
            ],
            pin: None,
        }
    }

    fn parse(text: &str) -> Result<ReaderMessage, MessageError> {
        ReaderMessage::parse(ReaderKind::Spire, text)
    }

    #[test]
    fn what_is_written_is_read_back_even_with_separators_among_the_bytes() {
        let read = parse(&message().write()).unwrap();
        let mut expected = ReaderMessage::from(message());
        // The masked number is no hexadecimal text, and so written as the digits of its bytes.
        assert_eq!(read.sealed, expected.sealed);
        expected.clear.sort();
        let mut clear = read.clear.clone();
        clear.sort();
        assert_eq!(clear, expected.clear);
        assert_eq!((read.serial.as_str(), read.entry_mode), ("20000001", EntryMode::Chip));
        assert_eq!(format!("{read:?}"), "ReaderMessage(20000001, [Ksn(FFFF0200000000200001)])");
    }

    #[test]
    fn the_entry_mode_is_what_the_reader_tells() {
        for (told, mode) in [
            (0x05, EntryMode::Chip),
            (0x07, EntryMode::Contactless),
            (0x91, EntryMode::Contactless),
        ] {
            let mut chip = message();
            chip.clear.push((Tag(0x9F39), vec![told]));
            assert_eq!(parse(&chip.write()).unwrap().entry_mode, mode);
        }
    }

    fn e9(parts: &[(Tag, &[u8])]) -> String {
        let (mut inside, mut whole) = (Vec::new(), Vec::new());
        for (tag, value) in parts {
            write(*tag, value, &mut inside);
        }
        write(TEMPLATE, &inside, &mut whole);
        hex::encode(whole)
    }

    #[test]
    fn sealed_track_ksn_and_serial_may_stand_beside_the_list() {
        let ksn = ksn();
        let parts: [(Tag, &[u8]); 5] = [
            (NAMES, &[0x82, 0, 0x9F, 0x36]),
            (VALUES, b"3900\x1C0001"),
            (SEALED, &[7; 24]),
            (KSN, ksn.as_bytes()),
            (SERIAL, b"20000001"),
        ];
        let read = parse(&e9(&parts)).unwrap();
        assert_eq!(read.sealed, [Sealed { ksn, ciphertext: vec![7; 24] }]);
        assert_eq!(read.clear, [(Tag(0x82), vec![0x39, 0]), (Tag(0x9F36), vec![0, 1])]);
        assert_eq!(parse(&e9(&parts[..4])), Err(MessageError::Missing(DEVICE_SERIAL)));
        assert_eq!(parse(&e9(&parts[..3])), Err(MessageError::Missing(TRACK_KSN)));
        assert_eq!(parse(&e9(&[parts[0], parts[1], parts[4]])).unwrap().sealed, []);
    }

    #[test]
    fn names_and_values_must_fit_each_other() {
        let fault = |names: &[u8], values: &[u8]| {
            parse(&e9(&[(NAMES, names), (VALUES, values)])).unwrap_err()
        };
        assert_eq!(fault(&[0x82], b"39"), MessageError::BadTagList);
        assert_eq!(fault(&[], b""), MessageError::BadTagList);
        assert_eq!(fault(&[0x82, 0x01], b"39"), MessageError::BadTagList);
        assert_eq!(fault(&[0x9F, 0x00], b"39"), MessageError::BadTagList);
        assert_eq!(fault(&[0, 0], b"39"), MessageError::BadTagList);
        let differ = MessageError::ValuesDiffer { names: 1, values: 2 };
        assert_eq!(fault(&[0x82, 0], b"39\x1C00"), differ);
        let twice = fault(&[0x82, 0, 0x82, 0], b"39\x1C00");
        assert_eq!(twice, MessageError::Repeated(Tag(0x82)));
        assert_eq!(parse(&e9(&[(NAMES, &[0x82, 0])])), Err(MessageError::Missing(VALUES)));
    }
}
