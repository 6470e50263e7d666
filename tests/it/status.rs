//! Asking where an order stands.

use crate::world::{Answer, form_with, scenario, with};

#[tokio::test]
async fn the_answer_holds_what_a_receipt_needs_in_the_fields_own_order() {
    scenario(async |world| {
        let mut form = world.sale_form("902B4FF5", "10.42").await;
        form.push(("first_name".to_owned(), "John".to_owned()));
        form.push(("last_name".to_owned(), "Smith".to_owned()));
        form.push(("merchant_data".to_owned(), "till 7 & more".to_owned()));
        let order = world.sale(&form).await.order();
        world.settle().await;
        let answer = world.status("902B4FF5", &order).await;

        let pairs: Vec<_> = form_urlencoded::parse(answer.body.as_bytes()).into_owned().collect();
        let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names[..7],
            [
                "type",
                "serial-number",
                "merchant-order-id",
                "paynet-order-id",
                "status",
                "amount",
                "currency",
            ]
        );
        for (name, value) in [
            ("type", "status-response"),
            ("merchant-order-id", "902B4FF5"),
            ("paynet-order-id", order.as_str()),
            ("status", "approved"),
            ("amount", "10.42"),
            ("initial-amount", "10.42"),
            ("currency", "RUB"),
            ("transaction-type", "sale"),
            ("name", "John Smith"),
            ("cardholder-name", "TEST CARD"),
            ("card-exp-month", "12"),
            ("card-exp-year", "2030"),
            ("last-four-digits", "1111"),
            ("bin", "444455"),
            ("card-type", "VISA"),
            ("email", "v-0.2.32-4"),
            ("phone", "F5769D0E-DD15-459B-AED1-E1F9F05A2495"),
            ("auth-response-code", "00"),
            ("terminal-id", "10000462"),
            ("paynet-processing-date", "2026-11-21 12:00:00 UTC"),
            ("merchantdata", "till 7 & more"),
        ] {
            assert_eq!(answer.get(name), value, "{name}");
        }
        assert_eq!(answer.get("processor-rrn"), format!("P{order:0>11}"));
        assert_eq!(answer.get("processor-tx-id"), format!("PNTEST-{order}"));
        assert_eq!(answer.get("card-hash-id").len(), 40);
        assert_eq!(answer.get("receipt-id").len(), 36);
        assert!(answer.body.split('\n').count() == pairs.len() + 1, "a line feed after each value");
    })
    .await;
}

#[tokio::test]
async fn equal_cards_have_equal_hashes_and_different_cards_different_ones() {
    scenario(async |world| {
        let mut hashes = Vec::new();
        for (name, pan) in
            [("H-1", "4444555566661111"), ("H-2", "4444555566661111"), ("H-3", "5555555555554444")]
        {
            let data = world.swipe("10.42", serde_json::json!({ "pan": pan })).await;
            let order = world.sale(&form_with(name, "10.42", &data)).await.order();
            hashes.push(world.status(name, &order).await.get("card-hash-id"));
        }
        assert_eq!(hashes[0], hashes[1]);
        assert_ne!(hashes[0], hashes[2]);
    })
    .await;
}

#[tokio::test]
async fn an_order_is_found_without_its_id_and_through_its_group() {
    scenario(async |world| {
        let order = world.sell("G-1", "10.42").await;
        assert_eq!(world.status("G-1", "").await.get("paynet-order-id"), order);
        for known_id in ["", order.as_str()] {
            let form = world.status_form("G-1", known_id);
            let answer = world.post("/api/v2/status/group/11", &form).await;
            assert_eq!(answer.get("paynet-order-id"), order);
        }
    })
    .await;
}

#[tokio::test]
async fn by_request_sn_finds_the_request_that_opened_the_order_and_no_other() {
    scenario(async |world| {
        let form = world.sale_form("B-1", "10.42").await;
        let accepted = world.sale(&form).await;
        let mut question = world.status_form("B-1", &accepted.order());
        question.push(("by-request-sn".to_owned(), accepted.get("serial-number")));
        let answer = world.post("/api/v2/status/1111", &question).await;
        assert_eq!(answer.get("by-request-sn"), accepted.get("serial-number"));
        let other = "00000000-0000-0000-0000-000000000001";
        let question = with(&question, "by-request-sn", Some(other));
        let answer = world.post("/api/v2/status/1111", &question).await;
        assert_eq!(answer.refusal(), "error 101 ORDER_NOT_FOUND");
    })
    .await;
}

#[tokio::test]
async fn every_request_has_a_serial_number_of_its_own() {
    scenario(async |world| {
        world.sell("N-1", "10.42").await;
        let first = world.status("N-1", "").await.get("serial-number");
        let second = world.status("N-1", "").await.get("serial-number");
        assert_ne!(first, second);
        assert!(first.starts_with("00000000-0000-0000-0000-"), "{first}");
    })
    .await;
}

#[tokio::test]
async fn a_control_fits_in_either_case_and_a_wrong_one_looks_like_an_unknown_login() {
    scenario(async |world| {
        let order = world.sell("C-1", "10.42").await;
        let form = world.status_form("C-1", &order);
        let control = form.iter().find(|(name, _)| name == "control").unwrap().1.to_uppercase();
        let upper =
            world.post("/api/v2/status/1111", &with(&form, "control", Some(&control))).await;
        assert_eq!(upper.get("status"), "processing");

        let wrong = "0".repeat(40);
        let wrong = world.post("/api/v2/status/1111", &with(&form, "control", Some(&wrong))).await;
        let nobody = world.post("/api/v2/status/1111", &with(&form, "login", Some("nobody"))).await;
        assert_eq!(wrong.refusal(), "validation-error 3 INVALID_CONTROL_CODE");
        assert_eq!(without_serial(&wrong), without_serial(&nobody));
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    scenario(async |world| {
        let order = world.sell("U-1", "10.42").await;
        for (name, id) in [("U-2", ""), ("U-2", order.as_str()), ("U-1", "999999999")] {
            let answer = world.status(name, id).await;
            assert_eq!(answer.refusal(), "error 101 ORDER_NOT_FOUND", "{name} {id}");
        }
        let form = world.status_form("U-1", &order);
        let answer = world.post("/api/v2/status/9999", &form).await;
        assert_eq!(answer.refusal(), "validation-error 4 End point 9999 not found");
        // The order is real, but of another endpoint of the same merchant.
        let answer = world.post("/api/v2/status/1112", &form).await;
        assert_eq!(answer.refusal(), "error 101 ORDER_NOT_FOUND");
    })
    .await;
}

#[tokio::test]
async fn each_field_of_the_question_is_checked() {
    scenario(async |world| {
        let form = world.status_form("V-1", "");
        for missing in ["login", "client_orderid", "control"] {
            let answer = world.post("/api/v2/status/1111", &with(&form, missing, None)).await;
            let expected = format!("validation-error 2 Request parameter '{missing}' is missing");
            assert_eq!(answer.refusal(), expected);
        }
        let long = "9".repeat(21);
        let answer = world.post("/api/v2/status/1111", &with(&form, "orderid", Some(&long))).await;
        assert!(answer.refusal().starts_with("validation-error 1 Request parameter 'orderid'"));
        let answer = world.post("/api/v2/status/1111", &world.status_form("V-1", "12a")).await;
        assert!(answer.refusal().starts_with("validation-error 1 Request parameter 'orderid'"));
    })
    .await;
}

fn without_serial(answer: &Answer) -> String {
    let lines = answer.body.lines().filter(|line| !line.starts_with("&serial-number"));
    lines.collect::<Vec<_>>().join("\n")
}
