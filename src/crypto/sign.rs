//! The SHA-1 `control` of the form commands and of callbacks (MAPI 2.1).

use crate::payment::money::Amount;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// SHA-1 over the parts joined without a separator, as 40 lower-case hex digits (MAPI 2.1).
///
/// A value that was not sent is an empty part. The parts must be trimmed already.
#[must_use]
pub fn control(parts: &[&str]) -> String {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// Whether a given control is the expected one. Letter case does not count; the time taken tells
/// at most the length.
#[must_use]
pub fn control_matches(expected: &str, given: &str) -> bool {
    let (expected, given) = (expected.to_ascii_lowercase(), given.to_ascii_lowercase());
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// Whether a given secret is the expected one. The time taken tells at most the length.
#[must_use]
pub fn secrets_match(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// The control of a capture or a return (MAPI 8.1, 8.2): an amount that was sent stands in it in
/// minor units, followed by its currency.
#[must_use]
pub fn amend_control(
    login: &str,
    client_orderid: &str,
    orderid: &str,
    amount: Option<Amount>,
    merchant_control: &str,
) -> String {
    let minor = amount.map(|amount| amount.minor().to_string()).unwrap_or_default();
    let currency = amount.map_or("", |amount| amount.currency().alpha());
    control(&[login, client_orderid, orderid, &minor, currency, merchant_control])
}

/// The control of a status request (MAPI 5.1). Void and a capture or return of the whole amount
/// are signed alike (MAPI 8). `orderid` is empty when it was not sent.
#[must_use]
pub fn status_control(
    login: &str,
    client_orderid: &str,
    orderid: &str,
    merchant_control: &str,
) -> String {
    control(&[login, client_orderid, orderid, merchant_control])
}

/// The control that the gateway puts on a callback to the merchant (MAPI 7).
#[must_use]
pub fn callback_control(
    status: &str,
    orderid: &str,
    client_orderid: &str,
    merchant_control: &str,
) -> String {
    control(&[status, orderid, client_orderid, merchant_control])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::money::Currency;

    const KEY: &str = "B17F59B4-A7DC-41B4-8FF9-37D986B43D20";

    #[test]
    fn the_documented_sale_string_has_the_documented_control() {
        let parts = ["1111", "902B4FF5", "1042", "john.smith@gmail.com", KEY];
        assert_eq!(control(&parts), "c6bdd88a78834ef4b863b088827a459f039e8257");
    }

    #[test]
    fn a_status_request_is_signed_with_or_without_the_order_id() {
        let status = |orderid| status_control("merchantlogin", "902B4FF5", orderid, KEY);
        assert_eq!(status("6877"), "cbc89d2a9918e10f6b3eef49d9ed1ef9d18b1c53");
        assert_eq!(status(""), "7b1771f5f11c4bcaa803a207766b74fc8cfa352f");
    }

    #[test]
    fn a_return_of_a_part_is_signed_with_amount_and_currency() {
        let rub = Currency::from_alpha("RUB").unwrap();
        let five = Amount::from_minor(500, rub);
        let part = amend_control("merchantlogin", "902B4FF5", "6877", five, KEY);
        assert_eq!(part, "38201f352f762343e0e6bb3cf0b2e5b988889147");
        let whole = amend_control("merchantlogin", "902B4FF5", "6877", None, KEY);
        assert_eq!(whole, "cbc89d2a9918e10f6b3eef49d9ed1ef9d18b1c53");
    }

    #[test]
    fn a_callback_is_signed_with_its_status() {
        let approved = callback_control("approved", "6877", "902B4FF5", KEY);
        assert_eq!(approved, "4da2df6cf87582ee1908e9f0e044a7805d51288a");
    }

    #[test]
    fn controls_are_compared_without_regard_to_case() {
        let expected = control(&["a"]);
        assert!(control_matches(&expected, &expected.to_uppercase()));
        assert!(!control_matches(&expected, ""));
        assert!(!control_matches(&expected, &expected[1..]));
        assert!(!control_matches(&expected, &control(&["b"])));
    }
}
