//! In what the dialects differ (nexo contract 1), as data of a terminal.

use super::condition::Condition;
use crate::payment::terminal::{Dialect, Terminal};
use crate::payment::{Millis, SECOND};

/// How a terminal behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Manners {
    pub(super) dialect: Dialect,
    pub(super) login_required: bool,
    /// What a status request is told while its service is under way.
    pub(super) in_progress: Condition,
    pub(super) not_logged_in: Condition,
    /// Whether only the last transaction can be reversed, and only as a whole.
    pub(super) reverses_last_only: bool,
    /// How long it is busy behind a payment.
    pub(super) cooldown: Millis,
}

impl Manners {
    pub(super) fn of(terminal: &Terminal) -> Self {
        let profile = &terminal.profile;
        let usual = match terminal.dialect {
            Dialect::Xml31 => Self {
                dialect: Dialect::Xml31,
                login_required: true,
                in_progress: Condition::Busy,
                not_logged_in: Condition::NotAllowed,
                reverses_last_only: true,
                cooldown: 3 * SECOND,
            },
            Dialect::Json => Self {
                dialect: Dialect::Json,
                login_required: false,
                in_progress: Condition::InProgress,
                not_logged_in: Condition::LoggedOut,
                reverses_last_only: false,
                cooldown: 0,
            },
        };
        Self {
            login_required: profile.login_required.unwrap_or(usual.login_required),
            cooldown: profile.cooldown_ms.unwrap_or(usual.cooldown),
            ..usual
        }
    }
}
