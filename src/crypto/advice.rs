//! The chip's last word: the reader's message after the second GENERATE AC (MAPI 3.5, EMV Book 3
//! 6.5.5), read by the gateway and written by the virtual reader.

use super::tlv::{self, Tag, TlvError};
use super::tlv_write::write;
use crate::payment::chip::{ChipTags, Completion};

/// Cryptogram information data: its first two bits say which cryptogram this is.
const INFORMATION: Tag = Tag(0x9F27);
const CRYPTOGRAM: Tag = Tag(0x9F26);
const VERIFICATION_RESULTS: Tag = Tag(0x95);
const STATUS_INFORMATION: Tag = Tag(0x9B);

/// What may be kept and passed on; none of it is sensitive. 9F5B are the issuer script results.
const KEPT: [u32; 8] = [0x8A, 0x95, 0x9B, 0x9F10, 0x9F26, 0x9F27, 0x9F36, 0x9F5B];
/// Longer values are none that a chip gives.
const VALUE_MAX: usize = 64;

/// The kinds of cryptogram that end a transaction.
const CERTIFICATE: u8 = 0x40;
const REFUSAL: u8 = 0x00;

/// Why decrypted bytes are not a chip's last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdviceError {
    #[error("not BER-TLV: {0}")]
    NotTlv(#[from] TlvError),
    #[error("tag {0} stands twice")]
    Repeated(Tag),
    #[error("tag {0} is longer than a chip makes it")]
    TooLong(Tag),
    #[error("tag 9F27 is missing or has not one byte")]
    NoInformation,
    #[error("tag 9F27 asks to go online, which is not a last word")]
    NotLast,
}

/// Reads the decrypted list of a completion message.
///
/// # Errors
/// `AdviceError`, which carries no values.
pub fn read_advice(plaintext: &[u8]) -> Result<Completion, AdviceError> {
    let list = tlv::parse_list(plaintext)?;
    if let Some(tag) = tlv::repeated(&list) {
        return Err(AdviceError::Repeated(tag));
    }
    read_tags(list.iter().map(|element| (element.tag, element.value)))
}

/// Reads the tags of a completion message whose reader sends them in the clear, each once: nothing
/// in them is sensitive.
///
/// # Errors
/// `AdviceError`, which carries no values.
pub fn read_clear_advice(tags: &[(Tag, Vec<u8>)]) -> Result<Completion, AdviceError> {
    read_tags(tags.iter().map(|(tag, value)| (*tag, value.as_slice())))
}

fn read_tags<'a>(
    tags: impl Iterator<Item = (Tag, &'a [u8])> + Clone,
) -> Result<Completion, AdviceError> {
    let Some((_, &[information])) = tags.clone().find(|(tag, _)| *tag == INFORMATION) else {
        return Err(AdviceError::NoInformation);
    };
    let approved = match information & 0xC0 {
        CERTIFICATE => true,
        REFUSAL => false,
        _ => return Err(AdviceError::NotLast),
    };
    let kept = tags.filter(|(tag, _)| KEPT.contains(&tag.0));
    if let Some((tag, _)) = kept.clone().find(|(_, value)| value.len() > VALUE_MAX) {
        return Err(AdviceError::TooLong(tag));
    }
    let tags: ChipTags =
        kept.map(|(tag, value)| (tag.to_string(), hex::encode_upper(value))).collect();
    Ok(Completion { approved, tags })
}

/// The virtual reader's side: the list that it seals after the second GENERATE AC.
#[must_use]
pub fn write_advice(approved: bool, cryptogram: [u8; 8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for (tag, value) in advice_tags(approved, cryptogram) {
        write(tag, &value, &mut out);
    }
    out
}

/// The same, tag by tag, for a reader that sends them in the clear.
#[must_use]
pub fn advice_tags(approved: bool, cryptogram: [u8; 8]) -> Vec<(Tag, Vec<u8>)> {
    vec![
        (INFORMATION, vec![if approved { CERTIFICATE } else { REFUSAL }]),
        (CRYPTOGRAM, cryptogram.to_vec()),
        (VERIFICATION_RESULTS, vec![0x00, 0x00, 0x00, 0x80, 0x00]),
        (STATUS_INFORMATION, vec![0xE8, 0x00]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Completion, AdviceError> {
        read_advice(&hex::decode(text.replace(' ', "")).unwrap())
    }

    #[test]
    fn a_certificate_approves_and_a_refusal_declines() {
        for approved in [true, false] {
            let completion = read_advice(&write_advice(approved, [7; 8])).unwrap();
            assert_eq!(completion.approved, approved);
            assert_eq!(completion.tags.get("9F26"), Some("0707070707070707"));
        }
        assert!(read("9F270140").unwrap().approved);
    }

    #[test]
    fn what_is_no_last_word_is_refused_by_its_fault() {
        assert_eq!(read("9F270180"), Err(AdviceError::NotLast));
        assert_eq!(read("9F2701C0"), Err(AdviceError::NotLast));
        assert_eq!(read("9F2608 0000000000000000"), Err(AdviceError::NoInformation));
        assert_eq!(read("9F27024040"), Err(AdviceError::NoInformation));
        assert_eq!(read("9F270140 9F270140"), Err(AdviceError::Repeated(INFORMATION)));
        assert_eq!(read("9F27"), Err(AdviceError::NotTlv(TlvError::Truncated)));
        let long = format!("9F270140 9B41{}", "00".repeat(65));
        assert_eq!(read(&long), Err(AdviceError::TooLong(STATUS_INFORMATION)));
    }

    #[test]
    fn card_data_does_not_get_through() {
        let tags = read("9F270140 5A084444555566661111").unwrap().tags;
        assert_eq!((tags.get("5A"), tags.get("9F27")), (None, Some("40")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_advice(&bytes);
        }
    }
}
