//! What it costs to make something durable here: the price that every sale is paid in.

use super::measured::percentile;
use anyhow::Context;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// As much as a small transaction writes.
const BLOCK: [u8; 4096] = [0x5A; 4096];
/// Enough for a median; a slow disk is asked less often.
const FLUSHES: usize = 500;
const TIME_MAX: Duration = Duration::from_millis(1500);

/// Appends 4 KiB and flushes them, again and again, in this folder; the median in microseconds.
pub(super) fn flush_micros(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("flush");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    let began = Instant::now();
    let mut micros = Vec::with_capacity(FLUSHES);
    while micros.len() < FLUSHES && began.elapsed() < TIME_MAX {
        let one = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        micros.push(u32::try_from(one.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    drop(file);
    std::fs::remove_file(&path)?;
    micros.sort_unstable();
    Ok(percentile(&micros, 50))
}
