//! Magnetic tracks as readers give them once they are opened (ISO/IEC 7813).
//!
//! | form | looks like |
//! |---|---|
//! | track 2 in characters | `;4444555566661111=29122010000000000?` |
//! | track 1 in characters | `%B4444555566661111^TEST/CARD^29122010000000000?` |
//! | both, one after the other | |
//! | track 2 in digits of four bits | `4444555566661111D29122010000000000F` |
//!
//! Sentinels, check characters and the fill of a last block may be there or not.

use zeroize::Zeroizing;

/// Digits, separator and discretionary data of the longest track 2.
const TRACK2_MAX: usize = 37;
const TRACK1_MAX: usize = 76;
const NUMBER: std::ops::RangeInclusive<usize> = 12..=19;
/// Expiry and service code.
const DATE_AND_CODE: usize = 7;

/// What a track says. It wipes itself.
pub(super) struct ClearTrack {
    /// The track-2 equivalent in digits of four bits, as tag 57 holds it.
    pub(super) equivalent: Zeroizing<Vec<u8>>,
    /// The name of track 1, as it stands there.
    pub(super) name: Option<Zeroizing<Vec<u8>>>,
}

/// Reads a track, or both, if the bytes look like one from their first byte on.
pub(super) fn read_track(bytes: &[u8]) -> Option<ClearTrack> {
    match bytes {
        [b'%', b'B', rest @ ..] => read_track1(rest),
        [b';', rest @ ..] => read_track2(rest),
        [b'0'..=b'9', ..] => read_track2(bytes).or_else(|| read_digits(bytes)),
        _ => read_digits(bytes),
    }
}

fn read_track2(characters: &[u8]) -> Option<ClearTrack> {
    let end = characters.iter().position(|c| !matches!(c, b'0'..=b'9' | b'=' | b'D'));
    let digits = characters.get(..end.unwrap_or(characters.len()))?;
    let separator = digits.iter().position(|c| matches!(c, b'=' | b'D'))?;
    let (number, rest) = digits.split_at_checked(separator)?;
    let (_, rest) = rest.split_first()?;
    equivalent(number, rest).map(|equivalent| ClearTrack { equivalent, name: None })
}

/// The second track, if it follows, says the same and more of it in digits.
fn read_track1(characters: &[u8]) -> Option<ClearTrack> {
    let end = characters.iter().position(|c| *c == b'?').unwrap_or(characters.len());
    let (track, after) = characters.split_at_checked(end).filter(|(t, _)| t.len() <= TRACK1_MAX)?;
    let mut parts = track.splitn(3, |c| *c == b'^');
    let (number, name, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let name = Some(Zeroizing::new(name.to_vec()));
    let second = after.iter().position(|c| *c == b';').and_then(|at| after.get(at + 1..));
    if let Some(ClearTrack { equivalent, .. }) = second.and_then(read_track2) {
        return Some(ClearTrack { equivalent, name });
    }
    // Beyond the service code the first track may have letters.
    let digits = rest.iter().position(|c| !c.is_ascii_digit()).unwrap_or(rest.len());
    let digits = if digits < DATE_AND_CODE { digits } else { DATE_AND_CODE };
    equivalent(number, rest.get(..digits)?).map(|equivalent| ClearTrack { equivalent, name })
}

fn read_digits(bytes: &[u8]) -> Option<ClearTrack> {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    let mut characters = Zeroizing::new(Vec::with_capacity(TRACK2_MAX + 1));
    for nibble in nibbles.take_while(|nibble| *nibble <= 9 || *nibble == 0xD) {
        // Longer ones are no tracks, but the fill behind a track may look like more of it.
        if characters.len() == TRACK2_MAX {
            break;
        }
        characters.push(if nibble == 0xD { b'=' } else { b'0' + nibble });
    }
    read_track2(&characters)
}

/// Number, `D` and the rest, padded with an `F` to whole bytes.
fn equivalent(number: &[u8], rest: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digits = number.len() + 1 + rest.len();
    let right = NUMBER.contains(&number.len())
        && (DATE_AND_CODE - 3..).contains(&rest.len())
        && digits <= TRACK2_MAX
        && number.iter().chain(rest).all(u8::is_ascii_digit);
    if !right {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.div_ceil(2)));
    let nibbles = number.iter().chain(b"=").chain(rest).chain(b"?");
    let mut high = None;
    for character in nibbles {
        // `=` and `?` have the low halves D and F.
        let nibble = character & 0x0F;
        match high.take() {
            Some(high) => bytes.push(high << 4 | nibble),
            None => high = Some(nibble),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACK2: &str = "4444555566661111D29122010000000000F";

    fn read(bytes: &[u8]) -> Option<(String, Option<String>)> {
        read_track(bytes).map(|track| {
            let name = track.name.map(|name| String::from_utf8(name.to_vec()).unwrap());
            (hex::encode_upper(track.equivalent.as_slice()), name)
        })
    }

    fn only_digits(text: &str) -> (String, Option<String>) {
        (text.to_owned(), None)
    }

    #[test]
    fn track_two_is_read_with_sentinels_or_without() {
        for text in [
            ";4444555566661111=29122010000000000?",
            ";4444555566661111=29122010000000000?9",
            "4444555566661111=29122010000000000",
            "4444555566661111D29122010000000000",
        ] {
            for fill in ["", "\0\0\0", "\u{7f}"] {
                let read = read(format!("{text}{fill}").as_bytes());
                assert_eq!(read, Some(only_digits(&TRACK2.replace("000F", "000"))), "{text}");
            }
        }
    }

    #[test]
    fn track_one_gives_the_name_and_track_two_the_digits() {
        let both = read(b"%B4444555566661111^TEST/CARD^2912201AB?;4444555566661111=29122010000?");
        let name = Some("TEST/CARD".to_owned());
        assert_eq!(both, Some(("4444555566661111D29122010000".to_owned(), name.clone())));
        let alone = read(b"%B4444555566661111^TEST/CARD^2912201AB?\0\0");
        assert_eq!(alone, Some(("4444555566661111D2912201".to_owned(), name)));
    }

    #[test]
    fn digits_of_four_bits_end_at_their_padding() {
        let bytes = hex::decode(format!("{TRACK2}F")).unwrap();
        assert_eq!(read(&bytes), Some(only_digits("4444555566661111D29122010000000000")));
        let odd = hex::decode("378282246310005D29122010000000FF").unwrap();
        assert_eq!(read(&odd), Some(only_digits("378282246310005D29122010000000")));
    }

    #[test]
    fn what_is_no_track_is_none() {
        for text in [
            &b""[..],
            b";",
            b"%B",
            b"%B4444555566661111^NAME",
            b";44445555666=2912201?",
            b";4444555566661111=291?",
            b";4444555566661111",
            &[0xFF; 16],
            &[0x11; 16],
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        let long = [b"%B", "4".repeat(80).as_bytes()].concat();
        assert_eq!(read(&long), None);
    }
}
