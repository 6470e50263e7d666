//! The figures of one engine, for people and for programs.

use super::backlog::Backlog;
use super::evil::Evil;
use super::figures::{
    BACKLOG_FIGURES, EVIL_FIGURES, GROWTH_FIGURES, MEMORY_FIGURES, ROUND_FIGURES, ROUND_RATIOS,
    Row, TERMINAL_FIGURES, rows,
};
use super::growth::GrowthRound;
use super::memory::Memory;
use super::round::Round;
use super::terminals::Terminals;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::{self, Display};

/// All that was measured of one engine.
pub(super) struct Report {
    pub engine: &'static str,
    pub connections: usize,
    pub seconds: u64,
    pub rounds: Vec<Round>,
    pub memory: Memory,
    /// Append 4 KiB and flush, before and after, in microseconds.
    pub flush_us: (f64, f64),
    /// Those that are measured only when asked for.
    pub growth: Vec<GrowthRound>,
    pub backlog: Option<Backlog>,
    pub evil: Option<Evil>,
    pub terminals: Vec<Terminals>,
}

impl Report {
    /// Every figure, ratios first.
    fn rows(&self) -> Vec<Row> {
        let mut all = rows(ROUND_RATIOS, &self.rounds);
        if !self.growth.is_empty() {
            all.extend(rows(GROWTH_FIGURES, &self.growth));
        }
        if let Some(backlog) = &self.backlog {
            all.extend(rows(BACKLOG_FIGURES, std::slice::from_ref(backlog)));
        }
        if let Some(evil) = &self.evil {
            all.extend(rows(EVIL_FIGURES, std::slice::from_ref(evil)));
        }
        if !self.terminals.is_empty() {
            all.extend(rows(TERMINAL_FIGURES, &self.terminals));
        }
        all.extend(rows(MEMORY_FIGURES, std::slice::from_ref(&self.memory)));
        all.extend(rows(ROUND_FIGURES, &self.rounds));
        all
    }
}

/// One line: medians under the figures' names, least and most beside them; `null` where a figure
/// could not be measured.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("engine", self.engine)?;
        map.serialize_entry("connections", &self.connections)?;
        map.serialize_entry("seconds", &self.seconds)?;
        map.serialize_entry("rounds", &self.rounds.len())?;
        let short = |value: f64| (value * 1000.0).round() / 1000.0;
        for Row { name, spread, .. } in self.rows() {
            map.serialize_entry(name, &spread.map(|spread| short(spread.median)))?;
            let range = spread.map(|spread| [short(spread.least), short(spread.most)]);
            map.serialize_entry(&format!("{name}_range"), &range)?;
        }
        map.serialize_entry("flush_before_us", &self.flush_us.0)?;
        map.serialize_entry("flush_after_us", &self.flush_us.1)?;
        map.end()
    }
}

/// A table: a line for each figure.
impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, connections, seconds, rounds, .. } = self;
        let rounds = rounds.len();
        writeln!(f, "{engine}: {connections} connections, {seconds} s each, {rounds} rounds")?;
        writeln!(f, "  {:36} {:>11} {:>11} {:>11}", "", "median", "least", "most")?;
        for Row { words, decimals, spread, .. } in self.rows() {
            match spread {
                Some(spread) => writeln!(
                    f,
                    "  {words:36} {:>11.decimals$} {:>11.decimals$} {:>11.decimals$}",
                    spread.median, spread.least, spread.most
                )?,
                None => writeln!(f, "  {words:36} not measured")?,
            }
        }
        let (before, after) = self.flush_us;
        writeln!(f, "  4 KiB appended and flushed: {before:.0} us before, {after:.0} us after")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::measured::Measured;
    use std::time::Duration;

    fn report() -> Report {
        let mut rounds = vec![Round::default(); 3];
        for (round, rps) in rounds.iter_mut().zip([100.0, 200.0, 300.0]) {
            (round.bare.rps, round.accept.rps) = (1000.0, rps);
        }
        let memory = Memory { idle: 20.0, at_1000_sales: 60.0, million_nonces: 34.0 };
        Report {
            engine: "sqlite",
            connections: 2,
            seconds: 1,
            rounds,
            memory,
            flush_us: (90.0, 95.0),
            growth: vec![GrowthRound::default()],
            backlog: Some(Backlog {
                orders: 10.0,
                normal_rps: 2.0,
                ready: Duration::from_millis(7),
                first_done: Duration::from_millis(8),
                drain_rps: 3.0,
                growth_mib: 1.0,
            }),
            evil: Some(Evil {
                without: Measured::default(),
                with: Measured::default(),
                growth_mib: 0.0,
            }),
            terminals: vec![Terminals::default()],
        }
    }

    #[test]
    fn programs_get_one_line_with_ratios_first() {
        let line = serde_json::to_string(&report()).unwrap();
        assert!(!line.contains('\n'));
        assert!(line.contains(r#""accept_per_bare":0.2,"accept_per_bare_range":[0.1,0.3]"#));
        assert!(line.find("e2e_per_bare") < line.find("bare_rps"), "{line}");
        assert!(line.contains(r#""commits_per_second":null"#), "{line}");
    }

    #[test]
    fn programs_find_every_figure_under_its_name() {
        let value = serde_json::to_value(report()).unwrap();
        for name in [
            "engine",
            "bare_rps",
            "accept_rps",
            "e2e_rps",
            "status_rps",
            "naive_rps",
            "batch_rps",
            "accept_per_bare",
            "e2e_per_bare",
            "e2e_per_naive",
            "cpu_sale_per_bare",
            "cpu_sale_with_database_per_bare",
            "status_per_bare",
            "status_p99_under_sales_per_idle",
            "lone_sale_per_commit",
            "accept_p99_per_mean",
            "accept_max_per_mean",
            "accept_grown_per_young",
            "status_grown_per_young",
            "rss_idle_mib",
            "rss_at_1000_mib",
            "rss_per_million_nonces_mib",
            "backlog_ready_ms",
            "backlog_first_done_ms",
            "backlog_drain_per_normal",
            "backlog_growth_mib",
            "healthy_p99_with_evil_per_without",
            "payment_cpu_per_sale",
            "commits_per_second",
            "commit_p50_us",
            "sale_cpu_with_database_us",
            "flush_before_us",
            "flush_after_us",
        ] {
            assert!(value.get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn people_get_a_table_with_ratios_first() {
        let table = report().to_string();
        let figures = table.lines().nth(2).unwrap();
        assert_eq!(
            figures.split_whitespace().skip(3).collect::<Vec<_>>(),
            ["0.200", "0.100", "0.300"]
        );
        assert!(table.contains("commits per second, end to end       not measured"), "{table}");
        assert!(table.ends_with("90 us before, 95 us after\n"));
    }
}
