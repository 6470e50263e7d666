//! The reckoning: what the merchant was told, what the gateways say, what the host's book says,
//! and what the receiver got, held against each other.

use crate::ledger::Sold;
use crate::load::{APPROVED, LOST};
use crate::receiver::Callback;
use crate::stage::Stage;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many status questions are asked at once.
const AT_ONCE: usize = 16;
/// As many callbacks as a gateway has under way at most.
const CALLBACKS_UNDER_WAY: usize = 64;
/// How long a callback that came may wait until it is noted.
const NOTING: Duration = Duration::from_secs(2);
const ORDERS: &str = "SELECT COUNT(*) FROM orders";

/// What the reckoning found. All but the first two must be nothing.
#[derive(Default)]
pub struct Findings {
    orders: usize,
    repeated_callbacks: usize,
    lost: Vec<String>,
    doubled: Vec<String>,
    stuck: Vec<String>,
    wrong: Vec<String>,
    not_called_back: Vec<String>,
    strayed_callbacks: Vec<String>,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} orders, {} lost, {} doubled, {} stuck, {} with a wrong end, {} without callback, \
             {} callbacks repeated",
            self.orders,
            self.lost.len(),
            self.doubled.len(),
            self.stuck.len(),
            self.wrong.len(),
            self.not_called_back.len(),
            self.repeated_callbacks,
        )
    }
}

impl Findings {
    /// Reckons up, after everything has settled.
    pub async fn of(stage: &Stage) -> anyhow::Result<Self> {
        let sold = stage.ledger.sold();
        let mut findings = Self { orders: sold.len(), ..Self::default() };
        for (name, sold, status) in ask_all(stage, sold).await? {
            findings.judge_status(&name, &sold, status.as_deref());
        }
        findings.compare_books(stage).await?;
        findings.compare_callbacks(stage);
        Ok(findings)
    }

    /// How many callbacks came more than once.
    pub fn repeated_callbacks(&self) -> usize {
        self.repeated_callbacks
    }

    /// Fails unless nothing bad was found.
    pub fn hold(&self) -> anyhow::Result<()> {
        let bad = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("stuck", &self.stuck),
            ("with a wrong end", &self.wrong),
            ("without callback", &self.not_called_back),
            ("called back again for no reason", &self.strayed_callbacks),
        ];
        for (what, names) in bad {
            let first = names.first().map_or("", String::as_str);
            ensure!(names.is_empty(), "{self}; {what}: {first} and {} more", names.len() - 1);
        }
        Ok(())
    }

    fn judge_status(&mut self, name: &str, sold: &Sold, status: Option<&str>) {
        let expected = if sold.amount == APPROVED { "approved" } else { "declined" };
        match status {
            None => self.lost.push(name.to_owned()),
            Some("processing" | "unknown") => self.stuck.push(name.to_owned()),
            Some(status) if status == expected => {}
            Some(status) => self.wrong.push(format!("{name} {status}, {expected} expected")),
        }
    }

    /// Each sale is one order, and the host was asked for it once.
    async fn compare_books(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let sold = stage.ledger.sold();
        let mut book = stage.host.book().await?;
        for (name, sold) in &sold {
            match book.remove(&sold.order) {
                None => self.lost.push(format!("{name} at the host")),
                Some(page) if page.authorised != 1 => {
                    self.doubled.push(format!("{name} {page:?}"));
                }
                Some(page) if page.reversed != (sold.amount == LOST) => {
                    self.wrong.push(format!("{name} {page:?}"));
                }
                Some(_) => {}
            }
        }
        self.doubled.extend(book.keys().map(|order| format!("order {order}, which nobody has")));
        let stored = stage.database.number(ORDERS).await?;
        let sold = i64::try_from(sold.len()).context("too many orders")?;
        if stored != sold {
            self.doubled.push(format!("{stored} orders are stored, {sold} were accepted"));
        }
        Ok(())
    }

    fn compare_callbacks(&mut self, stage: &Stage) {
        let sold = stage.ledger.sold();
        let callbacks = stage.receiver.callbacks();
        for (name, sold) in &sold {
            let expected = if sold.amount == APPROVED { "approved" } else { "declined" };
            let came = callbacks.get(name).map_or(&[][..], Vec::as_slice);
            let fits =
                |callback: &Callback| callback.status == expected && callback.order == sold.order;
            if came.is_empty() {
                self.not_called_back.push(name.clone());
            } else if !came.iter().all(fits) {
                self.wrong.push(format!("{name} was called back with {came:?}"));
            }
            self.repeated_callbacks += came.len().saturating_sub(1);
            let unexplained = |pair: &[Callback]| !broken_around(&stage.outages, pair[0].at);
            if came.windows(2).any(unexplained) {
                self.strayed_callbacks.push(name.clone());
            }
        }
        let strangers = callbacks.keys().filter(|name| !sold.contains_key(*name));
        self.strayed_callbacks.extend(strangers.cloned());
        if self.repeated_callbacks > CALLBACKS_UNDER_WAY * stage.outages.len() {
            self.strayed_callbacks.push("more than can have been under way".to_owned());
        }
    }
}

/// Whether something was broken when this callback was to be noted.
fn broken_around(outages: &[(Instant, Instant)], came: Instant) -> bool {
    outages.iter().any(|(from, to)| *from <= came + NOTING && came <= *to + NOTING)
}

/// A sale, and the status that a gateway tells; `None` when it does not know the order.
type Told = (String, Sold, Option<String>);

/// Asks all gateways in turn for the status of all sales.
async fn ask_all(stage: &Stage, sold: BTreeMap<String, Sold>) -> anyhow::Result<Vec<Told>> {
    let sold: Arc<Vec<_>> = Arc::new(sold.into_iter().collect());
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let (merchant, sold) = (Arc::clone(&stage.merchant), Arc::clone(&sold));
        tasks.spawn(async move {
            let mut told = Vec::new();
            for (place, (name, sold)) in sold.iter().enumerate().skip(first).step_by(AT_ONCE) {
                let address = merchant.address(place).context("there is no gateway")?;
                let answer = merchant.status(address, name, sold.order).await?;
                ensure!(answer.status == 200, "status of {name} was answered with {answer:?}");
                told.push((name.clone(), sold.clone(), answer.get("status").map(str::to_owned)));
            }
            anyhow::Ok(told)
        });
    }
    let mut told = Vec::with_capacity(sold.len());
    while let Some(ended) = tasks.join_next().await {
        told.extend(ended??);
    }
    Ok(told)
}
