//! A file system so small that it can be filled: a few megabytes of memory, mounted for the test.

use crate::folder::Folder;
use anyhow::{Context, ensure};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const SIZE: &str = "size=48m";
const BALLAST: &str = "ballast";

pub struct SmallDisk(Folder);

impl SmallDisk {
    /// `None` where this user may not mount.
    pub fn mount() -> anyhow::Result<Option<Self>> {
        let folder = Folder::make()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder.path());
        let mounted = mount.stderr(Stdio::null()).status();
        Ok(mounted.is_ok_and(|status| status.success()).then_some(Self(folder)))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no byte free.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::create(self.path().join(BALLAST))?;
        for size in [1 << 20, 1 << 12] {
            let block = vec![0; size];
            while ballast.write_all(&block).is_ok() {}
        }
        let length = ballast.metadata()?.len();
        ensure!(length > 0, "there was no room for any ballast");
        Ok(())
    }

    /// Makes room again.
    pub fn free(&self) -> anyhow::Result<()> {
        fs::remove_file(self.path().join(BALLAST)).context("there is no ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a gateway that is just dying may still hold its files.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
