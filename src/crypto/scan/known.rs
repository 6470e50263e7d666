//! Exact search for listed cards, in every encoding at once.

use super::forms::{Form, of_number, of_pin_block, of_track};
use super::sink::Sink;
use super::{Finding, Kind, masked};
use aho_corasick::{AhoCorasick, MatchKind};
use zeroize::Zeroizing;

/// Bytes that are searched at once.
const PIECE: usize = 64 * 1024;
/// Digits of a card number.
const PAN: std::ops::RangeInclusive<usize> = 12..=19;
/// Hex digits of a PIN block, of one block of TDES or AES.
const PIN_BLOCKS: [usize; 2] = [16, 32];

/// Listed cards, ready to be searched for. The automaton keeps their forms in memory that is not
/// wiped: a list of real cards belongs on a machine that may hold them.
pub struct KnownCards {
    automaton: AhoCorasick,
    forms: Vec<Form>,
    /// Whose form it is, in the forms' order.
    secrets: Vec<(Kind, String)>,
    /// Bytes of the longest form.
    reach: usize,
}

/// Why a list of cards cannot be used. The text never carries a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KnownError {
    #[error("line {0}: the first field is no card number of 12 to 19 digits")]
    Number(usize),
    #[error("line {0}: write PAN,track2,pin-block-hex; the last two may be left out or empty")]
    Field(usize),
    #[error("the list names no card")]
    Empty,
    #[error("the list is too long to be searched for at once; divide it")]
    TooLong,
}

/// A list under way.
#[derive(Default)]
struct List {
    forms: Vec<Form>,
    secrets: Vec<(Kind, String)>,
}

impl List {
    fn add(&mut self, kind: Kind, masked: &str, forms: Vec<Form>) {
        self.secrets.extend(forms.iter().map(|_| (kind, masked.to_owned())));
        self.forms.extend(forms);
    }

    /// One line: `PAN[,track2][,pin-block-hex]`.
    fn line(&mut self, number: usize, line: &str) -> Result<(), KnownError> {
        let mut fields = line.split(',').map(str::trim);
        let pan = fields.next().unwrap_or_default();
        if !PAN.contains(&pan.len()) || !pan.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(KnownError::Number(number));
        }
        let name = masked(pan.as_bytes());
        self.add(Kind::Pan, &name, of_number(pan));
        for field in fields.filter(|field| !field.is_empty()) {
            let track = field.trim_start_matches(';').trim_end_matches('?');
            let track = Zeroizing::new(track.to_ascii_uppercase().replace('D', "="));
            let data = track.strip_prefix(pan).and_then(|rest| rest.strip_prefix('='));
            if data.is_some_and(|data| data.bytes().all(|byte| byte.is_ascii_digit())) {
                self.add(Kind::Track2, &name, of_track(&track));
                continue;
            }
            let block = hex::decode(field).map(Zeroizing::new);
            let block = block.ok().filter(|_| PIN_BLOCKS.contains(&field.len()));
            let block = block.ok_or(KnownError::Field(number))?;
            self.add(Kind::PinBlock, "(PIN block)", of_pin_block(&block));
        }
        Ok(())
    }
}

impl KnownCards {
    /// Reads a list: one card a line, `PAN[,track2][,pin-block-hex]`. Empty lines and those that
    /// begin with `#` are passed over.
    ///
    /// # Errors
    /// `KnownError`, with the number of the line.
    pub fn parse(text: &str) -> Result<Self, KnownError> {
        let mut list = List::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                list.line(number, line)?;
            }
        }
        let reach = list.forms.iter().map(|form| form.bytes.len()).max();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(list.forms.iter().map(|form| form.bytes.as_slice()))
            .map_err(|_| KnownError::TooLong)?;
        let reach = reach.ok_or(KnownError::Empty)?;
        Ok(Self { automaton, forms: list.forms, secrets: list.secrets, reach })
    }
}

/// Searches one file for the listed cards.
pub(super) struct KnownScan<'a> {
    cards: &'a KnownCards,
    sink: Sink,
    /// The end of what was searched, then what has not been.
    window: Zeroizing<Vec<u8>>,
    /// Where the window begins in the file.
    base: u64,
    /// Up to which byte of the file an end of a form has been told.
    told: u64,
}

impl<'a> KnownScan<'a> {
    pub(super) fn new(cards: &'a KnownCards) -> Self {
        // The window never grows, so that no unwiped copy is left behind.
        let window = Zeroizing::new(Vec::with_capacity(PIECE + kept(cards)));
        Self { cards, sink: Sink::default(), window, base: 0, told: 0 }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Finding> {
        for piece in bytes.chunks(PIECE) {
            self.window.extend_from_slice(piece);
            // The last byte waits for its neighbour.
            self.search(self.window.len().saturating_sub(1));
            let gone = self.window.len().saturating_sub(kept(self.cards));
            self.window.drain(..gone);
            self.base += as_offset(gone);
        }
        self.sink.fetch()
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.search(self.window.len());
        self.sink.fetch()
    }

    /// Tells of the forms that end up to here and have not been told.
    fn search(&mut self, until: usize) {
        let until = self.base + as_offset(until);
        let window = &self.window;
        for found in self.cards.automaton.find_overlapping_iter(window.as_slice()) {
            let end = self.base + as_offset(found.end());
            let number = found.pattern().as_usize();
            let (Some(form), Some((kind, masked))) =
                (self.cards.forms.get(number), self.cards.secrets.get(number))
            else {
                continue;
            };
            let before = found.start().checked_sub(1).and_then(|place| window.get(place).copied());
            let after = window.get(found.end()).copied();
            let fits = form.before.is_none_or(|edge| edge.is(before))
                && form.after.is_none_or(|edge| edge.is(after));
            if end <= self.told || end > until || !fits {
                continue;
            }
            let start = self.base + as_offset(found.start());
            self.sink.add(Finding {
                offset: start - u64::from(form.before.is_some()),
                end: end + u64::from(form.after.is_some()),
                encoding: form.encoding,
                kind: *kind,
                masked: masked.clone(),
            });
        }
        self.told = self.told.max(until);
    }
}

/// Bytes of what was searched that are searched again: a form that has begun, and its neighbours.
fn kept(cards: &KnownCards) -> usize {
    cards.reach + 2
}

fn as_offset(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
