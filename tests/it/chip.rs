//! A chip has the last word: validating, advice, and what happens when it refuses or stays silent.

use crate::world::{Answer, Fields, World, form_with, order_id, scenario, with};
use serde_json::json;
use tillgate::payment::SECOND;

const AMOUNT: &str = "10.42";

/// A chip sale that the issuer has approved: its order id.
async fn validating(world: &World, name: &str) -> String {
    let data = world.swipe(AMOUNT, json!({ "entry_mode": "insert" })).await;
    let order = world.sale(&form_with(name, AMOUNT, &data)).await.order();
    world.settle().await;
    let answer = world.status(name, &order).await;
    assert_eq!(answer.get("status"), "processing");
    assert_eq!(answer.get("order-stage"), "sale_emv_validating");
    order
}

/// What the reader hands to the app when the chip has heard its issuer.
pub async fn completion(world: &World, more: serde_json::Value) -> String {
    let mut request = json!({ "amount": AMOUNT, "currency": "RUB" });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    let url = world.url(&format!("/sandbox/readers/{}/complete", world.reader()));
    let answer = Answer::of(world.http.post(url).json(&request)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    told["encrypted_data"].as_str().unwrap().to_owned()
}

/// The form as the shipped SDK fills it in.
pub fn advice_form(world: &World, order: &str, encrypted_data: &str) -> Fields {
    [
        ("orderid", order),
        ("client_orderid", "dummy"),
        ("login", &world.ready.login),
        ("encrypted-type", "sim"),
        ("encrypted-data", encrypted_data),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

pub async fn advise(world: &World, form: &Fields) -> Answer {
    world.post_signed("/mapi/v1/emv-advice/1111", form).await
}

#[tokio::test]
async fn the_chip_hears_its_issuer_agrees_and_the_sale_is_approved() {
    scenario(async |world| {
        let order = validating(world, "C-1").await;
        let answer = world.status("C-1", &order).await;
        assert_eq!(answer.get("auth-response-code"), "00");
        assert!(answer.get("emv-issuer-response").starts_with("910A"));
        assert_eq!(answer.get("emv-cid-9f27"), "80", "the chip asked to go online");
        assert!(world.balances().await.is_empty(), "nothing is taken before the chip agrees");
        let data = completion(world, json!({ "auth_response_code": "00" })).await;
        let form = advice_form(world, &order, &data);
        assert_eq!(advise(world, &form).await.order(), order);
        assert_eq!(
            world.latest("C-1", &order).await,
            "sale processing sale_emv_advice_processing 10.42"
        );
        assert_eq!(advise(world, &form).await.order(), order, "clients repeat it every second");
        world.settle().await;
        let answer = world.status("C-1", &order).await;
        assert_eq!(answer.get("order-stage"), "sale_approved");
        assert_eq!(answer.get("emv-cid-9f27"), "40", "the certificate");
        assert_eq!(advise(world, &form).await.order(), order, "also when all is done");
        assert_eq!(world.balances().await, [("sale", 1042)].into());
    })
    .await;
}

#[tokio::test]
async fn a_receipt_shows_what_the_chip_said() {
    scenario(async |world| {
        let order = validating(world, "R-1").await;
        let answer = world.status("R-1", &order).await;
        assert_eq!(answer.get("emv-terminal-aid-9f06"), "A0000000031010");
        assert_eq!(answer.get("emv-tvr-95"), "0000008000");
        assert_eq!(answer.get("emv-cvm-9f34"), "1E0300", "a signature");
        assert_eq!(answer.get("emv-pan-sequence-5f34"), "01");
        assert_eq!(answer.get("emv-app-cryptogram-9f26").len(), 16);
        let swiped = world.sell("R-2", AMOUNT).await;
        world.settle().await;
        let answer = world.status("R-2", &swiped).await;
        assert_eq!(answer.find("emv-cvm-9f34"), None, "a stripe says nothing: signature needed");
        assert_eq!(answer.find("emv-issuer-response"), None);
        world.pass(120 * SECOND).await;
    })
    .await;
}

#[tokio::test]
async fn a_chip_that_refuses_is_reversed_and_the_sale_declined() {
    scenario(async |world| {
        let order = validating(world, "D-1").await;
        let data = completion(world, json!({ "decline": true })).await;
        advise(world, &advice_form(world, &order, &data)).await.order();
        assert_eq!(
            world.latest("D-1", &order).await,
            "sale processing sale_auto_reversal_processing 10.42"
        );
        world.settle().await;
        let answer = world.status("D-1", &order).await;
        assert_eq!(answer.get("status"), "declined");
        assert_eq!(answer.get("error-code"), "909");
        assert!(world.host().has_reversed(order_id(&order)));
        assert!(world.balances().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_chip_that_says_nothing_for_two_minutes_is_reversed_by_itself() {
    scenario(async |world| {
        let order = validating(world, "S-1").await;
        world.pass(119 * SECOND).await;
        assert_eq!(world.latest("S-1", &order).await, "sale processing sale_emv_validating 10.42");
        world.pass(SECOND).await;
        assert_eq!(world.latest("S-1", &order).await, "sale declined sale_declined 10.42");
        assert!(world.host().has_reversed(order_id(&order)));
        let late = completion(world, json!({})).await;
        let answer = advise(world, &advice_form(world, &order, &late)).await;
        assert_eq!(answer.refusal(), "error 28 EMV_ADVICE_NOT_EXPECTED");
    })
    .await;
}

#[tokio::test]
async fn of_an_advice_and_the_end_of_its_time_only_one_counts() {
    scenario(async |world| {
        let order = validating(world, "T-1").await;
        world.clock.advance(120 * SECOND);
        let overdue = world.claim_jobs().await.remove(0);
        let data = completion(world, json!({})).await;
        advise(world, &advice_form(world, &order, &data)).await.order();
        world.gateway().take_step(overdue).await.unwrap();
        world.settle().await;
        assert_eq!(world.latest("T-1", &order).await, "sale approved sale_approved 10.42");
        assert!(!world.host().has_reversed(order_id(&order)));
    })
    .await;
}

#[tokio::test]
async fn an_advice_that_is_wrong_changes_nothing_and_the_right_one_still_counts() {
    scenario(async |world| {
        let order = validating(world, "W-1").await;
        let data = completion(world, json!({})).await;
        let right = advice_form(world, &order, &data);
        let invalid = "validation-error 9 Invalid encrypted-data";
        let swipe = world.swipe(AMOUNT, json!({})).await;
        for (form, refusal) in [
            (with(&right, "encrypted-data", Some("E900")), invalid),
            (with(&right, "encrypted-data", Some(&data.replace("DFAE63", "DFAE62"))), invalid),
            (with(&right, "encrypted-data", Some(&swipe)), invalid),
            (
                with(&right, "encrypted-data", None),
                "validation-error 2 Request parameter 'encrypted-data' is missing",
            ),
            (
                with(&right, "encrypted-type", Some("abacus")),
                "validation-error 8 Unsupported encrypted-type",
            ),
            (with(&right, "orderid", Some("99")), "error 101 ORDER_NOT_FOUND"),
        ] {
            assert_eq!(advise(world, &form).await.refusal(), refusal);
        }
        let other = world.post("/mapi/v1/emv-advice/1111", &right).await;
        assert_eq!(other.status, 403, "nobody signed it");
        assert_eq!(world.latest("W-1", &order).await, "sale processing sale_emv_validating 10.42");
        let by_name = with(&with(&right, "orderid", Some("0")), "client_orderid", Some("W-1"));
        assert_eq!(advise(world, &by_name).await.order(), order);
        world.settle().await;
        assert_eq!(world.latest("W-1", &order).await, "sale approved sale_approved 10.42");
    })
    .await;
}

#[tokio::test]
async fn an_advice_recorded_for_one_sale_completes_no_other() {
    scenario(async |world| {
        let first = validating(world, "O-1").await;
        let recorded = completion(world, json!({})).await;
        advise(world, &advice_form(world, &first, &recorded)).await.order();
        let second = validating(world, "O-2").await;
        let answer = advise(world, &advice_form(world, &second, &recorded)).await;
        assert_eq!(answer.refusal(), "validation-error 9 Invalid encrypted-data", "it is older");
        assert_eq!(world.latest("O-2", &second).await, "sale processing sale_emv_validating 10.42");
    })
    .await;
}

#[tokio::test]
async fn a_chip_sale_that_the_issuer_declines_and_a_chip_hold_need_no_advice() {
    scenario(async |world| {
        let data = world.swipe("1.16", json!({ "entry_mode": "insert" })).await;
        let order = world.sale(&form_with("I-1", "1.16", &data)).await.order();
        let data = world.swipe(AMOUNT, json!({ "entry_mode": "insert" })).await;
        let form = form_with("I-2", AMOUNT, &data);
        let hold = world.post_signed("/mapi/v1/preauth/1111", &form).await.order();
        world.settle().await;
        assert_eq!(world.latest("I-1", &order).await, "sale declined sale_declined 1.16");
        assert_eq!(world.latest("I-2", &hold).await, "preauth approved auth_approved 10.42");
    })
    .await;
}

#[tokio::test]
async fn a_drawn_signature_is_kept_for_an_approved_order_if_its_digest_is_right() {
    scenario(async |world| {
        let order = world.sell("G-1", AMOUNT).await;
        let drawing = r#"{"width":320,"height":240,"glyphs":[[[1,2,0],[3,4,16]]]}"#;
        let digest = tillgate::crypto::sign::control(&[drawing]);
        let send = async |order: &str, body: &str, digest: &str| {
            let path = format!("/mapi/v1/add-signature/1111/{order}/{digest}");
            let authorization = world.authorization(&world.url(&path), &Fields::new());
            let request = world.http.post(world.url(&path)).header("Authorization", authorization);
            let request = request.header("Content-Type", "application/json");
            Answer::of(request.body(body.to_owned())).await
        };
        let early = send(&order, drawing, &digest).await;
        assert_eq!(early.refusal(), "error 102 WRONG_ORDER_STATE");
        world.settle().await;
        let wrong = send(&order, drawing, &"0".repeat(40)).await;
        assert_eq!(wrong.get("error-code"), "1");
        let text = "no drawing";
        let wrong = send(&order, text, &tillgate::crypto::sign::control(&[text])).await;
        assert_eq!(wrong.get("error-code"), "1");
        assert_eq!(world.database.count("signatures").await, 0);
        for _ in 0..2 {
            assert_eq!(send(&order, drawing, &digest).await.order(), order, "also a repeat");
        }
        let other = drawing.replace("320", "640");
        let again = send(&order, &other, &tillgate::crypto::sign::control(&[&other])).await;
        assert_eq!(again.refusal(), "error 102 WRONG_ORDER_STATE");
        assert_eq!(world.database.count("signatures").await, 1);
    })
    .await;
}
