//! Why a reader's message is not understood: everything that is known about it is put before
//! [`diagnose`].

use super::{Failure, Gateway};
use crate::crypto::diagnosis::{Case, Diagnosis, KnownSet, diagnose, names_in};
use crate::payment::ids::KeySetId;
use crate::payment::money::Amount;
use crate::payment::reader::Reader;

/// A message to be explained.
#[derive(Clone, Copy)]
pub struct Puzzle<'a> {
    /// The serial of the reader that is said to have sent it.
    pub serial: &'a str,
    pub encrypted_type: &'a str,
    pub encrypted_data: &'a str,
    /// The amount of the sale, if it is known.
    pub amount: Option<Amount>,
}

impl Gateway {
    /// Says what a message is, what is wrong with it and what to change. Nothing is stored, and no
    /// counter is used up.
    ///
    /// # Errors
    /// When the database cannot be read, or the reader's key set cannot be opened.
    pub async fn explain_decrypt(&self, puzzle: Puzzle<'_>) -> Result<Diagnosis, Failure> {
        let Some(reader) = self.store().reader(puzzle.serial).await? else {
            return Ok(Diagnosis::of_unknown_reader(puzzle.serial));
        };
        let own = self.key_set(reader.key_set).await?;
        let others = self.other_key_sets(reader.key_set).await?;
        let named = self.readers_named(puzzle.encrypted_data).await?;
        let endpoint = match reader.endpoint {
            Some(id) => self.endpoint(id).await?,
            None => None,
        };
        Ok(diagnose(&Case {
            text: puzzle.encrypted_data,
            encrypted_type: puzzle.encrypted_type,
            amount: puzzle.amount,
            now: self.clock().now(),
            reader: &reader,
            base: &own.base,
            others: &others,
            named: &named,
            most_ahead: endpoint.and_then(|endpoint| endpoint.limits.counter_jump_most),
        }))
    }

    /// Key sets whose base keys may be tried. One that does not open is left out.
    async fn other_key_sets(&self, own: KeySetId) -> Result<Vec<KnownSet>, Failure> {
        let mut sets = Vec::new();
        for record in self.store().key_sets().await?.into_iter().filter(|set| set.id != own) {
            let (id, cipher) = (record.id, record.cipher);
            let base = self.parts.keys.open_base_key(id, cipher, &record.base_key_sealed);
            if let Ok(base) = base {
                sets.push(KnownSet { id, prefix: record.prefix, base });
            }
        }
        Ok(sets)
    }

    /// The registered readers that a message names, by its serial or by a KSN.
    async fn readers_named(&self, text: &str) -> Result<Vec<Reader>, Failure> {
        let (serial, ksns) = names_in(text);
        let mut named = Vec::new();
        if let Some(serial) = serial {
            named.extend(self.store().reader(&serial).await?);
        }
        for ksn in ksns {
            named.extend(self.store().reader_by_ksn(ksn).await?);
        }
        Ok(named)
    }
}
