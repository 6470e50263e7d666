//! Merchants and their endpoints, as the rules need them.

use super::day::BusinessDay;
use super::ids::{EndpointId, GroupId, MerchantId};
use super::limits::Limits;
use super::money::{Amount, Currency};
use super::refusal::Refusal;

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
}
