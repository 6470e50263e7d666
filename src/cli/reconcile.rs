//! `tillgate reconcile`: holds the acquirer's file against our settlement file.

use crate::payment::money::Currency;
use crate::payment::reconcile::{Line, Mismatch, reconcile};
use anyhow::{Context, bail};
use chrono::NaiveDate;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The columns that both files must have; others are passed over.
const COLUMNS: [&str; 5] = ["reference", "movement", "amount", "currency", "date"];
/// What the acquirer knows nothing of.
const OWN: [&str; 2] = ["fee", "settlement"];

#[derive(Args)]
pub(super) struct ReconcileArguments {
    /// Our settlement file: `tillgate operator settlement BATCH > ours.csv`
    #[arg(long)]
    ours: PathBuf,
    /// The acquirer's file: CSV with a header; columns reference, movement, amount, currency, date
    #[arg(long)]
    theirs: PathBuf,
    /// Print JSON, one line for each mismatch
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &ReconcileArguments) -> anyhow::Result<()> {
    let ours = read(&arguments.ours)?;
    let theirs = read(&arguments.theirs)?;
    let found = reconcile(&ours, &theirs);
    let mut out = std::io::stdout().lock();
    for mismatch in &found {
        match arguments.json {
            true => writeln!(out, "{}", serde_json::to_string(mismatch)?)?,
            false => writeln!(out, "{}", told(mismatch))?,
        }
    }
    out.flush()?;
    let (ours, theirs) = (ours.len(), theirs.len());
    if found.is_empty() {
        eprintln!("{ours} lines of ours, {theirs} of theirs: nothing differs");
        return Ok(());
    }
    bail!("{ours} lines of ours, {theirs} of theirs: {} mismatches", found.len())
}

fn told(mismatch: &Mismatch) -> String {
    let side = |side: &Option<String>| side.as_deref().unwrap_or("nothing").to_owned();
    format!(
        "{:<10} {:<14} {:<9} ours: {}, theirs: {}",
        format!("{:?}", mismatch.kind).to_lowercase(),
        mismatch.reference,
        mismatch.movement,
        side(&mismatch.ours),
        side(&mismatch.theirs)
    )
}

fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let name = path.display();
    let file = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
    let mut file = file.with_context(|| format!("cannot read {name}"))?;
    let header = file.headers().with_context(|| format!("{name} has no header"))?.clone();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|known| known == column);
        *place = found.with_context(|| format!("{name} has no column {column}"))?;
    }
    // A movement that an operator decided has no reference: its own number stands for it.
    let transaction = header.iter().position(|known| known == "transaction");
    let mut lines = Vec::new();
    for (number, row) in file.records().enumerate() {
        let row = row.with_context(|| format!("{name}, line {}", number + 2))?;
        let cells = places.map(|place| row.get(place).unwrap_or_default());
        let number_of = transaction.and_then(|place| row.get(place)).unwrap_or_default();
        let line =
            line(cells, number_of).with_context(|| format!("{name}, line {}", number + 2))?;
        lines.extend(line);
    }
    Ok(lines)
}

/// A line, unless it is one that only we have.
fn line(cells: [&str; COLUMNS.len()], transaction: &str) -> anyhow::Result<Option<Line>> {
    let [reference, movement, amount, currency, date] = cells;
    if OWN.contains(&movement) {
        return Ok(None);
    }
    if !["sale", "capture", "reversal", "void", "refund"].contains(&movement) {
        bail!("movement {movement:?}: use sale, capture, reversal, void or refund");
    }
    let reference = match (reference, transaction) {
        ("", "") => bail!("the reference is empty"),
        ("", transaction) => format!("transaction {transaction}"),
        (reference, _) => reference.to_owned(),
    };
    let currency = Currency::from_alpha(currency)
        .with_context(|| format!("currency {currency:?} is not known"))?;
    Ok(Some(Line {
        reference,
        movement: movement.to_owned(),
        minor: currency.minor_of(amount).with_context(|| format!("amount {amount:?}"))?,
        currency,
        date: date.parse::<NaiveDate>().with_context(|| format!("date {date:?}: YYYY-MM-DD"))?,
    }))
}
