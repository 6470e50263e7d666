//! What scenarios leave behind, in databases and in the log: of the thousand cards that they are
//! played with no number, no track and no PIN block, however it is written.

use crate::world::contains;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use tillgate::crypto::scan::{KnownCards, Search};

/// How many cards there are.
const CARDS: usize = 1000;
/// All of them begin and end alike, so that scenarios need not know which one they have.
const FRONT: &str = "444455";
const END: &str = "1111";
/// A card never reaches further than this in a log.
const REACH: usize = 4096;

static KNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let numbers = (556_666..).map(|middle| format!("{FRONT}{middle:06}{END}"));
    numbers.filter(|number| passes_luhn(number)).take(CARDS).collect()
});

static SEARCH: LazyLock<Search> = LazyLock::new(|| {
    let mut list = String::new();
    for pan in KNOWN.iter() {
        let (track, block) = (format!("{pan}=30121010000000000"), pin_block(pan));
        writeln!(list, "{pan},{track},{block}").unwrap();
    }
    Search::Known(KnownCards::parse(&list).unwrap())
});

/// The card of the next scenario.
pub fn next_card() -> &'static str {
    static SCENARIOS: AtomicUsize = AtomicUsize::new(0);
    &KNOWN[SCENARIOS.fetch_add(1, Ordering::Relaxed) % CARDS]
}

/// Looks through a database, and through what was logged since the last look.
pub fn assert_nothing_left(dump: &[u8], control_key: &str) {
    static LOOKED_AT: AtomicUsize = AtomicUsize::new(0);
    let log = logged();
    let from = LOOKED_AT.fetch_max(log.len(), Ordering::Relaxed).min(log.len());
    let log = &log[from.saturating_sub(REACH)..];
    for (place, bytes) in [("the database", dump), ("the log", log)] {
        let mut scanner = SEARCH.scanner();
        let mut found = scanner.feed(bytes);
        found.extend(scanner.finish());
        assert!(found.is_empty(), "{place} holds {found:?}");
        assert!(!contains(bytes, control_key.as_bytes()), "{place} holds a control key");
    }
}

fn passes_luhn(number: &str) -> bool {
    let digits = number.bytes().rev().map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}

/// The clear PIN block of format 0 with the PIN of every test card, 1234.
fn pin_block(pan: &str) -> String {
    let pin = 0x0412_34FF_FFFF_FFFF_u64;
    let number = u64::from_str_radix(&pan[pan.len() - 13..pan.len() - 1], 16).unwrap();
    format!("{:016X}", pin ^ number)
}

static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();

#[derive(Clone)]
struct LogWriter(Arc<Mutex<Vec<u8>>>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that was logged so far, by all scenarios of this process.
pub fn logged() -> Vec<u8> {
    LOG.get().map_or_else(Vec::new, |log| log.lock().unwrap().clone())
}

/// Keeps what is logged from now on.
pub fn capture_log() {
    LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = LogWriter(Arc::clone(&log));
        tracing_subscriber::fmt()
            .with_env_filter("debug,sqlx=info,hyper=info")
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    });
}

#[test]
fn a_thousand_cards_are_known_and_one_that_is_left_is_found() {
    assert_eq!(KNOWN.len(), CARDS);
    assert_eq!(KNOWN[0], crate::world::PAN);
    for pan in [&KNOWN[0], &KNOWN[CARDS - 1]] {
        for left in [pan.clone(), hex::encode(pan), pin_block(pan)] {
            let mut scanner = SEARCH.scanner();
            let mut found = scanner.feed(format!("#{left}#").as_bytes());
            found.extend(scanner.finish());
            assert!(!found.is_empty(), "{left}");
        }
    }
}
