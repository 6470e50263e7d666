//! Where findings come together, each place once.

use super::{Encoding, Finding, Kind, masked};
use std::collections::VecDeque;

/// How many findings are remembered to tell that another view of the same bytes saw the same.
const REMEMBERED: usize = 16;

/// Findings that nobody has fetched yet, and the last ones told.
#[derive(Default)]
pub(super) struct Sink {
    waiting: Vec<Finding>,
    last: VecDeque<Finding>,
}

impl Sink {
    /// Takes a card number that lies in these bytes.
    pub(super) fn card(
        &mut self,
        kind: Kind,
        encoding: Encoding,
        (offset, end): (u64, u64),
        digits: &[u8],
    ) {
        self.add(Finding { offset, end, encoding, kind, masked: masked(digits) });
    }

    /// Takes a finding, unless the same one was seen in the same place.
    pub(super) fn add(&mut self, finding: Finding) {
        let same = |known: &Finding| {
            let overlap = known.offset < finding.end && finding.offset < known.end;
            overlap && known.kind == finding.kind && known.masked == finding.masked
        };
        if self.last.iter().any(same) {
            return;
        }
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(finding.clone());
        self.waiting.push(finding);
    }

    /// Hands over what came in since the last time.
    pub(super) fn fetch(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.waiting)
    }
}
