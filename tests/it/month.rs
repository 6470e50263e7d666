//! A month at a shop whose gateway crashes now and then: every day closes by itself, and at the end
//! the ledger, the settlement files and what the shop was told say the same.

use crate::database::engines;
use crate::dice::Dice;
use crate::world::{Answer, World, form_with};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use tillgate::payment::day::BusinessDay;
use tillgate::payment::ids::EndpointId;
use tillgate::payment::merchant::{Endpoint, Fee};
use tillgate::payment::{DAY, HOUR, MINUTE, Millis};

const DAYS: i64 = 30;
/// What happens in an hour, at most.
const EVENTS: u64 = 3;
/// Approved ones, declined ones, late ones, and those whose answer is lost.
const AMOUNTS: [&str; 8] = ["10.42", "99.99", "7", "250.5", "11.16", "14.08", "12.17", "33.01"];

/// An order, as the shop knows it.
struct Sold {
    name: String,
    order: String,
}

struct Shop {
    dice: Dice,
    sold: Vec<Sold>,
    asked: u64,
}

impl Shop {
    async fn act(&mut self, world: &World) {
        match self.dice.below(6) {
            0 | 1 => self.sell(world, "sale").await,
            2 => self.sell(world, "preauth").await,
            3 => self.amend(world, "capture").await,
            4 => self.amend(world, "return").await,
            _ => self.amend(world, "void").await,
        }
    }

    async fn sell(&mut self, world: &World, command: &str) {
        self.asked += 1;
        let (name, amount) = (format!("M-{}", self.asked), self.dice.pick(&AMOUNTS));
        let data = world.swipe(amount, serde_json::json!({})).await;
        let form = form_with(&name, amount, &data);
        let answer = world.post_signed(&format!("/mapi/v1/{command}/1111"), &form).await;
        match answer.get("type").as_str() {
            "async-response" => self.sold.push(Sold { name, order: answer.order() }),
            _ => assert_eq!(answer.refusal(), "error 26 GATE_CLOSING_DAY"),
        }
    }

    /// Asks for something that may or may not be possible, mostly of a late order.
    async fn amend(&mut self, world: &World, command: &str) {
        if self.sold.is_empty() {
            return;
        }
        let back = if self.dice.one_in(4) { self.sold.len() } else { self.sold.len().min(3) };
        let place = self.sold.len() - 1 - usize::try_from(self.dice.below(back as u64)).unwrap();
        let Sold { name, order } = &self.sold[place];
        let part = self.dice.pick(&[None, None, Some("1.05"), Some("12.17"), Some("500")]);
        let answer = world.amend(command, name, order, part).await;
        let known = ["async-response", "error"].contains(&answer.get("type").as_str());
        assert!(known, "{answer:?}");
    }
}

/// A worker takes jobs and is never heard of again; then the program is started anew.
async fn crash(world: World, dice: &Dice) -> World {
    if dice.one_in(2) {
        drop(world.claim_jobs().await);
    }
    world.restart().await
}

#[tokio::test]
async fn after_a_month_with_crashes_ledger_settlement_files_and_answers_agree() {
    for engine in engines() {
        let mut world = World::start(engine).await;
        settle_at_three_in_the_morning(&world).await;
        let mut shop = Shop { dice: Dice::seeded(11), sold: Vec::new(), asked: 0 };
        let mut crashes = 0;
        for _ in 0..DAYS * 4 {
            for _ in 0..shop.dice.below(EVENTS + 1) {
                shop.act(&world).await;
                if shop.dice.one_in(3) {
                    world.settle().await;
                }
            }
            if shop.dice.one_in(12) {
                world = crash(world, &shop.dice).await;
                crashes += 1;
            }
            pass(&world, 6 * HOUR, &shop.dice).await;
        }
        assert!(crashes > 3, "{crashes} crashes");
        // Holds lapse, ladders end; and a last day is closed.
        for _ in 0..10 {
            pass(&world, DAY, &shop.dice).await;
        }
        audit(&world, &shop).await;
        world.end().await;
    }
}

async fn settle_at_three_in_the_morning(world: &World) {
    let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
    let mut changed = Endpoint::clone(&endpoint);
    changed.terms.day = BusinessDay { time_zone: Tz::Europe__Moscow, close_at: Some(180) };
    changed.terms.fee = Fee { basis_points: 150, fixed_minor: 5 };
    changed.terms.multi_capture = true;
    world.gateway().change_endpoint(&changed).await.unwrap();
}

/// Time passes, and what is due happens, closes among it.
async fn pass(world: &World, time: Millis, dice: &Dice) {
    let mut left = time;
    while left > 0 {
        let step = dice.between(MINUTE, 2 * HOUR).min(left);
        world.pass(step).await;
        world.gateway().close_due_days().await.unwrap();
        left -= step;
    }
}

async fn audit(world: &World, shop: &Shop) {
    // What the shop was told, transaction by transaction.
    let mut told: BTreeMap<String, i64> = BTreeMap::new();
    let sold =
        world.database.numbers("SELECT kind || ' ' || status, amount_minor FROM orders").await;
    let later =
        world.database.numbers("SELECT kind || ' ' || status, amount_minor FROM amendments").await;
    for (what, minor) in sold.into_iter().chain(later) {
        let (kind, status) = what.split_once(' ').unwrap();
        assert!(["approved", "declined"].contains(&status), "{what} after a month");
        if status == "approved" && !["preauth", "cancel"].contains(&kind) {
            *told.entry(kind.to_owned()).or_default() += minor;
        }
    }
    for Sold { name, order } in &shop.sold {
        let answer = world.status(name, order).await;
        let ended = ["approved", "declined"].contains(&answer.get("status").as_str());
        assert!(ended, "{answer:?}");
    }
    let mut moved = world.balances().await;
    let (fees, settled) = (moved.remove("fee").unwrap(), moved.remove("settlement").unwrap());
    let moved: BTreeMap<_, _> =
        moved.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect();
    assert_eq!(moved, told);
    assert!(moved.len() == 4 && fees > 0 && settled > 0, "{moved:?}: not much of a month");

    // What the files say, day by day.
    let closes = world.database.numbers("SELECT close_date, id FROM day_closes ORDER BY id").await;
    let dates: BTreeSet<_> = closes.iter().map(|(date, _)| date).collect();
    assert_eq!(dates.len(), closes.len(), "a date closed twice");
    assert!(closes.len() >= 30, "{closes:?}");
    let mut filed: BTreeMap<String, i64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (date, batch) in &closes {
        for line in lines(world, *batch).await {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            assert_eq!(text("date"), *date);
            let new = seen.insert((text("transaction"), text("movement")));
            assert!(new, "{line} is in two days");
            *filed.entry(text("movement")).or_default() += minor(&text("amount"));
        }
    }
    assert_eq!(filed.remove("fee"), Some(fees));
    assert_eq!(filed, moved, "the last day is closed, too");
    let balance = world.account("merchant").await
        + world.account("fees").await
        + world.account("acquirer").await;
    assert_eq!((balance, world.account("card_holders").await), (0, 0));
}

async fn lines(world: &World, batch: i64) -> Vec<serde_json::Value> {
    let request = world.http.get(world.url(&format!("/admin/settlements/{batch}.json")));
    let answer = Answer::of(request.header("Authorization", "Bearer sandbox")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn minor(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}
