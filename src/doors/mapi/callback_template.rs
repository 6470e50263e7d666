//! Callback addresses with macros: the merchant chooses which parameters come, and under which
//! names (MAPI 7, "customizable URL").
//!
//! `https://shop.example.com/paid?id=${client_orderid}&ok=${status}&check=${control}`: a macro is
//! replaced by the parameter of its name, percent-encoded, or by nothing if the callback has none.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const OPEN: &str = "${";
const CLOSE: char = '}';
/// Without this nobody could tell our callbacks from others.
const CONTROL: &str = "${control}";
/// The parameters that a callback may have.
const NAMES: [&str; 24] = [
    "status",
    "merchant_order",
    "client_orderid",
    "orderid",
    "type",
    "amount",
    "descriptor",
    "error_code",
    "error_message",
    "name",
    "card-holder-name",
    "email",
    "phone",
    "approval-code",
    "last-four-digits",
    "bin",
    "card-type",
    "gate-partial-reversal",
    "gate-partial-capture",
    "processor-tx-id",
    "processor-rrn",
    "comment",
    "control",
    "merchantdata",
];

/// Whether an address has macros.
pub(super) fn has_macros(address: &str) -> bool {
    address.contains(OPEN)
}

/// Checks the macros of an address.
///
/// # Errors
/// What is wrong with them, and what to write instead.
pub(super) fn check(address: &str) -> Result<(), String> {
    if !has_macros(address) {
        return Ok(());
    }
    if !address.contains(CONTROL) {
        return Err(format!("an address with macros needs {CONTROL}, which proves who calls"));
    }
    for macro_name in address.split(OPEN).skip(1) {
        let name = macro_name.split_once(CLOSE).map_or("", |(name, _)| name);
        if !NAMES.contains(&name) {
            let known = NAMES.join(", ");
            return Err(format!("${{{name}}} is no macro; these are: {known}"));
        }
    }
    let place = address.find(OPEN).unwrap_or_default();
    let host_ends = address
        .find("://")
        .and_then(|at| address.get(at + 3..)?.find(['/', '?']).map(|end| at + 3 + end));
    match host_ends.is_some_and(|end| place > end) {
        true => Ok(()),
        false => Err("macros may stand behind the host only".to_owned()),
    }
}

/// The address with its macros replaced.
pub(super) fn filled(address: &str, parameters: &[(&'static str, String)]) -> String {
    let mut parts = address.split(OPEN);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(CLOSE).unwrap_or((part, ""));
        let value = parameters.iter().find(|(known, _)| *known == name);
        let value = value.map_or("", |(_, value)| value.as_str());
        whole.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        whole.push_str(rest);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "https://shop.example.com/paid";

    #[test]
    fn macros_are_replaced_and_nothing_is_left_of_those_without_a_value() {
        let parameters = [("status", "approved".to_owned()), ("name", "A & B".to_owned())];
        let address = format!("{SHOP}/${{status}}?who=${{name}}&code=${{error_code}}#x");
        assert_eq!(
            filled(&address, &parameters),
            format!("{SHOP}/approved?who=A%20%26%20B&code=#x")
        );
        assert_eq!(filled(SHOP, &parameters), SHOP);
    }

    #[test]
    fn an_address_with_macros_has_the_control_and_known_names_behind_its_host() {
        assert_eq!(check(SHOP), Ok(()));
        assert_eq!(check(&format!("{SHOP}?c=${{control}}&s=${{status}}")), Ok(()));
        for wrong in [
            format!("{SHOP}?s=${{status}}"),
            format!("{SHOP}?c=${{control}}&s=${{state}}"),
            format!("{SHOP}?c=${{control}}&s=${{status"),
            "https://${control}.example.com/".to_owned(),
            "https://shop${control}".to_owned(),
        ] {
            assert!(check(&wrong).is_err(), "{wrong}");
        }
    }
}
