//! What a receiver answers, made fit to be kept: text without secrets.

/// So many digits in a row may be a card's number.
const DIGITS: usize = 12;
const HIDDEN: &str = "[hidden]";

/// The text of an answer: what is no text is replaced, and so are long numbers and the merchant's
/// own secret, which a receiver might repeat.
pub(super) fn scrubbed(answer: &[u8], secret: &str) -> String {
    let text = String::from_utf8_lossy(answer);
    let text = if secret.is_empty() { text.into_owned() } else { text.replace(secret, HIDDEN) };
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
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_answer_has_no_secrets_and_no_control_characters() {
        assert_eq!(scrubbed(b"OK\r\n", "key"), "OK");
        assert_eq!(scrubbed(b"pan=4444555566661111&k=A-KEY", "A-KEY"), "pan=[hidden]&k=[hidden]");
        assert_eq!(scrubbed(b"order 6877\x1b[31m \xFF", ""), "order 6877 [31m \u{FFFD}");
        assert_eq!(scrubbed(&[], "key"), "");
    }
}
