//! Double entry: each movement takes an amount from one account and gives it to another, so that
//! whatever is added up, over any accounts, orders or days, comes to zero in each currency.

use super::Millis;
use super::amendment::{self, Amendment};
use super::ids::OrderId;
use super::merchant::Fee;
use super::money::Amount;
use super::order::{Kind, Order, Status};

/// Whose money it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Account {
    /// What was taken from card holders and not yet settled with the acquirer.
    CardHolders,
    /// What the acquirer owes for settled days.
    Acquirer,
    /// What is the merchant's.
    Merchant,
    /// What is kept for the service.
    Fees,
}

impl Account {
    /// All accounts.
    pub const ALL: [Self; 4] = [Self::CardHolders, Self::Acquirer, Self::Merchant, Self::Fees];

    /// The stored spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CardHolders => "card_holders",
            Self::Acquirer => "acquirer",
            Self::Merchant => "merchant",
            Self::Fees => "fees",
        }
    }

    /// The account with this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|account| account.name() == name)
    }
}

/// Why money moves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Movement {
    Sale,
    Capture,
    Reversal,
    Void,
    /// Given back without an earlier order.
    Refund,
    Fee,
    /// A closed day's balance becomes the acquirer's debt.
    Settlement,
}

impl Movement {
    /// All movements.
    pub const ALL: [Self; 7] = [
        Self::Sale,
        Self::Capture,
        Self::Reversal,
        Self::Void,
        Self::Refund,
        Self::Fee,
        Self::Settlement,
    ];

    /// The stored spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Capture => "capture",
            Self::Reversal => "reversal",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::Fee => "fee",
            Self::Settlement => "settlement",
        }
    }

    /// The movement with this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|movement| movement.name() == name)
    }
}

/// One movement. Its business day is the one that is open where it is saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posting {
    pub order: OrderId,
    /// The amendment, or the order itself.
    pub transaction: i64,
    pub movement: Movement,
    pub debit: Account,
    pub credit: Account,
    pub amount: Amount,
    pub posted_at: Millis,
}

/// What an order's opening transaction moves when it ends: a sale takes money, a refund gives it, a
/// preauthorisation only holds it.
pub fn of_order(order: &Order, fee: Fee) -> impl Iterator<Item = Posting> + use<> {
    let movement = match order.kind {
        Kind::Sale => Some(Movement::Sale),
        Kind::Refund => Some(Movement::Refund),
        Kind::Preauth => None,
    };
    let movement = movement.filter(|_| order.status == Status::Approved);
    postings(order.id, order.id.0, movement, order.amount, fee, order.updated_at)
}

/// What an amendment moves when it ends.
pub fn of_amendment(amendment: &Amendment, fee: Fee) -> impl Iterator<Item = Posting> + use<> {
    let movement = match amendment.kind {
        amendment::Kind::Capture => Some(Movement::Capture),
        amendment::Kind::Reversal => Some(Movement::Reversal),
        amendment::Kind::Void => Some(Movement::Void),
        amendment::Kind::Cancel => None,
    };
    let movement = movement.filter(|_| amendment.status == Status::Approved);
    let Amendment { order, id, amount, updated_at, .. } = *amendment;
    postings(order, id.0, movement, amount, fee, updated_at)
}

fn postings(
    order: OrderId,
    transaction: i64,
    movement: Option<Movement>,
    amount: Amount,
    fee: Fee,
    posted_at: Millis,
) -> impl Iterator<Item = Posting> + use<> {
    let post = move |movement, debit, credit, amount| Posting {
        order,
        transaction,
        movement,
        debit,
        credit,
        amount,
        posted_at,
    };
    let takes = matches!(movement, Some(Movement::Sale | Movement::Capture));
    let (debit, credit) = match takes {
        true => (Account::CardHolders, Account::Merchant),
        false => (Account::Merchant, Account::CardHolders),
    };
    let moved = movement.map(|movement| post(movement, debit, credit, amount));
    // Taking costs a fee; giving back brings none back.
    let fee = takes.then(|| fee_of(amount, fee)).flatten();
    let fee = fee.map(|fee| post(Movement::Fee, Account::Merchant, Account::Fees, fee));
    moved.into_iter().chain(fee)
}

/// The fee for taking an amount, rounded to the nearest minor unit and never more than the amount.
fn fee_of(amount: Amount, fee: Fee) -> Option<Amount> {
    let share = i128::from(amount.minor()) * i128::from(fee.basis_points);
    let whole = (share + 5_000) / 10_000 + i128::from(fee.fixed_minor);
    let minor = i64::try_from(whole.min(i128::from(amount.minor()))).ok()?;
    Amount::from_minor(minor, amount.currency()).filter(|fee| fee.minor() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::order::example;

    const FEE: Fee = Fee { basis_points: 150, fixed_minor: 10 };

    fn approved(minor: i64, kind: Kind) -> Order {
        Order { kind, status: Status::Approved, ..example::order(minor) }
    }

    #[test]
    fn a_sale_takes_from_card_holders_and_pays_its_fee() {
        let moved: Vec<_> = of_order(&approved(1_050, Kind::Sale), FEE).collect();
        let told: Vec<_> = moved
            .iter()
            .map(|one| (one.movement, one.debit, one.credit, one.amount.minor()))
            .collect();
        assert_eq!(
            told,
            [
                (Movement::Sale, Account::CardHolders, Account::Merchant, 1_050),
                // 15.75 and 10.
                (Movement::Fee, Account::Merchant, Account::Fees, 26),
            ]
        );
    }

    #[test]
    fn a_refund_pays_card_holders_and_costs_no_fee() {
        let moved: Vec<_> = of_order(&approved(1_050, Kind::Refund), FEE).collect();
        let told: Vec<_> = moved
            .iter()
            .map(|one| (one.movement, one.debit, one.credit, one.amount.minor()))
            .collect();
        assert_eq!(told, [(Movement::Refund, Account::Merchant, Account::CardHolders, 1_050)]);
        let lost = Order { status: Status::Unknown, kind: Kind::Refund, ..example::order(1_050) };
        assert_eq!(of_order(&lost, FEE).count(), 0);
    }

    #[test]
    fn what_is_held_declined_or_free_of_charge_moves_nothing() {
        assert_eq!(of_order(&approved(1_050, Kind::Preauth), FEE).count(), 0);
        assert_eq!(of_order(&example::order(1_050), FEE).count(), 0);
        assert_eq!(of_order(&approved(1_050, Kind::Sale), Fee::default()).count(), 1);
        assert_eq!(
            of_order(&approved(30, Kind::Sale), Fee { basis_points: 1, fixed_minor: 0 }).count(),
            1
        );
    }

    #[test]
    fn a_fee_never_exceeds_the_amount() {
        let moved: Vec<_> =
            of_order(&approved(5, Kind::Sale), Fee { basis_points: 0, fixed_minor: 9 }).collect();
        assert_eq!(moved[1].amount.minor(), 5);
    }
}
