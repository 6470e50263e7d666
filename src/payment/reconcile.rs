//! Comparing two books: what we settled and what the acquirer says it settled.

use super::money::Currency;
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::BTreeMap;

/// One movement, as either side has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The acquirer's retrieval reference number (ISO 8583 field 37).
    pub reference: String,
    /// `sale`, `capture`, `reversal`, `void` or `refund`.
    pub movement: String,
    pub minor: i64,
    pub currency: Currency,
    pub date: NaiveDate,
}

/// What does not fit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// We have it, the acquirer does not.
    Missing,
    /// The acquirer has it, we do not.
    Extra,
    Amount,
    Currency,
    /// One side has it more often than the other.
    Duplicate,
    Date,
}

/// One thing that does not fit, in words for whoever has to find out why.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Mismatch {
    pub reference: String,
    pub movement: String,
    pub kind: Kind,
    pub ours: Option<String>,
    pub theirs: Option<String>,
}

/// Everything that differs, by reference. Lines belong together by reference and movement; a line
/// may differ in more than one way.
#[must_use]
pub fn reconcile(ours: &[Line], theirs: &[Line]) -> Vec<Mismatch> {
    let mut pairs: BTreeMap<_, Pair<'_>> = BTreeMap::new();
    for line in ours {
        pairs.entry((&line.reference, &line.movement)).or_default().ours.push(line);
    }
    for line in theirs {
        pairs.entry((&line.reference, &line.movement)).or_default().theirs.push(line);
    }
    pairs.into_values().flat_map(|pair| compare(&pair.ours, &pair.theirs)).collect()
}

/// The lines that belong together.
#[derive(Default)]
struct Pair<'a> {
    ours: Vec<&'a Line>,
    theirs: Vec<&'a Line>,
}

fn compare(ours: &[&Line], theirs: &[&Line]) -> Vec<Mismatch> {
    match (ours, theirs) {
        ([], _) => vec![mismatch(Kind::Extra, None, theirs.first().copied())],
        (_, []) => vec![mismatch(Kind::Missing, ours.first().copied(), None)],
        ([one, ..], [other, ..]) => {
            // Of lines that stand more than once, those that agree are compared.
            let fits = theirs.iter().find(|line| line == &one).unwrap_or(other);
            let twice = (ours.len() != theirs.len()).then_some(Kind::Duplicate);
            let kinds = twice.into_iter().chain(differences(one, fits));
            kinds.map(|kind| mismatch(kind, Some(one), Some(fits))).collect()
        }
    }
}

fn differences(one: &Line, other: &Line) -> impl Iterator<Item = Kind> + use<> {
    let amount = (one.minor != other.minor).then_some(Kind::Amount);
    let currency = (one.currency != other.currency).then_some(Kind::Currency);
    let date = (one.date != other.date).then_some(Kind::Date);
    [amount, currency, date].into_iter().flatten()
}

fn mismatch(kind: Kind, ours: Option<&Line>, theirs: Option<&Line>) -> Mismatch {
    let known = ours.or(theirs);
    Mismatch {
        reference: known.map_or_else(String::new, |line| line.reference.clone()),
        movement: known.map_or_else(String::new, |line| line.movement.clone()),
        kind,
        ours: ours.map(told),
        theirs: theirs.map(told),
    }
}

fn told(line: &Line) -> String {
    let amount = line.currency.decimal(line.minor);
    format!("{amount} {} on {}", line.currency.alpha(), line.date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(reference: &str, minor: i64) -> Line {
        Line {
            reference: reference.to_owned(),
            movement: "sale".to_owned(),
            minor,
            currency: Currency::from_alpha("RUB").unwrap(),
            date: NaiveDate::from_ymd_opt(2026, 11, 21).unwrap(),
        }
    }

    fn kinds(ours: &[Line], theirs: &[Line]) -> Vec<(String, Kind)> {
        let found = reconcile(ours, theirs);
        found.into_iter().map(|one| (one.reference, one.kind)).collect()
    }

    #[test]
    fn equal_books_have_no_mismatch_whatever_their_order() {
        let ours = [line("a", 1), line("b", 2)];
        let theirs = [line("b", 2), line("a", 1)];
        assert_eq!(kinds(&ours, &theirs), []);
    }

    #[test]
    fn each_difference_is_found_by_its_kind() {
        let ours = [line("a", 1), line("b", 2), line("c", 3), line("d", 4), line("e", 5)];
        let euros = Line { currency: Currency::from_alpha("EUR").unwrap(), ..line("c", 3) };
        let late = Line { date: ours[0].date.succ_opt().unwrap(), ..line("d", 4) };
        let theirs = [line("b", 20), euros, late, line("e", 5), line("e", 5), line("f", 6)];
        let expected = [
            ("a", Kind::Missing),
            ("b", Kind::Amount),
            ("c", Kind::Currency),
            ("d", Kind::Date),
            ("e", Kind::Duplicate),
            ("f", Kind::Extra),
        ];
        assert_eq!(kinds(&ours, &theirs), expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn a_reversal_is_not_taken_for_its_sale() {
        let back = Line { movement: "reversal".to_owned(), ..line("a", 1) };
        let expected = [("a".to_owned(), Kind::Extra), ("a".to_owned(), Kind::Missing)];
        assert_eq!(kinds(&[line("a", 1)], &[back]), expected);
    }
}
