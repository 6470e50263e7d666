//! Random events on the state machine of orders, held against a table of what may happen.
//!
//! `SEQUENCES=1000000 cargo test --test it state_machine -- --nocapture` tries that many and
//! prints how often each event met each status.

use crate::dice::Dice;
use crate::effort::{on_all_cores, wanted};
use crate::shelf;
use std::collections::BTreeMap;
use tillgate::payment::host::HostAnswer;
use tillgate::payment::ids::OrderId;
use tillgate::payment::order::{Order, Outcome, Status};
use tillgate::payment::transition::{Change, Event, Step, apply, open};

/// How many sequences a run tries if nobody says otherwise.
const SEQUENCES: u64 = 20_000;
/// How many events happen to each order.
const EVENTS: u32 = 16;

const STATUSES: [Status; 6] = [
    Status::Processing,
    Status::Unknown,
    Status::Approved,
    Status::Declined,
    Status::Filtered,
    Status::Error,
];

/// What may follow from an event: nothing (it is illegal), or one of these statuses.
struct Rule {
    event: &'static str,
    from: Status,
    to: &'static [Status],
}

const fn rule(event: &'static str, from: Status, to: &'static [Status]) -> Rule {
    Rule { event, from, to }
}

/// Everything that is legal. Whatever has no line here must be refused.
const RULES: [Rule; 9] = [
    rule("approved", Status::Processing, &[Status::Approved]),
    rule("refused", Status::Processing, &[Status::Declined]),
    rule("pending", Status::Processing, &[Status::Processing]),
    rule("not sent", Status::Processing, &[Status::Processing, Status::Declined]),
    rule("answer lost", Status::Processing, &[Status::Processing]),
    rule("undecided", Status::Processing, &[Status::Processing, Status::Unknown]),
    rule("unsendable", Status::Processing, &[Status::Error]),
    rule("reversed", Status::Unknown, &[Status::Declined]),
    rule("not reversed", Status::Unknown, &[Status::Unknown]),
];

/// How often each event met an order in each status, by the place of its rule.
type Meetings = BTreeMap<(usize, &'static str), u64>;

#[test]
fn no_sequence_of_events_makes_an_illegal_transition_and_every_pair_is_reached() {
    let sequences = wanted("SEQUENCES").unwrap_or(SEQUENCES);
    let parts = on_all_cores(sequences, |seed, meetings: &mut Meetings| play(seed, meetings));
    let mut meetings = Meetings::new();
    for (pair, times) in parts.into_iter().flatten() {
        *meetings.entry(pair).or_default() += times;
    }
    print(sequences, &meetings);
    for (rule, status) in RULES.iter().flat_map(|rule| STATUSES.map(|status| (rule, status))) {
        assert!(meetings.contains_key(&place(rule, status)), "{status:?} never met {}", rule.event);
    }
}

/// One order's life under random events.
fn play(seed: u64, meetings: &mut Meetings) {
    let dice = Dice::seeded(seed);
    let mut endpoint = shelf::endpoint();
    endpoint.sandbox = true;
    let mut draft = shelf::order(OrderId(1), "a", 1);
    draft.status = Status::Processing;
    draft.amount = shelf::rub(if dice.one_in(8) { 1300 } else { 1042 });
    let mut now = 100;
    let mut change = open(draft, &endpoint, now);
    for _ in 0..EVENTS {
        now += dice.between(0, 60_000);
        let rule = &RULES[usize::try_from(dice.below(RULES.len() as u64)).unwrap()];
        let before = change.order.clone();
        *meetings.entry(place(rule, before.status)).or_default() += 1;
        match apply(before.clone(), event(rule.event, &dice), now) {
            Ok(after) => {
                let legal = rule.from == before.status && rule.to.contains(&after.order.status);
                let end = after.order.status;
                assert!(
                    legal,
                    "seed {seed}: {} led from {:?} to {end:?}",
                    rule.event, before.status
                );
                check(&before, &after, now);
                change = after;
            }
            Err(illegal) => {
                assert_ne!(rule.from, before.status, "seed {seed}: {} was refused", rule.event);
                assert_eq!(illegal.status, before.status);
            }
        }
    }
}

/// What holds after every legal event.
fn check(before: &Order, after: &Change, now: i64) {
    let Change { order, next } = after;
    let step_fits = match (order.status, next.map(|planned| planned.step)) {
        (Status::Processing, Some(Step::Authorise { .. } | Step::Inquire { .. }))
        | (Status::Unknown, Some(Step::Reverse { .. })) => true,
        (status, None) => status.is_final(),
        _ => false,
    };
    assert!(step_fits, "{:?} and then {next:?}", order.status);
    assert!(next.is_none_or(|planned| planned.due_at >= now), "planned for the past");
    let refused = order.status.is_final() && order.status != Status::Approved;
    assert_eq!(order.outcome.error.is_some(), refused, "{:?}", order.outcome);
    assert!(order.status.is_final() || order.outcome == Outcome::default());
    assert_eq!(order.updated_at, now);
    let unchanged = Order {
        status: order.status,
        stage: order.stage,
        outcome: order.outcome.clone(),
        updated_at: now,
        ..before.clone()
    };
    assert_eq!(*order, unchanged, "an event changed what no event may change");
}

fn event(name: &str, dice: &Dice) -> Event {
    let round = u32::try_from(dice.below(8)).unwrap();
    match name {
        "approved" => answered("00"),
        "refused" => answered(dice.pick(&["05", "51", "54", "91", "??", ""])),
        "pending" => Event::Pending { ask_after: dice.between(0, 100_000) },
        "not sent" => Event::NotSent { round },
        "answer lost" => Event::AnswerLost,
        "undecided" => Event::StillUndecided { round },
        "unsendable" => Event::Unsendable,
        "reversed" => Event::ReversalAcknowledged,
        "not reversed" => Event::ReversalUnanswered { round },
        other => panic!("no event is called {other}"),
    }
}

fn answered(response_code: &str) -> Event {
    Event::Answered(HostAnswer {
        response_code: response_code.to_owned(),
        approval_code: None,
        rrn: None,
        processor_tx_id: None,
    })
}

fn place(rule: &Rule, status: Status) -> (usize, &'static str) {
    let known = STATUSES.iter().position(|known| *known == status);
    (known.unwrap(), rule.event)
}

#[expect(clippy::print_stdout, reason = "shown with --nocapture, and when a pair is missing")]
fn print(sequences: u64, meetings: &Meetings) {
    let row = |first: &str, cells: Vec<String>| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>12}")).collect();
        println!("{first:<14}{}", cells.concat());
    };
    println!("{sequences} sequences of {EVENTS} events");
    row("", STATUSES.map(|status| status.name().to_owned()).to_vec());
    for rule in &RULES {
        let times = |status| meetings.get(&place(rule, status)).unwrap_or(&0).to_string();
        row(rule.event, STATUSES.map(times).to_vec());
    }
}
