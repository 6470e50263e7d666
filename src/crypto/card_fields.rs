//! The single fields of decrypted card data, and what can be wrong with them (MAPI 4.8).

use super::tlv::{self, Tag, Tlv, TlvError};
use crate::payment::card::{Expiry, Pan};
use zeroize::Zeroizing;

pub(super) const TRACK2: Tag = Tag(0x57);
pub(super) const PAN: Tag = Tag(0x5A);
pub(super) const NAME: Tag = Tag(0x5F20);
pub(super) const EXPIRY: Tag = Tag(0x5F24);
pub(super) const CURRENCY: Tag = Tag(0x5F2A);
pub(super) const SEQUENCE: Tag = Tag(0x5F34);
pub(super) const AMOUNT: Tag = Tag(0x9F02);

/// The longest track-2 equivalent, in bytes, and the longest name that ISO/IEC 7813 allows.
const TRACK2_MAX: usize = 19;
const NAME_MAX: usize = 26;

/// Why decrypted bytes are not card data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CardDataError {
    #[error("not BER-TLV: {0}")]
    NotTlv(#[from] TlvError),
    #[error("tag {0} stands twice")]
    Repeated(Tag),
    #[error("neither tag 57 nor tag 5A is present")]
    NoCardNumber,
    #[error("tag 57 is not a track-2 equivalent")]
    BadTrack,
    #[error("the card number has a wrong length or fails the Luhn check")]
    BadCardNumber,
    #[error("the expiry is missing or not a date")]
    BadExpiry,
    #[error("tag 57 says otherwise than tag {0}")]
    Differs(Tag),
    #[error("tag 5F34 is not two decimal digits")]
    BadSequence,
    #[error("tag 9F02 is not twelve decimal digits")]
    BadAmount,
    #[error("tag 5F2A is not three decimal digits behind a zero")]
    BadCurrency,
    #[error("tag DFAE79 is no PIN block for the acquirer")]
    BadPin,
}

/// What a track-2 equivalent says.
pub(super) struct Track<'a> {
    pub(super) pan: &'a str,
    pub(super) yymm: &'a str,
    pub(super) service_code: Option<&'a str>,
}

/// Upper-case hex in one allocation that is wiped.
fn nibbles(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]) {
        text.extend(char::from_digit(nibble.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
    text
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// The track in hex digits without its padding.
pub(super) fn track_text(bytes: &[u8]) -> Result<Zeroizing<String>, CardDataError> {
    if bytes.len() > TRACK2_MAX {
        return Err(CardDataError::BadTrack);
    }
    let mut text = nibbles(bytes);
    let length = text.trim_end_matches('F').len();
    text.truncate(length);
    Ok(text)
}

pub(super) fn split_track(text: &str) -> Result<Track<'_>, CardDataError> {
    let (pan, rest) = text.split_once('D').ok_or(CardDataError::BadTrack)?;
    if !all_digits(pan) || !all_digits(rest) {
        return Err(CardDataError::BadTrack);
    }
    let yymm = rest.get(..4).ok_or(CardDataError::BadTrack)?;
    Ok(Track { pan, yymm, service_code: rest.get(4..7) })
}

pub(super) fn read_pan(list: &[Tlv<'_>], track: Option<&Track<'_>>) -> Result<Pan, CardDataError> {
    let own = tlv::find(list, PAN).map(nibbles);
    let own = own.as_ref().map(|text| text.trim_end_matches('F'));
    let digits = match (track.map(|track| track.pan), own) {
        (Some(one), Some(other)) if one != other => return Err(CardDataError::Differs(PAN)),
        (one, other) => one.or(other).ok_or(CardDataError::NoCardNumber)?,
    };
    Pan::parse(digits).map_err(|_| CardDataError::BadCardNumber)
}

pub(super) fn read_expiry(
    list: &[Tlv<'_>],
    track: Option<&Track<'_>>,
) -> Result<Expiry, CardDataError> {
    let read = |yymm: &str| Expiry::from_yymm(yymm).ok_or(CardDataError::BadExpiry);
    let on_track = track.map(|track| read(track.yymm)).transpose()?;
    let own = match tlv::find(list, EXPIRY).map(nibbles) {
        Some(date) if date.len() == 6 && all_digits(&date) => {
            Some(read(date.get(..4).unwrap_or_default())?)
        }
        Some(_) => return Err(CardDataError::BadExpiry),
        None => None,
    };
    match (on_track, own) {
        (Some(one), Some(other)) if one != other => Err(CardDataError::Differs(EXPIRY)),
        (one, other) => one.or(other).ok_or(CardDataError::BadExpiry),
    }
}

pub(super) fn read_name(bytes: &[u8]) -> Option<String> {
    let name = str::from_utf8(bytes).ok()?.trim();
    let printable = name.bytes().all(|b| (b' '..=b'~').contains(&b));
    (printable && (1..=NAME_MAX).contains(&name.len())).then(|| name.to_owned())
}

/// The decimal number in a tag of so many BCD bytes; `None` when the tag is absent.
pub(super) fn number<T: std::str::FromStr>(
    list: &[Tlv<'_>],
    tag: Tag,
    length: usize,
    fault: CardDataError,
) -> Result<Option<T>, CardDataError> {
    let Some(bytes) = tlv::find(list, tag) else {
        return Ok(None);
    };
    let text = nibbles(bytes);
    let value = text.parse().ok().filter(|_| bytes.len() == length && all_digits(&text));
    value.map(Some).ok_or(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_split_at_its_separator() {
        let text = track_text(&[0x12, 0x34, 0x5D, 0x29, 0x12, 0x20, 0x1F]).unwrap();
        let track = split_track(&text).unwrap();
        assert_eq!((track.pan, track.yymm, track.service_code), ("12345", "2912", Some("201")));
        assert!(split_track("12345D2912").unwrap().service_code.is_none());
        for bad in ["", "D", "12345", "12345D291", "1A345D2912", "12345D2912D", "12345D29F2"] {
            assert_eq!(split_track(bad).err(), Some(CardDataError::BadTrack), "{bad}");
        }
    }
}
