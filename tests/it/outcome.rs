//! Waiting for what becomes of an order: whoever waits hears of it, whenever they come, and whoever
//! took the step.

use crate::chip::{advice_form, advise, completion};
use crate::database::{Engine, engines};
use crate::world::{World, form_with, order_id, scenario};
use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use tillgate::gateway::Failure;
use tillgate::payment::SECOND;
use tillgate::payment::ids::OrderId;
use tillgate::payment::order::Status;
use tillgate::payment::refusal::Refusal;

/// Long enough for anything but a wake-up that was lost: then the clock of a scenario, which stands
/// still, would never look again.
const PATIENCE: Duration = Duration::from_secs(30);

/// The status and stage that the wait for an order ends with.
async fn heard(world: &World, id: OrderId) -> String {
    let waited = tokio::time::timeout(PATIENCE, world.gateway().outcome_of(id)).await;
    let order = waited.expect("nobody rang").unwrap();
    format!("{} {}", order.status.name(), order.wire_stage())
}

#[tokio::test]
async fn whoever_waits_before_while_or_after_an_order_is_decided_hears_of_it() {
    scenario(async |world| {
        for round in 0..20 {
            let id = order_id(&world.sell(&format!("W-{round}"), "10.42").await);
            let early = [heard(world, id), heard(world, id)];
            let (early, ()) = join(join_all(early), world.settle()).await;
            assert_eq!(early, ["approved sale_approved"; 2]);
            assert_eq!(heard(world, id).await, "approved sale_approved", "afterwards");
        }
    })
    .await;
}

#[tokio::test]
async fn of_many_orders_each_waiter_hears_of_its_own() {
    scenario(async |world| {
        let mut ids = Vec::new();
        for (place, amount) in ["10.42", "1.16", "3.00"].into_iter().cycle().take(24).enumerate() {
            ids.push(order_id(&world.sell(&format!("M-{place}"), amount).await));
        }
        let waits = join_all(ids.iter().map(|id| heard(world, *id)));
        let (told, ()) = join(waits, world.settle()).await;
        let expected =
            ["approved sale_approved", "declined sale_declined", "filtered sale_filtered"];
        let expected: Vec<_> = expected.into_iter().cycle().take(24).collect();
        assert_eq!(told, expected);
    })
    .await;
}

#[tokio::test]
async fn one_who_goes_away_takes_nothing_from_the_others() {
    scenario(async |world| {
        let id = order_id(&world.sell("D-1", "10.42").await);
        let mut stays = pin!(heard(world, id));
        {
            let mut goes = pin!(heard(world, id));
            assert!(stays.as_mut().now_or_never().is_none());
            assert!(goes.as_mut().now_or_never().is_none());
        }
        let (told, ()) = join(stays, world.settle()).await;
        assert_eq!(told, "approved sale_approved");
    })
    .await;
}

#[tokio::test]
async fn an_order_that_is_still_under_way_is_waited_for_until_its_outcome_is_unknown() {
    scenario(async |world| {
        let id = order_id(&world.sell("U-1", "12.17").await);
        let steps = async {
            for wait in [0, SECOND, 5 * SECOND, 30 * SECOND] {
                assert_eq!(world.status_of("U-1").await, "processing");
                world.pass(wait).await;
            }
        };
        let (told, ()) = join(heard(world, id), steps).await;
        assert_eq!(told, "unknown sale_auto_reversal_processing");
    })
    .await;
}

#[tokio::test]
async fn the_chips_turn_ends_the_wait_and_its_last_word_begins_another() {
    scenario(async |world| {
        let data = world.swipe("10.42", json!({ "entry_mode": "insert" })).await;
        let order = world.sale(&form_with("C-1", "10.42", &data)).await.order();
        let id = order_id(&order);
        let (told, ()) = join(heard(world, id), world.settle()).await;
        assert_eq!(told, "processing sale_emv_validating");
        let last_word = completion(world, json!({ "auth_response_code": "00" })).await;
        advise(world, &advice_form(world, &order, &last_word)).await.order();
        let (told, ()) = join(heard(world, id), world.settle()).await;
        assert_eq!(told, "approved sale_approved");
    })
    .await;
}

#[tokio::test]
async fn an_operators_word_is_heard_as_well() {
    scenario(async |world| {
        let id = order_id(&world.sell("O-1", "12.18").await);
        for wait in [0, SECOND, 5 * SECOND, 30 * SECOND] {
            world.pass(wait).await;
        }
        assert_eq!(heard(world, id).await, "unknown sale_auto_reversal_processing");
        world.gateway().resolve(id, true).await.unwrap();
        assert_eq!(heard(world, id).await, "approved sale_approved");
    })
    .await;
}

#[tokio::test]
async fn what_another_instance_did_is_heard_a_second_later() {
    for engine in engines().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let world = World::start(engine).await;
        let other = world.another_instance().await;
        let id = order_id(&world.sell("I-1", "10.42").await);
        let mut wait = Box::pin(other.gateway().outcome_of(id));
        assert!(wait.as_mut().now_or_never().is_none());
        let elsewhere = async {
            world.settle().await;
            // The wait may have looked before, between or after: from now on it looks again.
            loop {
                world.clock.advance(SECOND);
                assert_eq!(world.status_of("I-1").await, "approved");
            }
        };
        let order = tokio::select! {
            order = wait => order.unwrap(),
            () = elsewhere => unreachable!("it never ends"),
        };
        assert_eq!(order.status, Status::Approved);
        other.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_waited_for() {
    scenario(async |world| {
        let none = world.gateway().outcome_of(OrderId(1)).await;
        assert!(matches!(none, Err(Failure::Refused { refusal: Refusal::OrderNotFound, .. })));
    })
    .await;
}
