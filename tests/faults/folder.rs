//! A temporary folder that vanishes with its owner.

use anyhow::Context;
use std::path::{Path, PathBuf};
use tillgate::clock::Entropy;

pub struct Folder(PathBuf);

impl Folder {
    pub fn make() -> anyhow::Result<Self> {
        let name = format!("tillgate-faults-{}", Entropy::system()?.uuid());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
