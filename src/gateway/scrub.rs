//! What a receiver answers, made fit to be kept: text without secrets.

use super::egress::ANSWER_MAX;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// So many digits in a row may be a card's number.
const DIGITS: usize = 12;
/// And so many at most.
const DIGITS_MAX: usize = 19;
const HIDDEN: &str = "[hidden]";

/// Shorter secrets would hide half of any text.
const SECRET_MIN: usize = 4;

/// The text of an answer: what is no text is replaced, and so are long numbers and what we have
/// sent, the merchant's secret among it, which a receiver might repeat. Of an answer that was `cut`
/// the end goes too, where half a secret may stand.
pub(super) fn scrubbed(answer: &[u8], cut: bool, secrets: &[Zeroizing<String>]) -> String {
    if answer.is_empty() {
        return String::new();
    }
    let longest = secrets.iter().map(|secret| secret.len()).max().unwrap_or_default();
    let unsure = if cut { longest.max(DIGITS_MAX) } else { 0 };
    let whole = answer.get(..answer.len().saturating_sub(unsure)).unwrap_or_default();
    let mut text = String::from_utf8_lossy(whole).into_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_MIN) {
        for spelling in spellings(secret) {
            text = text.replace(spelling.as_str(), HIDDEN);
        }
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let taken = if digits >= DIGITS {
            clean.push_str(HIDDEN);
            digits
        } else {
            clean.push(if first.is_control() { ' ' } else { first });
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    let kept = clean.char_indices().take_while(|(at, _)| *at < ANSWER_MAX).map(|(_, one)| one);
    kept.collect::<String>().trim().to_owned()
}

/// How a receiver may repeat a secret: as it is, or as addresses and forms spell it, ours among
/// them. Hex digits come in capitals or not.
fn spellings(secret: &str) -> Vec<Zeroizing<String>> {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let address = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut all = vec![Zeroizing::new(secret.to_owned())];
    for encoded in [form.replace('+', "%20"), form, address] {
        all.push(Zeroizing::new(small_hex(&encoded)));
        all.push(Zeroizing::new(encoded));
    }
    all
}

fn small_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (hex, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        text + "%" + &hex.to_ascii_lowercase() + rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(answer: &[u8], cut: bool, secrets: &[&str]) -> String {
        let secrets: Vec<_> =
            secrets.iter().map(|secret| Zeroizing::new((*secret).to_owned())).collect();
        scrubbed(answer, cut, &secrets)
    }

    #[test]
    fn what_is_kept_of_an_answer_has_no_secrets_and_no_control_characters() {
        assert_eq!(clean(b"OK\r\n", false, &["key"]), "OK");
        let told = clean(b"pan=4444555566661111&k=A-KEY&n=J.%20Doe", false, &["A-KEY", "J. Doe"]);
        assert_eq!(told, "pan=[hidden]&k=[hidden]&n=[hidden]");
        let secrets = ["J. Doe", "a@b.example", "M\u{fc}ller"];
        for told in
            ["n=J%2E%20Doe", "n=J.+Doe", "n=a%40b.example", "n=M%c3%bcller", "n=M%C3%BCller"]
        {
            assert_eq!(clean(told.as_bytes(), false, &secrets), "n=[hidden]", "{told}");
        }
        assert_eq!(clean(b"order 6877\x1b[31m \xFF", false, &[]), "order 6877 [31m \u{FFFD}");
        assert_eq!(clean(&[], true, &["key"]), "");
    }

    #[test]
    fn of_an_answer_that_was_cut_no_half_of_a_secret_is_left() {
        let answer = [&[b'x'; 100][..], b"A-KEY-OF-SOME-LENG"].concat();
        let told = clean(&answer, true, &["A-KEY-OF-SOME-LENGTH"]);
        assert!(told.len() >= 98 && !told.contains("A-KEY"), "{told}");
        let number = [&[b'x'; 100][..], b"44445555666"].concat();
        assert!(!clean(&number, true, &[]).contains("4444"));
    }
}
