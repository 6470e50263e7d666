//! How the gateway may behave towards the acquirer: it never sends blindly what may have been sent
//! before, and nothing after a reversal.

use super::network::Call;
use super::notebook::Notebook;
use super::time::Time;
use std::collections::BTreeMap;
use tillgate::payment::ids::OrderId;

pub struct Conduct {
    sendings: BTreeMap<OrderId, Sending>,
    time: Time,
    notebook: Notebook,
}

/// What is known of an order's request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sending {
    /// It left the gateway, and nobody has said since that the host does not know it.
    Perhaps,
    /// The host said that it does not know the order.
    NotFound,
    /// It is being taken back.
    Reversed,
}

impl Conduct {
    pub fn new(time: &Time, notebook: &Notebook) -> Self {
        Self { sendings: BTreeMap::new(), time: time.clone(), notebook: notebook.clone() }
    }

    /// Judges a request that is about to be sent.
    pub fn may_send(&self, call: Call, order: OrderId) {
        let known = self.sendings.get(&order);
        if call != Call::Authorise || self.time.has_gone_back() {
            return;
        }
        match known {
            None => {}
            Some(Sending::NotFound) => self.notebook.count("a request sent again after asking"),
            Some(Sending::Perhaps) => {
                self.notebook.accuse(format!("order {order} is sent again without asking first"));
            }
            Some(Sending::Reversed) => {
                self.notebook.accuse(format!("order {order} is sent after its reversal"));
            }
        }
    }

    /// Notes a request that left the gateway.
    pub fn sends(&mut self, call: Call, order: OrderId) {
        match call {
            Call::Authorise => self.sendings.insert(order, Sending::Perhaps),
            Call::Reverse => self.sendings.insert(order, Sending::Reversed),
            Call::Inquire => None,
        };
    }

    /// Notes that the gateway heard that the host does not know the order.
    pub fn hears_not_found(&mut self, order: OrderId) {
        if self.sendings.get(&order) == Some(&Sending::Perhaps) {
            self.sendings.insert(order, Sending::NotFound);
        }
    }

    pub fn sent_orders(&self) -> Vec<OrderId> {
        self.sendings.keys().copied().collect()
    }
}
