//! Random events on the state machine of orders, held against a table of what may happen.
//!
//! `SEQUENCES=1000000 cargo test --test it state_machine -- --nocapture` tries that many and
//! prints how often each event met each status.

use crate::dice::Dice;
use crate::effort::{on_all_cores, wanted};
use crate::shelf;
use std::collections::BTreeMap;
use tillgate::payment::card::EntryMode;
use tillgate::payment::chip::{ChipTags, Completion};
use tillgate::payment::decline;
use tillgate::payment::host::HostAnswer;
use tillgate::payment::ids::OrderId;
use tillgate::payment::order::{Kind, Order, Stage, Status};
use tillgate::payment::transition::{Change, Event, Step, apply, open};

/// How many sequences a run tries if nobody says otherwise.
const SEQUENCES: u64 = 20_000;
/// How many events happen to each order.
const EVENTS: u32 = 16;
/// An amount that the filter stops.
const FILTERED: i64 = 1300;

/// Where an order can be.
const PHASES: [&str; 11] = [
    "sent",
    "sent by chip",
    "validating",
    "advising",
    "advising?",
    "reversing",
    "unknown",
    "approved",
    "declined",
    "filtered",
    "error",
];

/// What may follow from an event: nothing (it is illegal), or one of these phases.
struct Rule {
    event: &'static str,
    from: &'static [&'static str],
    to: &'static [&'static str],
}

const fn rule(
    event: &'static str,
    from: &'static [&'static str],
    to: &'static [&'static str],
) -> Rule {
    Rule { event, from, to }
}

const SENT: &[&str] = &["sent", "sent by chip"];

/// Everything that is legal. Whatever has no line here must be refused.
const RULES: [Rule; 16] = [
    rule("approved", SENT, &["approved", "validating"]),
    rule("refused", SENT, &["declined"]),
    rule("pending", SENT, SENT),
    rule("not sent", SENT, &["sent", "sent by chip", "declined"]),
    rule("answer lost", SENT, SENT),
    rule("undecided", SENT, &["sent", "sent by chip", "unknown"]),
    rule("unsendable", SENT, &["error"]),
    rule("completed", &["validating"], &["advising"]),
    rule("refused by card", &["validating"], &["reversing"]),
    rule("not completed", &["validating"], &["reversing"]),
    rule("advised", &["advising", "advising?"], &["approved"]),
    rule("not advised", &["advising", "advising?"], &["advising", "advising?"]),
    rule("reversed", &["reversing", "unknown"], &["declined"]),
    rule("not reversed", &["reversing", "unknown"], &["reversing", "unknown"]),
    rule("decided", &["unknown", "advising?"], &["approved", "declined"]),
    rule("not repeated", &[], &[]),
];

fn phase(order: &Order) -> &'static str {
    match (order.status, order.stage) {
        (Status::Processing, Stage::Processing) => "sent",
        (Status::Processing, Stage::EmvProcessing) => "sent by chip",
        (Status::Processing, Stage::EmvValidating) => "validating",
        (Status::Processing, Stage::EmvAdviceProcessing) => "advising",
        (Status::Unknown, Stage::EmvAdviceProcessing) => "advising?",
        (Status::Processing, Stage::AutoReversalProcessing) => "reversing",
        (Status::Unknown, Stage::AutoReversalProcessing) => "unknown",
        (Status::Approved, Stage::Approved) => "approved",
        (Status::Declined, Stage::Declined) => "declined",
        (Status::Filtered, Stage::Filtered) => "filtered",
        (Status::Error, Stage::Error) => "error",
        other => panic!("{other:?} is nowhere"),
    }
}

/// How often each event met an order in each phase, by the place of its phase.
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
    for (rule, phase) in RULES.iter().flat_map(|rule| PHASES.map(|phase| (rule, phase))) {
        assert!(meetings.contains_key(&place(rule, phase)), "{phase} never met {}", rule.event);
    }
}

/// One order's life under random events.
fn play(seed: u64, meetings: &mut Meetings) {
    let dice = Dice::seeded(seed);
    let mut draft = shelf::order(OrderId(1), "a", 1);
    draft.status = Status::Processing;
    draft.amount = shelf::rub(if dice.one_in(8) { FILTERED } else { 1042 });
    draft.kind = dice.pick(&[Kind::Sale, Kind::Sale, Kind::Refund]);
    draft.card.entry_mode = dice.pick(&[EntryMode::Chip, EntryMode::Contactless]);
    let mut now = 100;
    let filtered = draft.amount.minor() == FILTERED;
    let mut change = open(draft, filtered.then_some(decline::MALFUNCTION), now);
    for _ in 0..EVENTS {
        now += dice.between(0, 60_000);
        let rule = &RULES[usize::try_from(dice.below(RULES.len() as u64)).unwrap()];
        let before = change.order.clone();
        *meetings.entry(place(rule, phase(&before))).or_default() += 1;
        match apply(before.clone(), event(rule.event, &dice), now) {
            Ok(after) => {
                let (from, to) = (phase(&before), phase(&after.order));
                let legal = rule.from.contains(&from) && rule.to.contains(&to);
                assert!(legal, "seed {seed}: {} led from {from} to {to}", rule.event);
                check(&before, &after, now);
                change = after;
            }
            Err(illegal) => {
                let from = phase(&before);
                assert!(!rule.from.contains(&from), "seed {seed}: {} was refused", rule.event);
                assert_eq!(illegal.status, before.status);
            }
        }
    }
}

/// What holds after every legal event.
fn check(before: &Order, after: &Change, now: i64) {
    let Change { order, next } = after;
    let step_fits = match (phase(order), next.map(|planned| planned.step)) {
        ("sent" | "sent by chip", Some(Step::Authorise { .. } | Step::Inquire { .. }))
        | ("validating", Some(Step::AwaitAdvice))
        | ("advising" | "advising?", Some(Step::Advise { .. }))
        | ("reversing" | "unknown", Some(Step::Reverse { .. })) => true,
        (_, None) => order.status.is_final(),
        _ => false,
    };
    assert!(step_fits, "{} and then {next:?}", phase(order));
    let asks_chip = ["sent by chip", "validating", "advising", "advising?"].contains(&phase(order));
    assert!(order.kind == Kind::Sale || !asks_chip, "a refund is {}", phase(order));
    assert!(next.is_none_or(|planned| planned.due_at >= now), "planned for the past");
    let refused = order.status.is_final() && order.status != Status::Approved;
    assert_eq!(order.outcome.error.is_some(), refused, "{:?}", order.outcome);
    let answered = order.outcome.response_code.is_some();
    assert!(!["sent", "sent by chip"].contains(&phase(order)) || !answered);
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
        "completed" => completion(true),
        "refused by card" => completion(false),
        "not completed" => Event::AdviceMissing,
        "advised" => Event::AdviceAcknowledged,
        "not advised" => Event::AdviceUnanswered { round },
        "decided" => Event::OperatorDecided { approved: dice.one_in(2) },
        "not repeated" => Event::RepeatUnanswered { round },
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

fn place(rule: &Rule, phase: &str) -> (usize, &'static str) {
    let known = PHASES.iter().position(|known| *known == phase);
    (known.unwrap(), rule.event)
}

#[expect(clippy::print_stdout, reason = "shown with --nocapture, and when a pair is missing")]
fn print(sequences: u64, meetings: &Meetings) {
    let row = |first: &str, cells: Vec<String>| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>13}")).collect();
        println!("{first:<16}{}", cells.concat());
    };
    println!("{sequences} sequences of {EVENTS} events");
    row("", PHASES.map(str::to_owned).to_vec());
    for rule in &RULES {
        let times = |phase| meetings.get(&place(rule, phase)).unwrap_or(&0).to_string();
        row(rule.event, PHASES.map(times).to_vec());
    }
}
