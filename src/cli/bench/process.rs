//! What the kernel knows of a process.

use anyhow::Context;

/// The unit of processor times in `/proc`: 100 ticks a second on every Linux that is in use,
/// whatever its timer's own rate.
const MICROS_PER_TICK: u64 = 10_000;
/// Where user and system time stand after the name of the program, counted from 0.
const USER_TIME: usize = 11;

/// The processor time that a process has used, all its threads together, in microseconds.
pub(super) fn cpu_micros(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse_cpu(&text).with_context(|| format!("cannot make sense of {path}"))
}

/// The memory that a process has in use, in KiB.
pub(super) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse_resident(&text).with_context(|| format!("cannot make sense of {path}"))
}

/// The name stands in brackets and may hold anything, so what counts comes after the last one.
fn parse_cpu(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_ascii_whitespace().skip(USER_TIME);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some((user + system) * MICROS_PER_TICK)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 12 30 0 0 20 0 4 0 55 1 2";
        assert_eq!(parse_cpu(stat), Some(420_000));
        assert_eq!(parse_cpu("7 (a"), None);
    }

    #[test]
    fn memory_is_found_by_its_name() {
        assert_eq!(parse_resident("Name:\ttillgate\nVmRSS:\t  2048 kB\nThreads:\t3\n"), Some(2048));
        assert_eq!(parse_resident("Name:\ttillgate\n"), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident_kib(std::process::id()).unwrap() > 0);
        assert!(cpu_micros(std::process::id()).is_ok());
    }
}
