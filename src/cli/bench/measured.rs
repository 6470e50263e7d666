//! From latencies and counts to one measurement's figures.

use super::process::Cpu;
use std::time::Duration;

/// One measurement.
#[derive(Clone, Copy, Default)]
pub(super) struct Measured {
    pub rps: f64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    /// The gateway's processor time for each.
    pub cpu_us: f64,
    /// The database server's processor time for each, where it can be known.
    pub database_cpu_us: Option<f64>,
}

impl Measured {
    /// Of as many answers as there are latencies; these ascend.
    pub(super) fn of(took: Duration, latencies: &[u32], cpu: Cpu) -> Self {
        let count = float(latencies.len());
        let sum: f64 = latencies.iter().copied().map(f64::from).sum();
        let each = |micros: u64| quotient(Duration::from_micros(micros).as_secs_f64() * 1e6, count);
        Self {
            rps: quotient(count, took.as_secs_f64()),
            mean_us: quotient(sum, count),
            p50_us: percentile(latencies, 50),
            p99_us: percentile(latencies, 99),
            max_us: latencies.last().copied().map_or(0.0, f64::from),
            cpu_us: each(cpu.gateway_us),
            database_cpu_us: cpu.database_us.map(each),
        }
    }

    /// The processor time for each of gateway and database together.
    pub(super) fn whole_cpu_us(&self) -> Option<f64> {
        Some(self.cpu_us + self.database_cpu_us?)
    }
}

/// The value that this many of a hundred do not exceed; of none it is 0. The values ascend.
pub(super) fn percentile(ascending: &[u32], percent: usize) -> f64 {
    let place = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
    ascending.get(place).copied().map_or(0.0, f64::from)
}

/// A count as a number to calculate with.
pub(super) fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// 0 where there is nothing to divide by.
fn quotient(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert!(same(percentile(&hundred, 50), 50.0));
        assert!(same(percentile(&hundred, 99), 99.0));
        assert!(same(percentile(&[7], 99), 7.0));
        assert!(same(percentile(&[], 50), 0.0));
    }

    #[test]
    fn rates_and_costs_are_per_answer() {
        let cpu = Cpu { gateway_us: 400, database_us: Some(200) };
        let measured = Measured::of(Duration::from_secs(2), &[10, 20, 30, 60], cpu);
        assert!(same(measured.rps, 2.0) && same(measured.cpu_us, 100.0));
        assert!(same(measured.p50_us, 20.0) && same(measured.p99_us, 60.0));
        assert!(same(measured.mean_us, 30.0) && same(measured.max_us, 60.0));
        assert!(same(measured.whole_cpu_us().unwrap(), 150.0));
        assert!(same(Measured::of(Duration::ZERO, &[], cpu).rps, 0.0));
    }

    #[test]
    fn a_database_without_processes_of_its_own_adds_nothing_that_was_measured() {
        let cpu = Cpu { gateway_us: 400, database_us: None };
        assert_eq!(Measured::of(Duration::from_secs(1), &[1], cpu).whole_cpu_us(), None);
    }
}
