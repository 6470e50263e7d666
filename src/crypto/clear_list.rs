//! From what a reader sealed, once it is opened, and what it sent in the clear, to the one list
//! that [`card_data`](super::card_data) reads (MAPI 4.8).
//!
//! Readers seal a BER-TLV list, a track in characters as it stands on the card, or a track-2
//! equivalent in digits of four bits, filled up to whole blocks.

use super::card_fields::{NAME, PAN, TRACK2};
use super::tlv::{self, Tag, Tlv};
use super::tlv_write::write;
use super::track::{ClearTrack, read_track};
use zeroize::Zeroizing;

/// Tags of a card that may be sealed or clear, beside those of its chip.
const CARD_TAGS: [Tag; 3] = [NAME, Tag(0x5F24), Tag(0x5F34)];
/// Where a masked number may stand: under its own tag, and under Miura's.
const MASKED: [Tag; 2] = [PAN, Tag(0xDF_AE5A)];
/// More elements are in no card's list.
const ELEMENTS_MAX: usize = 64;
/// The longest list that is made.
const LIST_MAX: usize = 4096;
/// Tag and length of an element take no more than this.
const HEAD_MAX: usize = 7;
/// What a track's number, dates and name take in a list, at most.
const TRACK_MAX: usize = 128;

/// Why opened bytes are no card's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClearListError {
    #[error("what was opened is neither a track nor a list of tags")]
    NoCard,
    #[error("the masked number is not that of the sealed one")]
    MaskDiffers,
    #[error("the values are longer together than any card's")]
    TooLong,
}

/// Makes the list: everything that was sealed, then the chip's clear tags, each tag once.
///
/// # Errors
/// `NoCard` is what a wrong key leads to, where the cipher itself does not notice.
pub fn clear_list(
    opened: &[Zeroizing<Vec<u8>>],
    clear: &[(Tag, Vec<u8>)],
) -> Result<Zeroizing<Vec<u8>>, ClearListError> {
    let mut list = ClearList::with_room(room(opened, clear));
    let mut found = false;
    for bytes in opened {
        found |= list.put_opened(bytes)?;
    }
    if !found {
        return Err(ClearListError::NoCard);
    }
    for (tag, value) in clear {
        match MASKED.contains(tag) {
            true => list.check_mask(value)?,
            false if is_kept(*tag) => list.put(*tag, value)?,
            false => {}
        }
    }
    Ok(list.bytes)
}

/// What the list takes at most. It must not grow: that would leave unwiped copies behind. And it is
/// wiped as a whole, so that much more than it needs would cost time.
fn room(opened: &[Zeroizing<Vec<u8>>], clear: &[(Tag, Vec<u8>)]) -> usize {
    let opened = opened.iter().map(|bytes| bytes.len().max(TRACK_MAX));
    let clear = clear.iter().map(|(_, value)| value.len() + HEAD_MAX);
    (HEAD_MAX + opened.chain(clear).sum::<usize>()).min(LIST_MAX)
}

/// Whether a clear tag belongs to the card: what the maker adds for itself does not.
fn is_kept(tag: Tag) -> bool {
    CARD_TAGS.contains(&tag) || super::card_data::is_chip_tag(tag)
}

struct ClearList {
    bytes: Zeroizing<Vec<u8>>,
    tags: Vec<Tag>,
    /// First six and last four digits of the number.
    ends: Option<([u8; 6], [u8; 4])>,
}

impl ClearList {
    fn with_room(room: usize) -> Self {
        let bytes = Zeroizing::new(Vec::with_capacity(room));
        Self { bytes, tags: Vec::new(), ends: None }
    }

    /// The first value of a tag counts: what was sealed comes first.
    fn put(&mut self, tag: Tag, value: &[u8]) -> Result<(), ClearListError> {
        if self.tags.contains(&tag) {
            return Ok(());
        }
        if self.bytes.len() + HEAD_MAX + value.len() > self.bytes.capacity() {
            return Err(ClearListError::TooLong);
        }
        self.tags.push(tag);
        if tag == TRACK2 || tag == PAN {
            self.ends = self.ends.or_else(|| ends_of(value));
        }
        write(tag, value, &mut self.bytes);
        Ok(())
    }

    /// Whether a card was in the opened bytes.
    fn put_opened(&mut self, bytes: &[u8]) -> Result<bool, ClearListError> {
        let elements = list_before_padding(bytes);
        if elements.iter().any(|one| one.tag == TRACK2 || one.tag == PAN) {
            for element in &elements {
                self.put(element.tag, element.value)?;
            }
            return Ok(true);
        }
        let Some(ClearTrack { equivalent, name }) = read_track(bytes) else {
            return Ok(false);
        };
        self.put(TRACK2, &equivalent)?;
        if let Some(name) = name {
            self.put(NAME, &name)?;
        }
        Ok(true)
    }

    fn check_mask(&self, masked: &[u8]) -> Result<(), ClearListError> {
        let (Some(own), Some(told)) = (self.ends, mask_ends(masked)) else {
            return Ok(());
        };
        if own == told { Ok(()) } else { Err(ClearListError::MaskDiffers) }
    }
}

/// The elements in front of the fill of a last block, which is zeros or `FF`.
fn list_before_padding(bytes: &[u8]) -> Vec<Tlv<'_>> {
    let mut list = Vec::new();
    let mut rest = bytes;
    while let Ok((element, after)) = tlv::read_first(rest) {
        list.push(element);
        rest = after;
        if list.len() > ELEMENTS_MAX {
            return Vec::new();
        }
        if rest.iter().all(|byte| *byte == 0) || rest.iter().all(|byte| *byte == 0xFF) {
            return list;
        }
    }
    Vec::new()
}

/// First six and last four digits of a number at the front of a value in digits of four bits.
fn ends_of(value: &[u8]) -> Option<([u8; 6], [u8; 4])> {
    let nibbles = value.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    ends(nibbles.take_while(|digit| *digit <= 9))
}

/// The same of a masked one, in characters (`444455******1111`) or in digits of four bits with
/// something else between.
fn mask_ends(masked: &[u8]) -> Option<([u8; 6], [u8; 4])> {
    if masked.iter().all(u8::is_ascii_graphic) {
        return ends(masked.iter().map(|byte| byte.wrapping_sub(b'0')));
    }
    let nibbles = masked.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    // What fills the last byte up is no digit.
    let fill = nibbles.clone().rev().take_while(|digit| *digit > 9).count();
    ends(nibbles.take(masked.len() * 2 - fill))
}

/// Of a number without both ends nothing can be compared.
fn ends(digits: impl Iterator<Item = u8>) -> Option<([u8; 6], [u8; 4])> {
    let (mut first, mut last, mut count) = ([0; 6], [0; 4], 0);
    for digit in digits {
        if let Some(place) = first.get_mut(count) {
            *place = digit;
        }
        let [_, b, c, d] = last;
        last = [b, c, d, digit];
        count += 1;
    }
    let told = count >= first.len() && first.iter().chain(&last).all(|digit| *digit <= 9);
    told.then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::super::card_data::ClearCard;
    use super::*;
    use proptest::prelude::*;

    fn list(opened: &[&[u8]], clear: &[(u32, &[u8])]) -> Result<ClearCard, ClearListError> {
        let opened: Vec<_> = opened.iter().map(|bytes| Zeroizing::new(bytes.to_vec())).collect();
        let clear: Vec<_> = clear.iter().map(|(tag, value)| (Tag(*tag), value.to_vec())).collect();
        clear_list(&opened, &clear).map(|bytes| ClearCard::parse(&bytes).unwrap())
    }

    const TRACK: &[u8] = b";4444555566661111=29122010000000000?\0\0\0\0";

    #[test]
    fn a_track_and_the_chips_clear_tags_make_a_card() {
        let card = list(
            &[TRACK],
            &[
                (0x5A, b"444455******1111"),
                (0x9F02, &[0, 0, 0, 0, 0x10, 0x42]),
                (0x5F20, b"TEST/CARD"),
                (0xC3, b"maker's own"),
            ],
        )
        .unwrap();
        assert_eq!(card.pan.expose_digits(), "4444555566661111");
        assert_eq!(card.amount_inside, Some(1042));
        assert_eq!(card.cardholder.as_deref(), Some("TEST/CARD"));
    }

    #[test]
    fn a_sealed_list_may_be_filled_up_with_zeros_or_ones() {
        let mut bytes = hex::decode("5A0844445555666611115F2403291231").unwrap();
        for fill in [0, 0xFF] {
            bytes.extend([fill; 7]);
            assert_eq!(list(&[&bytes], &[]).unwrap().expiry.yymm(), "2912");
            bytes.truncate(16);
        }
    }

    #[test]
    fn of_two_sealed_values_one_may_hold_no_card() {
        assert!(list(&[b"nothing of a card here, no", TRACK], &[]).is_ok());
        assert_eq!(list(&[&[0x5A; 32]], &[]).unwrap_err(), ClearListError::NoCard);
        assert_eq!(list(&[], &[]).unwrap_err(), ClearListError::NoCard);
    }

    #[test]
    fn what_is_sealed_outranks_what_is_clear() {
        let sealed = hex::decode("5A0844445555666611115F2403291231").unwrap();
        let card = list(&[&sealed], &[(0x5F24, &[0x30, 0x01, 0x31])]).unwrap();
        assert_eq!(card.expiry.yymm(), "2912");
    }

    #[test]
    fn a_mask_of_another_card_is_noticed_in_either_writing() {
        for mask in [
            &b"444455******1112"[..],
            b"444456******1111",
            &[0x44, 0x44, 0x55, 0xFF, 0xFF, 0xFF, 0x11, 0x12],
        ] {
            assert_eq!(list(&[TRACK], &[(0x5A, mask)]).unwrap_err(), ClearListError::MaskDiffers);
        }
        for mask in
            [&b"444455******1111"[..], b"****", &[0x44, 0x44, 0x55, 0xFF, 0xFF, 0xFF, 0x11, 0x11]]
        {
            assert!(list(&[TRACK], &[(0xDF_AE5A, mask)]).is_ok());
        }
    }

    #[test]
    fn more_than_any_card_holds_is_refused() {
        let long = vec![0; LIST_MAX];
        assert_eq!(list(&[TRACK], &[(0x9F10, &long)]).unwrap_err(), ClearListError::TooLong);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = clear_list(&[Zeroizing::new(bytes.clone())], &[(Tag(0x5A), bytes)]);
        }
    }
}
