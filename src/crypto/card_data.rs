//! The card data of a reader once it is decrypted (MAPI 4.8).

use super::card_fields::{
    AMOUNT, CURRENCY, CardDataError, NAME, SEQUENCE, TRACK2, number, read_expiry, read_name,
    read_pan, split_track, track_text,
};
use super::pin_block::EncryptedPin;
use super::tlv::{self, Tag, Tlv};
use super::tlv_write::write;
use crate::payment::card::{Expiry, Pan};
use crate::payment::chip::ChipTags;
use crate::payment::pin_format::PinFormat;
use std::fmt;
use zeroize::Zeroizing;

/// The chip's tags that may be kept and passed on. Whatever else a reader sends (track data,
/// number, name, discretionary data) stays out, known to us or not.
const EMV_KEPT: [u32; 22] = [
    0x50, 0x5F2A, 0x5F34, 0x82, 0x84, 0x95, 0x9A, 0x9C, 0x9F02, 0x9F03, 0x9F06, 0x9F10, 0x9F1A,
    0x9F1E, 0x9F26, 0x9F27, 0x9F33, 0x9F34, 0x9F35, 0x9F36, 0x9F37, 0x9F41,
];

/// Holds the name of a format, a colon, and the PIN block under the acquirer's key.
const ACQUIRER_PIN: Tag = Tag(0xDF_AE79);

/// Of those, what a receipt shows (MAPI 5.2).
const FOR_RECEIPT: [u32; 8] = [0x50, 0x5F34, 0x84, 0x95, 0x9F06, 0x9F26, 0x9F27, 0x9F34];

/// A card in the clear. It must not outlive the request; what wipes itself is wiped, and `Debug`
/// shows nothing.
pub struct ClearCard {
    pub pan: Pan,
    pub expiry: Expiry,
    /// Trimmed, 1 to 26 printable ASCII characters.
    pub cardholder: Option<String>,
    /// The number that tells apart cards with one PAN (5F34), 0 to 99.
    pub sequence: Option<u8>,
    /// The three digits of the track; a first digit of 2 or 6 means that the card has a chip.
    pub service_code: Option<String>,
    /// Number, `D` and the rest in hex digits, without padding.
    pub track2: Option<Zeroizing<String>>,
    /// The chip's tags that are not sensitive, in the reader's order.
    pub emv: Vec<(Tag, Vec<u8>)>,
    /// The PIN block for the acquirer. The gateway adds it; no reader may.
    pub pin: Option<EncryptedPin>,
    /// Minor units of 9F02.
    pub amount_inside: Option<u64>,
    /// ISO 4217 number of 5F2A.
    pub currency_inside: Option<u16>,
}

impl ClearCard {
    /// Reads the decrypted list. The number comes from 57 or from 5A and 5F24; where two tags say
    /// the same thing they must agree.
    ///
    /// # Errors
    /// `CardDataError`, which never carries card data.
    pub fn parse(plaintext: &[u8]) -> Result<Self, CardDataError> {
        let list = tlv::parse_list(plaintext)?;
        if let Some(tag) = tlv::repeated(&list) {
            return Err(CardDataError::Repeated(tag));
        }
        let track2 = tlv::find(&list, TRACK2).map(track_text).transpose()?;
        let track = track2.as_ref().map(|text| split_track(text)).transpose()?;
        Ok(Self {
            pan: read_pan(&list, track.as_ref())?,
            expiry: read_expiry(&list, track.as_ref())?,
            cardholder: tlv::find(&list, NAME).and_then(read_name),
            sequence: number(&list, SEQUENCE, 1, CardDataError::BadSequence)?,
            service_code: track.and_then(|track| track.service_code).map(str::to_owned),
            emv: kept(&list),
            pin: tlv::find(&list, ACQUIRER_PIN).map(read_pin).transpose()?,
            amount_inside: number(&list, AMOUNT, 6, CardDataError::BadAmount)?,
            currency_inside: number(&list, CURRENCY, 2, CardDataError::BadCurrency)?
                .map(|code| Some(code).filter(|code| *code <= 999))
                .map(|code| code.ok_or(CardDataError::BadCurrency))
                .transpose()?,
            track2,
        })
    }
}

/// Adds the PIN block for the acquirer to an opened list.
#[must_use]
pub fn with_pin(list: &[u8], pin: &EncryptedPin) -> Zeroizing<Vec<u8>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(list.len() + 32));
    whole.extend_from_slice(list);
    let value = [pin.format().name().as_bytes(), b":", pin.block()].concat();
    write(ACQUIRER_PIN, &value, &mut whole);
    whole
}

fn read_pin(value: &[u8]) -> Result<EncryptedPin, CardDataError> {
    let colon = value.iter().position(|byte| *byte == b':').ok_or(CardDataError::BadPin)?;
    let (name, block) = value.split_at_checked(colon).ok_or(CardDataError::BadPin)?;
    let format = str::from_utf8(name).ok().and_then(PinFormat::from_name);
    let block = block.get(1..).ok_or(CardDataError::BadPin)?;
    EncryptedPin::new(format.ok_or(CardDataError::BadPin)?, block)
        .map_err(|_| CardDataError::BadPin)
}

impl ClearCard {
    /// The value of one of the chip's tags.
    #[must_use]
    pub fn chip_tag(&self, tag: Tag) -> Option<&[u8]> {
        self.emv.iter().find(|(own, _)| *own == tag).map(|(_, value)| value.as_slice())
    }

    /// The chip's tags that a receipt shows; none of a card that was swiped.
    #[must_use]
    pub fn for_receipt(&self) -> ChipTags {
        let shown = self.emv.iter().filter(|(tag, _)| FOR_RECEIPT.contains(&tag.0));
        shown.map(|(tag, value)| (tag.to_string(), hex::encode_upper(value))).collect()
    }
}

impl fmt::Debug for ClearCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClearCard(..)")
    }
}

/// Whether this tag of a chip may be kept and passed on.
pub(super) fn is_chip_tag(tag: Tag) -> bool {
    EMV_KEPT.contains(&tag.0)
}

fn kept(list: &[Tlv<'_>]) -> Vec<(Tag, Vec<u8>)> {
    let keep = |element: &&Tlv<'_>| is_chip_tag(element.tag);
    list.iter().filter(keep).map(|element| (element.tag, element.value.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::card_fields::{EXPIRY, PAN};
    use super::super::tlv::TlvError;
    use super::*;
    use proptest::prelude::*;

    const GOLDEN: &str =
        "57114444555566661111D291220100000000005F2009544553542F434152445F2403291231";
    const BY_NUMBER: &str = "5A0844445555666611115F2403291231";

    fn parse(text: &str) -> Result<ClearCard, CardDataError> {
        ClearCard::parse(&hex::decode(text.replace(' ', "")).unwrap())
    }

    fn fault(text: &str) -> CardDataError {
        parse(text).unwrap_err()
    }

    #[test]
    fn the_golden_swipe_is_read() {
        let card = parse(GOLDEN).unwrap();
        assert_eq!(card.pan.expose_digits(), "4444555566661111");
        assert_eq!(card.expiry.yymm(), "2912");
        assert_eq!(card.cardholder.as_deref(), Some("TEST/CARD"));
        assert_eq!(card.service_code.as_deref(), Some("201"));
        assert_eq!(card.track2.as_ref().unwrap().as_str(), "4444555566661111D29122010000000000");
        assert_eq!((card.amount_inside, card.currency_inside, card.sequence), (None, None, None));
        assert_eq!(format!("{card:?}"), "ClearCard(..)");
    }

    #[test]
    fn a_chip_card_may_come_by_number_and_keeps_only_harmless_tags() {
        let card =
            parse(&format!("{BY_NUMBER}5F3401019F02060000000010425F2A0206439F1F0131")).unwrap();
        assert_eq!((card.amount_inside, card.currency_inside), (Some(1042), Some(643)));
        assert_eq!((card.sequence, card.track2.is_none()), (Some(1), true));
        let tags: Vec<u32> = card.emv.iter().map(|(tag, _)| tag.0).collect();
        assert_eq!(tags, [0x5F34, 0x9F02, 0x5F2A]);
    }

    #[test]
    fn padding_is_taken_off_and_the_longest_number_is_read() {
        let padded = parse("5A08378282246310005F5F2403291231").unwrap();
        assert_eq!(padded.pan.expose_digits(), "378282246310005");
        let longest = parse("57136304000000000000000D29122010000000000F").unwrap();
        assert_eq!(longest.pan.expose_digits(), "6304000000000000000");
        let longer = fault("57146304000000000000000D29122010000000000FFF");
        assert_eq!(longer, CardDataError::BadTrack);
    }

    #[test]
    fn two_tags_that_say_the_same_must_agree() {
        assert!(parse(&format!("{GOLDEN}5A084444555566661111")).is_ok());
        let other = fault(&format!("{GOLDEN}5A085555555555554444"));
        assert_eq!(other, CardDataError::Differs(PAN));
        let other = fault(&GOLDEN.replace("5F2403291231", "5F2403300131"));
        assert_eq!(other, CardDataError::Differs(EXPIRY));
    }

    #[test]
    fn each_spoilt_field_has_its_fault() {
        assert_eq!(fault("57"), CardDataError::NotTlv(TlvError::Truncated));
        assert_eq!(fault(&GOLDEN.repeat(2)), CardDataError::Repeated(TRACK2));
        assert_eq!(fault("5F2403291231"), CardDataError::NoCardNumber);
        assert_eq!(fault("57084444555566661111"), CardDataError::BadTrack);
        assert_eq!(fault("57094444555566661111D2"), CardDataError::BadTrack);
        assert_eq!(fault(&GOLDEN.replacen("1111D", "1112D", 1)), CardDataError::BadCardNumber);
        assert_eq!(fault(&GOLDEN.replace("D2912", "D2913")), CardDataError::BadExpiry);
        assert_eq!(fault("5A084444555566661111"), CardDataError::BadExpiry);
        assert_eq!(fault(&format!("{BY_NUMBER}9F020510420643AA")), CardDataError::BadAmount);
        assert_eq!(fault(&format!("{BY_NUMBER}9F0206000000001A42")), CardDataError::BadAmount);
        assert_eq!(fault(&format!("{BY_NUMBER}5F2A021643")), CardDataError::BadCurrency);
        assert_eq!(fault(&format!("{BY_NUMBER}5F34010A")), CardDataError::BadSequence);
    }

    #[test]
    fn an_unprintable_or_long_name_is_no_name() {
        let name = |bytes: &str| {
            let length = bytes.len() / 2;
            parse(&format!("{BY_NUMBER}5F20{length:02X}{bytes}")).unwrap().cardholder
        };
        assert_eq!(name("2041422020").as_deref(), Some("AB"));
        assert_eq!((name("2020"), name("410A42"), name("FF")), (None, None, None));
        assert_eq!(name(&"41".repeat(27)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ClearCard::parse(&bytes);
        }

        #[test]
        fn no_track_makes_the_reader_panic(track in prop::collection::vec(any::<u8>(), 0..22)) {
            let mut bytes = Vec::new();
            crate::crypto::tlv_write::write(TRACK2, &track, &mut bytes);
            let _ = ClearCard::parse(&bytes);
        }
    }
}
