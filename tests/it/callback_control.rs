//! Operators and callbacks: what came of each attempt, stopping without losing, sending again, and
//! signatures by Standard Webhooks.

use crate::receiver::{Answering, Receiver};
use crate::registry::call;
use crate::world::{Fields, World, scenario};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tillgate::crypto::webhook::WebhookKey;
use tillgate::payment::{DAY, HOUR, MINUTE, SECOND};

const ENDPOINT: &str = "/admin/v1/endpoints/1111";

pub async fn sell(world: &World, name: &str, url: &str) -> String {
    let mut form: Fields = world.sale_form(name, "10.42").await;
    form.push(("notify_url".to_owned(), url.to_owned()));
    let order = world.sale(&form).await.order();
    world.settle().await;
    order
}

async fn ask(world: &World, request: &str, body: Value) -> Value {
    let (status, told) = call(world, "sandbox", request, body).await;
    assert!((200..300).contains(&status), "{request}: {status} {told}");
    told
}

async fn callbacks(world: &World, state: &str) -> Vec<Value> {
    let query = format!("GET /admin/v1/callbacks?endpoint=1111{state}");
    ask(world, &query, Value::Null).await.as_array().unwrap().clone()
}

/// What is remembered of stops and keys is a second old at most.
pub async fn a_moment(world: &World) {
    world.pass(2 * SECOND).await;
}

#[tokio::test]
async fn each_attempt_is_kept_with_what_came_of_it() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![
            Answering::with(500).saying("pan 4444555566661111, sorry"),
            Answering::with(200).saying("thanks"),
        ]);
        sell(world, "A-1", &receiver.url).await;
        world.pass(MINUTE).await;
        let known = callbacks(world, "&state=delivered").await;
        assert_eq!(known.len(), 1);
        let id = &known[0]["id"];
        let told = ask(world, &format!("GET /admin/v1/callbacks/{id}"), Value::Null).await;
        let attempts = told["attempts_made"].as_array().unwrap();
        let of = |name: &str| attempts.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
        assert_eq!(of("outcome"), ["retried", "delivered"]);
        assert_eq!(of("http_status"), [500, 200]);
        assert_eq!(of("answer"), ["pan [hidden], sorry", "thanks"]);
        assert_eq!(attempts[0]["cause"], "the receiver answered 500");
        let address = attempts[0]["address"].as_str().unwrap();
        assert!(receiver.url.contains(address), "{address}");
        let ids: Vec<_> = receiver.received().iter().map(|one| one.header("webhook-id")).collect();
        assert_eq!(ids, vec![told["event_id"].as_str().unwrap(); 2], "one id on every attempt");
    })
    .await;
}

#[tokio::test]
async fn what_an_order_owes_comes_in_its_order_whatever_fails() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![
            Answering::with(500),
            Answering::with(500),
            Answering::with(200),
            Answering::with(200),
        ]);
        let order = sell(world, "O-1", &receiver.url).await;
        world.amend("return", "O-1", &order, None).await.order();
        world.settle().await;
        assert_eq!(receiver.received().len(), 1, "the return waits for the sale");
        for _ in 0..3 {
            world.pass(5 * MINUTE).await;
        }
        let told: Vec<_> = receiver.received().iter().map(|one| one.query("type")).collect();
        assert_eq!(told, ["sale", "sale", "sale", "reversal"]);
    })
    .await;
}

#[tokio::test]
async fn a_stopped_end_point_loses_nothing_and_goes_on_in_order() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(200); 4]);
        ask(world, &format!("POST {ENDPOINT}/callbacks/stop"), Value::Null).await;
        a_moment(world).await;
        for name in ["S-1", "S-2", "S-3"] {
            sell(world, name, &receiver.url).await;
            world.pass(SECOND).await;
        }
        world.pass(DAY).await;
        assert_eq!(receiver.received().len(), 0);
        assert_eq!(callbacks(world, "&state=held").await.len(), 3);
        let state = ask(world, &format!("GET {ENDPOINT}/callbacks"), Value::Null).await;
        assert_eq!(state["stopped"], "operator");
        let told = ask(world, &format!("POST {ENDPOINT}/callbacks/start"), Value::Null).await;
        assert_eq!(told["count"], 3);
        a_moment(world).await;
        let mut told: Vec<_> =
            receiver.received().iter().map(|one| one.query("client_orderid")).collect();
        told.sort();
        assert_eq!(told, ["S-1", "S-2", "S-3"]);
        assert_eq!(callbacks(world, "&state=delivered").await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_is_sent_again_by_one_call_with_its_schedule_begun_anew() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(503); 32]);
        sell(world, "D-1", &receiver.url).await;
        for _ in 0..40 {
            world.pass(DAY).await;
        }
        assert_eq!(receiver.received().len(), 30);
        let dead = callbacks(world, "&state=dead").await;
        assert_eq!((dead.len(), &dead[0]["attempts"]), (1, &json!(30)));
        let told = ask(world, &format!("POST {ENDPOINT}/callbacks/requeue"), Value::Null).await;
        assert_eq!(told["count"], 1);
        a_moment(world).await;
        assert_eq!(receiver.received().len(), 31);
        let waiting = callbacks(world, "&state=waiting").await;
        assert_eq!(waiting.len(), 1, "it is tried again a minute later");
        world.pass(MINUTE).await;
        assert_eq!(receiver.received().len(), 32);
    })
    .await;
}

#[tokio::test]
async fn one_callback_or_a_stretch_of_time_is_sent_again() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(200); 9]);
        for name in ["R-1", "R-2", "R-3"] {
            sell(world, name, &receiver.url).await;
            world.pass(HOUR).await;
        }
        let id = callbacks(world, "").await[0]["id"].clone();
        let again = format!("POST /admin/v1/callbacks/{id}/resend");
        assert_eq!(ask(world, &again, Value::Null).await["count"], 1);
        a_moment(world).await;
        assert_eq!(receiver.received().len(), 4);
        // They came to be at noon, at one and at two.
        let body = json!({ "from": "2026-11-21T12:30:00Z", "to": "2026-11-21T15:00:00+01:00" });
        let replay = format!("POST {ENDPOINT}/callbacks/replay");
        assert_eq!(ask(world, &replay, body).await["count"], 1);
        a_moment(world).await;
        let told: Vec<_> =
            receiver.received().iter().map(|one| one.query("client_orderid")).collect();
        assert_eq!(told, ["R-1", "R-2", "R-3", "R-1", "R-2"]);
        for (body, status) in [
            (json!({ "from": "noon", "to": "2026-11-21T15:00:00Z" }), 400),
            (json!({ "from": "2026-11-21T15:00:00Z", "to": "2026-11-21T15:00:00Z" }), 400),
        ] {
            assert_eq!(call(world, "sandbox", &replay, body).await.0, status);
        }
        let none = "POST /admin/v1/callbacks/4711/resend";
        assert_eq!(call(world, "sandbox", none, Value::Null).await.0, 404);
    })
    .await;
}

/// The signatures of a call, one by each key, in the order of the keys.
fn signatures(key: &str, id: &str, timestamp: &str, content: &str) -> String {
    let key = STANDARD.decode(key.strip_prefix("whsec_").unwrap()).unwrap();
    let key = WebhookKey::from_slice(&key).unwrap();
    key.sign(id, timestamp.parse().unwrap(), content)
}

#[tokio::test]
async fn standard_webhooks_are_signed_by_every_key_that_is_good() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(204); 4]);
        let modes = format!("PUT {ENDPOINT}/webhooks");
        let post = json!({ "webhooks": "post" });
        assert_eq!(call(world, "sandbox", &modes, post.clone()).await.0, 409, "no key yet");
        let rotate = format!("POST {ENDPOINT}/webhook-key");
        let key = async || {
            let made = ask(world, &rotate, json!({ "overlap_seconds": 3600 })).await;
            made["key"].as_str().unwrap().to_owned()
        };
        let first = key().await;
        ask(world, &modes, post).await;
        a_moment(world).await;
        sell(world, "W-1", &receiver.url).await;
        let got = receiver.received().pop().unwrap();
        assert_eq!(got.method, "POST");
        let body: Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!(body["type"], "sale.approved");
        assert_eq!(body["data"]["client_orderid"], "W-1");
        let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
        assert_eq!(got.header("webhook-signature"), signatures(&first, &id, &at, &got.body));

        let second = key().await;
        ask(world, &modes, json!({ "webhooks": "get" })).await;
        a_moment(world).await;
        sell(world, "W-2", &receiver.url).await;
        let got = receiver.received().pop().unwrap();
        assert_eq!((got.method.as_str(), got.query("client_orderid").as_str()), ("GET", "W-2"));
        let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
        let signed = |key| signatures(key, &id, &at, &got.query_text());
        let both = format!("{} {}", signed(&second), signed(&first));
        assert_eq!(got.header("webhook-signature"), both);

        world.pass(HOUR).await;
        sell(world, "W-3", &receiver.url).await;
        let got = receiver.received().pop().unwrap();
        assert!(!got.header("webhook-signature").contains(' '), "the first key is over");
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_stops_the_callbacks_of_standard_webhooks_only() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(410); 3]);
        sell(world, "G-1", &receiver.url).await;
        let state = format!("GET {ENDPOINT}/callbacks");
        assert_eq!(ask(world, &state, Value::Null).await["stopped"], Value::Null);
        ask(world, &format!("POST {ENDPOINT}/webhook-key"), json!({ "overlap_seconds": 0 })).await;
        ask(world, &format!("PUT {ENDPOINT}/webhooks"), json!({ "webhooks": "get" })).await;
        a_moment(world).await;
        sell(world, "G-2", &receiver.url).await;
        assert_eq!(ask(world, &state, Value::Null).await["stopped"], "gone");
        world.pass(DAY).await;
        assert_eq!(receiver.received().len(), 2);
        assert_eq!(callbacks(world, "&state=held").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_receiver_may_ask_to_be_left_alone_for_a_while() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![
            Answering::with(429).with_header("Retry-After: 7200"),
            Answering::with(200),
        ]);
        sell(world, "L-1", &receiver.url).await;
        world.pass(2 * HOUR - MINUTE).await;
        assert_eq!(receiver.received().len(), 1);
        world.pass(MINUTE).await;
        assert_eq!(receiver.received().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_address_with_macros_is_filled_in_and_must_have_the_control() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(200)]);
        let url = format!("{}/${{status}}?id=${{client_orderid}}&c=${{control}}", receiver.url);
        let order = sell(world, "M-1", &url).await;
        let got = receiver.received().pop().unwrap();
        let key = &world.ready.control_key;
        let control = tillgate::crypto::sign::control(&["approved", &order, "M-1", key]);
        assert_eq!(got.target, format!("/cb/approved?id=M%2D1&c={control}"));
        let mut form: Fields = world.sale_form("M-2", "10.42").await;
        form.push(("notify_url".to_owned(), format!("{}?s=${{status}}", receiver.url)));
        let refused = world.sale(&form).await;
        assert!(refused.get("error-message").contains("notify_url"), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn callbacks_that_ended_are_forgotten_in_time_and_those_that_wait_are_not() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(200)]);
        sell(world, "P-1", &receiver.url).await;
        ask(world, &format!("POST {ENDPOINT}/callbacks/stop"), Value::Null).await;
        a_moment(world).await;
        sell(world, "P-2", &receiver.url).await;
        world.clock.advance(89 * DAY);
        assert_eq!(world.gateway().sweep().await.unwrap().callbacks, 0);
        world.clock.advance(2 * DAY);
        assert_eq!(world.gateway().sweep().await.unwrap().callbacks, 1);
        assert_eq!(world.database.count("callback_attempts").await, 0);
        assert_eq!(callbacks(world, "").await.len(), 1, "it is held, and not forgotten");
    })
    .await;
}

#[tokio::test]
async fn however_many_are_held_those_behind_them_are_forgotten_in_time() {
    scenario(async |world| {
        ask(world, &format!("POST {ENDPOINT}/callbacks/stop"), Value::Null).await;
        a_moment(world).await;
        let receiver = Receiver::start(vec![Answering::with(200)]);
        sell(world, "H-1", &receiver.url).await;
        // Thousands of the same, of the same age; the last of them has ended.
        let copies = "\
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) \
            INSERT INTO notices (id, order_id, endpoint_id, url, status, state, attempts, \
                   due_at, created_at, attempts_before) \
            SELECT h.id + n.i, h.order_id, h.endpoint_id, h.url, h.status, h.state, h.attempts, \
                   h.due_at, h.created_at, h.attempts_before \
            FROM n, (SELECT * FROM notices) AS h";
        let end = "\
            UPDATE notices SET state = 'delivered' WHERE id = (SELECT MAX(id) FROM notices)";
        let pool = world.database.look().await;
        for statement in [copies, end] {
            sqlx::query(statement).execute(&pool).await.unwrap();
        }
        pool.close().await;
        world.clock.advance(91 * DAY);
        assert_eq!(world.gateway().sweep().await.unwrap().callbacks, 1);
        assert_eq!(world.database.count("notices").await, 25_000);
    })
    .await;
}
