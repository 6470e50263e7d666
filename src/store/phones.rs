//! Phones that a writer has noted before, so that not every order writes its phone again.

use super::writer::NewOrder;
use std::collections::HashSet;

/// When so many are remembered, all are forgotten and noted again: the table keeps the first note.
const REMEMBERED_MAX: usize = 100_000;

/// The phones that are known to be in the database, by merchant and phone id.
#[derive(Default)]
pub(super) struct PhoneBook(HashSet<(i64, String)>);

impl PhoneBook {
    /// The orders whose phones must be noted, one for each phone.
    pub(super) fn unknown<'a>(&self, new: impl Iterator<Item = &'a NewOrder>) -> Vec<&'a NewOrder> {
        let mut met = HashSet::new();
        let unknown = |new: &&NewOrder| !self.0.contains(&entry(new)) && met.insert(entry(new));
        new.filter(unknown).collect()
    }

    /// Remembers phones that were committed.
    pub(super) fn remember<'a>(&mut self, new: impl Iterator<Item = &'a NewOrder>) {
        if self.0.len() > REMEMBERED_MAX {
            self.0.clear();
        }
        for new in new {
            let entry = entry(new);
            if !self.0.contains(&entry) {
                self.0.insert(entry);
            }
        }
    }
}

fn entry(new: &NewOrder) -> (i64, String) {
    (new.merchant.0, new.phone.phone_id.clone())
}
