//! From latencies and counts to figures.

use std::time::Duration;

/// One measurement.
#[derive(Clone, Copy, Default)]
pub(super) struct Measured {
    pub rps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// The gateway's processor time for each.
    pub cpu_us: f64,
}

impl Measured {
    /// Of as many answers as there are latencies; these ascend.
    pub(super) fn of(took: Duration, latencies: &[u32], cpu_micros: u64) -> Self {
        let count = float(latencies.len());
        Self {
            rps: ratio(count, took.as_secs_f64()),
            p50_us: percentile(latencies, 50),
            p99_us: percentile(latencies, 99),
            cpu_us: ratio(Duration::from_micros(cpu_micros).as_secs_f64() * 1e6, count),
        }
    }
}

/// All that one round measures.
#[derive(Clone, Copy, Default)]
pub(super) struct Round {
    pub bare: Measured,
    pub accept: Measured,
    pub e2e: Measured,
    pub status: Measured,
    /// From the last accepted sale to the last callback.
    pub drain: Duration,
    /// The gateway with workers, at the end of the round.
    pub resident_mib: f64,
}

/// A figure that every round gives.
pub(super) struct Figure {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its name in the table.
    pub words: &'static str,
    pub decimals: usize,
    pub of: fn(&Round) -> f64,
}

const fn figure(
    name: &'static str,
    words: &'static str,
    decimals: usize,
    of: fn(&Round) -> f64,
) -> Figure {
    Figure { name, words, decimals, of }
}

/// All of them, those that count first: machines and their moods differ, ratios hardly.
pub(super) const FIGURES: &[Figure] = &[
    figure("accept_per_bare", "accept / bare", 3, |r| ratio(r.accept.rps, r.bare.rps)),
    figure("e2e_per_bare", "end to end / bare", 3, |r| ratio(r.e2e.rps, r.bare.rps)),
    figure("status_per_bare", "status / bare", 3, |r| ratio(r.status.rps, r.bare.rps)),
    figure("cpu_sale_per_bare", "CPU of a sale / CPU of bare", 2, |r| {
        ratio(r.e2e.cpu_us, r.bare.cpu_us)
    }),
    figure("bare_rps", "bare, per second", 0, |r| r.bare.rps),
    figure("accept_rps", "accept, per second", 0, |r| r.accept.rps),
    figure("e2e_rps", "end to end, per second", 0, |r| r.e2e.rps),
    figure("status_rps", "status, per second", 0, |r| r.status.rps),
    figure("bare_p50_us", "bare p50, us", 0, |r| r.bare.p50_us),
    figure("bare_p99_us", "bare p99, us", 0, |r| r.bare.p99_us),
    figure("accept_p50_us", "accept p50, us", 0, |r| r.accept.p50_us),
    figure("accept_p99_us", "accept p99, us", 0, |r| r.accept.p99_us),
    figure("e2e_p50_us", "end to end p50, us", 0, |r| r.e2e.p50_us),
    figure("e2e_p99_us", "end to end p99, us", 0, |r| r.e2e.p99_us),
    figure("status_p50_us", "status p50, us", 0, |r| r.status.p50_us),
    figure("status_p99_us", "status p99, us", 0, |r| r.status.p99_us),
    figure("bare_cpu_us", "gateway CPU, bare, us", 1, |r| r.bare.cpu_us),
    figure("accept_cpu_us", "gateway CPU, accept, us", 1, |r| r.accept.cpu_us),
    figure("sale_cpu_us", "gateway CPU, end to end, us", 1, |r| r.e2e.cpu_us),
    figure("status_cpu_us", "gateway CPU, status, us", 1, |r| r.status.cpu_us),
    figure("e2e_drain_ms", "callbacks after last sale, ms", 0, |r| r.drain.as_secs_f64() * 1e3),
    figure("rss_mib", "gateway memory, MiB", 1, |r| r.resident_mib),
];

/// What several rounds gave for one figure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of any number of values; of none it is 0.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let median = match values.len() % 2 {
            0 => f64::midpoint(at(middle.saturating_sub(1)), at(middle)),
            _ => at(middle),
        };
        Self { median, least: at(0), most: at(values.len().saturating_sub(1)) }
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
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal but for rounding.
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
    fn the_median_lies_in_the_middle() {
        let odd = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(odd, Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert!(same(Spread::of(vec![4.0, 1.0]).median, 2.5));
        assert!(same(Spread::of(Vec::new()).median, 0.0));
    }

    #[test]
    fn rates_and_costs_are_per_answer() {
        let measured = Measured::of(Duration::from_secs(2), &[10, 20, 30, 40], 400);
        assert!(same(measured.rps, 2.0) && same(measured.cpu_us, 100.0));
        assert!(same(measured.p50_us, 20.0) && same(measured.p99_us, 40.0));
        assert!(same(Measured::of(Duration::ZERO, &[], 400).rps, 0.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut round = Round::default();
        (round.bare.rps, round.e2e.rps) = (1000.0, 250.0);
        let figure = FIGURES.iter().find(|figure| figure.name == "e2e_per_bare").unwrap();
        assert!(same((figure.of)(&round), 0.25));
    }
}
