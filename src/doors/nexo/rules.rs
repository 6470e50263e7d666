//! What a terminal does with a request, by where it stands: the decision table of nexo contract
//! 6.3, without its exceptions for repeats, which the store decides.

/// How far a service has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    WaitCard,
    CardRead,
    PinEntry,
    /// Something is shown to the customer, or asked, for the point of sale.
    Dialogue,
    /// The acquirer is asked: no way back.
    Authorising,
    /// The cashier looks at the signature.
    Signature,
    Completing,
}

impl Stage {
    /// Whether an abort still ends the service.
    pub(super) fn is_cancellable(self) -> bool {
        matches!(self, Self::WaitCard | Self::CardRead | Self::PinEntry | Self::Dialogue)
    }

    /// The state's name in failure texts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WaitCard => "WaitCard",
            Self::CardRead => "CardRead",
            Self::PinEntry => "PinEntry",
            Self::Dialogue => "Dialogue",
            Self::Authorising => "Authorising",
            Self::Signature => "Signature",
            Self::Completing => "Completing",
        }
    }
}

/// Where a terminal stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Idle,
    /// It carries out a service.
    Serving(Stage),
    /// It has just ended one, or is loading its parameters.
    Cooldown,
    Maintenance,
}

/// What arrives, as far as the table tells it apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arriving {
    Login,
    Logout,
    Abort,
    Status,
    Diagnosis,
    /// What a terminal does one at a time.
    Service,
}

/// What the table says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Run,
    LoginFirst,
    Busy,
}

/// The table.
pub(super) fn judge(arriving: Arriving, may_ask: bool, standing: Standing) -> Verdict {
    use Arriving::{Login, Logout, Service, Status};
    match (arriving, standing) {
        (Status | Service, _) if !may_ask => Verdict::LoginFirst,
        (Login | Logout | Status | Service, Standing::Maintenance)
        | (Logout, Standing::Serving(_))
        | (Service, Standing::Serving(_) | Standing::Cooldown) => Verdict::Busy,
        _ => Verdict::Run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDINGS: [Standing; 6] = [
        Standing::Idle,
        Standing::Serving(Stage::WaitCard),
        Standing::Serving(Stage::Authorising),
        Standing::Serving(Stage::Signature),
        Standing::Cooldown,
        Standing::Maintenance,
    ];

    fn row(arriving: Arriving, may_ask: bool) -> [Verdict; 6] {
        STANDINGS.map(|standing| judge(arriving, may_ask, standing))
    }

    #[test]
    fn the_decision_table_is_the_contracts() {
        use Verdict::{Busy, LoginFirst, Run};
        assert_eq!(row(Arriving::Login, false), [Run, Run, Run, Run, Run, Busy]);
        assert_eq!(row(Arriving::Service, true), [Run, Busy, Busy, Busy, Busy, Busy]);
        assert_eq!(row(Arriving::Service, false), [LoginFirst; 6]);
        assert_eq!(row(Arriving::Abort, false), [Run; 6]);
        assert_eq!(row(Arriving::Status, true), [Run, Run, Run, Run, Run, Busy]);
        assert_eq!(row(Arriving::Status, false), [LoginFirst; 6]);
        assert_eq!(row(Arriving::Logout, false), [Run, Busy, Busy, Busy, Run, Busy]);
        assert_eq!(row(Arriving::Diagnosis, false), [Run; 6]);
    }

    #[test]
    fn an_abort_ends_a_service_until_the_acquirer_is_asked() {
        let stages = [Stage::WaitCard, Stage::CardRead, Stage::PinEntry, Stage::Dialogue];
        assert!(stages.iter().all(|stage| stage.is_cancellable()));
        let late = [Stage::Authorising, Stage::Signature, Stage::Completing];
        assert!(!late.iter().any(|stage| stage.is_cancellable()));
    }
}
