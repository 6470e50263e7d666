//! Merchants and their endpoints, as the rules need them.

use super::day::BusinessDay;
use super::ids::{EndpointId, GroupId, MerchantId};
use super::limits::Limits;
use super::money::{Amount, Currency};
use super::refusal::Refusal;

/// The longest name of a terminal.
const TERMINAL_MAX: usize = 16;
/// The longest text on a statement.
const DESCRIPTOR_MAX: usize = 40;
/// The longest hold, in days.
const HOLD_DAYS_MAX: u32 = 31;
/// All of an amount, in hundredths of a percent.
const BASIS_POINTS_MAX: u32 = 10_000;
const MINUTES_OF_DAY: u32 = 24 * 60;

/// One endpoint: the door of one merchant in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    pub id: EndpointId,
    pub merchant: MerchantId,
    pub group: Option<GroupId>,
    pub currency: Currency,
    pub enabled: bool,
    /// The tables of MAPI 3.2 apply in full, formats included.
    pub strict_validation: bool,
    /// Where callbacks go when the request names no address of its own.
    pub callback_url: Option<String>,
    /// Smallest and largest amount taken, in minor units, both included.
    pub amount_limits_minor: (i64, i64),
    /// The acquirer's name for the terminal, printed on receipts.
    pub terminal_id: String,
    /// What the cardholder's statement shows.
    pub descriptor: String,
    /// Whether the sandbox plays the acquirer here, so that its magic amounts apply.
    pub sandbox: bool,
    pub terms: Terms,
    pub limits: Limits,
}

/// What merchant and acquirer have agreed about an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Whether less than the amount held may be captured.
    pub partial_capture: bool,
    /// Whether less than the amount taken may be given back.
    pub partial_reversal: bool,
    /// Whether a preauthorisation may be captured more than once.
    pub multi_capture: bool,
    /// How long a preauthorisation holds, in days.
    pub hold_days: u32,
    pub fee: Fee,
    pub day: BusinessDay,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            partial_capture: false,
            partial_reversal: false,
            multi_capture: false,
            hold_days: 7,
            fee: Fee::default(),
            day: BusinessDay::default(),
        }
    }
}

/// What the acquirer keeps of each amount that is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fee {
    /// Hundredths of a percent.
    pub basis_points: u32,
    /// Minor units.
    pub fixed_minor: u32,
}

impl Endpoint {
    /// Whether an order of this amount may be opened here.
    ///
    /// # Errors
    /// Disabled endpoint, foreign currency, amount outside the limits.
    pub fn admit(&self, amount: Amount) -> Result<(), Refusal> {
        if !self.enabled {
            return Err(Refusal::EndpointDisabled);
        }
        if amount.currency() != self.currency {
            return Err(Refusal::CurrencyNotSupported(amount.currency().alpha().to_owned()));
        }
        let (least, most) = self.amount_limits_minor;
        if !(least..=most).contains(&amount.minor()) {
            return Err(Refusal::AmountOutOfLimits);
        }
        Ok(())
    }

    /// Whether what is said of the endpoint makes sense by itself.
    ///
    /// # Errors
    /// The first field that does not.
    pub fn check(&self) -> Result<(), Refusal> {
        let (least, most) = self.amount_limits_minor;
        if least < 1 || most < least {
            let why = "must be 1 or more and not above amount_most_minor";
            return Err(Refusal::invalid("amount_least_minor", why));
        }
        let printable = |text: &str| text.bytes().all(|b| matches!(b, b' '..=b'~'));
        if !(1..=TERMINAL_MAX).contains(&self.terminal_id.len()) || !printable(&self.terminal_id) {
            return Err(Refusal::invalid("terminal_id", "must be 1 to 16 ASCII characters"));
        }
        if self.descriptor.len() > DESCRIPTOR_MAX || !printable(&self.descriptor) {
            return Err(Refusal::invalid("descriptor", "must be at most 40 ASCII characters"));
        }
        self.terms.check()?;
        self.limits.check().map_err(|error| Refusal::invalid(error.place, error.why))
    }
}

impl Terms {
    fn check(&self) -> Result<(), Refusal> {
        if !(1..=HOLD_DAYS_MAX).contains(&self.hold_days) {
            return Err(Refusal::invalid("hold_days", "must be 1 to 31"));
        }
        if self.fee.basis_points > BASIS_POINTS_MAX {
            return Err(Refusal::invalid("fee_basis_points", "must be at most 10000"));
        }
        if self.day.close_at.is_some_and(|minutes| minutes >= MINUTES_OF_DAY) {
            return Err(Refusal::invalid("close_at", "must be a time like 23:30"));
        }
        Ok(())
    }
}
