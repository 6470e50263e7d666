//! The figures of one engine, for people and for programs.

use super::figures::{FIGURES, Figure, Round, Spread};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::{self, Display};

/// All that was measured of one engine.
pub(super) struct Report {
    pub engine: &'static str,
    pub connections: usize,
    pub seconds: u64,
    pub rounds: Vec<Round>,
    /// Append 4 KiB and flush, before and after, in microseconds.
    pub flush_us: (f64, f64),
}

impl Report {
    fn spread(&self, figure: &Figure) -> Spread {
        Spread::of(self.rounds.iter().map(figure.of).collect())
    }
}

/// One line: medians under the figures' names, least and most beside them.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("engine", self.engine)?;
        map.serialize_entry("connections", &self.connections)?;
        map.serialize_entry("seconds", &self.seconds)?;
        map.serialize_entry("rounds", &self.rounds.len())?;
        for figure in FIGURES {
            let Spread { median, least, most } = self.spread(figure);
            let round = |value: f64| (value * 1000.0).round() / 1000.0;
            map.serialize_entry(figure.name, &round(median))?;
            map.serialize_entry(&format!("{}_range", figure.name), &[round(least), round(most)])?;
        }
        map.serialize_entry("flush_before_us", &self.flush_us.0)?;
        map.serialize_entry("flush_after_us", &self.flush_us.1)?;
        map.end()
    }
}

/// A table: a line for each figure.
impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} connections, {} s each, {} rounds",
            self.engine,
            self.connections,
            self.seconds,
            self.rounds.len()
        )?;
        writeln!(f, "  {:30} {:>11} {:>11} {:>11}", "", "median", "least", "most")?;
        for figure in FIGURES {
            let Spread { median, least, most } = self.spread(figure);
            let places = figure.decimals;
            writeln!(
                f,
                "  {:30} {median:>11.places$} {least:>11.places$} {most:>11.places$}",
                figure.words
            )?;
        }
        let (before, after) = self.flush_us;
        writeln!(f, "  4 KiB appended and flushed: {before:.0} us before, {after:.0} us after")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut rounds = vec![Round::default(); 3];
        for (round, rps) in rounds.iter_mut().zip([100.0, 200.0, 300.0]) {
            (round.bare.rps, round.accept.rps) = (1000.0, rps);
        }
        Report { engine: "sqlite", connections: 2, seconds: 1, rounds, flush_us: (90.0, 95.0) }
    }

    #[test]
    fn programs_get_one_line_with_ratios_first() {
        let line = serde_json::to_string(&report()).unwrap();
        assert!(!line.contains('\n'));
        assert!(line.contains(r#""accept_per_bare":0.2,"accept_per_bare_range":[0.1,0.3]"#));
        assert!(line.find("e2e_per_bare") < line.find("bare_rps"), "{line}");
    }

    #[test]
    fn people_get_a_table_with_ratios_first() {
        let table = report().to_string();
        let figures = table.lines().nth(2).unwrap();
        assert_eq!(
            figures.split_whitespace().skip(3).collect::<Vec<_>>(),
            ["0.200", "0.100", "0.300"]
        );
        assert!(table.ends_with("90 us before, 95 us after\n"));
    }
}
