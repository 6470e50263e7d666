//! The gateway's own filter: orders that it ends before any acquirer hears of them.

use super::decline::Decline;
use super::limits::{Limits, Used};
use super::merchant::Endpoint;
use super::order::Order;

/// MAPI 10.2.
const VELOCITY: Decline = Decline { code: 700, message: "Filtered: velocity" };
const BIN: Decline = Decline { code: 701, message: "Filtered: card number" };
const AMOUNT: Decline = Decline { code: 702, message: "Filtered: amount" };
const CURRENCY: Decline = Decline { code: 702, message: "Filtered: currency" };
const COUNTRY: Decline = Decline { code: 703, message: "Filtered: country" };

/// Why the filter stops an order, or `None` to let it pass. `used` is what was used before it, for
/// each of the endpoint's velocity rules in their order.
///
/// A sandbox also stops amounts of mobile apps whose minor units end in 300 (MAPI 11).
#[must_use]
pub fn judge(endpoint: &Endpoint, order: &Order, used: &[Used]) -> Option<Decline> {
    let of_app = order.request.host_profile.is_mpos();
    let magic = endpoint.sandbox && of_app && order.amount.minor() % 1000 == 300;
    if magic { Some(AMOUNT) } else { judge_by(&endpoint.limits, order, used) }
}

fn judge_by(limits: &Limits, order: &Order, used: &[Used]) -> Option<Decline> {
    let minor = order.amount.minor();
    let (currency, bin) = (order.amount.currency().alpha(), order.card.bin.as_str());
    let country = order.request.country.as_str();
    if limits.amount_most_minor.is_some_and(|most| minor > most) {
        return Some(AMOUNT);
    }
    if !limits.currencies.admits(|listed| listed == currency) {
        return Some(CURRENCY);
    }
    if !limits.countries.admits(|listed| listed.eq_ignore_ascii_case(country)) {
        return Some(COUNTRY);
    }
    if !limits.bins.admits(|listed| bin.starts_with(listed)) {
        return Some(BIN);
    }
    if !order.kind.spends() {
        return None;
    }
    let mut rules = limits.velocity.iter().zip(used);
    rules.any(|(rule, used)| rule.is_exceeded(*used, minor)).then_some(VELOCITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::MINUTE;
    use crate::payment::limits::{Choice, Per, Velocity};
    use crate::payment::order::Kind;
    use crate::payment::order::example::order;
    use proptest::prelude::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    fn allowed(entries: &[&str]) -> Choice {
        Choice { allowed: list(entries), forbidden: Vec::new() }
    }

    fn forbidden(entries: &[&str]) -> Choice {
        Choice { allowed: Vec::new(), forbidden: list(entries) }
    }

    fn velocity(count_most: Option<u32>, sum_most_minor: Option<i64>) -> Limits {
        let rule = Velocity { per: Per::Card, within: MINUTE, count_most, sum_most_minor };
        Limits { velocity: vec![rule], ..Limits::default() }
    }

    /// The code for a sale of 10.42 roubles with a card that begins with 444455.
    fn code(limits: &Limits, country: &str, used: Used) -> Option<u32> {
        let mut order = order(1042);
        country.clone_into(&mut order.request.country);
        "444455".clone_into(&mut order.card.bin);
        judge_by(limits, &order, &[used]).map(|reason| reason.code)
    }

    #[test]
    fn each_rule_stops_what_it_names_and_nothing_else() {
        let none = Limits::default;
        for (limits, expected) in [
            (none(), None),
            (Limits { amount_most_minor: Some(1042), ..none() }, None),
            (Limits { amount_most_minor: Some(1041), ..none() }, Some(702)),
            (Limits { currencies: allowed(&["EUR", "RUB"]), ..none() }, None),
            (Limits { currencies: allowed(&["EUR"]), ..none() }, Some(702)),
            (Limits { currencies: forbidden(&["RUB"]), ..none() }, Some(702)),
            (Limits { countries: allowed(&["fr", "ru"]), ..none() }, None),
            (Limits { countries: allowed(&["RUS"]), ..none() }, Some(703)),
            (Limits { countries: forbidden(&["Ru"]), ..none() }, Some(703)),
            (Limits { countries: forbidden(&["FR"]), ..none() }, None),
            (Limits { bins: allowed(&["4444"]), ..none() }, None),
            (Limits { bins: allowed(&["444456", "5555"]), ..none() }, Some(701)),
            (Limits { bins: forbidden(&["444455"]), ..none() }, Some(701)),
            (
                Limits {
                    bins: Choice { allowed: list(&["4444"]), forbidden: list(&["44445"]) },
                    ..none()
                },
                Some(701),
            ),
        ] {
            assert_eq!(code(&limits, "RU", Used::default()), expected, "{limits:?}");
        }
    }

    #[test]
    fn a_refund_is_stopped_by_what_it_is_and_not_by_what_the_card_has_spent() {
        let refund = Order { kind: Kind::Refund, ..order(1042) };
        let used = [Used { count: 9, sum_minor: 9_000 }];
        assert_eq!(judge_by(&velocity(Some(5), Some(2042)), &refund, &used), None);
        let limits = Limits { amount_most_minor: Some(1041), ..Limits::default() };
        assert_eq!(judge_by(&limits, &refund, &used), Some(AMOUNT));
    }

    #[test]
    fn a_request_without_a_country_comes_from_none_that_is_allowed() {
        let limits = Limits { countries: allowed(&["RU"]), ..Limits::default() };
        assert_eq!(code(&limits, "", Used::default()), Some(703));
    }

    #[test]
    fn an_order_may_reach_a_limit_and_not_pass_it() {
        let used = |count, sum_minor| Used { count, sum_minor };
        for (limits, used, expected) in [
            (velocity(Some(5), None), used(4, 0), None),
            (velocity(Some(5), None), used(5, 0), Some(700)),
            (velocity(Some(0), None), used(0, 0), Some(700)),
            (velocity(None, Some(2042)), used(9, 1000), None),
            (velocity(None, Some(2042)), used(9, 1001), Some(700)),
            (velocity(Some(5), Some(2042)), used(1, 1001), Some(700)),
        ] {
            assert_eq!(code(&limits, "RU", used), expected, "{limits:?} {used:?}");
        }
    }

    proptest! {
        #[test]
        fn no_order_and_no_limit_make_it_panic(
            count_most in any::<Option<u32>>(), sum in any::<Option<i64>>(),
            count in any::<i64>(), sum_minor in any::<i64>(),
            entry in "\\PC{0,8}", country in "\\PC{0,8}", bin in "\\PC{0,8}",
        ) {
            let mut limits = velocity(count_most, sum);
            limits.countries = forbidden(&[&entry]);
            limits.bins = forbidden(&[&entry]);
            let mut order = order(i64::MAX);
            (order.request.country, order.card.bin) = (country, bin);
            let _ = judge_by(&limits, &order, &[Used { count, sum_minor }]);
        }
    }
}
