//! What the gateway counts itself.

use super::wire::Wire;
use std::net::SocketAddr;

const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
const COMMITS: &str = "tillgate_commits_total";

/// Durable transactions so far; `None` where the gateway does not count them.
pub(super) async fn commits(address: SocketAddr) -> anyhow::Result<Option<f64>> {
    let mut wire = Wire::connect(address).await?;
    let answer = wire.ask(REQUEST).await?;
    Ok(sum_of(COMMITS, &String::from_utf8_lossy(answer.body)))
}

/// A counter, its labels taken together.
fn sum_of(name: &str, text: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let ours = rest.starts_with(['{', ' ']);
        rest.rsplit_once(' ').filter(|_| ours)?.1.parse().ok()
    });
    values.fold(None, |sum: Option<f64>, value: f64| Some(sum.unwrap_or_default() + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_added_up_and_other_names_left_out() {
        let text = "# TYPE a counter\na{lane=\"0\"} 3\na{lane=\"1\"} 4\na_b 9\n";
        assert_eq!(sum_of("a", text), Some(7.0));
        assert_eq!(sum_of("b", text), None);
    }
}
