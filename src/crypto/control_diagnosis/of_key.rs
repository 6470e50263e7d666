//! Mistakes with the control key. Each concerns the key as a whole, never a part of it.

use super::Finding;
use super::recipe::{Part, Recipe};
use super::search::{Known, Mistake};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Keys of examples in public documents of this protocol.
const EXAMPLES: [&str; 1] = ["B17F59B4-A7DC-41B4-8FF9-37D986B43D20"];

/// What documents call the key, taken for the key.
const PLACEHOLDERS: [&str; 8] = [
    "merchant_control",
    "merchant-control",
    "merchantControl",
    "control_key",
    "control-key",
    "controlKey",
    "YOUR_CONTROL_KEY",
    "null",
];

/// What comes along with other mistakes.
const LIKELY: [Finding; 6] = [
    Finding::TrailingNewline,
    Finding::KeyCase,
    Finding::KeyBlanks,
    Finding::KeyWithoutDashes,
    Finding::KeyMissing,
    Finding::PreviousKey,
];

/// The commonest of them.
pub(super) fn likely(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let mut found = mistakes(recipe, known);
    found.retain(|mistake| LIKELY.contains(&mistake.finding));
    found
}

/// What may be wrong with the key of a recipe.
pub(super) fn mistakes(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let key = known.case.key;
    let mut found: Vec<_> = texts(known)
        .into_iter()
        .filter(|(_, text, ..)| text.as_str() != key)
        .map(|(finding, text, wrong, change)| {
            let made = recipe.map(|part| part.is_key.then(|| Part::key(&text)));
            mistake(finding, wrong, change, made)
        })
        .collect();
    let parts = recipe.parts.iter().filter(|part| !part.is_key).cloned().collect();
    found.push(mistake(
        Finding::KeyMissing,
        "the control key was not hashed at all",
        "append the control key to the text before it is hashed; check that it was loaded",
        recipe.of(parts),
    ));
    for bytes in decoded(key) {
        let made = recipe.map(|part| part.is_key.then(|| part.as_bytes(bytes.clone())));
        found.push(mistake(
            Finding::KeyDecoded,
            "the key was decoded to bytes before it was hashed",
            "hash the key as the text that it is, with its digits and dashes",
            made,
        ));
    }
    found
}

type Text = (Finding, Zeroizing<String>, &'static str, &'static str);

fn texts(known: &Known<'_>) -> Vec<Text> {
    let key = known.case.key;
    let mut texts = altered(key);
    if let Some(previous) = known.case.previous {
        texts.push((
            Finding::PreviousKey,
            Zeroizing::new(previous.key.to_owned()),
            "the control is made with the key before the present one",
            "use the present control key; the one before it was replaced",
        ));
    }
    let instead = |finding, text: &str, wrong, change| -> Text {
        (finding, Zeroizing::new(text.to_owned()), wrong, change)
    };
    texts.extend(EXAMPLES.map(|example| {
        let wrong = "the control is made with the key of an example in the documents";
        instead(Finding::KeyOfExample, example, wrong, "use the merchant's own control key")
    }));
    texts.extend(PLACEHOLDERS.map(|name| {
        let wrong = "a name was hashed where the key belongs, and not the key";
        let change = "hash the control key itself; check that its variable was filled in";
        instead(Finding::KeyPlaceholder, name, wrong, change)
    }));
    texts.extend(known.case.login.map(|login| {
        let wrong = "the login was hashed where the key belongs";
        instead(Finding::LoginAsKey, login, wrong, "hash the control key at the end")
    }));
    texts
}

fn altered(key: &str) -> Vec<Text> {
    let mut texts: Vec<Text> = Vec::new();
    let mut add = |finding, text: String, wrong, change| {
        texts.push((finding, Zeroizing::new(text), wrong, change));
    };
    let wrong = "a line end was hashed after the key";
    let change = "cut the line end off: it comes with a file or with `echo`; use `printf '%s'`";
    for end in ["\n", "\r\n", "\r"] {
        add(Finding::TrailingNewline, format!("{key}{end}"), wrong, change);
    }
    let wrong = "the key was hashed in letters of the other case";
    let change = "hash the key exactly as it was given, upper-case and lower-case alike";
    add(Finding::KeyCase, key.to_lowercase(), wrong, change);
    add(Finding::KeyCase, key.to_uppercase(), wrong, change);
    let wrong = "blanks around the key were hashed";
    for (front, end) in [("", " "), (" ", ""), (" ", " "), ("", "\t"), ("\t", "")] {
        let text = format!("{front}{key}{end}");
        add(Finding::KeyBlanks, text, wrong, "take the blanks around the key away");
    }
    let wrong = "blanks that belong to the key were taken away";
    add(Finding::KeyBlanks, key.trim().to_owned(), wrong, "hash the key as it was given");
    let wrong = "the key was hashed without its dashes";
    let change = "hash the key exactly as it was given, dashes and all";
    add(Finding::KeyWithoutDashes, key.replace('-', ""), wrong, change);
    add(Finding::KeyWithoutDashes, key.replace('-', "").to_lowercase(), wrong, change);
    let wrong = "quotes or brackets around the key were hashed";
    for (front, end) in [("\"", "\""), ("'", "'"), ("{", "}"), ("<", ">"), ("[", "]")] {
        let text = format!("{front}{key}{end}");
        add(Finding::KeyQuoted, text, wrong, "hash the key without anything around it");
    }
    texts
}

/// The bytes that the key might stand for.
fn decoded(key: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let digits = Zeroizing::new(key.replace('-', ""));
    let mut all = Vec::new();
    if let Ok(bytes) = hex::decode(digits.as_str()) {
        if let Ok(mut guid) = <[u8; 16]>::try_from(bytes.as_slice()) {
            // Windows writes the first three groups of a GUID with their bytes turned round.
            guid[..4].reverse();
            guid[4..6].reverse();
            guid[6..8].reverse();
            all.push(Zeroizing::new(guid.to_vec()));
        }
        all.push(Zeroizing::new(bytes));
    }
    all.extend(STANDARD.decode(key).ok().map(Zeroizing::new));
    all
}

fn mistake(finding: Finding, wrong: &str, change: &str, recipe: Recipe) -> Mistake {
    Mistake { finding, wrong: wrong.to_owned(), change: change.to_owned(), recipe }
}
