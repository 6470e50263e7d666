//! Phones that a writer has noted before, so that not every order writes its phone again.

use super::writer::{NewOrder, PhoneSeen};
use std::collections::HashSet;

/// When so many are remembered, all are forgotten and noted again: the table keeps the first note.
const REMEMBERED_MAX: usize = 100_000;

/// The phones that are known to be in the database, by merchant and phone id.
#[derive(Default)]
pub(super) struct PhoneBook(HashSet<(i64, String)>);

impl PhoneBook {
    /// The orders whose phones must be noted, one for each phone.
    pub(super) fn unknown<'a>(
        &self,
        new: impl Iterator<Item = &'a NewOrder>,
    ) -> Vec<(&'a NewOrder, &'a PhoneSeen)> {
        let mut met = HashSet::new();
        let mut is_unknown = |new: &NewOrder, phone: &PhoneSeen| {
            let entry = entry(new, phone);
            !self.0.contains(&entry) && met.insert(entry)
        };
        from_phones(new).filter(|(new, phone)| is_unknown(new, phone)).collect()
    }

    /// Remembers phones that were committed.
    pub(super) fn remember<'a>(&mut self, new: impl Iterator<Item = &'a NewOrder>) {
        if self.0.len() > REMEMBERED_MAX {
            self.0.clear();
        }
        for (new, phone) in from_phones(new) {
            self.0.insert(entry(new, phone));
        }
    }
}

/// The orders that phones sent, with those.
fn from_phones<'a>(
    new: impl Iterator<Item = &'a NewOrder>,
) -> impl Iterator<Item = (&'a NewOrder, &'a PhoneSeen)> {
    new.filter_map(|new| Some((new, new.phone.as_ref()?)))
}

fn entry(new: &NewOrder, phone: &PhoneSeen) -> (i64, String) {
    (new.merchant.0, phone.phone_id.clone())
}
