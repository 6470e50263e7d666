//! The one thing that outlives every gateway: its database. Statements fail by the weather.

use super::notebook::Notebook;
use super::weather::{Fault, Weather};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tillgate::store::{InlineDisk, StatementFate, Store, StoreError};

/// Where a seed's data lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Memory,
    File,
}

pub struct Disk {
    inline: InlineDisk,
    /// How many rows were ever written, when somebody last asked.
    written: String,
    folder: Option<PathBuf>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Disk {
    pub fn new(place: Place, weather: &Arc<Weather>, notebook: &Notebook) -> Self {
        let folder = (place == Place::File).then(make_folder);
        let inline = match &folder {
            Some(folder) => InlineDisk::file(&folder.join("tillgate.db")),
            None => InlineDisk::memory(),
        };
        let inline = inline.unwrap();
        let (weather, notebook) = (Arc::clone(weather), notebook.clone());
        inline.decide_fate(move |statement| {
            if !statement.starts_with("SELECT") {
                notebook.stir();
            }
            let fate = fate_of(statement, &weather);
            notebook
                .write(|| format!("{fate:?}: {}", statement.split_at(40.min(statement.len())).0));
            fate
        });
        Self { inline, written: String::new(), folder }
    }

    /// A store on this disk, as a gateway opens it.
    pub async fn open(&self) -> Result<Store, StoreError> {
        Store::open_inline(&self.inline).await
    }

    /// Whether rows were written since the last call.
    pub fn has_changed(&mut self) -> bool {
        let written = self.rows("SELECT total_changes()").remove(0).remove(0);
        let before = std::mem::replace(&mut self.written, written);
        before != self.written
    }

    /// Reads behind the gateway's back; an empty column is an empty text.
    pub fn rows(&self, query: &str) -> Vec<Vec<String>> {
        self.inline.look(query).unwrap()
    }
}

fn fate_of(statement: &str, weather: &Weather) -> StatementFate {
    match weather.strikes_statement(statement == "COMMIT") {
        Some(Fault::CommitUnanswered) => StatementFate::LoseAnswer,
        Some(Fault::StatementBusy) => StatementFate::Busy,
        Some(_) => StatementFate::Broken,
        None => StatementFate::Run,
    }
}

fn make_folder() -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let name = format!("tillgate_simulation_{}_{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
