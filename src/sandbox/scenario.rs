//! What the sandbox host does with an amount: its last three digits in minor units (MAPI 11).

use crate::payment::decline;
use crate::payment::{Millis, SECOND};

/// How the host plays one transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    Approve,
    /// Declines with this field 39 value.
    Decline(&'static str),
    /// Never answers the request, cannot say what became of it, and acknowledges the reversal
    /// when it is repeated.
    LoseAnswer,
    /// Never answers anything about it: an operator has to decide.
    Silent,
    /// Takes its time, then approves.
    ApproveLate(Millis),
}

/// Amount endings with a meaning, for the list that users read.
pub const ENDINGS: &[(i64, &str)] = &[
    (101, "declined: expired card"),
    (116, "declined: not sufficient funds"),
    (117, "declined: incorrect PIN"),
    (119, "declined: not permitted to cardholder"),
    (209, "declined: stolen card, pick up"),
    (217, "the answer is lost: unknown, then reversed and declined"),
    (218, "nothing is ever answered: unknown until an operator decides"),
    (300, "filtered by the gateway"),
    (408, "processing for 60 s, then approved"),
];

/// How long the host thinks about an amount that ends in 408.
const LATE: Millis = 60 * SECOND;

/// The scenario for an amount in minor units.
#[must_use]
pub fn for_amount(minor: i64) -> Scenario {
    match minor % 1000 {
        217 => Scenario::LoseAnswer,
        218 => Scenario::Silent,
        408 => Scenario::ApproveLate(LATE),
        ending @ (101 | 116 | 117 | 119 | 209) => {
            let code = u32::try_from(ending).ok().and_then(decline::response_for);
            code.map_or(Scenario::Approve, Scenario::Decline)
        }
        _ => Scenario::Approve,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_digits_decide() {
        assert_eq!(for_amount(1042), Scenario::Approve);
        assert_eq!(for_amount(5101), Scenario::Decline("54"));
        assert_eq!(for_amount(116), Scenario::Decline("51"));
        assert_eq!(for_amount(1117), Scenario::Decline("55"));
        assert_eq!(for_amount(1119), Scenario::Decline("57"));
        assert_eq!(for_amount(1209), Scenario::Decline("43"));
        assert_eq!(for_amount(1217), Scenario::LoseAnswer);
        assert_eq!(for_amount(1218), Scenario::Silent);
        assert_eq!(for_amount(1408), Scenario::ApproveLate(60_000));
        assert_eq!(for_amount(1300), Scenario::Approve);
    }
}
