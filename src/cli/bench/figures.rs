//! The figures: their names, what they are made of, and their spread over the rounds.

use super::backlog::Backlog;
use super::evil::Evil;
use super::growth::GrowthRound;
use super::memory::Memory;
use super::round::Round;
use super::terminals::Terminals;

/// A figure that samples of one kind give.
pub(super) struct Figure<T> {
    /// Its name in JSON.
    name: &'static str,
    /// Its name in the table.
    words: &'static str,
    decimals: usize,
    /// `None` where it could not be measured.
    of: fn(&T) -> Option<f64>,
}

const fn figure<T>(
    name: &'static str,
    words: &'static str,
    decimals: usize,
    of: fn(&T) -> Option<f64>,
) -> Figure<T> {
    Figure { name, words, decimals, of }
}

/// A figure with what all samples gave for it.
pub(super) struct Row {
    pub name: &'static str,
    pub words: &'static str,
    pub decimals: usize,
    pub spread: Option<Spread>,
}

/// What each figure comes to over all samples.
pub(super) fn rows<T>(figures: &[Figure<T>], samples: &[T]) -> Vec<Row> {
    let row = |figure: &Figure<T>| Row {
        name: figure.name,
        words: figure.words,
        decimals: figure.decimals,
        spread: Spread::of(samples.iter().filter_map(figure.of).collect()),
    };
    figures.iter().map(row).collect()
}

/// What each round gives, as ratios: machines and their moods differ, ratios hardly.
pub(super) const ROUND_RATIOS: &[Figure<Round>] = &[
    figure("accept_per_bare", "accept / bare", 3, |r| ratio(r.accept.rps, r.bare.rps)),
    figure("accept_tdes_per_sim", "accept, TDES DUKPT / sim", 3, |r| {
        ratio(r.accept_tdes.rps, r.accept.rps)
    }),
    figure("accept_aes_per_sim", "accept, AES DUKPT / sim", 3, |r| {
        ratio(r.accept_aes.rps, r.accept.rps)
    }),
    figure("e2e_per_bare", "end to end / bare", 3, |r| ratio(r.e2e.rps, r.bare.rps)),
    figure("e2e_per_naive", "end to end / naive", 2, |r| ratio(r.e2e.rps, r.naive.rps)),
    figure("cpu_sale_per_bare", "CPU of a sale / CPU of bare", 2, |r| {
        ratio(r.e2e.cpu_us, r.bare.cpu_us)
    }),
    figure("cpu_sale_with_database_per_bare", "the same, with the database's", 2, |r| {
        ratio(r.e2e.whole_cpu_us()?, r.bare.cpu_us)
    }),
    figure("status_per_bare", "status / bare", 3, |r| ratio(r.status.rps, r.bare.rps)),
    figure("status_p99_under_sales_per_idle", "status p99 with sales / without", 2, |r| {
        ratio(r.status_with_sales.p99_us, r.status_alone.p99_us)
    }),
    figure("deliveries_per_client", "deliveries / a bare client's calls", 3, |r| {
        ratio(r.deliveries.rps, r.deliveries.client_rps)
    }),
    figure("lone_callback_per_commit", "a lone sale's callback / a single-row commit", 2, |r| {
        ratio(r.lone.end_to_end, r.lone.commit)
    }),
    figure("lone_sale_per_commit", "a lone sale / a single-row commit", 2, |r| {
        ratio(r.lone.accept, r.lone.commit)
    }),
    figure("accept_p99_per_mean", "accept, p99 / mean", 2, |r| {
        ratio(r.accept.p99_us, r.accept.mean_us)
    }),
    figure("accept_max_per_mean", "accept, longest / mean", 2, |r| {
        ratio(r.accept.max_us, r.accept.mean_us)
    }),
];

/// What each round gives besides.
pub(super) const ROUND_FIGURES: &[Figure<Round>] = &[
    figure("bare_rps", "bare, per second", 0, |r| Some(r.bare.rps)),
    figure("accept_rps", "accept, per second", 0, |r| Some(r.accept.rps)),
    figure("accept_tdes_rps", "accept, TDES DUKPT, per second", 0, |r| Some(r.accept_tdes.rps)),
    figure("accept_aes_rps", "accept, AES DUKPT, per second", 0, |r| Some(r.accept_aes.rps)),
    figure("deliveries_rps", "callbacks sent again, per second", 0, |r| Some(r.deliveries.rps)),
    figure("client_rps", "a bare client's calls, per second", 0, |r| Some(r.deliveries.client_rps)),
    figure("delivery_cpu_us", "gateway CPU, a callback sent again, us", 1, |r| {
        Some(r.deliveries.cpu_us)
    }),
    figure("delivery_cpu_with_database_us", "the same, with the database's, us", 1, |r| {
        r.deliveries.whole_cpu_us()
    }),
    figure("client_cpu_us", "CPU of a bare client's call and its receiver, us", 1, |r| {
        Some(r.deliveries.client_cpu_us)
    }),
    figure("e2e_rps", "end to end, per second", 0, |r| Some(r.e2e.rps)),
    figure("status_rps", "status, per second", 0, |r| Some(r.status.rps)),
    figure("naive_rps", "naive, per second", 0, |r| Some(r.naive.rps)),
    figure("batch_rps", "raw batch inserts, per second", 0, |r| Some(r.batch_rps)),
    figure("commits_per_second", "commits per second, end to end", 0, |r| r.commits_per_second),
    figure("bare_p50_us", "bare p50, us", 0, |r| Some(r.bare.p50_us)),
    figure("bare_p99_us", "bare p99, us", 0, |r| Some(r.bare.p99_us)),
    figure("accept_p50_us", "accept p50, us", 0, |r| Some(r.accept.p50_us)),
    figure("accept_p99_us", "accept p99, us", 0, |r| Some(r.accept.p99_us)),
    figure("accept_max_us", "accept, longest, us", 0, |r| Some(r.accept.max_us)),
    figure("e2e_p50_us", "end to end p50, us", 0, |r| Some(r.e2e.p50_us)),
    figure("e2e_p99_us", "end to end p99, us", 0, |r| Some(r.e2e.p99_us)),
    figure("naive_p99_us", "naive p99, us", 0, |r| Some(r.naive.p99_us)),
    figure("status_p50_us", "status p50, us", 0, |r| Some(r.status.p50_us)),
    figure("status_p99_us", "status p99, us", 0, |r| Some(r.status.p99_us)),
    figure("status_alone_p99_us", "status p99 at 1/4 rate, us", 0, |r| Some(r.status_alone.p99_us)),
    figure("status_with_sales_p99_us", "the same, with sales, us", 0, |r| {
        Some(r.status_with_sales.p99_us)
    }),
    figure("lone_sale_p50_us", "a lone sale p50, us", 0, |r| Some(r.lone.accept)),
    figure("lone_e2e_p50_us", "a lone sale to its callback p50, us", 0, |r| {
        Some(r.lone.end_to_end)
    }),
    figure("commit_p50_us", "a single-row commit p50, us", 0, |r| Some(r.lone.commit)),
    figure("bare_cpu_us", "gateway CPU, bare, us", 1, |r| Some(r.bare.cpu_us)),
    figure("accept_cpu_us", "gateway CPU, accept, us", 1, |r| Some(r.accept.cpu_us)),
    figure("accept_tdes_cpu_us", "gateway CPU, accept, TDES DUKPT, us", 1, |r| {
        Some(r.accept_tdes.cpu_us)
    }),
    figure("accept_aes_cpu_us", "gateway CPU, accept, AES DUKPT, us", 1, |r| {
        Some(r.accept_aes.cpu_us)
    }),
    figure("sale_cpu_us", "gateway CPU, end to end, us", 1, |r| Some(r.e2e.cpu_us)),
    figure("sale_cpu_with_database_us", "the same, with the database's, us", 1, |r| {
        r.e2e.whole_cpu_us()
    }),
    figure("naive_cpu_us", "gateway CPU, naive, us", 1, |r| Some(r.naive.cpu_us)),
    figure("status_cpu_us", "gateway CPU, status, us", 1, |r| Some(r.status.cpu_us)),
    figure("e2e_drain_ms", "callbacks after last sale, ms", 0, |r| {
        Some(r.drain.as_secs_f64() * 1e3)
    }),
    figure("rss_mib", "gateway memory after load, MiB", 1, |r| Some(r.resident_mib)),
];

/// Memory, measured once.
pub(super) const MEMORY_FIGURES: &[Figure<Memory>] = &[
    figure("rss_idle_mib", "memory, idle, MiB", 1, |m| Some(m.idle)),
    figure("rss_at_1000_mib", "memory at 1,000 sales/s, MiB", 1, |m| Some(m.at_1000_sales)),
    figure("rss_per_million_nonces_mib", "a million nonces, MiB", 1, |m| Some(m.million_nonces)),
];

/// How the rates hold when the table grows.
pub(super) const GROWTH_FIGURES: &[Figure<GrowthRound>] = &[
    figure("accept_grown_per_young", "accept, full table / young one", 3, |g| {
        ratio(g.grown_accept.rps, g.young_accept.rps)
    }),
    figure("status_grown_per_young", "status, full table / young one", 3, |g| {
        ratio(g.grown_status.rps, g.young_status.rps)
    }),
    figure("accept_young_rps", "accept, young table, per second", 0, |g| Some(g.young_accept.rps)),
    figure("accept_grown_rps", "accept, full table, per second", 0, |g| Some(g.grown_accept.rps)),
    figure("status_young_rps", "status, young table, per second", 0, |g| Some(g.young_status.rps)),
    figure("status_grown_rps", "status, full table, per second", 0, |g| Some(g.grown_status.rps)),
];

/// What becomes of work that waited through a stop.
pub(super) const BACKLOG_FIGURES: &[Figure<Backlog>] = &[
    figure("backlog_drain_per_normal", "backlog, drain rate / normal", 2, |b| {
        ratio(b.drain_rps, b.normal_rps)
    }),
    figure("backlog_orders", "backlog, orders", 0, |b| Some(b.orders)),
    figure("backlog_ready_ms", "backlog, ready after, ms", 0, |b| {
        Some(b.ready.as_secs_f64() * 1e3)
    }),
    figure("backlog_first_done_ms", "backlog, first done after, ms", 0, |b| {
        Some(b.first_done.as_secs_f64() * 1e3)
    }),
    figure("backlog_drain_rps", "backlog, drained per second", 0, |b| Some(b.drain_rps)),
    figure("backlog_growth_mib", "backlog, memory growth, MiB", 1, |b| Some(b.growth_mib)),
];

/// What receivers that never answer do to the others.
pub(super) const EVIL_FIGURES: &[Figure<Evil>] = &[
    figure("healthy_p99_with_evil_per_without", "healthy p99, half hang / none", 2, |e| {
        ratio(e.with.p99_us, e.without.p99_us)
    }),
    figure("healthy_p99_us", "end to end p99, none hangs, us", 0, |e| Some(e.without.p99_us)),
    figure("healthy_p99_with_evil_us", "healthy p99, half hang, us", 0, |e| Some(e.with.p99_us)),
    figure("evil_growth_mib", "memory growth while half hang, MiB", 1, |e| Some(e.growth_mib)),
];

/// What terminals cost.
pub(super) const TERMINAL_FIGURES: &[Figure<Terminals>] = &[
    figure("payment_cpu_per_sale", "CPU, payment at a terminal / sale", 2, |t| {
        ratio(t.payment.cpu_us, t.sale.cpu_us)
    }),
    figure("payment_cpu_with_database_per_sale", "the same, with the database's", 2, |t| {
        ratio(t.payment.whole_cpu_us()?, t.sale.whole_cpu_us()?)
    }),
    figure("payment_cpu_us", "CPU, payment at a terminal, us", 0, |t| Some(t.payment.cpu_us)),
    figure("plain_sale_cpu_us", "CPU, sale without callback, us", 0, |t| Some(t.sale.cpu_us)),
    figure("payment_rps", "payments at terminals, per second", 0, |t| Some(t.payment.rps)),
    figure("terminals_growth_mib", "all terminals at once, MiB more", 1, |t| Some(t.growth_mib)),
];

/// What several samples gave for one figure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of any number of values; of none there is none.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Self { median, least, most })
    }
}

/// Nothing where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        let odd = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(odd, Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert!(same(Spread::of(vec![4.0, 1.0]).unwrap().median, 2.5));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut rounds = vec![Round::default(); 3];
        for (round, (bare, e2e)) in rounds.iter_mut().zip([(1.0, 1.0), (10.0, 5.0), (100.0, 1.0)]) {
            (round.bare.rps, round.e2e.rps) = (bare, e2e);
        }
        let rows = rows(ROUND_RATIOS, &rounds);
        let row = rows.iter().find(|row| row.name == "e2e_per_bare").unwrap();
        assert!(same(row.spread.unwrap().median, 0.5));
    }

    #[test]
    fn what_was_not_measured_has_no_spread() {
        let rows = rows(ROUND_RATIOS, &[Round::default()]);
        assert!(rows.iter().all(|row| row.spread.is_none()), "nothing divided by nothing");
    }
}
