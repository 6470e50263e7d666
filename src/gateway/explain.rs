//! Why a reader's message is not understood: everything that is known about it is put before
//! [`diagnose`].

use super::key_store::{NOT_SHOWN, ReaderKeys};
use super::{Failure, Gateway};
use crate::crypto::diagnosis::{Case, Diagnosis, KnownSet, diagnose, names_in};
use crate::payment::Millis;
use crate::payment::ids::KeySetId;
use crate::payment::money::Amount;
use crate::payment::reader::Reader;
use crate::payment::refusal::Refusal;
use crate::store::KeySetRecord;
use std::sync::Arc;

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

/// What is known about a message, so that it can be thought about on a thread of its own.
struct Known {
    text: String,
    encrypted_type: String,
    amount: Option<Amount>,
    now: Millis,
    reader: Reader,
    keys: Arc<dyn ReaderKeys>,
    others: Vec<OtherSet>,
    named: Vec<Reader>,
    most_ahead: Option<u32>,
}

struct OtherSet {
    id: KeySetId,
    prefix: Vec<u8>,
    keys: Arc<dyn ReaderKeys>,
}

impl Gateway {
    /// Says what a message is, what is wrong with it and what to change. Nothing is stored, and no
    /// counter is used up.
    ///
    /// # Errors
    /// When the database cannot be read, the reader's key set cannot be opened, or its base key is
    /// one that the key store does not show.
    pub async fn explain_decrypt(&self, puzzle: Puzzle<'_>) -> Result<Diagnosis, Failure> {
        let Some(reader) = self.store().reader(puzzle.serial).await? else {
            return Ok(Diagnosis::of_unknown_reader(puzzle.serial));
        };
        let endpoint = match reader.endpoint {
            Some(id) => self.endpoint(id).await?,
            None => None,
        };
        // Hundreds of keys may be tried: one message at a time, not where requests are served. The
        // turn ends with the trials, also if nobody waits for them any more.
        let turn = Arc::clone(&self.explain_turn).lock_owned().await;
        let known = Known {
            text: puzzle.encrypted_data.to_owned(),
            encrypted_type: puzzle.encrypted_type.to_owned(),
            amount: puzzle.amount,
            now: self.clock().now(),
            keys: Arc::clone(&self.key_set(reader.key_set).await?.keys),
            others: self.other_key_sets(reader.key_set).await?,
            named: self.readers_named(puzzle.encrypted_data).await?,
            most_ahead: endpoint.and_then(|endpoint| endpoint.limits.counter_jump_most),
            reader,
        };
        let explained = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            known.explain()
        });
        let explained = explained.await;
        let explained = explained.map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(explained.ok_or_else(|| Refusal::invalid("reader", NOT_SHOWN))?)
    }

    /// Key sets whose base keys may be tried. One that does not open is left out.
    async fn other_key_sets(&self, own: KeySetId) -> Result<Vec<OtherSet>, Failure> {
        let mut sets = Vec::new();
        for record in self.store().key_sets().await?.into_iter().filter(|set| set.id != own) {
            let KeySetRecord { id, cipher, prefix, exportability, base_key_sealed, .. } = record;
            let kept = &base_key_sealed;
            if let Ok(keys) = self.parts.key_store.take_up(id, cipher, exportability, kept).await {
                sets.push(OtherSet { id, prefix, keys });
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

impl OtherSet {
    fn shown(&self) -> Option<KnownSet<'_>> {
        Some(KnownSet { id: self.id, prefix: &self.prefix, base: self.keys.shown()? })
    }
}

impl Known {
    /// `None` where the key store does not show the base key.
    fn explain(&self) -> Option<Diagnosis> {
        let others: Vec<_> = self.others.iter().filter_map(OtherSet::shown).collect();
        Some(diagnose(&Case {
            text: &self.text,
            encrypted_type: &self.encrypted_type,
            amount: self.amount,
            now: self.now,
            reader: &self.reader,
            base: self.keys.shown()?,
            others: &others,
            named: &self.named,
            most_ahead: self.most_ahead,
        }))
    }
}
