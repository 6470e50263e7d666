//! One fault in an otherwise quiet run: at every await, at every statement, one after the other.

use super::disk::Place;
use super::notebook::Notebook;
use super::weather::{Fault, Weather};
use super::world::World;
use crate::dice::Dice;

/// How many sales such a run has.
const SALES: i64 = 2;
/// More turns than a few sales ever need.
const TURNS_MAX: u32 = 20_000;

/// What came of it.
pub struct Outcome {
    pub notebook: Notebook,
    /// The place where the fault was to strike lies behind the end of the run.
    pub was_over: bool,
}

/// The gateway crashes after so many polls of its tasks.
pub fn crash_after(turns: u32, seed: u64) -> Outcome {
    let (dice, notebook) = (Dice::seeded(seed), Notebook::new(false));
    let weather = Weather::mild(&dice, &notebook, None);
    let mut world = World::new(dice, notebook, weather, Place::Memory, SALES);
    let was_over = world.mild_life(turns);
    Outcome { notebook: world.end(), was_over }
}

/// This fault strikes statement `number` of the run.
pub fn fail_statement(number: u64, fault: Fault, seed: u64) -> Outcome {
    let (dice, notebook) = (Dice::seeded(seed), Notebook::new(false));
    let weather = Weather::mild(&dice, &notebook, Some((number, fault)));
    let mut world = World::new(dice, notebook, weather.clone(), Place::Memory, SALES);
    world.mild_life(TURNS_MAX);
    let was_over = weather.statements() <= number;
    Outcome { notebook: world.end(), was_over }
}
