//! Why an issuer said no: ISO 8583 field 39 translated into the gateway's decline codes.

/// One public reason for a decline: the number in `error-code` and its sentence (MAPI 10.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decline {
    pub code: u32,
    pub message: &'static str,
}

/// The value of field 39 for an approval.
pub const APPROVED: &str = "00";

const fn decline(code: u32, message: &'static str) -> Decline {
    Decline { code, message }
}

/// What ends an order whose outcome stayed unknown and whose reversal was acknowledged.
pub const REVERSED_WITHOUT_ANSWER: Decline =
    decline(907, "Issuer unavailable: no answer, the transaction was reversed");

/// Ends an order that never reached an acquirer; nothing was charged.
pub const ACQUIRER_UNREACHABLE: Decline =
    decline(907, "Issuer unavailable: the acquirer could not be reached");

/// Ends an order whose card data could not be read again before it was sent; nothing was charged.
pub const MALFUNCTION: Decline = decline(909, "System malfunction");

/// Ends what stayed unknown until an operator found out that nothing had moved.
pub const DECIDED_BY_OPERATOR: Decline =
    decline(907, "Issuer unavailable: no answer, decided by the operator");

/// Ends a chip sale that the issuer approved and nobody completed; it was reversed.
pub const ADVICE_MISSING: Decline =
    decline(909, "The chip did not complete the transaction in time, it was reversed");

/// Ends a chip sale that the issuer approved and the card then refused; it was reversed.
pub const DECLINED_BY_CARD: Decline =
    decline(909, "The card declined the transaction, it was reversed");

/// The field 39 values that have a code of their own.
const BY_RESPONSE: &[(&str, Decline)] = &[
    ("05", decline(100, "Do not honour")),
    ("54", decline(101, "Expired card")),
    ("59", decline(102, "Suspected fraud")),
    ("75", decline(106, "Allowable number of PIN tries exceeded")),
    ("13", decline(110, "Invalid amount")),
    ("51", decline(116, "Not sufficient funds")),
    ("55", decline(117, "Incorrect PIN")),
    ("57", decline(119, "Transaction not permitted to cardholder")),
    ("58", decline(120, "Transaction not permitted to terminal")),
    ("61", decline(121, "Exceeds withdrawal amount limit")),
    ("62", decline(125, "Card not effective")),
    ("41", decline(208, "Lost card")),
    ("43", decline(209, "Stolen card, pick up")),
    ("91", decline(907, "Issuer unavailable")),
    ("96", decline(909, "System malfunction")),
];

/// The decline that a field 39 value other than `00` means. Values without a line of their own
/// are "do not honour", as networks treat them.
#[must_use]
pub fn for_response(field39: &str) -> Decline {
    let known = BY_RESPONSE.iter().find(|(response, _)| *response == field39);
    known.map_or(decline(100, "Do not honour"), |(_, decline)| *decline)
}

/// The field 39 value that leads to a decline code; what the sandbox host answers.
#[must_use]
pub fn response_for(code: u32) -> Option<&'static str> {
    BY_RESPONSE.iter().find(|(_, decline)| decline.code == code).map(|(response, _)| *response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decline_code_leads_back_to_its_response() {
        for (response, decline) in BY_RESPONSE {
            assert_eq!(response_for(decline.code), Some(*response));
            assert_eq!(for_response(response), *decline);
        }
    }

    #[test]
    fn an_unlisted_response_is_do_not_honour() {
        assert_eq!(for_response("ZZ").code, 100);
    }
}
