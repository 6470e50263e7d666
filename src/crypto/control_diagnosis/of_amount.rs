//! Mistakes with the amount, which is hashed in minor units and sent in highest ones.

use super::Finding;
use super::formula::MINOR_UNITS;
use super::recipe::Recipe;
use super::search::{Known, Mistake};
use crate::payment::money::Amount;

/// Digits of an amount where its length is fixed (ISO 8583).
const PADDED: usize = 12;

/// What may be wrong with the amount of a recipe; nothing where there is none.
pub(super) fn mistakes(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let Some(amount) = known.amount else {
        return Vec::new();
    };
    let right = amount.minor().to_string();
    let others = written(amount, known.sent.value("amount"));
    let others = others.into_iter().filter(|(_, text)| *text != right);
    others
        .map(|(finding, text)| Mistake {
            finding,
            wrong: format!("the amount was hashed as {text:?}"),
            change: format!("hash it in minor units: {right:?}, and send it in highest units"),
            recipe: recipe.map(|part| (part.name == MINOR_UNITS).then(|| part.with_text(&text))),
        })
        .collect()
}

fn written(amount: Amount, sent: &str) -> Vec<(Finding, String)> {
    let (minor, decimal) = (amount.minor(), amount.to_string());
    let exponent = amount.currency().exponent();
    let unit = 10_i64.pow(exponent);
    let dotted = if exponent == 0 { format!("{decimal}.") } else { decimal.clone() };
    let shortest = dotted.trim_end_matches('0').trim_end_matches('.').to_owned();
    let comma = |text: &str| (Finding::AmountComma, text.replace('.', ","));
    let decimals = |more: &str| (Finding::AmountDecimals, format!("{dotted}{more}"));
    let mut all = vec![(Finding::AmountInHighestUnits, sent.to_owned())];
    if minor % unit != 0 {
        all.push((Finding::AmountWithoutDecimals, (minor / unit).to_string()));
        all.push((Finding::AmountWithoutDecimals, ((minor + unit / 2) / unit).to_string()));
    }
    all.extend([
        (Finding::AmountInHighestUnits, decimal.clone()),
        (Finding::AmountInHighestUnits, shortest.clone()),
        comma(&decimal),
        comma(&shortest),
        (Finding::AmountDecimals, format!("{shortest}.0")),
        decimals("0"),
        decimals("00"),
        (Finding::AmountDecimals, format!("{minor}.00")),
        (Finding::AmountPadded, format!("{minor:0PADDED$}")),
    ]);
    for other in [0, 2, 3] {
        if other != exponent {
            all.push((Finding::AmountExponent, in_units_of(minor, exponent, other)));
        }
    }
    all.push((Finding::AmountExponent, minor.saturating_mul(100).to_string()));
    all
}

/// The amount in the minor units of a currency with another number of decimals.
fn in_units_of(minor: i64, exponent: u32, other: u32) -> String {
    let units = i128::from(minor) * 10_i128.pow(other) / 10_i128.pow(exponent);
    units.to_string()
}
