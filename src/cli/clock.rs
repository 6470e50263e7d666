//! `tillgate clock`: what the clock of a running sandbox shows, and moving it forwards.

use super::client::http_client;
use crate::clock::Clock;
use crate::payment::{DAY, HOUR, MINUTE, Millis, SECOND};
use anyhow::{Context, bail};
use chrono::DateTime;
use clap::Args;
use reqwest::StatusCode;
use serde::Deserialize;
use std::io::Write;

#[derive(Args)]
pub(super) struct ClockArguments {
    /// How far forwards: a whole number and s, m, h or d, for example +7d; prints the time when
    /// left out
    #[arg(allow_hyphen_values = true)]
    advance: Option<String>,
    /// Where the sandbox listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
}

/// What the sandbox's clock shows.
#[derive(Deserialize)]
struct Told {
    now: String,
    offset_ms: Millis,
}

/// Why the sandbox did not do it.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

pub(super) async fn run(arguments: ClockArguments) -> anyhow::Result<()> {
    let (http, base_url) = (http_client()?, arguments.url.trim_end_matches('/'));
    let url = clock_url(base_url);
    let request = match &arguments.advance {
        None => http.get(&url),
        Some(advance) => http.post(&url).json(&serde_json::json!({ "advance": advance })),
    };
    let answer = request.send().await.with_context(|| {
        format!("{base_url} does not answer; is `tillgate dev` running, and on this port?")
    })?;
    let status = answer.status();
    let body = answer.text().await?;
    if status == StatusCode::NOT_FOUND {
        bail!("{base_url} has no clock to ask for: it is no sandbox; `tillgate dev` starts one");
    }
    if !status.is_success() {
        match serde_json::from_str::<Problem>(&body) {
            Ok(problem) => bail!("{}", problem.error),
            Err(_) => bail!("{url} answered {status} {body}"),
        }
    }
    let told: Told = serde_json::from_str(&body).context("the sandbox's answer cannot be read")?;
    let ahead = match told.offset_ms {
        0 => String::new(),
        moved => format!(", moved by {}", in_words(moved)),
    };
    writeln!(std::io::stdout(), "{}{ahead}", told.now)?;
    Ok(())
}

/// A clock that shows what the sandbox's does, as far as can be told; else the machine's.
pub(super) async fn clock_of_sandbox(http: &reqwest::Client, base_url: &str) -> Clock {
    let clock = Clock::sandbox();
    let now = clock.now();
    let asked = http.get(clock_url(base_url.trim_end_matches('/'))).send().await;
    let Ok(Ok(answer)) = asked.map(reqwest::Response::error_for_status) else {
        return clock;
    };
    if let Ok(told) = answer.json::<Told>().await
        && let Ok(shown) = DateTime::parse_from_rfc3339(&told.now)
    {
        clock.advance(shown.timestamp_millis() - now);
    }
    clock
}

fn clock_url(base_url: &str) -> String {
    format!("{base_url}/sandbox/clock")
}

/// For example `7d 12h`.
fn in_words(mut time: Millis) -> String {
    let mut words = Vec::new();
    for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"), (1, "ms")] {
        if time / unit != 0 {
            words.push(format!("{}{name}", time / unit));
        }
        time %= unit;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_units() {
        assert_eq!(in_words(7 * DAY), "7d");
        assert_eq!(in_words(DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5), "1d 2h 3m 4s 5ms");
    }
}
