//! Mistakes with the order of the parts.

use super::Finding;
use super::recipe::{Part, Recipe};
use super::search::{Known, Mistake};

/// Of so many parts every order is tried: 720.
const ALL_MOST: usize = 6;
/// Of so many parts every order is tried together with a second mistake: 24.
const LIKELY_MOST: usize = 4;

/// Every order of the parts.
pub(super) fn mistakes(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    match recipe.parts.len() <= ALL_MOST {
        true => told(recipe, known, permuted(&recipe.parts)),
        false => likely(recipe, known),
    }
}

/// Two parts that have changed places, or one that was put first or last.
pub(super) fn likely(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let parts = &recipe.parts;
    if parts.len() <= LIKELY_MOST {
        return told(recipe, known, permuted(parts));
    }
    let mut orders = Vec::new();
    for one in 0..parts.len() {
        for other in one + 1..parts.len() {
            let mut swapped = parts.clone();
            swapped.swap(one, other);
            orders.push(swapped);
        }
        let mut first = parts.clone();
        first[..=one].rotate_right(1);
        let mut last = parts.clone();
        last[one..].rotate_left(1);
        orders.extend([first, last]);
    }
    told(recipe, known, orders)
}

fn told(recipe: &Recipe, known: &Known<'_>, orders: Vec<Vec<Part>>) -> Vec<Mistake> {
    let made = orders.into_iter().map(|parts| recipe.of(parts));
    let made = made.filter(|made| !made.is_like(recipe));
    made.map(|made| Mistake {
        finding: Finding::Order,
        wrong: format!("the order is another one: {}", made.names()),
        change: format!("hash in this order: {}", known.right().names()),
        recipe: made,
    })
    .collect()
}

fn permuted(parts: &[Part]) -> Vec<Vec<Part>> {
    let Some((first, rest)) = parts.split_first() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in permuted(rest) {
        for place in 0..=order.len() {
            let mut with = order.clone();
            with.insert(place, first.clone());
            all.push(with);
        }
    }
    all
}
