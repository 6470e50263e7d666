//! One process for one SQLite file: an operating-system lock that dies with its process.

use super::StoreError;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Held while the file is in use. The lock is on a file of its own beside the database, since
/// SQLite locks the database file itself.
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock of the database at `path`.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock_path = lock_path(path);
        let broken =
            |error| StoreError::Broken(format!("cannot write {}: {error}", lock_path.display()));
        let file = File::create(&lock_path).map_err(broken)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy(format!(
                "{} is in use by another tillgate; stop that one, or give this one another \
                 database with --db",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(broken(error)),
        }
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    PathBuf::from(name)
}
