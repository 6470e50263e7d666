//! Draws the plots of `docs/performance.md` from what `tillgate bench --json` prints:
//!
//! ```console
//! tillgate bench --json > figures.jsonl
//! cargo run --example bench_plot docs < figures.jsonl
//! ```

use anyhow::Context;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Readable on white and on black.
const STYLE: &str = "\
    text { font: 13px system-ui, sans-serif; fill: #222 } .small { font-size: 11px } .title { font-weight: bold }
    .axis { stroke: #888 } .goal { stroke: #b3261e; stroke-width: 2 }
    .sqlite { fill: #2a78c2 } .postgres { fill: #d07c1e } .database { fill: #a0a0a0 }
    @media (prefers-color-scheme: dark) {
      text { fill: #ddd } .goal { stroke: #ff8a80 }
      .sqlite { fill: #6db3f2 } .postgres { fill: #f2b36d } .database { fill: #777 }
    }";
const WIDTH: f64 = 760.0;
const LABELS: f64 = 270.0;
const VALUES: f64 = 70.0;
const BAR: f64 = 16.0;
const GAP: f64 = 12.0;
const HEAD: f64 = 48.0;

/// A bar: its class, its length in the unit of its chart, and what stands behind it.
struct Bar {
    parts: Vec<(&'static str, f64)>,
    words: String,
}

/// Bars that belong together, under one name.
struct Group {
    name: &'static str,
    bars: Vec<Bar>,
}

struct Chart {
    file: &'static str,
    title: &'static str,
    description: String,
    groups: Vec<Group>,
    /// Where a goal is drawn, in the unit of the bars.
    goal: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("say into which folder to draw")?;
    let lines = std::io::read_to_string(std::io::stdin())?;
    let engines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    anyhow::ensure!(!engines.is_empty(), "standard input has no line of `tillgate bench --json`");
    for chart in [rates(&engines), goals(&engines), cpu(&engines)] {
        std::fs::write(Path::new(&folder).join(chart.file), chart.svg()?)?;
    }
    Ok(())
}

fn rates(engines: &[Value]) -> Chart {
    let rows = [
        ("bare form", "bare_rps"),
        ("status", "status_rps"),
        ("raw batch inserts", "batch_rps"),
        ("sale, accepted", "accept_rps"),
        ("sale, end to end", "e2e_rps"),
        ("sale, end to end, naive", "naive_rps"),
    ];
    let group = |(name, key): &(&'static str, &str)| {
        let bar = |engine| Some(bar(engine, figure(engine, key)?, 0, ""));
        Group { name, bars: engines.iter().filter_map(bar).collect() }
    };
    Chart {
        file: "bench-rates.svg",
        title: "Requests per second",
        description: "Median rates at full load.".to_owned(),
        groups: rows.iter().map(group).collect(),
        goal: None,
    }
}

/// The figures that have a goal: the least (or the most, below) that is asked of each engine.
const AT_LEAST: &[(&str, &str, f64, f64)] = &[
    ("accept ÷ bare", "accept_per_bare", 0.30, 0.30),
    ("end to end ÷ bare", "e2e_per_bare", 0.15, 0.09),
    ("end to end ÷ naive", "e2e_per_naive", 6.0, 3.0),
    ("status ÷ bare", "status_per_bare", 0.4, 0.4),
    ("accept, 10 million orders ÷ 10 thousand", "accept_grown_per_young", 0.5, 0.5),
    ("status, 10 million orders ÷ 10 thousand", "status_grown_per_young", 0.6, 0.6),
    ("backlog, drain rate ÷ normal", "backlog_drain_per_normal", 0.7, 0.7),
];
const AT_MOST: &[(&str, &str, f64, f64)] = &[
    ("CPU of a sale ÷ CPU of bare", "cpu_sale_per_bare", 8.0, 8.0),
    ("the same, with the database's", "cpu_sale_with_database_per_bare", 12.0, 12.0),
    ("status p99, with sales ÷ without", "status_p99_under_sales_per_idle", 2.0, 2.0),
    ("lone sale ÷ one commit", "lone_sale_per_commit", 4.0, 4.0),
    ("accept, p99 ÷ mean", "accept_p99_per_mean", 3.0, 3.0),
    ("accept, longest ÷ mean", "accept_max_per_mean", 10.0, 10.0),
    ("healthy p99, half hang ÷ none", "healthy_p99_with_evil_per_without", 2.0, 2.0),
    ("memory, idle (40 MiB)", "rss_idle_mib", 40.0, 40.0),
    ("memory at 1,000 sales/s (150 MiB)", "rss_at_1000_mib", 150.0, 150.0),
    ("memory, a million nonces (40 MiB)", "rss_per_million_nonces_mib", 40.0, 40.0),
];
/// Farther than this nobody looks.
const GOALS_SHOWN: f64 = 4.0;

fn goals(engines: &[Value]) -> Chart {
    let reached = |least: bool| {
        move |(name, key, sqlite, postgres): &(&'static str, &'static str, f64, f64)| {
            let bars = engines.iter().filter_map(|engine| {
                let goal = if engine["engine"] == "sqlite" { *sqlite } else { *postgres };
                let value = figure(engine, key)?;
                let times = if least { value / goal } else { goal / value };
                let mut bar = bar(engine, times.min(GOALS_SHOWN), 2, "");
                bar.words = format!("{value:.2}");
                Some(bar)
            });
            Group { name, bars: bars.collect() }
        }
    };
    let groups = AT_LEAST.iter().map(reached(true)).chain(AT_MOST.iter().map(reached(false)));
    Chart {
        file: "bench-goals.svg",
        title: "How the ratios compare with their goals",
        description: "The red line is the goal; to the right of it is better. The number behind a \
                      bar is the figure itself."
            .to_owned(),
        groups: groups.filter(|group| !group.bars.is_empty()).collect(),
        goal: Some(1.0),
    }
}

fn cpu(engines: &[Value]) -> Chart {
    let rows = [
        ("bare form", "bare_cpu_us"),
        ("status", "status_cpu_us"),
        ("sale, accepted", "accept_cpu_us"),
        ("sale, end to end", "sale_cpu_us"),
        ("sale, end to end, naive", "naive_cpu_us"),
    ];
    let group = |(name, key): &(&'static str, &str)| {
        let bar = |engine| {
            let own = figure(engine, key)?;
            let mut bar = bar(engine, own, 0, " µs");
            let whole = figure(engine, "sale_cpu_with_database_us");
            if let (Some(whole), "sale_cpu_us") = (whole, *key) {
                bar.parts.push(("database", whole - own));
                bar.words = format!("{own:.0} + {:.0} µs", whole - own);
            }
            Some(bar)
        };
        Group { name, bars: engines.iter().filter_map(bar).collect() }
    };
    Chart {
        file: "bench-cpu.svg",
        title: "Processor time for each request",
        description: "The gateway's own; for sales end to end on PostgreSQL the server's in grey."
            .to_owned(),
        groups: rows.iter().map(group).collect(),
        goal: None,
    }
}

fn figure(engine: &Value, key: &str) -> Option<f64> {
    engine[key].as_f64()
}

fn bar(engine: &Value, value: f64, decimals: usize, unit: &str) -> Bar {
    let class = if engine["engine"] == "sqlite" { "sqlite" } else { "postgres" };
    Bar { parts: vec![(class, value)], words: format!("{value:.decimals$}{unit}") }
}

impl Chart {
    fn svg(&self) -> anyhow::Result<String> {
        let height: f64 = HEAD + self.groups.iter().map(Group::height).sum::<f64>() + GAP;
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        let most = bars.map(Bar::length).fold(self.goal.unwrap_or(0.0), f64::max);
        let scale = (WIDTH - LABELS - VALUES) / most.max(f64::MIN_POSITIVE);
        let mut svg = String::new();
        writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n\
             <desc id=\"desc\">{}</desc>\n<style>{STYLE}</style>",
            self.title,
            self.spoken()?
        )?;
        writeln!(svg, "<text x=\"0\" y=\"16\" class=\"title\">{}</text>", self.title)?;
        write!(svg, "<text x=\"0\" y=\"34\" class=\"small\">{} ", self.description)?;
        writeln!(svg, "Blue: SQLite, orange: PostgreSQL.</text>")?;
        let bottom = height - GAP;
        line(&mut svg, "axis", LABELS, bottom)?;
        if let Some(goal) = self.goal {
            line(&mut svg, "goal", LABELS + goal * scale, bottom)?;
        }
        let mut y = HEAD;
        for group in &self.groups {
            group.draw(&mut svg, y, scale)?;
            y += group.height();
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    /// The chart in words, for who does not see it.
    fn spoken(&self) -> anyhow::Result<String> {
        let mut words = self.description.clone();
        for group in &self.groups {
            write!(words, " {}:", group.name)?;
            for bar in &group.bars {
                let engine = bar.parts.first().map_or("", |(class, _)| class);
                write!(words, " {engine} {};", bar.words)?;
            }
        }
        Ok(words)
    }
}

impl Group {
    fn height(&self) -> f64 {
        self.bars.iter().map(|_| BAR).sum::<f64>() + GAP
    }

    fn draw(&self, svg: &mut String, top: f64, scale: f64) -> anyhow::Result<()> {
        writeln!(svg, "<text x=\"0\" y=\"{:.0}\">{}</text>", top + BAR - 3.0, self.name)?;
        let mut y = top;
        for bar in &self.bars {
            let mut x = LABELS;
            for (class, length) in &bar.parts {
                let (width, thick) = (length * scale, BAR - 2.0);
                writeln!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                     height=\"{thick}\"/>"
                )?;
                x += width;
            }
            let (x, y_words) = (x + 5.0, y + BAR - 5.0);
            writeln!(
                svg,
                "<text class=\"small\" x=\"{x:.1}\" y=\"{y_words:.1}\">{}</text>",
                bar.words
            )?;
            y += BAR;
        }
        Ok(())
    }
}

impl Bar {
    fn length(&self) -> f64 {
        self.parts.iter().map(|(_, length)| length).sum()
    }
}

fn line(svg: &mut String, class: &str, x: f64, bottom: f64) -> anyhow::Result<()> {
    let top = HEAD - 4.0;
    writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>"
    )?;
    Ok(())
}
