//! Why a service failed, in the standard's words, and how a failure is worded (nexo contract 7).

use crate::payment::terminal::Dialect;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// `ErrorCondition`: the values of the schema, and no others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Aborted,
    Busy,
    Cancel,
    DeviceOut,
    InProgress,
    LoggedOut,
    MessageFormat,
    NotAllowed,
    NotFound,
    Refusal,
    UnavailableDevice,
    UnavailableService,
    InvalidCard,
    UnreachableHost,
    WrongPin,
}

impl Condition {
    /// The schema's spelling.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Aborted => "Aborted",
            Self::Busy => "Busy",
            Self::Cancel => "Cancel",
            Self::DeviceOut => "DeviceOut",
            Self::InProgress => "InProgress",
            Self::LoggedOut => "LoggedOut",
            Self::MessageFormat => "MessageFormat",
            Self::NotAllowed => "NotAllowed",
            Self::NotFound => "NotFound",
            Self::Refusal => "Refusal",
            Self::UnavailableDevice => "UnavailableDevice",
            Self::UnavailableService => "UnavailableService",
            Self::InvalidCard => "InvalidCard",
            Self::UnreachableHost => "UnreachableHost",
            Self::WrongPin => "WrongPIN",
        }
    }
}

/// A service that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failed {
    pub(super) condition: Condition,
    /// A plain English sentence.
    pub(super) text: String,
    /// The reason that the JSON family gives beside it.
    pub(super) refusal_reason: Option<String>,
}

impl Failed {
    pub(super) fn new(condition: Condition, text: impl Into<String>) -> Self {
        Self { condition, text: text.into(), refusal_reason: None }
    }

    /// The element `Response`.
    pub(super) fn response(&self, dialect: Dialect) -> Value {
        let mut pairs = vec![("message", self.text.as_str())];
        pairs.extend(self.refusal_reason.as_deref().map(|reason| ("refusalReason", reason)));
        let text = match dialect {
            Dialect::Xml31 => self.text.clone(),
            Dialect::Json => form_encoded(&pairs),
        };
        json!({
            "Result": "Failure",
            "ErrorCondition": self.condition.name(),
            "AdditionalResponse": text,
        })
    }
}

/// `name=value&…`, as the JSON family words additional answers.
pub(super) fn form_encoded(pairs: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_worded_as_its_dialect_has_it() {
        let mut failed = Failed::new(Condition::Refusal, "123 Declined");
        failed.refusal_reason = Some("Declined".to_owned());
        let plain = failed.response(Dialect::Xml31);
        assert_eq!(plain["AdditionalResponse"], "123 Declined");
        assert_eq!(plain["ErrorCondition"], "Refusal");
        let encoded = failed.response(Dialect::Json);
        assert_eq!(encoded["AdditionalResponse"], "message=123%20Declined&refusalReason=Declined");
    }
}
