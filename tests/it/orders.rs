//! Taking orders: the sale, the preauthorisation, and the same one again.

use crate::world::{Answer, NOON, form_with, order_id, scenario, with};
use futures_util::future::join_all;
use tillgate::payment::SECOND;

#[tokio::test]
async fn a_sale_is_accepted_then_approved_in_the_background() {
    scenario(async |world| {
        let order = world.sell("A-1", "10.42").await;
        let before = world.status("A-1", &order).await;
        assert_eq!(before.get("status"), "processing");
        assert_eq!(before.get("order-stage"), "sale_processing");

        world.settle().await;
        let after = world.status("A-1", &order).await;
        assert_eq!(after.get("status"), "approved");
        assert_eq!(after.get("order-stage"), "sale_approved");
        assert_eq!(after.get("approval-code").len(), 6);
        assert_eq!(world.host().requests_for(order_id(&order)), 1);
    })
    .await;
}

#[tokio::test]
async fn a_preauthorisation_goes_through_its_own_stages() {
    scenario(async |world| {
        let form = world.sale_form("P-1", "10.42").await;
        let order = world.post_signed("/mapi/v1/preauth/1111", &form).await.order();
        assert_eq!(world.status("P-1", &order).await.get("order-stage"), "auth_processing");
        world.settle().await;
        let after = world.status("P-1", &order).await;
        assert_eq!(after.get("order-stage"), "auth_approved");
        assert_eq!(after.get("transaction-type"), "preauth");
    })
    .await;
}

#[tokio::test]
async fn each_magic_amount_ends_as_documented() {
    scenario(async |world| {
        for (amount, status, code) in [
            ("11.01", "declined", "101"),
            ("11.16", "declined", "116"),
            ("11.17", "declined", "117"),
            ("11.19", "declined", "119"),
            ("12.09", "declined", "209"),
            ("13.00", "filtered", "702"),
        ] {
            let order = world.sell(amount, amount).await;
            world.settle().await;
            let answer = world.status(amount, &order).await;
            assert_eq!(
                (answer.get("status"), answer.get("error-code")),
                (status.into(), code.into())
            );
            assert_eq!(answer.get("order-stage"), format!("sale_{status}"));
            assert_eq!(answer.find("approval-code"), None);
        }
    })
    .await;
}

#[tokio::test]
async fn an_amount_ending_in_408_is_processing_for_a_minute_then_approved() {
    scenario(async |world| {
        let order = world.sell("L-1", "14.08").await;
        world.settle().await;
        world.pass(59 * SECOND).await;
        assert_eq!(world.status("L-1", &order).await.get("status"), "processing");
        world.pass(SECOND).await;
        assert_eq!(world.status("L-1", &order).await.get("status"), "approved");
        assert_eq!(world.host().requests_for(order_id(&order)), 1);
    })
    .await;
}

#[tokio::test]
async fn tap_and_fallback_are_taken_like_a_swipe() {
    scenario(async |world| {
        for (place, mode) in ["tap", "fallback"].into_iter().enumerate() {
            let data = world.swipe("10.42", serde_json::json!({ "entry_mode": mode })).await;
            let order = world.sale(&form_with(mode, "10.42", &data)).await.order();
            world.settle().await;
            assert_eq!(world.status(mode, &order).await.get("status"), "approved", "{place}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer_again() {
    scenario(async |world| {
        let form = world.sale_form("D-1", "10.42").await;
        let first = world.sale(&form).await;
        let again = world.sale(&form).await;
        assert_eq!(again.body, first.body);
        world.settle().await;
        assert_eq!(world.sale(&form).await.body, first.body);
        assert_eq!(world.database.count("orders").await, 1);
        assert_eq!(world.host().requests_for(order_id(&first.order())), 1);
    })
    .await;
}

#[tokio::test]
async fn another_request_under_the_same_name_is_refused_and_names_the_first_order() {
    scenario(async |world| {
        let order = world.sell("D-2", "10.42").await;
        for other in [world.sale_form("D-2", "10.42").await, world.sale_form("D-2", "99.00").await]
        {
            let answer = world.sale(&other).await;
            assert_eq!(answer.refusal(), "error 20 DUPLICATE_CLIENT_ORDERID");
            assert_eq!(answer.get("paynet-order-id"), order);
        }
        assert_eq!(world.database.count("orders").await, 1);
    })
    .await;
}

#[tokio::test]
async fn the_same_name_at_another_endpoint_is_another_order() {
    scenario(async |world| {
        let rub = world.sell("D-3", "10.42").await;
        let swipe = world.swipe("10.42", serde_json::json!({ "currency": "EUR" })).await;
        let form = with(&form_with("D-3", "10.42", &swipe), "currency", Some("EUR"));
        let eur = world.post_signed("/mapi/v1/sale/1112", &form).await.order();
        assert_ne!(rub, eur);
    })
    .await;
}

#[tokio::test]
async fn of_many_at_once_under_one_name_exactly_one_becomes_an_order() {
    scenario(async |world| {
        let form = world.sale_form("R-1", "10.42").await;
        let answers = join_all((0..32).map(|_| world.sale(&form))).await;
        let orders: Vec<String> = answers.iter().map(Answer::order).collect();
        assert!(orders.iter().all(|order| *order == orders[0]), "{orders:?}");
        assert_eq!(world.database.count("orders").await, 1);
        assert_eq!(world.database.count("jobs").await, 1);
        world.settle().await;
        assert_eq!(world.host().requests_for(order_id(&orders[0])), 1);
    })
    .await;
}

#[tokio::test]
async fn many_different_orders_at_once_are_all_taken_and_all_processed() {
    scenario(async |world| {
        let mut forms = Vec::new();
        for number in 0..60 {
            // Three readers, as in a shop: each one's counter rises in the order of its swipes.
            let reader = &world.ready.readers[number % 3].serial;
            let swipe = world.swipe_at(reader, "10.42", serde_json::json!({})).await;
            forms.push(form_with(&format!("M-{number}"), "10.42", &swipe));
        }
        for chunk in forms.chunks(3) {
            let answers = join_all(chunk.iter().map(|form| world.sale(form))).await;
            assert!(answers.iter().all(|answer| !answer.order().is_empty()));
        }
        assert_eq!(world.database.count("orders").await, 60);
        world.settle().await;
        assert_eq!(world.database.count("jobs").await, 0);
        assert_eq!(world.status("M-59", "").await.get("status"), "approved");
    })
    .await;
}

#[tokio::test]
async fn an_accepted_order_survives_a_restart_before_it_was_processed() {
    for engine in crate::database::engines() {
        let world = crate::world::World::start(engine).await;
        let order = world.sell("S-1", "10.42").await;
        let world = world.restart().await;
        assert_eq!(world.status("S-1", &order).await.get("status"), "processing");
        world.settle().await;
        assert_eq!(world.status("S-1", &order).await.get("status"), "approved");
        world.end().await;
    }
}

#[tokio::test]
async fn a_phone_is_noted_once() {
    scenario(async |world| {
        world.sell("PH-1", "10.42").await;
        world.sell("PH-2", "10.42").await;
        assert_eq!(world.database.count("phones").await, 1);
        assert_eq!(world.clock.now(), NOON);
    })
    .await;
}
