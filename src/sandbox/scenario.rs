//! What the sandbox host does with an amount: its last three digits in minor units, by the table of
//! mobile apps (MAPI 11) or by that of payment terminals (nexo 14.2).

use crate::payment::decline;
use crate::payment::host::HostProfile;
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
    /// Never answers the request, cannot say what became of it, and acknowledges the reversal at
    /// once.
    Forget,
    /// Never answers anything about it: an operator has to decide.
    Silent,
    /// Takes its time, then approves.
    ApproveLate(Millis),
}

/// Mobile apps' amount endings with a meaning, for the list that users read.
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

/// How long the host thinks about a mobile app's amount that ends in 408.
const LATE: Millis = 60 * SECOND;
/// How long it thinks about a terminal's amount that ends in 901: longer than clients wait.
const TOO_LATE_FOR_CLIENTS: Millis = 35 * SECOND;
/// How long it thinks about one that ends in 908: long enough to abort in vain.
const TOO_LATE_TO_ABORT: Millis = 20 * SECOND;

/// The scenario for an amount in minor units that opens an order.
#[must_use]
pub fn for_amount(profile: HostProfile, minor: i64) -> Scenario {
    match profile {
        HostProfile::Mpos => of_mobile_app(minor % 1000),
        HostProfile::Terminal { ending } => of_terminal(ending),
    }
}

/// The scenario for the amount of a later transaction. A terminal's are approved, so that whatever
/// was played when the order was opened can be given back; all but one.
#[must_use]
pub fn for_amendment(profile: HostProfile, minor: i64) -> Scenario {
    match (profile, minor % 1000) {
        (HostProfile::Mpos, ending) => of_mobile_app(ending),
        (HostProfile::Terminal { .. }, 123) => of_terminal(123),
        (HostProfile::Terminal { .. }, _) => Scenario::Approve,
    }
}

fn of_mobile_app(ending: i64) -> Scenario {
    match ending {
        217 => Scenario::LoseAnswer,
        218 => Scenario::Silent,
        408 => Scenario::ApproveLate(LATE),
        101 | 116 | 117 | 119 | 209 => {
            let code = u32::try_from(ending).ok().and_then(decline::response_for);
            code.map_or(Scenario::Approve, Scenario::Decline)
        }
        _ => Scenario::Approve,
    }
}

/// What is the host's of a terminal's table. The rest of it the terminal plays, and the host
/// approves what reaches it; 134 is a wrong PIN that is really entered.
fn of_terminal(ending: i64) -> Scenario {
    match ending {
        122 | 145 | 151 => Scenario::Decline("59"),
        123 => Scenario::Decline("05"),
        124 => Scenario::Decline("51"),
        125 | 148 => Scenario::Decline("62"),
        126 => Scenario::Decline("54"),
        127 => Scenario::Decline("13"),
        130 | 136 => Scenario::Decline("91"),
        135 => Scenario::Decline("75"),
        146 => Scenario::Decline("57"),
        901 => Scenario::ApproveLate(TOO_LATE_FOR_CLIENTS),
        905 => Scenario::Forget,
        908 => Scenario::ApproveLate(TOO_LATE_TO_ABORT),
        _ => Scenario::Approve,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HostProfile::Mpos;

    fn terminal(ending: i64) -> HostProfile {
        HostProfile::Terminal { ending }
    }

    #[test]
    fn the_last_three_digits_decide() {
        for (minor, expected) in [
            (1042, Scenario::Approve),
            (5101, Scenario::Decline("54")),
            (116, Scenario::Decline("51")),
            (1117, Scenario::Decline("55")),
            (1119, Scenario::Decline("57")),
            (1209, Scenario::Decline("43")),
            (1217, Scenario::LoseAnswer),
            (1218, Scenario::Silent),
            (1408, Scenario::ApproveLate(60_000)),
            (1300, Scenario::Approve),
        ] {
            assert_eq!(for_amount(Mpos, minor), expected, "{minor}");
            assert_eq!(for_amendment(Mpos, minor), expected, "{minor}, later");
        }
    }

    #[test]
    fn a_terminals_amounts_have_a_table_of_their_own() {
        let declined = [
            (122, "59"),
            (123, "05"),
            (124, "51"),
            (125, "62"),
            (126, "54"),
            (127, "13"),
            (130, "91"),
            (135, "75"),
            (136, "91"),
            (145, "59"),
            (146, "57"),
            (148, "62"),
            (151, "59"),
        ];
        for ending in 0..1000 {
            let code = declined.iter().find(|(known, _)| *known == ending).map(|(_, code)| *code);
            let expected = match (ending, code) {
                (_, Some(code)) => Scenario::Decline(code),
                (901, None) => Scenario::ApproveLate(35_000),
                (905, None) => Scenario::Forget,
                (908, None) => Scenario::ApproveLate(20_000),
                _ => Scenario::Approve,
            };
            assert_eq!(for_amount(terminal(ending), 5_000), expected, "{ending}");
        }
    }

    #[test]
    fn what_a_terminal_took_can_be_given_back_whatever_was_played() {
        for ending in 0..1000 {
            let expected = match ending {
                123 => Scenario::Decline("05"),
                _ => Scenario::Approve,
            };
            assert_eq!(for_amendment(terminal(0), ending), expected, "{ending}");
        }
    }

    #[test]
    fn every_response_that_is_played_has_a_decline_of_its_own() {
        let codes = (0..1000).filter_map(|ending| match for_amount(terminal(ending), 0) {
            Scenario::Decline(code) => Some(code),
            _ => None,
        });
        for code in codes {
            let declined = decline::for_response(code).code;
            assert_eq!(decline::response_for(declined), Some(code));
        }
    }
}
