//! What is hashed for each command, as `crypto::sign` knows it, and what must be there for it.

use super::recipe::{Part, Recipe};
use super::sent::Sent;
use super::{Fault, Finding};
use crate::payment::money::{Amount, Currency};

/// How the amount is named where it is hashed.
pub(super) const MINOR_UNITS: &str = "amount in minor units";

/// What a control was made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// MAPI 5.1.
    Status,
    /// MAPI 8.1.
    Capture,
    /// MAPI 8.2.
    Return,
    /// MAPI 8.3.
    Void,
    /// MAPI 7: signed by us, checked by the merchant.
    Callback,
}

impl Command {
    /// Every command there is.
    pub const ALL: [Self; 5] =
        [Self::Status, Self::Capture, Self::Return, Self::Void, Self::Callback];

    /// The name by which tools and people know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Capture => "capture",
            Self::Return => "return",
            Self::Void => "void",
            Self::Callback => "callback",
        }
    }

    /// The command of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }

    fn mandatory(self) -> &'static [&'static str] {
        match self {
            Self::Status => &["login", "client_orderid", "control"],
            Self::Capture | Self::Return | Self::Void => {
                &["login", "client_orderid", "orderid", "control"]
            }
            Self::Callback => &["status", "orderid", "client_orderid", "control"],
        }
    }

    /// What makes its control, of the fields that were sent.
    pub(super) fn recipe(self, sent: &Sent, amount: Option<Amount>, key: &str) -> Recipe {
        let field = |name: &str| Part::value(name, sent.value(name));
        let mut parts = match self {
            Self::Callback => vec![field("status"), field("orderid"), field("client_orderid")],
            _ => vec![field("login"), field("client_orderid"), field("orderid")],
        };
        if let (Self::Capture | Self::Return, Some(amount)) = (self, amount) {
            parts.push(Part::value(MINOR_UNITS, &amount.minor().to_string()));
            parts.push(field("currency"));
        }
        parts.push(Part::key(key));
        Recipe::new(parts)
    }
}

/// Refuses what is refused before a control is looked at.
pub(super) fn check(command: Command, sent: &Sent) -> Result<(), Fault> {
    if command != Command::Callback {
        // Not so in a callback: the merchant's own address may have anything in its query.
        check_each(sent)?;
    }
    let missing = command.mandatory().iter().find(|name| sent.value(name).is_empty());
    missing.map_or(Ok(()), |name| {
        let came: Vec<_> = sent.fields().iter().map(|field| field.name.as_str()).collect();
        Err(Fault::new(
            Finding::MissingField,
            format!("{name} is missing or empty; there are {}", came.join(", ")),
            format!("send {name}, spelt like this"),
        ))
    })
}

fn check_each(sent: &Sent) -> Result<(), Fault> {
    for (place, field) in sent.fields().iter().enumerate() {
        let name = &field.name;
        if sent.fields()[..place].iter().any(|earlier| earlier.name == *name) {
            let wrong = format!("{name:?} is there twice");
            return Err(Fault::new(Finding::FieldTwice, wrong, "send each field once"));
        }
        if field.value.chars().any(char::is_control) {
            return Err(Fault::new(
                Finding::ControlCharacters,
                format!("the value of {name:?} has a line end or another control character"),
                "send the value without it, and sign it without it",
            ));
        }
    }
    Ok(())
}

/// The amount that is signed, if one was sent and the command signs it.
pub(super) fn signed_amount(command: Command, sent: &Sent) -> Result<Option<Amount>, Fault> {
    let (text, alpha) = (sent.value("amount"), sent.value("currency"));
    if text.is_empty() || !matches!(command, Command::Capture | Command::Return) {
        return Ok(None);
    }
    if alpha.is_empty() {
        return Err(Fault::new(
            Finding::AmountWithoutCurrency,
            "there is an amount without a currency",
            "send the currency too, and hash it after the amount; or send neither",
        ));
    }
    let refused = |why: &str| {
        let wrong = format!("the amount {text:?} {alpha:?} is refused: {why}");
        let change = "send it in highest units as the currency has them, like 10.42 and RUB";
        Fault::new(Finding::AmountNotRead, wrong, change)
    };
    let currency = Currency::from_alpha(alpha);
    let currency = currency.ok_or_else(|| refused("this currency is not known"))?;
    Amount::parse(text, currency).map(Some).map_err(|error| refused(&error.to_string()))
}
