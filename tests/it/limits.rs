//! The limits of an endpoint: what they forbid is filtered, and never reaches the acquirer.

use crate::world::{Answer, Fields, PAN, World, form_with, order_id, scenario, with};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tillgate::payment::ids::EndpointId;
use tillgate::payment::limits::{Choice, Limits};
use tillgate::payment::{DAY, HOUR, MINUTE};

const PATH: &str = "/sandbox/endpoints/1111/limits";
/// Another card than that of every swipe which names none.
const OTHER_PAN: &str = "5203060000000008";

async fn limit(world: &World, limits: Value) {
    let answer = Answer::of(world.http.put(world.url(PATH)).json(&limits)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// How a sale that has been sent ends: its status and code.
async fn end_of(world: &World, name: &str, order: &str) -> String {
    world.settle().await;
    let answer = world.status(name, order).await;
    let code = answer.find("error-code").unwrap_or_default();
    format!("{} {code}", answer.get("status")).trim().to_owned()
}

/// Makes a sale and answers how it ends.
async fn sell(world: &World, name: &str, amount: &str) -> String {
    let order = world.sell(name, amount).await;
    end_of(world, name, &order).await
}

/// A form for a sale with this card at this reader.
async fn form_at(world: &World, name: &str, reader: usize, pan: &str) -> Fields {
    let serial = &world.ready.readers[reader].serial;
    let encrypted = world.swipe_at(serial, "10.42", json!({ "pan": pan })).await;
    form_with(name, "10.42", &encrypted)
}

async fn sell_at(world: &World, name: &str, reader: usize, pan: &str) -> String {
    let form = form_at(world, name, reader, pan).await;
    let order = world.sale(&form).await.order();
    end_of(world, name, &order).await
}

#[tokio::test]
async fn each_rule_filters_with_its_code() {
    scenario(async |world| {
        let cases = [
            (json!({}), "approved"),
            (json!({ "amount_most_minor": 1042 }), "approved"),
            (json!({ "amount_most_minor": 1041 }), "filtered 702"),
            (json!({ "currencies": { "allowed": ["EUR"] } }), "filtered 702"),
            (json!({ "currencies": { "forbidden": ["EUR"] } }), "approved"),
            (json!({ "countries": { "allowed": ["FR", "ru"] } }), "approved"),
            (json!({ "countries": { "forbidden": ["ru"] } }), "filtered 703"),
            (json!({ "countries": { "allowed": ["RUS"] } }), "filtered 703"),
            (json!({ "bins": { "forbidden": ["4444"] } }), "filtered 701"),
            (json!({ "bins": { "allowed": ["5203", "444455"] } }), "approved"),
            (json!({ "bins": { "allowed": ["5203"] } }), "filtered 701"),
            (
                json!({ "velocity": [{ "per": "card", "within": "1d", "count_most": 0 }] }),
                "filtered 700",
            ),
            (
                json!({ "velocity": [{ "per": "reader", "within": "1d", "sum_most_minor": 1041 }] }),
                "filtered 700",
            ),
        ];
        for (place, (limits, expected)) in cases.into_iter().enumerate() {
            limit(world, limits.clone()).await;
            assert_eq!(sell(world, &format!("R-{place}"), "10.42").await, expected, "{limits}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_country_is_compared_as_it_was_sent() {
    scenario(async |world| {
        limit(world, json!({ "countries": { "forbidden": ["RUS", "US"] } })).await;
        for (place, (sent, expected)) in
            [("RU", "approved"), ("rus", "filtered 703"), ("us", "filtered 703")].iter().enumerate()
        {
            let name = format!("C-{place}");
            let form = with(&world.sale_form(&name, "10.42").await, "country", Some(sent));
            let order = world.sale(&form).await.order();
            assert_eq!(end_of(world, &name, &order).await, *expected, "{sent}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_filtered_is_called_back_and_nothing_is_sent_to_the_acquirer() {
    scenario(async |world| {
        limit(world, json!({ "bins": { "forbidden": ["4444"] } })).await;
        let mut form = world.sale_form("F-1", "10.42").await;
        form.push(("server_callback_url".to_owned(), world.ready.callback_inbox_url.clone()));
        let first = world.sale(&form).await.order();
        assert_eq!(end_of(world, "F-1", &first).await, "filtered 701");
        assert_eq!(world.host().requests_for(order_id(&first)), 0);
        let told = world.callbacks().await.remove(0);
        let told = ["status", "error_code", "error_message"].map(|name| told[name].clone());
        assert_eq!(told, ["filtered", "701", "Filtered: card number"]);
        assert_eq!(world.sale(&form).await.order(), first, "the same request again");
        assert!(world.balances().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_order_counts_until_it_is_as_old_as_the_window() {
    scenario(async |world| {
        let rule = json!({ "per": "card", "within": "10m", "count_most": 2 });
        limit(world, json!({ "velocity": [rule] })).await;
        assert_eq!(sell(world, "W-1", "10.42").await, "approved");
        world.pass(MINUTE).await;
        assert_eq!(sell(world, "W-2", "10.42").await, "approved");
        world.pass(9 * MINUTE - 1).await;
        assert_eq!(sell(world, "W-3", "10.42").await, "filtered 700", "the first counts still");
        world.pass(1).await;
        assert_eq!(sell(world, "W-4", "10.42").await, "approved", "what is filtered counts not");
        assert_eq!(sell(world, "W-5", "10.42").await, "filtered 700");
    })
    .await;
}

#[tokio::test]
async fn a_sum_may_be_reached_and_not_passed_and_several_rules_hold_together() {
    scenario(async |world| {
        let hourly = json!({ "per": "card", "within": "1h", "sum_most_minor": 10_000 });
        let daily = json!({ "per": "card", "within": "24h", "sum_most_minor": 15_000 });
        limit(world, json!({ "velocity": [hourly, daily] })).await;
        assert_eq!(sell(world, "S-1", "60").await, "approved");
        assert_eq!(sell(world, "S-2", "40.01").await, "filtered 700");
        assert_eq!(sell(world, "S-3", "40").await, "approved");
        world.pass(HOUR).await;
        assert_eq!(sell(world, "S-4", "50.01").await, "filtered 700", "of the day");
        assert_eq!(sell(world, "S-5", "50").await, "approved");
        world.pass(23 * HOUR - 1).await;
        assert_eq!(sell(world, "S-6", "0.01").await, "filtered 700");
        world.pass(1).await;
        assert_eq!(sell(world, "S-7", "100").await, "approved");
    })
    .await;
}

#[tokio::test]
async fn cards_and_readers_are_counted_each_for_itself() {
    scenario(async |world| {
        let once = |per: &str| json!({ "per": per, "within": "1h", "count_most": 1 });
        limit(world, json!({ "velocity": [once("card")] })).await;
        assert_eq!(sell_at(world, "P-1", 0, PAN).await, "approved");
        assert_eq!(sell_at(world, "P-2", 1, PAN).await, "filtered 700");
        assert_eq!(sell_at(world, "P-3", 0, OTHER_PAN).await, "approved");
        limit(world, json!({ "velocity": [once("card"), once("reader")] })).await;
        world.pass(HOUR).await;
        assert_eq!(sell_at(world, "P-4", 1, PAN).await, "approved");
        assert_eq!(sell_at(world, "P-5", 1, OTHER_PAN).await, "filtered 700", "the reader");
        assert_eq!(sell_at(world, "P-6", 0, OTHER_PAN).await, "approved");
    })
    .await;
}

#[tokio::test]
async fn of_twenty_sales_of_one_card_at_once_no_more_than_five_are_let_through() {
    scenario(async |world| {
        let rule = |per: &str, most: u32| json!({ "per": per, "within": "1h", "count_most": most });
        limit(world, json!({ "velocity": [rule("card", 5), rule("reader", 19)] })).await;
        let mut forms = Vec::new();
        for number in 0..20 {
            let name = format!("T-{number}");
            // Several readers, whose counters may rise in any order among each other.
            forms.push((name.clone(), form_at(world, &name, number % 3, PAN).await));
        }
        // Counters of one reader must rise: those that came too late are refused and try again.
        let mut orders = Vec::new();
        while !forms.is_empty() {
            let answers = join_all(forms.iter().map(|(_, form)| world.sale(form))).await;
            let mut again = Vec::new();
            for (number, ((name, _), answer)) in forms.iter().zip(answers).enumerate() {
                if answer.get("type") == "async-response" {
                    orders.push((name.clone(), answer.order()));
                    continue;
                }
                assert_eq!(answer.refusal(), "error 25 KSN_REPLAY");
                let form = form_at(world, name, number % 3, PAN).await;
                again.push((name.clone(), form));
            }
            forms = again;
        }
        let mut approved = 0;
        for (name, order) in &orders {
            match end_of(world, name, order).await.as_str() {
                "approved" => approved += 1,
                other => assert_eq!(other, "filtered 700"),
            }
        }
        assert_eq!((orders.len(), approved), (20, 5));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_counted_without_a_rule_and_what_no_rule_counts_is_swept() {
    scenario(async |world| {
        limit(world, json!({ "amount_most_minor": 100_000 })).await;
        assert_eq!(sell(world, "Q-1", "10.42").await, "approved");
        assert_eq!(world.database.count("usages").await, 0);
        let rule = |per: &str| json!({ "per": per, "within": "31d", "count_most": 1 });
        limit(world, json!({ "velocity": [rule("card"), rule("reader")] })).await;
        assert_eq!(sell(world, "Q-2", "10.42").await, "approved");
        assert_eq!(sell(world, "Q-3", "10.42").await, "filtered 700");
        assert_eq!(world.database.count("usages").await, 2);
        world.clock.advance(31 * DAY);
        assert_eq!(world.gateway().sweep().await.unwrap().usages, 0, "not before its time");
        world.clock.advance(1);
        assert_eq!(world.gateway().sweep().await.unwrap().usages, 2);
        assert_eq!(world.database.count("usages").await, 0);
    })
    .await;
}

#[tokio::test]
async fn limits_are_told_as_they_were_set_and_wrong_ones_change_nothing() {
    scenario(async |world| {
        let limits = json!({
            "amount_most_minor": 500_000,
            "currencies": { "allowed": ["RUB"], "forbidden": [] },
            "countries": { "allowed": [], "forbidden": ["KP", "PRK"] },
            "bins": { "allowed": [], "forbidden": ["444456"] },
            "velocity": [
                { "per": "card", "within": "10m", "count_most": 5 },
                { "per": "reader", "within": "1d", "sum_most_minor": 10_000_000 },
            ],
        });
        limit(world, limits.clone()).await;
        let wrong = [
            (json!({ "bins": { "forbidden": ["4444555566"] } }), "bins.forbidden: \"4444555566\""),
            (json!({ "countries": { "allowed": ["Russia"] } }), "countries.allowed: \"Russia\""),
            (json!({ "currencies": { "allowed": ["XXX"] } }), "currencies.allowed: \"XXX\" must"),
            (json!({ "amount_most_minor": -1 }), "amount_most_minor: must be 1 or more"),
            (json!({ "amount": 5 }), "unknown field `amount`"),
            (
                json!({ "velocity": [{ "per": "card", "within": "soon", "count_most": 1 }] }),
                "velocity[0]: within: \"soon\" is not a time like \"10m\" or \"24h\"",
            ),
            (
                json!({ "velocity": [{ "per": "card", "within": "32d", "count_most": 1 }] }),
                "velocity[0]: within must be 1s to 31d",
            ),
            (
                json!({ "velocity": [{ "per": "card", "within": "1d" }] }),
                "velocity[0]: write count_most, sum_most_minor or both",
            ),
        ];
        for (body, expected) in wrong {
            let answer = Answer::of(world.http.put(world.url(PATH)).json(&body)).await;
            let told: Value = serde_json::from_str(&answer.body).unwrap();
            let error = told["error"].as_str().unwrap();
            assert!(answer.status == 400 && error.starts_with(expected), "{body}: {error}");
        }
        let told = Answer::of(world.http.get(world.url(PATH))).await;
        assert_eq!(serde_json::from_str::<Value>(&told.body).unwrap(), limits);
        for unknown in ["999", "x"] {
            let path = format!("/sandbox/endpoints/{unknown}/limits");
            let get = Answer::of(world.http.get(world.url(&path))).await;
            let put = Answer::of(world.http.put(world.url(&path)).json(&json!({}))).await;
            assert_eq!((get.status, put.status), (404, 404), "{get:?} {put:?}");
        }
        let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let mut changed = (*endpoint).clone();
        let bins = Choice { allowed: vec!["4".to_owned()], ..Choice::default() };
        changed.limits = Limits { bins, ..Limits::default() };
        assert!(world.gateway().change_endpoint(&changed).await.is_err(), "checked there, too");
    })
    .await;
}
