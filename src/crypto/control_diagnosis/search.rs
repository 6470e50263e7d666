//! The search for the mistake that makes the control that was given: one, or two at once.
//!
//! Some hundred single mistakes are tried, and a few thousand pairs.

use super::recipe::Recipe;
use super::sent::Sent;
use super::written::{Writing, is_written};
use super::{
    Case, Fault, Finding, of_amount, of_digest, of_fields, of_key, of_order, of_text, of_values,
};
use crate::payment::money::Amount;

/// All that mistakes are made of.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) sent: &'a Sent,
    /// The amount that is signed.
    pub(super) amount: Option<Amount>,
}

impl Known<'_> {
    /// What makes the right control.
    pub(super) fn right(&self) -> Recipe {
        self.case.command.recipe(self.sent, self.amount, self.case.key)
    }
}

/// A mistake, and what comes of it.
pub(super) struct Mistake {
    pub(super) finding: Finding,
    pub(super) wrong: String,
    pub(super) change: String,
    pub(super) recipe: Recipe,
}

/// Mistakes of one kind that can be made with a recipe, the likelier first.
type Kind = fn(&Recipe, &Known<'_>) -> Vec<Mistake>;

/// Every kind, in the order in which a control is made. What is named first was done first.
const ALONE: [Kind; 8] = [
    of_key::mistakes,
    of_values::mistakes,
    of_amount::mistakes,
    of_fields::mistakes,
    of_fields::extra,
    of_order::mistakes,
    of_text::mistakes,
    of_digest::mistakes,
];

/// The kinds of which two come together, each with few enough mistakes.
const TOGETHER: [Kind; 7] = [
    of_key::mistakes,
    of_values::mistakes,
    of_amount::mistakes,
    of_fields::mistakes,
    of_order::likely,
    of_text::mistakes,
    of_digest::mistakes,
];

/// How the control was made.
pub(super) struct Found {
    mistakes: Vec<Mistake>,
    writing: Option<Writing>,
}

/// Looks for the fewest mistakes that make this control of a form.
pub(super) fn search(known: &Known<'_>, right: &Recipe, control: &str) -> Option<Found> {
    if let Some(writing) = is_written(control, &right.made()) {
        return Some(Found { mistakes: Vec::new(), writing });
    }
    one(known, right, control).or_else(|| two(known, right, control))
}

fn one(known: &Known<'_>, right: &Recipe, control: &str) -> Option<Found> {
    ALONE.iter().flat_map(|kind| kind(right, known)).find_map(|mistake| {
        let writing = is_written(control, &mistake.recipe.made())?;
        Some(Found { mistakes: vec![mistake], writing })
    })
}

fn two(known: &Known<'_>, right: &Recipe, control: &str) -> Option<Found> {
    for (place, kind) in TOGETHER.iter().enumerate() {
        for first in kind(right, known) {
            let later = TOGETHER[place + 1..].iter().flat_map(|kind| kind(&first.recipe, known));
            for second in later {
                if let Some(writing) = is_written(control, &second.recipe.made()) {
                    return Some(Found { mistakes: vec![first, second], writing });
                }
            }
        }
    }
    None
}

impl Found {
    /// What is told of it: the first mistake by its name, all of them in words.
    pub(super) fn told(self, facts: &mut Vec<String>) -> Fault {
        let Self { mistakes, writing } = self;
        let mut finding = None;
        let (mut wrong, mut change) = (Vec::new(), Vec::new());
        for mistake in &mistakes {
            finding = finding.or(Some(mistake.finding));
            wrong.push(mistake.wrong.clone());
            change.push(mistake.change.clone());
        }
        if let Some(writing) = &writing {
            finding = finding.or(Some(writing.finding));
            wrong.push(writing.wrong.to_owned());
            change.push(writing.change.to_owned());
        }
        if let Some(last) = mistakes.last() {
            facts.push(format!("was hashed: {}", last.recipe.names()));
            facts.push(format!("with the key masked: {}", last.recipe.told()));
        }
        let finding = finding.unwrap_or(Finding::AllIsWell);
        let all = mistakes.iter().map(|mistake| mistake.finding);
        let all = all.chain(writing.map(|writing| writing.finding));
        let all: Vec<_> = all.map(Finding::name).collect();
        if all.len() > 1 {
            facts.push(format!("mistakes at once: {}", all.join(", ")));
        }
        Fault::new(finding, wrong.join("; and "), change.join("; and "))
    }
}
