//! Random requests and random answers of the host, held against what must always hold of money.
//!
//! `SEQUENCES=1000000 cargo test --test it money -- --nocapture` tries that many and prints how
//! often each event met an amendment in each status, and what came of the requests.

use crate::dice::Dice;
use crate::effort::{on_all_cores, wanted};
use crate::shelf;
use std::collections::BTreeMap;
use tillgate::payment::amend::{History, Request, hold_ends};
use tillgate::payment::amendment::{Amendment, Change, Kind, apply, open};
use tillgate::payment::chip::{ChipTags, Completion};
use tillgate::payment::day::BusinessDay;
use tillgate::payment::host::HostAnswer;
use tillgate::payment::ids::{AmendmentId, OrderId, SerialNumber};
use tillgate::payment::ledger::{Account, Movement, Posting, of_amendment, of_order};
use tillgate::payment::merchant::{Fee, Terms};
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::order::{self, Order, Outcome, Status};
use tillgate::payment::transition::{Event, Planned, Step};

/// How many sequences a run tries if nobody says otherwise.
const SEQUENCES: u64 = 20_000;
/// How many things happen to each order.
const HAPPENINGS: u32 = 40;

/// Where an amendment can be.
const STATUSES: [Status; 4] =
    [Status::Processing, Status::Unknown, Status::Approved, Status::Declined];

const SENT: &[Status] = &[Status::Processing];
const OPEN: &[Status] = &[Status::Processing, Status::Unknown];
const LOST: &[Status] = &[Status::Unknown];

/// Every event, and the statuses in which it is legal.
const EVENTS: [(&str, &[Status]); 16] = [
    ("approved", OPEN),
    ("refused", OPEN),
    ("pending", SENT),
    ("not sent", SENT),
    ("answer lost", SENT),
    ("undecided", SENT),
    ("not repeated", LOST),
    ("decided", LOST),
    ("reversed", &[]),
    ("not reversed", &[]),
    ("unsendable", &[]),
    ("completed", &[]),
    ("refused by card", &[]),
    ("not completed", &[]),
    ("advised", &[]),
    ("not advised", &[]),
];

/// What came about, by place in its table and in words: events by status, requests by result.
#[derive(Default)]
struct Tally {
    meetings: BTreeMap<(usize, &'static str), u64>,
    requests: BTreeMap<(String, String), u64>,
}

#[test]
fn no_sequence_of_requests_and_answers_moves_more_money_than_there_is() {
    let sequences = wanted("SEQUENCES").unwrap_or(SEQUENCES);
    let parts = on_all_cores(sequences, |seed, tally: &mut Tally| play(seed, tally));
    let mut tally = Tally::default();
    for part in parts {
        for (pair, times) in part.meetings {
            *tally.meetings.entry(pair).or_default() += times;
        }
        for (pair, times) in part.requests {
            *tally.requests.entry(pair).or_default() += times;
        }
    }
    print(sequences, &tally);
    for (event, _) in EVENTS {
        for (place, status) in STATUSES.iter().enumerate() {
            assert!(tally.meetings.contains_key(&(place, event)), "{status:?} never met {event}");
        }
    }
    for kind in Kind::ALL {
        let accepted = tally.requests.keys().any(|(_, result)| result == kind.name());
        assert!(accepted, "there never was a {}", kind.name());
    }
}

/// One order's life.
fn play(seed: u64, tally: &mut Tally) {
    let dice = Dice::seeded(seed);
    let mut life = Life::begin(&dice);
    life.check(seed);
    for _ in 0..HAPPENINGS {
        life.now += dice.between(0, 6 * 60 * 60_000);
        match dice.below(16) {
            0 => life.day += 1,
            1 => life.lapse(),
            2..=6 => life.ask(&dice, tally),
            _ => life.suffer(&dice, tally, seed),
        }
        life.check(seed);
    }
}

/// An order, all that was asked of it, and what stands in the books.
struct Life {
    order: Order,
    terms: Terms,
    amendments: Vec<Amendment>,
    /// The next step of each amendment.
    steps: Vec<Option<Planned>>,
    /// Each posting with its business day.
    book: Vec<(i64, Posting)>,
    day: i64,
    now: i64,
}

impl Life {
    fn begin(dice: &Dice) -> Self {
        let most = dice.pick(&[1, 10, 10_000, 9_999_999_999]);
        let mut order = shelf::order(OrderId(1), "a", 1);
        order.kind = dice.pick(&[
            order::Kind::Sale,
            order::Kind::Sale,
            order::Kind::Preauth,
            order::Kind::Preauth,
            order::Kind::Refund,
        ]);
        order.amount = shelf::rub(dice.between(1, most));
        order.request.hold_days = u32::try_from(dice.between(1, 9)).unwrap();
        order.status = match dice.one_in(32) {
            true => dice.pick(&[Status::Processing, Status::Unknown, Status::Declined]),
            false => Status::Approved,
        };
        let terms = Terms {
            partial_capture: dice.one_in(2),
            partial_reversal: !dice.one_in(4),
            multi_capture: dice.one_in(2),
            hold_days: 7,
            fee: Fee {
                basis_points: dice.pick(&[0, 1, 150, 10_000, 20_000]),
                fixed_minor: dice.pick(&[0, 10, 100_000]),
            },
            day: BusinessDay::default(),
        };
        let book = of_order(&order, terms.fee).map(|posting| (0, posting)).collect();
        let now = order.updated_at;
        Self { order, terms, amendments: Vec::new(), steps: Vec::new(), book, day: 0, now }
    }

    /// A merchant's request.
    fn ask(&mut self, dice: &Dice, tally: &mut Tally) {
        let amount = self.amount(dice);
        let (name, request) = match dice.below(3) {
            0 => ("capture", Request::Capture(amount)),
            1 => ("return", Request::Return(amount)),
            _ => ("void", Request::Void(amount)),
        };
        let day_is_open = self.takings_are_of_today();
        let history = History { order: &self.order, amendments: &self.amendments, day_is_open };
        let result = match history.judge(request, &self.terms, self.now) {
            Ok((kind, amount)) => {
                self.open(kind, amount);
                kind.name().to_owned()
            }
            Err(refusal) => refusal.to_string(),
        };
        *tally.requests.entry((name.to_owned(), result)).or_default() += 1;
    }

    /// All, a part, a bit too much, or money of another country.
    fn amount(&self, dice: &Dice) -> Option<Amount> {
        let whole = self.order.amount.minor();
        let minor = match dice.below(8) {
            0..=2 => return None,
            3 => whole,
            4 => whole + dice.between(1, 3),
            5 => return Amount::from_minor(whole, Currency::from_alpha("EUR").unwrap()),
            _ => dice.between(1, whole),
        };
        Some(shelf::rub(minor))
    }

    /// As the gateway asks its books: each taking stands in those of the open day.
    fn takings_are_of_today(&self) -> bool {
        let takes = |movement| matches!(movement, Movement::Sale | Movement::Capture);
        let mut takings = self.book.iter().filter(|(_, posting)| takes(posting.movement));
        takings.all(|(day, _)| *day == self.day)
    }

    fn open(&mut self, kind: Kind, amount: Amount) {
        assert!(kind != Kind::Void || self.may_be(Kind::Reversal) == 0, "returned, then voided");
        assert!(kind != Kind::Capture || self.now < hold_ends(&self.order), "captured too late");
        let id = i64::try_from(self.amendments.len()).unwrap() + 2;
        let change = open(Amendment {
            id: AmendmentId(id),
            order: self.order.id,
            ordinal: u32::try_from(self.amendments.len()).unwrap() + 1,
            kind,
            status: Status::Processing,
            amount,
            serial: SerialNumber(id),
            comment: None,
            outcome: Outcome::default(),
            created_at: self.now,
            updated_at: self.now,
            version: 0,
        });
        self.amendments.push(change.amendment);
        self.steps.push(change.next);
    }

    /// The time of the hold is over, and the gateway releases what nobody took.
    fn lapse(&mut self) {
        let held = self.order.kind == order::Kind::Preauth && self.order.status == Status::Approved;
        let history =
            History { order: &self.order, amendments: &self.amendments, day_is_open: false };
        if held && self.now >= hold_ends(&self.order) && history.lapses() == Some(true) {
            self.open(Kind::Cancel, self.order.amount);
        }
    }

    /// The host or an operator does something with one of the amendments; more often with one of
    /// those that wait for it.
    fn suffer(&mut self, dice: &Dice, tally: &mut Tally, seed: u64) {
        let waiting = |place: &usize| !self.amendments[*place].status.is_final();
        let all: Vec<_> = (0..self.amendments.len()).collect();
        let unfinished: Vec<_> = all.iter().copied().filter(waiting).collect();
        let some = if unfinished.is_empty() || dice.one_in(4) { all } else { unfinished };
        if some.is_empty() {
            return;
        }
        let place = dice.pick(&some);
        // Legal ones come more often, so that lives go on.
        let events = if dice.one_in(4) { &EVENTS[..] } else { &EVENTS[..8] };
        let (name, legal) = dice.pick(events);
        let before = self.amendments[place].clone();
        let column = STATUSES.iter().position(|status| *status == before.status).unwrap();
        *tally.meetings.entry((column, name)).or_default() += 1;
        match apply(before.clone(), event(name, dice), self.now) {
            Ok(change) => {
                let from = before.status;
                assert!(legal.contains(&from), "seed {seed}: {name} changed what is {from:?}");
                self.save(place, &before, change);
            }
            Err(illegal) => {
                assert!(!legal.contains(&before.status), "seed {seed}: {name} was refused");
                assert_eq!(illegal.status, before.status);
            }
        }
    }

    fn save(&mut self, place: usize, before: &Amendment, change: Change) {
        let Change { amendment, next } = change;
        let unchanged = Amendment {
            status: amendment.status,
            outcome: amendment.outcome.clone(),
            updated_at: self.now,
            ..before.clone()
        };
        assert_eq!(amendment, unchanged, "an event changed what no event may change");
        let postings: Vec<_> = of_amendment(&amendment, self.terms.fee).collect();
        let moves = amendment.status == Status::Approved && amendment.kind != Kind::Cancel;
        assert_eq!(!postings.is_empty(), moves, "{amendment:?}");
        self.book.extend(postings.into_iter().map(|posting| (self.day, posting)));
        self.amendments[place] = amendment;
        self.steps[place] = next;
    }

    /// What holds after everything that can happen.
    fn check(&self, seed: u64) {
        let approved = match self.order.status {
            Status::Approved => self.order.amount.minor(),
            _ => 0,
        };
        let (sold, held, refunded) = match self.order.kind {
            order::Kind::Sale => (approved, 0, 0),
            order::Kind::Preauth => (0, approved, 0),
            order::Kind::Refund => (0, 0, approved),
        };
        let told = || format!("seed {seed}: {:?}", self.amendments);
        let voided = self.is(Kind::Void);
        let perhaps_captured = self.may_be(Kind::Capture) - if sold > 0 { 0 } else { voided };
        assert!((0..=held).contains(&perhaps_captured), "captured too much, {}", told());
        let taken = sold + self.is(Kind::Capture);
        let perhaps_given_back = self.may_be(Kind::Reversal) + self.may_be(Kind::Void);
        assert!(perhaps_given_back <= taken, "given back too much, {}", told());
        let voids = self.may_be(Kind::Void) > voided;
        assert!(!voids || self.may_be(Kind::Reversal) == 0, "voided and returned, {}", told());
        let cancelled = self.may_be(Kind::Cancel);
        assert!(cancelled == 0 || perhaps_captured == 0, "cancelled and captured, {}", told());
        assert!([0, held].contains(&cancelled), "cancelled in part or twice, {}", told());
        self.check_steps(seed);
        assert!(refunded == 0 || self.amendments.is_empty(), "a refund was amended, {}", told());
        let kept = taken - self.is(Kind::Reversal) - voided;
        assert!(kept >= 0, "card holders got more than they paid, {}", told());
        self.check_book(seed, kept - refunded);
    }

    fn check_steps(&self, seed: u64) {
        for (amendment, next) in self.amendments.iter().zip(&self.steps) {
            let fits = matches!(
                (amendment.status, next.map(|planned| planned.step)),
                (Status::Processing, Some(Step::Amend { .. } | Step::Inquire { .. }))
                    | (Status::Unknown, Some(Step::Repeat { .. }))
                    | (Status::Approved | Status::Declined, None)
            );
            assert!(fits, "seed {seed}: {next:?} of {amendment:?}");
            let planned = next.is_none_or(|planned| planned.due_at >= amendment.updated_at);
            assert!(planned, "seed {seed}: planned for the past");
        }
    }

    /// `owed`: what card holders have paid and not got back, less what they were refunded.
    fn check_book(&self, seed: u64, owed: i64) {
        let mut balances: BTreeMap<_, i64> = Account::ALL.map(|account| (account, 0)).into();
        let mut took = BTreeMap::new();
        for (_, posting) in &self.book {
            let minor = posting.amount.minor();
            *balances.get_mut(&posting.debit).unwrap() += minor;
            *balances.get_mut(&posting.credit).unwrap() -= minor;
            match posting.movement {
                Movement::Fee => assert!(
                    minor <= took[&posting.transaction],
                    "seed {seed}: a fee is more than what was taken"
                ),
                _ => assert!(
                    took.insert(posting.transaction, minor).is_none(),
                    "seed {seed}: {} was posted twice",
                    posting.transaction
                ),
            }
        }
        assert_eq!(balances.values().sum::<i64>(), 0, "seed {seed}: {balances:?}");
        assert_eq!(balances[&Account::CardHolders], owed, "seed {seed}: {balances:?}");
        assert_eq!(balances[&Account::Acquirer], 0, "seed {seed}: nothing was settled");
        assert!(balances[&Account::Fees] <= 0, "seed {seed}: {balances:?}");
    }

    /// What certainly was done.
    fn is(&self, kind: Kind) -> i64 {
        self.sum(kind, &[Status::Approved])
    }

    /// What was done, or may have been, or may still be.
    fn may_be(&self, kind: Kind) -> i64 {
        self.sum(kind, &[Status::Approved, Status::Processing, Status::Unknown])
    }

    fn sum(&self, kind: Kind, statuses: &[Status]) -> i64 {
        let counted = |one: &&Amendment| one.kind == kind && statuses.contains(&one.status);
        self.amendments.iter().filter(counted).map(|one| one.amount.minor()).sum()
    }
}

fn event(name: &str, dice: &Dice) -> Event {
    let round = u32::try_from(dice.below(8)).unwrap();
    match name {
        "approved" => answered("00"),
        "refused" => answered(dice.pick(&["05", "51", "91", "??", ""])),
        "pending" => Event::Pending { ask_after: dice.between(0, 100_000) },
        "not sent" => Event::NotSent { round },
        "answer lost" => Event::AnswerLost,
        "undecided" => Event::StillUndecided { round },
        "not repeated" => Event::RepeatUnanswered { round },
        "decided" => Event::OperatorDecided { approved: dice.one_in(2) },
        "reversed" => Event::ReversalAcknowledged,
        "not reversed" => Event::ReversalUnanswered { round },
        "unsendable" => Event::Unsendable,
        "completed" => completion(true),
        "refused by card" => completion(false),
        "not completed" => Event::AdviceMissing,
        "advised" => Event::AdviceAcknowledged,
        "not advised" => Event::AdviceUnanswered { round },
        other => panic!("no event is called {other}"),
    }
}

fn answered(response_code: &str) -> Event {
    Event::Answered(HostAnswer {
        response_code: response_code.to_owned(),
        approval_code: None,
        rrn: None,
        processor_tx_id: None,
        issuer_data: None,
    })
}

fn completion(approved: bool) -> Event {
    Event::AdviceReceived(Completion { approved, tags: ChipTags::default() })
}

#[expect(clippy::print_stdout, reason = "shown with --nocapture, and when a pair is missing")]
fn print(sequences: u64, tally: &Tally) {
    println!("{sequences} sequences of {HAPPENINGS} happenings");
    let row = |first: &str, cells: Vec<String>| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>13}")).collect();
        println!("{first:<16}{}", cells.concat());
    };
    row("", STATUSES.map(|status| status.name().to_owned()).to_vec());
    for (event, _) in EVENTS {
        let times = |place| tally.meetings.get(&(place, event)).unwrap_or(&0).to_string();
        row(event, (0..STATUSES.len()).map(times).collect());
    }
    for ((request, result), times) in &tally.requests {
        println!("{request:<8} {result:<24}{times:>13}");
    }
}
