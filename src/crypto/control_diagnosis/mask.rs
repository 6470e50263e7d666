//! The key in what people read: two characters of either end, and how long it is.

use crate::crypto::percent::percent_encoded;
use zeroize::Zeroizing;

/// A shorter key would be told by its ends.
const SHOWN_LEAST: usize = 12;

/// The key without what makes it one.
pub(super) fn masked(key: &str) -> String {
    let core = key.trim();
    let count = core.chars().count();
    if count < SHOWN_LEAST {
        return key.replace(core, "***");
    }
    let first: String = core.chars().take(2).collect();
    let last: String = core.chars().skip(count - 2).collect();
    let blanks = key.split_once(core).unwrap_or_default();
    format!("{}{first}***{last}{}", blanks.0, blanks.1)
}

/// A text in which the key is masked wherever somebody wrote it, in whatever letters.
pub(super) fn hidden(text: &str, key: &str) -> String {
    if key.trim().is_empty() {
        return text.to_owned();
    }
    let forms = [
        Zeroizing::new(key.trim().to_owned()),
        Zeroizing::new(key.trim().escape_debug().to_string()),
        Zeroizing::new(percent_encoded(key.trim()).into_owned()),
        Zeroizing::new(key.trim().replace('-', "")),
    ];
    forms
        .iter()
        .filter(|form| !form.is_empty())
        .fold(text.to_owned(), |text, form| replaced(&text, form, &masked(key.trim())))
}

fn replaced(text: &str, needle: &str, by: &str) -> String {
    // Letters of ASCII alone change, so that places stay where they are.
    let needle = Zeroizing::new(needle.to_ascii_lowercase());
    let searched = Zeroizing::new(text.to_ascii_lowercase());
    let (mut told, mut done) = (String::new(), 0);
    for (place, _) in searched.match_indices(needle.as_str()) {
        told.push_str(&text[done..place]);
        told.push_str(by);
        done = place + needle.len();
    }
    told.push_str(&text[done..]);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_characters_of_a_long_key_are_shown_and_none_of_a_short_one() {
        assert_eq!(masked("B17F59B4-A7DC-41B4-8FF9-37D986B43D20\n"), "B1***20\n");
        assert_eq!(masked(" secret "), " *** ");
        assert_eq!(masked("ключ-длинный"), "кл***ый");
    }

    #[test]
    fn the_key_is_hidden_wherever_it_stands() {
        let key = "B17F59B4-A7DC-41B4";
        let text = "a b17f59b4-a7dc-41b4 é B17F59B4A7DC41B4.";
        assert_eq!(hidden(text, key), "a B1***B4 é B1***B4.");
        assert_eq!(hidden("nothing", ""), "nothing");
    }
}
