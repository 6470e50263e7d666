//! Every reason for which the gateway refuses a request, with its public code and sentence.

use super::ids::OrderId;

/// How a refusal is typed on the wire (MAPI 1.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// The request itself is wrong: `type=validation-error`.
    Validation,
    /// The request is well formed but cannot be done: `type=error`.
    Business,
}

/// A request that was refused; nothing was stored for it.
///
/// The sentence of each variant goes on the wire, so none may carry a secret. Codes: MAPI 10.2
/// and the codes for card data that were decided after it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("Request parameter '{name}' is invalid: {why}")]
    InvalidParameter { name: String, why: String },
    #[error("Request parameter '{0}' is missing")]
    MissingParameter(&'static str),
    #[error("INVALID_CONTROL_CODE")]
    InvalidControl,
    #[error("End point {0} not found")]
    EndpointNotFound(i64),
    #[error("Currency {0} is not supported by the end point")]
    CurrencyNotSupported(String),
    #[error("Amount is out of limits")]
    AmountOutOfLimits,
    #[error("Unsupported encrypted-type")]
    UnsupportedEncryptedType,
    #[error("Invalid encrypted-data")]
    InvalidEncryptedData,
    #[error("DUPLICATE_CLIENT_ORDERID")]
    DuplicateOrder(OrderId),
    #[error("READER_NOT_REGISTERED")]
    ReaderNotRegistered,
    #[error("READER_DISABLED")]
    ReaderDisabled,
    #[error("READER_NOT_ASSIGNED")]
    ReaderNotAssigned,
    #[error("CARD_DATA_DECRYPTION_FAILED")]
    DecryptionFailed,
    #[error("KSN_REPLAY")]
    CounterReplayed,
    #[error("GATE_CLOSING_DAY")]
    GateClosingDay,
    #[error("DAY_IS_CLOSING")]
    DayIsClosing,
    #[error("EMV_ADVICE_NOT_EXPECTED")]
    AdviceNotExpected,
    #[error("END_POINT_DISABLED")]
    EndpointDisabled,
    #[error("CARD_NUMBER_INVALID")]
    CardNumberInvalid,
    #[error("CARD_EXPIRED")]
    CardExpired,
    #[error("CARD_DATA_AMOUNT_OR_CURRENCY_DIFFERS")]
    CardDataDiffers,
    #[error("KSN_JUMP")]
    CounterJumped,
    #[error("READER_EXHAUSTED")]
    ReaderExhausted,
    #[error("UNKNOWN_KEY_SET")]
    UnknownKeySet,
    #[error("PIN_BLOCK_FORMAT_NOT_ALLOWED")]
    PinNotAllowed,
    #[error("DAY_CLOSE_REQUEST_DIFFERS")]
    DayCloseDiffers,
    #[error("ORDER_NOT_FOUND")]
    OrderNotFound,
    #[error("WRONG_ORDER_STATE")]
    WrongOrderState,
    #[error("AMOUNT_EXCEEDED")]
    AmountExceeded,
    #[error("CURRENCY_MISMATCH")]
    CurrencyMismatch,
    #[error("PARTIAL_NOT_SUPPORTED")]
    PartialNotSupported,
}

impl Refusal {
    /// A parameter that is there but wrong; `why` must not repeat a secret value.
    #[must_use]
    pub fn invalid(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::InvalidParameter { name: name.into(), why: why.into() }
    }

    /// The number in `error-code`.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self {
            Self::InvalidParameter { .. } => 1,
            Self::MissingParameter(_) => 2,
            Self::InvalidControl => 3,
            Self::EndpointNotFound(_) => 4,
            Self::CurrencyNotSupported(_) => 6,
            Self::AmountOutOfLimits => 7,
            Self::UnsupportedEncryptedType => 8,
            Self::InvalidEncryptedData => 9,
            Self::DuplicateOrder(_) => 20,
            Self::ReaderNotRegistered => 21,
            Self::ReaderDisabled => 22,
            Self::ReaderNotAssigned => 23,
            Self::DecryptionFailed => 24,
            Self::CounterReplayed => 25,
            Self::GateClosingDay => 26,
            Self::DayIsClosing => 27,
            Self::AdviceNotExpected => 28,
            Self::EndpointDisabled => 29,
            Self::CardNumberInvalid => 30,
            Self::CardExpired => 31,
            Self::CardDataDiffers => 32,
            Self::CounterJumped => 33,
            Self::ReaderExhausted => 34,
            Self::UnknownKeySet => 35,
            Self::PinNotAllowed => 36,
            Self::DayCloseDiffers => 37,
            Self::OrderNotFound => 101,
            Self::WrongOrderState => 102,
            Self::AmountExceeded => 103,
            Self::CurrencyMismatch => 104,
            Self::PartialNotSupported => 105,
        }
    }

    /// Whether the request was malformed or merely impossible.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        if self.code() < 20 { RefusalKind::Validation } else { RefusalKind::Business }
    }
}
