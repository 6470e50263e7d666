//! Writing of BER-TLV.

use super::tlv::Tag;

/// Appends one element with the shortest form of its length. Values of 64 KiB and more get a form
/// that [`parse_list`](super::tlv::parse_list) does not read.
pub fn write(tag: Tag, value: &[u8], out: &mut Vec<u8>) {
    push_significant(u64::from(tag.0), out);
    let length = value.len() as u64;
    if length >= 0x80 {
        let digits = (u64::BITS - length.leading_zeros()).div_ceil(8);
        push_significant(u64::from(0x80 | digits), out);
    }
    push_significant(length, out);
    out.extend_from_slice(value);
}

/// The bytes of a number, the highest first, without leading zeros; zero is one byte.
fn push_significant(number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
    out.extend(bytes.iter().skip(zeros));
}

#[cfg(test)]
mod tests {
    use super::super::tlv::read_first;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        for (length, head) in [(0, "5700"), (127, "577F"), (128, "578180"), (256, "57820100")] {
            let mut bytes = Vec::new();
            write(Tag(0x57), &vec![0; length], &mut bytes);
            assert!(hex::encode(&bytes).starts_with(&head.to_lowercase()), "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(length in 0_usize..9000, filler: u8) {
            let value = vec![filler; length];
            for tag in [0x57, 0x9F02, 0xDF_AE63].map(Tag) {
                let mut bytes = Vec::new();
                write(tag, &value, &mut bytes);
                let (element, rest) = read_first(&bytes).unwrap();
                prop_assert_eq!((element.tag, element.value), (tag, value.as_slice()));
                prop_assert!(rest.is_empty());
            }
        }
    }
}
