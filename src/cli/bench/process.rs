//! What the kernel knows of a process.

use anyhow::Context;
use std::ops::Sub;

/// The unit of processor times in `/proc`: 100 ticks a second on every Linux that is in use,
/// whatever its timer's own rate.
const MICROS_PER_TICK: u64 = 10_000;
/// Where things stand after the name of the program, counted from 0: the parent, and the times in
/// user and system mode of the process and of its children that have ended.
const PARENT: usize = 1;
const TIMES: usize = 11;

/// Processor time used so far, or between two looks.
#[derive(Clone, Copy, Default)]
pub(super) struct Cpu {
    pub gateway_us: u64,
    /// Of the database's own processes, where there are any on this machine.
    pub database_us: Option<u64>,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        let database = self.database_us.zip(earlier.database_us);
        Self {
            gateway_us: self.gateway_us.saturating_sub(earlier.gateway_us),
            database_us: database.map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// A line of `/proc/PID/stat`, as far as it counts here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub name: String,
    pub parent: u32,
    /// The processor time of all its threads together.
    pub own_us: u64,
    /// The processor time of its children that have ended.
    pub children_us: u64,
}

impl Stat {
    /// # Errors
    /// When there is no such process.
    pub(super) fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        Self::parse(&text).with_context(|| format!("cannot make sense of {path}"))
    }

    /// The name stands in brackets and may hold anything, so what counts comes after the last one.
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        let time = |place: usize| fields.get(TIMES + place)?.parse::<u64>().ok();
        Some(Self {
            name: name.to_owned(),
            parent: fields.get(PARENT)?.parse().ok()?,
            own_us: (time(0)? + time(1)?) * MICROS_PER_TICK,
            children_us: (time(2)? + time(3)?) * MICROS_PER_TICK,
        })
    }
}

/// The memory that a process has in use, in MiB.
pub(super) fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kib = parse_resident(&text).with_context(|| format!("cannot make sense of {path}"))?;
    Ok(f64::from(kib) / 1024.0)
}

fn parse_resident(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 12 30 5 6 20 0 4 0 55 1 2";
        let found = Stat::parse(stat).unwrap();
        assert_eq!((found.parent, found.own_us, found.children_us), (1, 420_000, 110_000));
        assert_eq!(found.name, "a) b (c");
        assert_eq!(Stat::parse("7 (a"), None);
    }

    #[test]
    fn memory_is_found_by_its_name() {
        assert_eq!(parse_resident("Name:\ttillgate\nVmRSS:\t  2048 kB\nThreads:\t3\n"), Some(2048));
        assert_eq!(parse_resident("Name:\ttillgate\n"), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_mib(std::process::id()).unwrap() > 0.0);
        assert!(Stat::of(std::process::id()).is_ok());
    }
}
