//! The gateway's own filter: orders that it ends before any acquirer hears of them.

use super::decline::Decline;
use super::merchant::Endpoint;
use super::money::Amount;

/// Why the filter stopped an order, or `None` to let it pass.
///
/// For now the only rule is the sandbox's magic amount (minor units ending in 300, MAPI 11).
#[must_use]
pub fn judge(endpoint: &Endpoint, amount: Amount) -> Option<Decline> {
    let stopped = endpoint.sandbox && amount.minor() % 1000 == 300;
    stopped.then_some(Decline { code: 702, message: "Filtered: amount" })
}
