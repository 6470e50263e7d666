//! The search for the mistake that makes the control that was given: one, or two at once.
//!
//! Some hundred single mistakes are tried, and a few thousand pairs.

use super::recipe::Recipe;
use super::sent::Sent;
use super::written::{Writing, writing_of};
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
const ALONE: [Kind; 9] = [
    of_key::mistakes,
    of_values::mistakes,
    of_amount::mistakes,
    of_fields::mistakes,
    of_fields::extra,
    of_fields::endpoints,
    of_order::mistakes,
    of_text::mistakes,
    of_digest::mistakes,
];

/// The kinds of which two come together, each with few enough mistakes.
const TOGETHER: [Kind; 7] = [
    of_key::likely,
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
    writing: Writing,
}

/// Looks for the fewest mistakes that make this control of a form.
pub(super) fn search(known: &Known<'_>, right: &Recipe, control: &str) -> Option<Found> {
    if let Some(writing) = writing_of(control, &right.made()) {
        return Some(Found { mistakes: Vec::new(), writing });
    }
    one(known, right, control).or_else(|| two(known, right, control))
}

fn one(known: &Known<'_>, right: &Recipe, control: &str) -> Option<Found> {
    ALONE.iter().flat_map(|kind| kind(right, known)).find_map(|mistake| {
        let writing = writing_of(control, &mistake.recipe.made())?;
        Some(Found { mistakes: vec![mistake], writing })
    })
}

fn two(known: &Known<'_>, right: &Recipe, control: &str) -> Option<Found> {
    for (place, kind) in TOGETHER.iter().enumerate() {
        for first in kind(right, known) {
            let later = TOGETHER[place + 1..].iter().flat_map(|kind| kind(&first.recipe, known));
            for second in later {
                if let Some(writing) = writing_of(control, &second.recipe.made()) {
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
        if let Some(last) = self.mistakes.last() {
            facts.push(format!("was hashed: {}", last.recipe.names()));
            facts.push(format!("with the key masked: {}", last.recipe.told()));
        }
        let mistakes = self.mistakes.into_iter();
        let mut faults: Vec<_> = mistakes
            .map(|mistake| Fault::new(mistake.finding, mistake.wrong, mistake.change))
            .collect();
        if let Writing::Otherwise(flaw) = self.writing {
            faults.push(Fault::new(flaw.finding, flaw.wrong, flaw.change));
        }
        if faults.len() > 1 {
            let names: Vec<_> = faults.iter().map(|fault| fault.finding.name()).collect();
            facts.push(format!("mistakes at once: {}", names.join(", ")));
        }
        let first = faults.first().map_or(Finding::AllIsWell, |fault| fault.finding);
        let joined =
            |told: fn(&Fault) -> &str| faults.iter().map(told).collect::<Vec<_>>().join("; and ");
        Fault::new(first, joined(|fault| &fault.wrong), joined(|fault| &fault.change))
    }
}

#[cfg(test)]
impl Known<'_> {
    /// How many digests are made where nothing fits.
    pub(super) fn trials(&self) -> usize {
        let right = self.right();
        let single: usize = ALONE.iter().map(|kind| kind(&right, self).len()).sum();
        let pairs = TOGETHER.iter().enumerate().flat_map(|(place, kind)| {
            let firsts = kind(&right, self).into_iter();
            firsts.flat_map(move |first| {
                let later = TOGETHER[place + 1..].iter();
                later.map(move |kind| kind(&first.recipe, self).len())
            })
        });
        single + pairs.sum::<usize>()
    }
}
