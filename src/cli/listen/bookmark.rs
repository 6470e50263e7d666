//! The last event that was relayed, kept in a small file.

use crate::cli::callbacks::Callback;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the relay has come to.
pub(super) struct Bookmark {
    file: PathBuf,
    place: Place,
}

/// What the file says.
#[derive(Deserialize, Serialize)]
struct Place {
    endpoint: i64,
    /// The id of the last callback; 0 when there was none.
    seen: i64,
    /// When it came to be: another database may have another one of this number.
    created_at: Option<String>,
}

impl Bookmark {
    /// In front of the end point's first callback.
    pub(super) fn at_start(file: PathBuf, endpoint: i64) -> Self {
        Self { file, place: Place { endpoint, seen: 0, created_at: None } }
    }

    /// The place that the file remembers; `None` if there is no file yet.
    pub(super) fn read(file: &Path, endpoint: i64) -> anyhow::Result<Option<Self>> {
        let name = file.display();
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("cannot read {name}"))?,
        };
        let place: Place = serde_json::from_str(&text)
            .with_context(|| format!("{name} is no file of `tillgate listen`; name another one"))?;
        let other = place.endpoint;
        if other != endpoint {
            bail!("{name} is about end point {other}; name another file with --state");
        }
        Ok(Some(Self { file: file.to_owned(), place }))
    }

    /// The id of the last callback that was relayed.
    pub(super) fn seen(&self) -> i64 {
        self.place.seen
    }

    /// Whether the gateway still has the callback that was relayed last, if there was any; `found`
    /// is the first one at its place or behind it.
    ///
    /// # Errors
    /// What to do if it has not.
    pub(super) fn check(&self, found: Option<&Callback>) -> anyhow::Result<()> {
        let Place { seen, created_at, .. } = &self.place;
        let same =
            |found: &Callback| found.id == *seen && created_at.as_ref() == Some(&found.created_at);
        if *seen == 0 || found.is_some_and(same) {
            return Ok(());
        }
        bail!(
            "the gateway does not have the event evt_{seen} that {} remembers; it has another \
             database, or forgot old callbacks: remove the file, or give --from-start",
            self.file.display()
        )
    }

    /// Goes on to this callback.
    pub(super) fn place_at(&mut self, callback: &Callback) {
        self.place.seen = callback.id;
        self.place.created_at = Some(callback.created_at.clone());
    }

    /// Writes the place beside the file and moves it there, so that the file is always whole.
    pub(super) fn keep(&self) -> anyhow::Result<()> {
        let mut beside = self.file.clone().into_os_string();
        beside.push(".new");
        let written = std::fs::write(&beside, serde_json::to_vec(&self.place)?);
        let moved = written.and_then(|()| std::fs::rename(&beside, &self.file));
        moved.with_context(|| format!("cannot write {}", self.file.display()))
    }
}
