//! A change that waits for the writer can be withdrawn, until the writer takes it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const WAITING: u8 = 0;
const TAKEN_UP: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Held by a caller and by the writer. Exactly one of the two gets its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// The writer takes the change up. `false` when it was withdrawn.
    pub(super) fn take_up(&self) -> bool {
        self.leave_waiting(TAKEN_UP)
    }

    /// The caller withdraws the change. `false` when the writer has taken it up: then only the
    /// writer can say what comes of it.
    pub(super) fn withdraw(&self) -> bool {
        self.leave_waiting(WITHDRAWN)
    }

    fn leave_waiting(&self, state: u8) -> bool {
        let exchange = self.0.compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire);
        exchange.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_up_cannot_be_withdrawn_nor_the_other_way_round() {
        let ticket = Ticket::default();
        assert!(ticket.clone().take_up() && !ticket.withdraw());
        let ticket = Ticket::default();
        assert!(ticket.clone().withdraw() && !ticket.take_up());
    }
}
