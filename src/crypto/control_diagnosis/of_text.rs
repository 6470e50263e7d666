//! Mistakes with how the parts become one text: what stands between them, and the encoding.

use super::Finding;
use super::recipe::{Part, Recipe};
use super::search::{Known, Mistake};
use zeroize::Zeroizing;

const BETWEEN: [&str; 11] = [":", "|", "&", "+", ";", " ", ",", "-", "_", ".", "\n"];
/// How the key might be named where names are hashed.
const KEY_NAMES: [&str; 4] = ["control=", "merchant_control=", "key=", "control_key="];

/// What may be wrong with the text of a recipe.
pub(super) fn mistakes(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let mut found = endings(recipe);
    found.extend(BETWEEN.iter().flat_map(|between| separated(recipe, between)));
    found.extend(named(recipe, known));
    found.extend(encoded(recipe, known));
    found
}

fn endings(recipe: &Recipe) -> Vec<Mistake> {
    let with = |end: &&str| {
        let mut parts = recipe.parts.clone();
        parts.push(Part::literal(end));
        Mistake {
            finding: Finding::TrailingNewline,
            wrong: "a line end was hashed after the text".to_owned(),
            change: "hash the text without a line end: `printf '%s'` instead of `echo`".to_owned(),
            recipe: recipe.of(parts),
        }
    };
    ["\n", "\r\n"].iter().map(with).collect()
}

/// Between all parts, with or without those that are empty, before the key, and after it.
fn separated(recipe: &Recipe, between: &str) -> Vec<Mistake> {
    let full: Vec<_> = recipe.parts.iter().filter(|part| !part.is_empty()).cloned().collect();
    let mut ways = vec![joined(&recipe.parts, between)];
    if full.len() < recipe.parts.len() {
        ways.push(joined(&full, between));
    }
    for place in 0..ways.len() {
        let mut closed = ways[place].clone();
        closed.push(Part::literal(between));
        let mut bare = ways[place].clone();
        // What stands before the key goes with it.
        if let Some(key) = bare.iter().position(|part| part.is_key).filter(|key| *key > 0) {
            bare.remove(key - 1);
        }
        ways.extend([closed, bare]);
    }
    let mistake = |parts| Mistake {
        finding: Finding::Separators,
        wrong: format!("{between:?} was hashed between the parts"),
        change: "hash the parts one right after the other, with nothing between them".to_owned(),
        recipe: recipe.of(parts),
    };
    ways.into_iter().map(mistake).collect()
}

fn joined(parts: &[Part], between: &str) -> Vec<Part> {
    let mut all = Vec::new();
    for part in parts {
        if !all.is_empty() {
            all.push(Part::literal(between));
        }
        all.push(part.clone());
    }
    all
}

/// `name=value` for each part, or for all that was sent.
fn named(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let mistake = |parts| Mistake {
        finding: Finding::NamesHashed,
        wrong: "names of fields were hashed along with their values".to_owned(),
        change: format!("hash values alone: {}", known.right().names()),
        recipe: recipe.of(parts),
    };
    let pair = |name: &str, value: &str| Part::value(name, &format!("{name}={value}"));
    let parts = recipe.parts.iter().filter(|part| !part.is_key && !part.is_empty());
    let parts: Vec<_> = parts.map(|part| pair(&part.name, part.text())).collect();
    let sent = known.sent.fields().iter().filter(|field| field.name != "control");
    let sent: Vec<_> = sent.map(|field| pair(&field.name, &field.raw)).collect();
    let Some(key) = recipe.parts.iter().find(|part| part.is_key) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (parts, between) in [(&parts, "&"), (&parts, ""), (&sent, "&")] {
        let front = joined(parts, between);
        let mut bare = front.clone();
        bare.push(key.clone());
        found.push(mistake(bare));
        for name in KEY_NAMES {
            let mut with = front.clone();
            with.extend([Part::literal(between), Part::literal(name), key.clone()]);
            found.push(mistake(with));
        }
    }
    found
}

fn encoded(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut add = |finding, what: &str, bytes: fn(&str) -> Vec<u8>, front: &[u8]| {
        let mut made = recipe.map(|part| {
            let bytes = Zeroizing::new(bytes(part.text()));
            Some(part.with_bytes(bytes))
        });
        if !front.is_empty() {
            let mark = Zeroizing::new(front.to_vec());
            made.parts.insert(0, Part::literal("").with_bytes(mark));
        }
        if !made.is_like(recipe) {
            found.push(Mistake {
                finding,
                wrong: format!("the text was hashed as {what}"),
                change: "turn the text into bytes as UTF-8, without a byte order mark".to_owned(),
                recipe: made,
            });
        }
    };
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    add(Finding::Utf16, "UTF-16, low byte first", little, &[]);
    add(Finding::Utf16, "UTF-16, low byte first, with a mark", little, &[0xFF, 0xFE]);
    add(Finding::Utf16, "UTF-16, high byte first", big, &[]);
    add(Finding::Utf16, "UTF-16, high byte first, with a mark", big, &[0xFE, 0xFF]);
    add(Finding::Utf8Twice, "UTF-8 that was encoded twice", utf8_twice, &[]);
    // Of another key they would lose characters, and whoever asks could find the rest alone.
    if !known.case.key.is_ascii() {
        return found;
    }
    add(Finding::NonAsciiLost, "ASCII, with ? for all other characters", ascii, &[]);
    add(Finding::Latin1, "Latin-1", latin1, &[]);
    add(Finding::Windows1251, "windows-1251", windows1251, &[]);
    found
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// Cyrillic letters as Windows has them.
fn windows1251(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        'Ё' => 0xA8,
        'ё' => 0xB8,
        'А'..='я' => u8::try_from(u32::from(c) - u32::from('А') + 0xC0).unwrap_or(b'?'),
        _ if c.is_ascii() => u8::try_from(c).unwrap_or(b'?'),
        _ => b'?',
    };
    text.chars().map(byte).collect()
}

fn utf8_twice(text: &str) -> Vec<u8> {
    let seen: String = text.bytes().map(char::from).collect();
    seen.into_bytes()
}

fn ascii(text: &str) -> Vec<u8> {
    let byte = |c: char| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?');
    text.chars().map(byte).collect()
}
