//! Finds card data in a stream of symbols: the characters of a text, or the hex digits of packed
//! numbers. Each symbol costs the same, however the stream is cut.

use super::groups::{GROUP_MAX, Groups};
use super::rules::Rules;
use super::sink::Sink;
use super::{Encoding, Kind};
use crate::payment::card::Expiry;
use zeroize::{Zeroize, Zeroizing};

/// Digits of a run that are remembered.
const RUN_MAX: usize = 64;
/// How many are kept when a run is longer: what a track's separator may follow.
const RUN_KEPT: usize = 24;
/// Digits of a card number.
const PAN_MIN: usize = 12;
const PAN_MAX: usize = 19;
/// Hex digits from which on a run is a key, a digest or a UUID, and digits in it are chance.
const HEX_RUN: u32 = 32;
/// Letters of a holder's name in track 1.
const NAME: std::ops::RangeInclusive<u8> = 2..=26;
/// Digits of YYMM.
const DATE: usize = 4;
/// Digits of YYMM and the service code.
const DATE_AND_SERVICE: usize = 7;
/// Lengths of card numbers within a longer run: the usual ones.
const LENGTHS: [usize; 3] = [16, 15, 19];

/// Digits, and their first byte and the one behind their last.
type Candidate = (Zeroizing<Vec<u8>>, (u64, u64));

/// What a stream is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbols {
    /// Characters: digits are rare enough to stand for themselves.
    Text,
    /// Halves of bytes, as upper-case hex: more than half of any bytes are digits, so that these
    /// need a track, a tag or a wanted prefix.
    Halves,
}

/// A card number, and what still has to come for it to be a track.
struct Pending {
    digits: Zeroizing<Vec<u8>>,
    place: (u64, u64),
    track: Track,
    /// The digits stood alone before the separator.
    alone: bool,
}

enum Track {
    /// Behind the separator of track 2.
    Two,
    /// In the holder's name of track 1, of which so many letters are read.
    OneName(u8),
    /// Behind the holder's name of track 1.
    OneDate,
}

/// The state between two symbols.
pub(super) struct Spotter {
    encoding: Encoding,
    symbols: Symbols,
    /// The run of digits under way, and where each of them lies.
    run: Zeroizing<[u8; RUN_MAX]>,
    places: [u64; RUN_MAX],
    len: usize,
    /// The run had more digits than are remembered.
    cut: bool,
    /// The last four symbols, and those before the run.
    last: [u8; 4],
    context: [u8; 4],
    /// Hex digits in a row.
    hex_run: u32,
    /// Found, but inside a run of hex digits that may grow too long.
    doubtful: Option<Candidate>,
    pending: Option<Pending>,
    groups: Groups,
    awake: bool,
}

impl Spotter {
    pub(super) fn new(encoding: Encoding, symbols: Symbols) -> Self {
        Self {
            encoding,
            symbols,
            run: Zeroizing::new([0; RUN_MAX]),
            places: [0; RUN_MAX],
            len: 0,
            cut: false,
            last: [0; 4],
            context: [0; 4],
            hex_run: 0,
            doubtful: None,
            pending: None,
            groups: Groups::default(),
            awake: false,
        }
    }

    /// Takes the next symbol, which begins at this byte.
    pub(super) fn push(&mut self, at: u64, symbol: u8, rules: &Rules, sink: &mut Sink) {
        if symbol.is_ascii_digit() {
            self.digit(at, symbol, rules, sink);
        } else if self.awake {
            self.other(symbol, rules, sink);
        } else {
            let hex = symbol.is_ascii_hexdigit();
            self.hex_run = if hex { self.hex_run.saturating_add(1) } else { 0 };
        }
        let [_, b, c, d] = self.last;
        self.last = [b, c, d, symbol];
    }

    /// Hears that the next symbol does not follow the last one.
    pub(super) fn gap(&mut self, rules: &Rules, sink: &mut Sink) {
        if self.awake {
            self.other(0, rules, sink);
        }
        self.hex_run = 0;
        self.last = [0; 4];
    }

    fn digit(&mut self, at: u64, digit: u8, rules: &Rules, sink: &mut Sink) {
        if self.len == 0 {
            self.context = self.last;
            self.cut = false;
        }
        if self.len == RUN_MAX {
            self.wanted(RUN_MAX - RUN_KEPT, rules, sink);
            self.run.copy_within(RUN_MAX - RUN_KEPT.., 0);
            self.places.copy_within(RUN_MAX - RUN_KEPT.., 0);
            self.len = RUN_KEPT;
            self.cut = true;
        }
        self.run[self.len] = digit;
        self.places[self.len] = at;
        self.len += 1;
        self.hex_run = self.hex_run.saturating_add(1);
        self.awake = true;
        if self.len == RUN_KEPT && !self.cut {
            self.tagged(b'0', rules, sink);
        }
        self.count_name_or_end(rules, sink);
        self.complete_track(rules, sink);
    }

    /// Any symbol but a digit.
    fn other(&mut self, symbol: u8, rules: &Rules, sink: &mut Sink) {
        if self.len > 0 {
            self.end_run(symbol, rules, sink);
        } else {
            self.without_run(symbol, rules, sink);
        }
        if symbol.is_ascii_hexdigit() {
            self.hex_run = self.hex_run.saturating_add(1);
        } else {
            self.end_hex_run(sink);
        }
        self.awake = self.pending.is_some() || self.doubtful.is_some() || !self.groups.is_empty();
    }

    /// A symbol that follows one which is no digit either.
    fn without_run(&mut self, symbol: u8, rules: &Rules, sink: &mut Sink) {
        self.close_groups(self.last[3], rules, sink);
        match &mut self.pending {
            Some(Pending { track: track @ Track::OneName(_), .. }) if symbol == b'^' => {
                if let Track::OneName(letters) = *track
                    && NAME.contains(&letters)
                {
                    *track = Track::OneDate;
                } else {
                    self.give_up_track(rules, sink);
                }
            }
            Some(Pending { track: Track::OneName(_), .. }) if symbol >= b' ' && symbol != b'?' => {
                self.count_name_or_end(rules, sink);
            }
            _ => self.give_up_track(rules, sink),
        }
    }

    /// One more letter of a holder's name, if one is being read.
    fn count_name_or_end(&mut self, rules: &Rules, sink: &mut Sink) {
        if let Some(Pending { track: Track::OneName(letters), .. }) = &mut self.pending {
            *letters += 1;
            if *letters > *NAME.end() {
                self.give_up_track(rules, sink);
            }
        }
    }

    /// A run of digits ends with this symbol.
    fn end_run(&mut self, symbol: u8, rules: &Rules, sink: &mut Sink) {
        if let Some(Pending { track: Track::OneName(_), .. }) = &self.pending {
            self.without_run(symbol, rules, sink);
        } else {
            self.give_up_track(rules, sink);
        }
        let place = self.place(0, self.len);
        if self.len < RUN_KEPT && !self.cut {
            self.tagged(symbol, rules, sink);
        }
        if self.symbols == Symbols::Text && self.len <= GROUP_MAX && !self.cut {
            self.groups.add(&self.run[..self.len], place, self.context[3]);
            if !self.groups.goes_on(symbol) {
                self.close_groups(symbol, rules, sink);
            }
        } else {
            self.close_groups(b' ', rules, sink);
        }
        self.wanted(self.len, rules, sink);
        if self.len >= PAN_MIN && !self.begin_track(symbol, rules) && self.is_whole() {
            let digits = Zeroizing::new(self.run[..self.len].to_vec());
            self.alone(digits, place, symbol, rules, sink);
        }
        self.len = 0;
    }

    /// First byte, and the byte behind the last, of a part of the run.
    fn place(&self, from: usize, to: usize) -> (u64, u64) {
        let last = self.places.get(to.wrapping_sub(1)).copied().unwrap_or_default();
        (self.places.get(from).copied().unwrap_or_default(), last + 1)
    }

    /// Whether the run may be a card number from end to end, and is no fraction.
    fn is_whole(&self) -> bool {
        let [.., digit, point] = self.context;
        let fraction = point == b'.' && digit.is_ascii_digit();
        !self.cut && (PAN_MIN..=PAN_MAX).contains(&self.len) && !fraction
    }

    /// Keeps the run if this symbol may lead a track on.
    fn begin_track(&mut self, symbol: u8, rules: &Rules) -> bool {
        let alone = self.is_whole();
        let (from, track) = match symbol {
            b'^' if alone && matches!(self.context[3], b'B' | b'b') => {
                let known = rules.is_card_without_doubt(&self.run[..self.len]);
                (known.then_some(0), Track::OneName(0))
            }
            b'=' | b'D' | b'd' => (self.track_two(symbol, rules), Track::Two),
            _ => return false,
        };
        let Some(from) = from else { return false };
        let digits = Zeroizing::new(self.run[from..self.len].to_vec());
        let place = self.place(from, self.len);
        self.pending = Some(Pending { digits, place, track, alone: alone && from == 0 });
        true
    }

    /// Where in the run the number before a separator of track 2 begins. Tags and other columns may
    /// stand directly before it.
    fn track_two(&self, symbol: u8, rules: &Rules) -> Option<usize> {
        let run = &self.run[..self.len];
        let clear = symbol == b'=' && self.is_whole() && rules.is_card_without_doubt(run);
        if clear || self.is_whole() && rules.is_card_in_context(run) {
            return Some(0);
        }
        if rules.is_ignored(run) {
            return None;
        }
        let starts = LENGTHS.iter().filter_map(|length| self.len.checked_sub(*length));
        let mut starts = starts.filter(|from| rules.is_card(&run[*from..]));
        starts.next()
    }

    /// The digits behind a separator: enough of them make it a track.
    fn complete_track(&mut self, rules: &Rules, sink: &mut Sink) {
        let Some(pending) = &self.pending else { return };
        let (kind, needed) = match pending.track {
            Track::Two => (Kind::Track2, DATE_AND_SERVICE),
            Track::OneDate => (Kind::Track1, DATE),
            Track::OneName(_) => return,
        };
        if self.len < needed {
            return;
        }
        let digits = &self.run[..needed];
        let date = std::str::from_utf8(&digits[..DATE]).ok().and_then(Expiry::from_yymm);
        let strict = self.symbols == Symbols::Halves;
        if date.is_none() || strict && !is_service_code(&digits[DATE..]) {
            self.give_up_track(rules, sink);
            return;
        }
        let place = (pending.place.0, self.place(0, needed).1);
        sink.card(kind, self.encoding, place, &pending.digits);
        self.pending = None;
    }

    /// What looked like a track is none; its number may still stand for itself.
    fn give_up_track(&mut self, rules: &Rules, sink: &mut Sink) {
        if let Some(Pending { digits, place, alone: true, .. }) = self.pending.take() {
            self.alone(digits, place, 0, rules, sink);
        }
    }

    /// A number with nothing around it that speaks for it.
    fn alone(
        &mut self,
        mut digits: Zeroizing<Vec<u8>>,
        place: (u64, u64),
        after: u8,
        rules: &Rules,
        sink: &mut Sink,
    ) {
        if self.encoding == Encoding::Plain && rules.has_wanted() {
            digits.reverse();
            if rules.is_wanted_card(&digits) {
                sink.card(Kind::Pan, Encoding::Reversed, place, &digits);
            }
            digits.reverse();
        }
        if self.symbols == Symbols::Halves || !rules.is_card(&digits) {
            return;
        }
        let in_hex = after.is_ascii_hexdigit() || usize::try_from(self.hex_run) != Ok(digits.len());
        match in_hex {
            true => self.doubtful = Some((digits, place)),
            false => sink.card(Kind::Pan, self.encoding, place, &digits),
        }
    }

    /// Halves of bytes have no ends that could be seen: a wanted prefix counts anywhere in a run,
    /// up to this digit.
    fn wanted(&self, until: usize, rules: &Rules, sink: &mut Sink) {
        if self.symbols == Symbols::Text || !rules.has_wanted() {
            return;
        }
        for from in 0..until {
            let lengths = LENGTHS.iter().filter_map(|length| self.run.get(from..from + length));
            let mut lengths = lengths.filter(|digits| from + digits.len() <= self.len);
            if let Some(digits) = lengths.find(|digits| rules.is_wanted_card(digits)) {
                let place = self.place(from, from + digits.len());
                sink.card(Kind::Pan, self.encoding, place, digits);
            }
        }
    }

    fn end_hex_run(&mut self, sink: &mut Sink) {
        if let Some((digits, place)) = self.doubtful.take()
            && self.hex_run < HEX_RUN
        {
            sink.card(Kind::Pan, self.encoding, place, &digits);
        }
        self.hex_run = 0;
    }

    fn close_groups(&mut self, after: u8, rules: &Rules, sink: &mut Sink) {
        if let Some(found) = self.groups.close(after, |digits| rules.is_card(digits)) {
            let encoding =
                if self.encoding == Encoding::Plain { Encoding::Grouped } else { self.encoding };
            sink.card(Kind::Pan, encoding, found.place, &found.digits);
        }
    }

    /// A number behind tag 5A and its length, as EMV writes it: `5A08` and sixteen digits, an odd
    /// last half filled up with F.
    fn tagged(&mut self, after: u8, rules: &Rules, sink: &mut Sink) {
        let context = self.context.map(|symbol| symbol.to_ascii_uppercase());
        let run = &self.run[..self.len];
        let filled = matches!(after, b'F' | b'f');
        let (from, to) = match (context, run) {
            ([_, _, b'5', b'A'], [b'0', count @ b'6'..=b'9', ..]) => {
                let to = 2 + 2 * usize::from(count - b'0');
                (2, if filled && run.len() + 1 == to { to - 1 } else { to })
            }
            ([b'5', b'A', b'0', b'A'], _) if filled && run.len() == PAN_MAX => (0, PAN_MAX),
            _ => return,
        };
        let Some(digits) = run.get(from..to) else { return };
        if rules.is_card_in_context(digits) {
            sink.card(Kind::Pan, self.encoding, self.place(from, to), digits);
        }
    }
}

/// The three digits by which a card says where and how it may be used (ISO/IEC 7813).
fn is_service_code(digits: &[u8]) -> bool {
    matches!(digits, [b'1' | b'2' | b'5' | b'6' | b'7' | b'9', b'0' | b'2' | b'4', b'0'..=b'7'])
}

impl Drop for Spotter {
    fn drop(&mut self) {
        self.places.zeroize();
    }
}
