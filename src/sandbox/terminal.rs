//! What card holders do at the sandbox's terminals, by the last three digits of the amount in minor
//! units (nexo contract 14.2). What the acquirer answers is its host's part of the same table.

use crate::payment::card::EntryMode;

/// What happens at a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Play {
    pub entry_mode: EntryMode,
    /// What the card holder enters.
    pub pin: Option<&'static str>,
    pub signature: bool,
    pub deed: Deed,
}

/// What is out of the ordinary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    Pay,
    /// The card holder presses the red button while the terminal waits for a card.
    Cancel,
    /// The terminal does not know such cards.
    UnknownCard,
    /// The reader dies when the card has been read.
    ReaderDies,
    /// Nobody holds a card to it.
    NobodyComes,
    /// The line to the point of sale breaks before the answer.
    HangUp,
    /// The answer is delivered twice, where it is delivered.
    AnswerTwice,
    /// The terminal would like to be maintained afterwards.
    Maintenance,
    /// There is only half of the amount on the card.
    Half,
}

/// How an amount in minor units ends.
#[must_use]
pub fn ending_of(minor: i64) -> i64 {
    minor % 1000
}

/// Endings with a meaning, for the list that users read.
pub const ENDINGS: &[(i64, &str)] = &[
    (121, "the customer cancels"),
    (123, "declined; so end 122, 124 to 127, 135, 145, 146, 148, 151, each with a reason"),
    (128, "the card is not configured"),
    (130, "the acquirer is not reachable; so ends 136"),
    (134, "chip, wrong PIN"),
    (901, "approved after 35 s"),
    (902, "approved, but the line breaks before the answer"),
    (903, "approved, signature required"),
    (904, "chip and PIN"),
    (905, "the acquirer never answers: reversed"),
    (906, "the reader dies"),
    (907, "nobody presents a card: abort, or 90 s"),
    (908, "20 s with the acquirer: an abort comes too late"),
    (909, "the chip fails: magnetic stripe and PIN"),
    (910, "partial approval, half the amount"),
    (911, "the answer of /async is delivered twice"),
    (912, "approved; then the terminal wants maintenance"),
];

/// The PIN of every test card, and one that is not.
const RIGHT: Option<&str> = Some(super::host::TEST_PIN);
const WRONG: Option<&str> = Some("9999");

/// What happens for an amount in minor units that ends so.
#[must_use]
pub fn for_ending(ending: i64) -> Play {
    let play = |entry_mode, pin, deed| Play { entry_mode, pin, signature: false, deed };
    let tap = |deed| play(EntryMode::Contactless, None, deed);
    match ending {
        121 => tap(Deed::Cancel),
        128 => tap(Deed::UnknownCard),
        134 => play(EntryMode::Chip, WRONG, Deed::Pay),
        135 | 904 => play(EntryMode::Chip, RIGHT, Deed::Pay),
        902 => tap(Deed::HangUp),
        903 => Play { signature: true, ..tap(Deed::Pay) },
        906 => tap(Deed::ReaderDies),
        907 => tap(Deed::NobodyComes),
        909 => play(EntryMode::FallbackSwipe, RIGHT, Deed::Pay),
        910 => tap(Deed::Half),
        911 => tap(Deed::AnswerTwice),
        912 => tap(Deed::Maintenance),
        _ => tap(Deed::Pay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_digits_decide_what_happens() {
        assert_eq!(for_ending(950).deed, Deed::Pay);
        assert_eq!(for_ending(950).entry_mode, EntryMode::Contactless);
        assert_eq!(for_ending(121).deed, Deed::Cancel);
        assert_eq!(for_ending(134).pin, Some("9999"));
        assert_eq!(for_ending(904).entry_mode, EntryMode::Chip);
        assert!(for_ending(903).signature);
        assert_eq!(for_ending(909).entry_mode, EntryMode::FallbackSwipe);
        assert_eq!(for_ending(912).deed, Deed::Maintenance);
    }

    #[test]
    fn every_ending_of_the_list_is_one_of_the_table() {
        let plain = for_ending(0);
        let at_host = [123, 130, 901, 905, 908];
        for (ending, meaning) in ENDINGS {
            assert!(
                for_ending(*ending) != plain || at_host.contains(ending),
                "{ending}: {meaning}"
            );
        }
    }
}
