//! Whether a later transaction may be opened, and for how much: the sums never exceed what was
//! approved, captured, or left.

use super::amendment::{Amendment, Kind};
use super::merchant::Terms;
use super::money::Amount;
use super::order::{self, Order, Status};
use super::refusal::Refusal;
use super::{DAY, Millis};

/// How many later transactions an order may have.
const AMENDMENTS_MAX: usize = 100;

/// What the merchant asks for (MAPI 8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Of this amount, or of all that is held.
    Capture(Option<Amount>),
    /// A cancel while the money is only held, otherwise a reversal: of this amount, or of the rest.
    Return(Option<Amount>),
    /// Of all, which is this amount if it is given.
    Void(Option<Amount>),
}

impl Request {
    fn amount(self) -> Option<Amount> {
        match self {
            Self::Capture(amount) | Self::Return(amount) | Self::Void(amount) => amount,
        }
    }
}

/// An order with all that happened to it since.
#[derive(Clone, Copy)]
pub struct History<'a> {
    pub order: &'a Order,
    pub amendments: &'a [Amendment],
    /// Whether what the order took stands in the books of the open business day, so that it can
    /// still be voided.
    pub day_is_open: bool,
}

impl History<'_> {
    /// The kind and the amount of the transaction that the request leads to.
    ///
    /// # Errors
    /// `WrongOrderState`, `CurrencyMismatch`, `AmountExceeded` or `PartialNotSupported`.
    pub fn judge(
        &self,
        request: Request,
        terms: &Terms,
        now: Millis,
    ) -> Result<(Kind, Amount), Refusal> {
        if self.order.status != Status::Approved || self.amendments.len() >= AMENDMENTS_MAX {
            return Err(Refusal::WrongOrderState);
        }
        let currency = self.order.amount.currency();
        if request.amount().is_some_and(|amount| amount.currency() != currency) {
            return Err(Refusal::CurrencyMismatch);
        }
        match (request, self.order.kind) {
            (Request::Capture(amount), order::Kind::Preauth) => self.capture(amount, terms, now),
            // What a refund gave is not taken again.
            (_, order::Kind::Refund) | (Request::Capture(_), order::Kind::Sale) => {
                Err(Refusal::WrongOrderState)
            }
            (Request::Return(amount), order::Kind::Preauth) if self.captured() == 0 => {
                self.cancel(amount)
            }
            (Request::Return(amount), _) => self.reverse(amount, terms),
            (Request::Void(amount), _) => self.void(amount),
        }
    }

    /// Whether the hold of a preauthorisation is to be released because its time is over: nobody
    /// has captured or cancelled it. `None` while a transaction is under way that will tell.
    #[must_use]
    pub fn lapses(&self) -> Option<bool> {
        let mut that_count = self.amendments.iter().filter(|amendment| amendment.may_count());
        match that_count.all(is_approved) {
            true => Some(self.captured() == 0 && !self.has(Kind::Cancel)),
            false => None,
        }
    }

    fn capture(
        &self,
        amount: Option<Amount>,
        terms: &Terms,
        now: Millis,
    ) -> Result<(Kind, Amount), Refusal> {
        let captured = self.captured();
        if self.has(Kind::Cancel)
            || self.is_under_way(&[Kind::Void])
            || now >= hold_ends(self.order)
            || (captured > 0 && !terms.multi_capture)
        {
            return Err(Refusal::WrongOrderState);
        }
        let left = self.order.amount.minor() - captured;
        let part = self.part(amount, left, terms.partial_capture || terms.multi_capture)?;
        Ok((Kind::Capture, part))
    }

    fn cancel(&self, amount: Option<Amount>) -> Result<(Kind, Amount), Refusal> {
        if self.has(Kind::Cancel) {
            return Err(Refusal::WrongOrderState);
        }
        // A hold is released whole.
        let whole = self.part(amount, self.order.amount.minor(), false)?;
        Ok((Kind::Cancel, whole))
    }

    fn reverse(&self, amount: Option<Amount>, terms: &Terms) -> Result<(Kind, Amount), Refusal> {
        // A void that may still be done, or a capture that may still fail, makes every sum a guess.
        if self.taken() == 0 || self.is_under_way(&[Kind::Void, Kind::Capture]) {
            return Err(Refusal::WrongOrderState);
        }
        let left = self.taken() - self.sum(Kind::Reversal, Amendment::may_count);
        Ok((Kind::Reversal, self.part(amount, left, terms.partial_reversal)?))
    }

    fn void(&self, amount: Option<Amount>) -> Result<(Kind, Amount), Refusal> {
        let pending = self.is_under_way(&[Kind::Void, Kind::Capture]);
        if !self.day_is_open || pending || self.has(Kind::Reversal) || self.taken() == 0 {
            return Err(Refusal::WrongOrderState);
        }
        Ok((Kind::Void, self.part(amount, self.taken(), false)?))
    }

    /// What was asked for, or all that is left.
    fn part(&self, amount: Option<Amount>, left: i64, partly: bool) -> Result<Amount, Refusal> {
        let whole = Amount::from_minor(left, self.order.amount.currency()).filter(|_| left > 0);
        let whole = whole.ok_or(Refusal::AmountExceeded)?;
        match amount {
            None => Ok(whole),
            Some(amount) if amount.minor() > left => Err(Refusal::AmountExceeded),
            Some(amount) if amount.minor() < left && !partly => Err(Refusal::PartialNotSupported),
            Some(amount) => Ok(amount),
        }
    }

    /// What was captured of the hold, or still may be.
    fn captured(&self) -> i64 {
        self.sum(Kind::Capture, Amendment::may_count) - self.voided()
    }

    /// What certainly was taken from the card holder and not undone by a void.
    fn taken(&self) -> i64 {
        let taken = match self.order.kind {
            order::Kind::Sale => self.order.amount.minor(),
            order::Kind::Preauth => self.sum(Kind::Capture, is_approved),
            order::Kind::Refund => 0,
        };
        taken - self.voided()
    }

    fn voided(&self) -> i64 {
        self.sum(Kind::Void, is_approved)
    }

    fn is_under_way(&self, kinds: &[Kind]) -> bool {
        let unfinished = |one: &Amendment| one.may_count() && !is_approved(one);
        self.amendments.iter().any(|one| kinds.contains(&one.kind) && unfinished(one))
    }

    fn has(&self, kind: Kind) -> bool {
        self.amendments.iter().any(|amendment| amendment.kind == kind && amendment.may_count())
    }

    fn sum(&self, kind: Kind, counts: impl Fn(&Amendment) -> bool) -> i64 {
        let counted = self.amendments.iter().filter(|one| one.kind == kind && counts(one));
        counted.map(|amendment| amendment.amount.minor()).sum()
    }
}

fn is_approved(amendment: &Amendment) -> bool {
    amendment.status == Status::Approved
}

/// When an approved preauthorisation stops holding.
#[must_use]
pub fn hold_ends(order: &Order) -> Millis {
    // The order was last changed when it was approved.
    order.updated_at + Millis::from(order.request.hold_days) * DAY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::ids::{AmendmentId, SerialNumber};
    use crate::payment::money::Currency;
    use crate::payment::order::{Outcome, example};

    fn rub(minor: i64) -> Amount {
        Amount::from_minor(minor, Currency::from_alpha("RUB").unwrap()).unwrap()
    }

    fn order(kind: order::Kind) -> Order {
        Order { kind, status: Status::Approved, ..example::order(10_000) }
    }

    fn amendment(kind: Kind, minor: i64, status: Status) -> Amendment {
        Amendment {
            id: AmendmentId(1),
            order: order(order::Kind::Sale).id,
            ordinal: 1,
            kind,
            status,
            amount: rub(minor),
            serial: SerialNumber(2),
            comment: None,
            outcome: Outcome::default(),
            created_at: 0,
            updated_at: 0,
            version: 0,
        }
    }

    fn partial() -> Terms {
        Terms { partial_capture: true, partial_reversal: true, ..Terms::default() }
    }

    fn judge(
        order: &Order,
        amendments: &[Amendment],
        request: Request,
        terms: &Terms,
    ) -> Result<(Kind, i64), Refusal> {
        let history = History { order, amendments, day_is_open: true };
        history.judge(request, terms, 1).map(|(kind, amount)| (kind, amount.minor()))
    }

    #[test]
    fn what_is_given_back_never_exceeds_what_was_taken() {
        let sale = order(order::Kind::Sale);
        let back = |earlier: &[Amendment], amount| {
            judge(&sale, earlier, Request::Return(amount), &partial())
        };
        assert_eq!(back(&[], None), Ok((Kind::Reversal, 10_000)));
        assert_eq!(back(&[], Some(rub(10_001))), Err(Refusal::AmountExceeded));
        for status in [Status::Processing, Status::Unknown, Status::Approved] {
            let earlier = [amendment(Kind::Reversal, 6_000, status)];
            assert_eq!(
                back(&earlier, Some(rub(6_000))),
                Err(Refusal::AmountExceeded),
                "{status:?}"
            );
            assert_eq!(back(&earlier, None), Ok((Kind::Reversal, 4_000)));
        }
        let declined = [amendment(Kind::Reversal, 6_000, Status::Declined)];
        assert_eq!(back(&declined, Some(rub(6_000))), Ok((Kind::Reversal, 6_000)));
    }

    #[test]
    fn parts_need_an_endpoint_that_allows_them() {
        let (sale, hold) = (order(order::Kind::Sale), order(order::Kind::Preauth));
        let part = Some(rub(1));
        let whole = Terms::default();
        let refused = Err(Refusal::PartialNotSupported);
        assert_eq!(judge(&sale, &[], Request::Return(part), &whole), refused);
        assert_eq!(judge(&hold, &[], Request::Capture(part), &whole), refused);
        assert_eq!(
            judge(&hold, &[], Request::Return(part), &partial()),
            refused,
            "a cancel is whole"
        );
        assert_eq!(judge(&sale, &[], Request::Void(part), &partial()), refused, "a void is whole");
    }

    #[test]
    fn a_hold_is_captured_once_or_as_often_as_agreed_and_then_reversed_instead_of_cancelled() {
        let hold = order(order::Kind::Preauth);
        let once = [amendment(Kind::Capture, 4_000, Status::Approved)];
        let capture = Request::Capture(None);
        assert_eq!(judge(&hold, &[], capture, &partial()), Ok((Kind::Capture, 10_000)));
        assert_eq!(judge(&hold, &once, capture, &partial()), Err(Refusal::WrongOrderState));
        let often = Terms { multi_capture: true, ..partial() };
        assert_eq!(judge(&hold, &once, capture, &often), Ok((Kind::Capture, 6_000)));
        let back = Request::Return(None);
        assert_eq!(judge(&hold, &[], back, &partial()), Ok((Kind::Cancel, 10_000)));
        assert_eq!(judge(&hold, &once, back, &partial()), Ok((Kind::Reversal, 4_000)));
        let pending = [amendment(Kind::Capture, 4_000, Status::Processing)];
        assert_eq!(judge(&hold, &pending, back, &partial()), Err(Refusal::WrongOrderState));
        let cancelled = [amendment(Kind::Cancel, 10_000, Status::Unknown)];
        for request in [capture, back, Request::Void(None)] {
            assert_eq!(judge(&hold, &cancelled, request, &often), Err(Refusal::WrongOrderState));
        }
    }

    #[test]
    fn a_void_undoes_all_of_an_open_day_and_leaves_the_hold_as_it_was() {
        let (sale, hold) = (order(order::Kind::Sale), order(order::Kind::Preauth));
        let void = Request::Void(None);
        assert_eq!(judge(&sale, &[], void, &partial()), Ok((Kind::Void, 10_000)));
        let returned = [amendment(Kind::Reversal, 1, Status::Processing)];
        assert_eq!(judge(&sale, &returned, void, &partial()), Err(Refusal::WrongOrderState));
        let closed = History { order: &sale, amendments: &[], day_is_open: false };
        assert_eq!(closed.judge(void, &partial(), 1), Err(Refusal::WrongOrderState));
        let voided = [
            amendment(Kind::Capture, 4_000, Status::Approved),
            amendment(Kind::Void, 4_000, Status::Approved),
        ];
        assert_eq!(judge(&hold, &voided, void, &partial()), Err(Refusal::WrongOrderState));
        assert_eq!(
            judge(&hold, &voided, Request::Return(None), &partial()),
            Ok((Kind::Cancel, 10_000))
        );
        assert_eq!(
            judge(&hold, &voided, Request::Capture(None), &partial()),
            Ok((Kind::Capture, 10_000))
        );
    }

    #[test]
    fn a_hold_lapses_unless_somebody_captured_or_cancelled_it() {
        let hold = order(order::Kind::Preauth);
        let lapses = |amendments: &[Amendment]| {
            History { order: &hold, amendments, day_is_open: false }.lapses()
        };
        assert_eq!(lapses(&[]), Some(true));
        assert_eq!(lapses(&[amendment(Kind::Capture, 1, Status::Declined)]), Some(true));
        assert_eq!(lapses(&[amendment(Kind::Cancel, 1, Status::Declined)]), Some(true));
        assert_eq!(lapses(&[amendment(Kind::Capture, 1, Status::Approved)]), Some(false));
        assert_eq!(lapses(&[amendment(Kind::Cancel, 1, Status::Approved)]), Some(false));
        assert_eq!(lapses(&[amendment(Kind::Capture, 1, Status::Unknown)]), None);
    }

    #[test]
    fn only_an_approved_order_in_its_own_currency_has_later_transactions() {
        let mut sale = order(order::Kind::Sale);
        let euros = Amount::from_minor(1, Currency::from_alpha("EUR").unwrap());
        let request = Request::Return(euros);
        assert_eq!(judge(&sale, &[], request, &partial()), Err(Refusal::CurrencyMismatch));
        for status in [Status::Processing, Status::Unknown, Status::Declined, Status::Filtered] {
            sale.status = status;
            let refused = judge(&sale, &[], Request::Return(None), &partial());
            assert_eq!(refused, Err(Refusal::WrongOrderState), "{status:?}");
        }
    }

    #[test]
    fn a_refund_has_no_later_transactions() {
        let refund = order(order::Kind::Refund);
        for amount in [None, Some(rub(1)), Some(rub(10_000))] {
            for request in
                [Request::Capture(amount), Request::Return(amount), Request::Void(amount)]
            {
                let refused = judge(&refund, &[], request, &partial());
                assert_eq!(refused, Err(Refusal::WrongOrderState), "{request:?}");
            }
        }
    }

    #[test]
    fn a_hold_cannot_be_captured_after_its_last_day() {
        let hold = order(order::Kind::Preauth);
        let history = History { order: &hold, amendments: &[], day_is_open: false };
        let end = hold_ends(&hold);
        assert!(history.judge(Request::Capture(None), &partial(), end - 1).is_ok());
        let late = history.judge(Request::Capture(None), &partial(), end);
        assert_eq!(late, Err(Refusal::WrongOrderState));
    }
}
