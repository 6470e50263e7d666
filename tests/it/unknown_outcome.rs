//! When nobody can say whether money moved: ask, then reverse, and never guess.

use crate::world::{PAN, World, order_id, scenario};
use tillgate::acquirer::{Acquirer, CardForHost, Reference, Transaction};
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::host::HostProfile;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::order::Kind;
use tillgate::payment::{HOUR, SECOND};

#[tokio::test]
async fn a_lost_answer_is_asked_for_becomes_unknown_and_is_reversed() {
    scenario(async |world| {
        let inbox = world.ready.callback_inbox_url.clone();
        let mut form = world.sale_form("L-1", "12.17").await;
        form.push(("server_callback_url".to_owned(), inbox));
        let order = world.sale(&form).await.order();
        world.settle().await;
        for wait in [SECOND, 5 * SECOND] {
            world.pass(wait).await;
            let answer = world.status("L-1", &order).await;
            assert_eq!(answer.get("status"), "processing");
        }
        world.pass(30 * SECOND).await;
        let answer = world.status("L-1", &order).await;
        assert_eq!(answer.get("status"), "unknown");
        assert_eq!(answer.get("order-stage"), "sale_auto_reversal_processing");
        assert_eq!(world.callbacks().await, [], "unknown is not final");
        assert!(!world.host().has_reversed(order_id(&order)));

        world.pass(5 * SECOND).await;
        let answer = world.status("L-1", &order).await;
        assert_eq!(answer.get("status"), "declined");
        assert_eq!(answer.get("error-code"), "907");
        assert!(world.host().has_reversed(order_id(&order)));
        assert_eq!(world.callbacks().await[0]["status"], "declined");
        assert_eq!(world.host().requests_for(order_id(&order)), 1, "it was sent once only");
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_worker_vanished_before_sending_is_sent_by_the_next() {
    scenario(async |world| {
        let order = world.sell("V-1", "10.42").await;
        let claimed = world.claim_jobs().await;
        assert_eq!(claimed.len(), 1);
        world.settle().await;
        assert_eq!(world.status("V-1", &order).await.get("status"), "processing", "still leased");
        world.pass(60 * SECOND).await;
        assert_eq!(world.status("V-1", &order).await.get("status"), "approved");
        assert_eq!(world.host().requests_for(order_id(&order)), 1);
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_worker_vanished_after_sending_is_asked_for_and_not_sent_again() {
    scenario(async |world| {
        let order = world.sell("V-2", "10.42").await;
        let lost = world.claim_jobs().await.remove(0);
        // It sends, and vanishes before it can save what it heard.
        let pan = Pan::parse(PAN).unwrap();
        let expiry = Expiry::from_yymm("3012").unwrap();
        let entry_mode = EntryMode::Swipe;
        let card = CardForHost { pan: &pan, expiry, entry_mode, pin: None };
        let reference = Reference {
            order: lost.job.order,
            transaction: Transaction::Opening(Kind::Sale),
            amount: Amount::from_minor(1042, Currency::from_alpha("RUB").unwrap()).unwrap(),
            terminal_id: "10000462".to_owned(),
            host_profile: HostProfile::Mpos,
        };
        world.host().authorise(&reference, card).await.unwrap();
        world.pass(60 * SECOND).await;
        assert_eq!(world.status("V-2", &order).await.get("status"), "approved");
        assert_eq!(world.host().requests_for(order_id(&order)), 1, "never twice");
    })
    .await;
}

#[tokio::test]
async fn a_worker_whose_lease_ran_out_neither_sends_nor_saves() {
    scenario(async |world| {
        for (name, amount) in [("S-1", "14.08"), ("S-2", "12.17"), ("S-3", "10.42")] {
            let order = world.sell(name, amount).await;
            let slow = world.claim_jobs().await.remove(0);
            world.pass(60 * SECOND).await;
            let before = world.status(name, &order).await.get("order-stage");
            let requests = world.host().requests_for(order_id(&order));
            world.gateway().take_step(slow).await.unwrap();
            assert_eq!(world.host().requests_for(order_id(&order)), requests, "{amount}");
            assert_eq!(world.status(name, &order).await.get("order-stage"), before);
            world.pass(HOUR).await;
            assert_eq!(requests, 1, "{amount}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_order_that_waited_too_long_in_memory_is_sent_by_the_next_worker_without_doubt() {
    scenario(async |world| {
        let order = world.sell("W-1", "10.42").await;
        let waiting = world.claim_jobs().await.remove(0);
        world.clock.advance(50 * SECOND);
        world.gateway().take_step(waiting).await.unwrap();
        assert_eq!(world.host().requests_for(order_id(&order)), 0, "no time for an answer");
        let next = world.claim_jobs().await.remove(0);
        assert_eq!(next.job.tries, 1, "it certainly was not sent");
        world.gateway().take_step(next).await.unwrap();
        assert_eq!(world.status("W-1", &order).await.get("status"), "approved");
    })
    .await;
}

#[tokio::test]
async fn without_an_acquirer_every_order_is_declined_also_after_a_crash() {
    for engine in crate::database::engines() {
        let world = World::start_with(engine, |settings| settings.sandbox = false).await;
        let first = world.sell("U-1", "10.42").await;
        world.claim_jobs().await;
        let second = world.sell("U-2", "10.42").await;
        for _ in 0..20 {
            world.pass(60 * SECOND).await;
        }
        for (name, order) in [("U-1", first), ("U-2", second)] {
            let answer = world.status(name, &order).await;
            assert_eq!(
                (answer.get("status"), answer.get("error-code")),
                ("declined".into(), "907".into())
            );
        }
        world.end().await;
    }
}
