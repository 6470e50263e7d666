//! The limits of an endpoint in JSON, for operators and for the sandbox.

use super::span::{parse_span, span_text};
use crate::payment::limits::{Choice, Limits, Per, Velocity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The rules of an endpoint's filter; what is left out does not limit.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsBody {
    /// The largest amount of one order, in minor units. Filtered orders have the code 702.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 500_000)]
    pub amount_most_minor: Option<i64>,
    /// Alpha-3 codes; 702.
    #[serde(default)]
    pub currencies: ChoiceBody,
    /// Compared with the request's `country` as it was sent, in any case: list `RU` and `RUS` if
    /// both may come; 703.
    #[serde(default)]
    pub countries: ChoiceBody,
    /// The first four to six digits of card numbers; 701.
    #[serde(default)]
    pub bins: ChoiceBody,
    /// Orders of one card or reader within some time; 700.
    #[serde(default)]
    pub velocity: Vec<VelocityBody>,
    /// How far a reader's counter may be ahead of the last one taken; what jumps further is refused
    /// with 33.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 1000)]
    pub counter_jump_most: Option<u32>,
}

/// What is allowed or forbidden.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChoiceBody {
    /// Nothing else, unless this is empty.
    pub allowed: Vec<String>,
    /// Forbidden even if it is allowed, too.
    pub forbidden: Vec<String>,
}

/// How much one card or one reader may be used within a time. Filtered orders do not count.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VelocityBody {
    pub per: PerName,
    /// A whole number and `s`, `m`, `h` or `d`, up to 31 days.
    #[schema(example = "10m")]
    pub within: String,
    /// The largest number of orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 5)]
    pub count_most: Option<u32>,
    /// The largest sum, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_most_minor: Option<i64>,
}

/// Whose orders are counted.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PerName {
    Card,
    Reader,
}

impl LimitsBody {
    /// The rules as they are told.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        Self {
            amount_most_minor: limits.amount_most_minor,
            currencies: ChoiceBody::of(&limits.currencies),
            countries: ChoiceBody::of(&limits.countries),
            bins: ChoiceBody::of(&limits.bins),
            velocity: limits.velocity.iter().map(VelocityBody::of).collect(),
            counter_jump_most: limits.counter_jump_most,
        }
    }

    /// The rules, checked.
    ///
    /// # Errors
    /// What is wrong with the first that makes no sense.
    pub fn into_limits(self) -> Result<Limits, String> {
        let numbered = self.velocity.into_iter().enumerate();
        let velocity = numbered
            .map(|(place, rule)| {
                rule.into_rule().map_err(|why| format!("velocity[{place}]: {why}"))
            })
            .collect::<Result<_, _>>()?;
        let limits = Limits {
            amount_most_minor: self.amount_most_minor,
            currencies: self.currencies.into_choice(),
            countries: self.countries.into_choice(),
            bins: self.bins.into_choice(),
            velocity,
            counter_jump_most: self.counter_jump_most,
        };
        limits.check().map_err(|error| error.to_string())?;
        Ok(limits)
    }
}

impl ChoiceBody {
    fn of(choice: &Choice) -> Self {
        Self { allowed: choice.allowed.clone(), forbidden: choice.forbidden.clone() }
    }

    fn into_choice(self) -> Choice {
        Choice { allowed: self.allowed, forbidden: self.forbidden }
    }
}

impl VelocityBody {
    fn of(rule: &Velocity) -> Self {
        Self {
            per: match rule.per {
                Per::Card => PerName::Card,
                Per::Reader => PerName::Reader,
            },
            within: span_text(rule.within),
            count_most: rule.count_most,
            sum_most_minor: rule.sum_most_minor,
        }
    }

    fn into_rule(self) -> Result<Velocity, String> {
        let within = parse_span(&self.within).ok_or_else(|| {
            format!("within: {:?} is not a time like \"10m\" or \"24h\"", self.within)
        })?;
        Ok(Velocity {
            per: match self.per {
                PerName::Card => Per::Card,
                PerName::Reader => Per::Reader,
            },
            within,
            count_most: self.count_most,
            sum_most_minor: self.sum_most_minor,
        })
    }
}
