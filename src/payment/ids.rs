//! Identifiers, one type each, so that an endpoint is never taken for an order.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// An order and all its transactions: `paynet-order-id` on the wire.
    OrderId
}
number_id! {
    /// A merchant; on the wire merchants are named by their login.
    MerchantId
}
number_id! {
    /// An endpoint: one merchant, one currency. `ENDPOINTID` in paths.
    EndpointId
}
number_id! {
    /// A group of one merchant's endpoints. `ENDPOINTGROUPID` in paths.
    GroupId
}
number_id! {
    /// A reader in the registry; in the field it is named by its serial.
    ReaderId
}
number_id! {
    /// A payment terminal in the registry; points of sale name it by its POIID.
    TerminalId
}
number_id! {
    /// One service that a terminal carries out, a payment for example.
    ServiceNumber
}
number_id! {
    /// A set of readers whose keys come from one base key.
    KeySetId
}
number_id! {
    /// A key under which other keys travel, shared with the party that they are exchanged with.
    TransportKeyId
}
number_id! {
    /// A later transaction on an order: a capture, a cancel, a reversal, a void. Numbered together
    /// with the orders, so that no amendment has the number of an order.
    AmendmentId
}
number_id! {
    /// One close of a business day: the batch number.
    DayCloseId
}
number_id! {
    /// One waiting piece of work. It has the number of the transaction that it belongs to: of the
    /// order, or of the amendment.
    JobId
}

impl From<OrderId> for JobId {
    fn from(order: OrderId) -> Self {
        Self(order.0)
    }
}

impl From<AmendmentId> for JobId {
    fn from(amendment: AmendmentId) -> Self {
        Self(amendment.0)
    }
}
number_id! {
    /// One callback owed to a merchant; the same on each of its attempts.
    NoticeId
}

/// The number of one request, unique over the life of a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SerialNumber(pub i64);

/// MAPI 1.5: a UUID whose first twenty hex digits are zero and whose last twelve count.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00000000-0000-0000-0000-{:012x}", self.0 & 0xFFFF_FFFF_FFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_looks_like_those_of_the_field() {
        assert_eq!(SerialNumber(0x043b_64d7).to_string(), "00000000-0000-0000-0000-0000043b64d7");
    }
}
