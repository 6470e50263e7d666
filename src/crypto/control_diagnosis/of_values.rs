//! Mistakes with how values are written where they are hashed.

use super::Finding;
use super::recipe::{Part, Recipe};
use super::search::{Known, Mistake};
use super::sent::{Field, decoded};
use crate::crypto::percent::percent_encoded;
use crate::payment::money::Currency;

type Change = fn(&Field) -> String;

/// Other ways to write a value, done to all values alike.
const WRITINGS: [(Finding, &str, Change); 8] = [
    (Finding::Untrimmed, "blanks around a value were hashed", |field| field.value.clone()),
    (Finding::PlusForBlank, "a plus sign was hashed where the value has a blank", |field| {
        field.value.trim().replace(' ', "+")
    }),
    (Finding::PercentEncoded, "values were hashed percent-encoded", |field| field.raw.clone()),
    (Finding::PercentEncoded, "values were hashed percent-encoded", |field| {
        percent_encoded(field.value.trim()).into_owned()
    }),
    (Finding::PercentEncoded, "values were hashed percent-encoded", |field| {
        form_urlencoded::byte_serialize(field.value.trim().as_bytes()).collect()
    }),
    (
        Finding::DecodedTwice,
        "values were decoded once too often before they were hashed",
        |field| decoded(field.value.trim()).unwrap_or_default(),
    ),
    (Finding::ValueCase, "all values were hashed in upper case", |field| {
        field.value.trim().to_uppercase()
    }),
    (Finding::ValueCase, "all values were hashed in lower case", |field| {
        field.value.trim().to_lowercase()
    }),
];

/// What programs write for a value that they do not have.
const NOTHINGS: [&str; 7] = ["null", "0", "None", "undefined", "nil", "NULL", "false"];

/// What may be wrong with the values of a recipe.
pub(super) fn mistakes(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (finding, wrong, change) in WRITINGS {
        let made = recipe.map(|part| {
            let field = known.sent.field(&part.name).filter(|_| !part.is_key)?;
            Some(part.with_text(&change(field)))
        });
        if !made.is_like(recipe) {
            found.push(mistake(finding, wrong.to_owned(), how_to(finding), made));
        }
    }
    for part in recipe.parts.iter().filter(|part| !part.is_key) {
        found.extend(of_one(recipe, part));
    }
    found
}

fn of_one(recipe: &Recipe, wrong_part: &Part) -> Vec<Mistake> {
    let (name, text) = (&wrong_part.name, wrong_part.text());
    let with = |text: &str| recipe.map(|part| (part.name == *name).then(|| part.with_text(text)));
    if wrong_part.is_empty() {
        let nothing = |nothing: &&str| {
            let wrong = format!("{name} was not sent, but hashed as {nothing:?}");
            mistake(Finding::NullAsText, wrong, how_to(Finding::NullAsText), with(nothing))
        };
        return NOTHINGS.iter().map(nothing).collect();
    }
    let mut found = Vec::new();
    for other in [text.to_lowercase(), text.to_uppercase()] {
        if other != text {
            let wrong = format!("{name} was hashed as {other:?}, but sent as {text:?}");
            found.push(mistake(
                Finding::ValueCase,
                wrong,
                how_to(Finding::ValueCase),
                with(&other),
            ));
        }
    }
    let currency = Currency::from_alpha(text).filter(|_| name == "currency");
    found.extend(currency.map(|currency| {
        let wrong = "the currency was hashed by its number".to_owned();
        let change = "hash the three letters of the currency, as they are sent";
        let number = format!("{:03}", currency.numeric());
        mistake(Finding::CurrencyNumeric, wrong, change, with(&number))
    }));
    found
}

fn how_to(finding: Finding) -> &'static str {
    match finding {
        Finding::Untrimmed => "hash values without the blanks around them, and send them so",
        Finding::PlusForBlank => {
            "hash values before they are encoded; write a plus sign that is part of one as %2B"
        }
        Finding::PercentEncoded => "hash values before they are encoded, or after decoding",
        Finding::DecodedTwice => "decode values once: most libraries have done it already",
        Finding::NullAsText => "hash nothing at all for what is not sent",
        _ => "hash values exactly as they are sent, in the same letters",
    }
}

fn mistake(finding: Finding, wrong: String, change: &str, recipe: Recipe) -> Mistake {
    Mistake { finding, wrong, change: change.to_owned(), recipe }
}
