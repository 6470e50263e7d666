//! Digits in groups, as they stand on a card: `4444 5555 6666 1111`.

use zeroize::{Zeroize, Zeroizing};

/// Groups of one number at most, with one before and one behind that belong to something else.
const GROUPS_MAX: usize = 7;
/// Digits of a group at most; a longer run of digits is none.
pub(super) const GROUP_MAX: usize = 6;

/// How card numbers are grouped. The longest comes first, since two begin alike.
const PATTERNS: [&[usize]; 3] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5]];

#[derive(Clone, Copy, Default)]
struct Group {
    digits: [u8; GROUP_MAX],
    len: usize,
    /// Its first byte and the byte after its last.
    place: (u64, u64),
}

/// A line of groups with the same separator between all of them.
#[derive(Default)]
pub(super) struct Groups {
    line: [Group; GROUPS_MAX],
    count: usize,
    separator: u8,
    /// What stands before the first group.
    before: u8,
    /// More groups than any card number has, so that this is a table of numbers.
    too_many: bool,
}

/// A card number that was written in groups.
pub(super) struct Grouped {
    pub digits: Zeroizing<Vec<u8>>,
    pub place: (u64, u64),
}

pub(super) fn is_separator(symbol: u8) -> bool {
    matches!(symbol, b' ' | b'-')
}

impl Groups {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes a run of at most [`GROUP_MAX`] digits; `before` is what stands directly before it.
    pub(super) fn add(&mut self, run: &[u8], place: (u64, u64), before: u8) {
        if self.count == 0 {
            self.before = before;
        }
        let Some(group) = self.line.get_mut(self.count) else {
            self.too_many = true;
            return;
        };
        for (to, from) in group.digits.iter_mut().zip(run) {
            *to = *from;
        }
        group.len = run.len();
        group.place = place;
        self.count += 1;
    }

    /// Hears what stands behind the group that was just taken. Whether the line goes on.
    pub(super) fn goes_on(&mut self, symbol: u8) -> bool {
        if self.count == 1 && is_separator(symbol) {
            self.separator = symbol;
        }
        is_separator(symbol) && symbol == self.separator
    }

    /// Ends the line. Answers the card number in it, if `is_card` says so; `after` is what stands
    /// directly behind the last group.
    pub(super) fn close(&mut self, after: u8, is_card: impl Fn(&[u8]) -> bool) -> Option<Grouped> {
        let found = (!self.too_many).then(|| self.find(after, is_card)).flatten();
        self.clear();
        found
    }

    pub(super) fn clear(&mut self) {
        for group in &mut self.line[..self.count] {
            group.digits.zeroize();
        }
        (self.count, self.too_many) = (0, false);
    }

    fn find(&self, after: u8, is_card: impl Fn(&[u8]) -> bool) -> Option<Grouped> {
        let all = &self.line[..self.count];
        PATTERNS.iter().find_map(|pattern| {
            // A neighbour of four digits may be a part of the same longer number.
            let skipped = usize::from(all.len() > pattern.len() && all.first()?.len != 4);
            let (front, rest) = all.split_at_checked(skipped)?;
            let (groups, behind) = rest.split_at_checked(pattern.len())?;
            let before = if front.is_empty() { self.before } else { self.separator };
            let alone = match behind {
                [] => !after.is_ascii_hexdigit(),
                [next] => next.len != 4,
                _ => false,
            };
            let in_order = groups.iter().map(|group| group.len).eq(pattern.iter().copied());
            if !alone || !in_order || before == b'-' || before.is_ascii_hexdigit() {
                return None;
            }
            let mut digits = Zeroizing::new(Vec::with_capacity(GROUPS_MAX * GROUP_MAX));
            for group in groups {
                digits.extend_from_slice(&group.digits[..group.len]);
            }
            let place = (groups.first()?.place.0, groups.last()?.place.1);
            is_card(&digits).then_some(Grouped { digits, place })
        })
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.clear();
    }
}
