//! BER-TLV as card readers write it (MAPI 4.1), read strictly and within limits.

use std::fmt;

/// The longest list that is read, in bytes.
const BYTES_MAX: usize = 32 * 1024;
/// The most elements in one list.
const ELEMENTS_MAX: usize = 128;
/// How deep templates may lie in one another.
const DEPTH_MAX: u8 = 4;

/// A tag, its one to three bytes read as one number: `Tag(0x57)`, `Tag(0x5F24)`, `Tag(0xDFAE63)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag(pub u32);

/// Upper-case hex, for example `9F02`.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

/// One element; the value is borrowed from the input. `Debug` shows its length only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    pub tag: Tag,
    pub value: &'a [u8],
    depth: u8,
}

impl fmt::Debug for Tlv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tlv({}, {} bytes)", self.tag, self.value.len())
    }
}

/// Why bytes are not BER-TLV, or more of it than is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TlvError {
    #[error("the list is longer than 32 KiB")]
    TooLong,
    #[error("the list has more than 128 elements")]
    TooMany,
    #[error("templates lie more than 4 deep")]
    TooDeep,
    #[error("the bytes end in the middle of an element")]
    Truncated,
    #[error("a tag is zero or longer than 3 bytes")]
    BadTag,
    #[error("a length is of another form than short, 81 or 82")]
    BadLength,
}

impl<'a> Tlv<'a> {
    /// Reads the elements inside this template, one level further down.
    ///
    /// # Errors
    /// As [`parse_list`], and `TooDeep`.
    pub fn children(&self) -> Result<Vec<Tlv<'a>>, TlvError> {
        let depth = self.depth + 1;
        if depth >= DEPTH_MAX {
            return Err(TlvError::TooDeep);
        }
        list_at(self.value, depth)
    }
}

/// Reads elements one after another to the end of the input; what templates hold is not looked
/// into.
///
/// # Errors
/// `TlvError` at the first byte that does not fit. Padding between elements is not accepted.
pub fn parse_list(bytes: &[u8]) -> Result<Vec<Tlv<'_>>, TlvError> {
    list_at(bytes, 0)
}

fn list_at(bytes: &[u8], depth: u8) -> Result<Vec<Tlv<'_>>, TlvError> {
    if bytes.len() > BYTES_MAX {
        return Err(TlvError::TooLong);
    }
    let mut list = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if list.len() == ELEMENTS_MAX {
            return Err(TlvError::TooMany);
        }
        let (element, after) = read_first(rest)?;
        list.push(Tlv { depth, ..element });
        rest = after;
    }
    Ok(list)
}

/// Reads one element and gives the bytes that follow it.
///
/// # Errors
/// `TlvError` when the front of the input is not an element.
pub fn read_first(bytes: &[u8]) -> Result<(Tlv<'_>, &[u8]), TlvError> {
    let (tag, rest) = read_tag(bytes)?;
    let (length, rest) = read_length(rest)?;
    let (value, rest) = rest.split_at_checked(length).ok_or(TlvError::Truncated)?;
    Ok((Tlv { tag, value, depth: 0 }, rest))
}

/// The first tag that stands twice in the list, if any.
#[must_use]
pub fn repeated(list: &[Tlv<'_>]) -> Option<Tag> {
    // Lists are short, and have no more elements than ELEMENTS_MAX.
    let stood_before = |(place, one): &(usize, &Tlv<'_>)| {
        list.iter().take(*place).any(|earlier| earlier.tag == one.tag)
    };
    list.iter().enumerate().find(stood_before).map(|(_, one)| one.tag)
}

/// The value of the first element with this tag.
#[must_use]
pub fn find<'a>(list: &[Tlv<'a>], tag: Tag) -> Option<&'a [u8]> {
    list.iter().find(|element| element.tag == tag).map(|element| element.value)
}

fn read_tag(bytes: &[u8]) -> Result<(Tag, &[u8]), TlvError> {
    let (first, mut rest) = bytes.split_first().ok_or(TlvError::Truncated)?;
    let mut tag = u32::from(*first);
    if tag == 0 {
        return Err(TlvError::BadTag);
    }
    // Five low ones say that the tag goes on; each further byte says so with its top bit.
    let mut goes_on = first & 0x1F == 0x1F;
    while goes_on {
        if tag > 0xFFFF {
            return Err(TlvError::BadTag);
        }
        let (next, after) = rest.split_first().ok_or(TlvError::Truncated)?;
        tag = tag << 8 | u32::from(*next);
        goes_on = next & 0x80 != 0;
        rest = after;
    }
    Ok((Tag(tag), rest))
}

fn read_length(bytes: &[u8]) -> Result<(usize, &[u8]), TlvError> {
    match bytes {
        [] | [0x81 | 0x82] | [0x82, _] => Err(TlvError::Truncated),
        [short @ ..=0x7F, rest @ ..] => Ok((usize::from(*short), rest)),
        [0x81, length, rest @ ..] => Ok((usize::from(*length), rest)),
        [0x82, high, low, rest @ ..] => Ok((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        _ => Err(TlvError::BadLength),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tlv_write::write;
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str) -> TlvError {
        parse_list(&hex::decode(text).unwrap()).unwrap_err()
    }

    #[test]
    fn tags_of_one_to_three_bytes_are_read() {
        let bytes = hex::decode("570101 5F2400 DFAE63020203".replace(' ', "")).unwrap();
        let list = parse_list(&bytes).unwrap();
        assert_eq!(find(&list, Tag(0x57)), Some(&[1][..]));
        assert_eq!(find(&list, Tag(0x5F24)), Some(&[][..]));
        assert_eq!(find(&list, Tag(0xDF_AE63)), Some(&[2, 3][..]));
        assert_eq!((find(&list, Tag(0x5A)), repeated(&list)), (None, None));
        assert_eq!(format!("{:?} {}", list[2], Tag(0x9)), "Tlv(DFAE63, 2 bytes) 09");
    }

    #[test]
    fn lengths_need_not_be_minimal_but_must_be_definite() {
        for good in ["570101", "57810101", "5782000101"] {
            assert_eq!(parse_list(&hex::decode(good).unwrap()).unwrap()[0].value, [1], "{good}");
        }
        for bad in ["5780010000", "578300000101", "57FF01"] {
            assert_eq!(fault(bad), TlvError::BadLength, "{bad}");
        }
        for bad in ["57", "5F", "5701", "5781", "5782", "578201", "57820002AA"] {
            assert_eq!(fault(bad), TlvError::Truncated, "{bad}");
        }
        assert_eq!(fault("0000"), TlvError::BadTag);
        assert_eq!(fault("DF81828300"), TlvError::BadTag);
    }

    #[test]
    fn size_count_and_depth_have_limits() {
        assert_eq!(parse_list(&vec![0x57; BYTES_MAX + 1]).unwrap_err(), TlvError::TooLong);
        assert_eq!(parse_list(&[0x57, 0].repeat(128)).unwrap().len(), 128);
        assert_eq!(parse_list(&[0x57, 0].repeat(129)).unwrap_err(), TlvError::TooMany);
        let mut nested = Vec::new();
        for _ in 0..6 {
            let inside = std::mem::take(&mut nested);
            write(Tag(0xE9), &inside, &mut nested);
        }
        let mut list = parse_list(&nested).unwrap();
        for _ in 1..DEPTH_MAX {
            list = list[0].children().unwrap();
        }
        assert_eq!(list[0].children().unwrap_err(), TlvError::TooDeep);
    }

    #[test]
    fn a_tag_that_stands_twice_is_found() {
        let list = parse_list(&[0x57, 0, 0x5A, 0, 0x57, 0]).unwrap();
        assert_eq!(repeated(&list), Some(Tag(0x57)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for element in parse_list(&bytes).unwrap_or_default() {
                let _ = element.children();
            }
        }
    }
}
