//! Messages in JSON, as the family of Adyen, Fusion and Westpay has it (contract 4).

mod read;
mod scalars;
#[cfg(test)]
mod tests;
mod write;

pub use read::read;
pub use write::write;
pub(super) use write::write_envelope;

/// Names of nexo 3.1 beside those of 3.0 and of Adyen's clients, which do not know the first.
const SECOND_NAMES: &[(&str, &str)] =
    &[("MaskedPAN", "MaskedPan"), ("ProviderIdentification", "ManufacturerID")];
/// The same for values of enumerations.
const SECOND_VALUES: &[(&str, &str)] = &[("OnLinePIN", "OnlinePIN")];
/// In JSON a repeated response has its body one level further down.
const LEVEL: (&str, &str) = ("RepeatedMessageResponse", "RepeatedResponseMessageBody");
