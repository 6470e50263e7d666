//! What comes after a sale or a hold: capture, cancel, reversal, void, and lost answers on the way.

use crate::database::{Engine, engines};
use crate::effort::wanted;
use crate::world::{Answer, Fields, World, order_id, scenario, with};
use futures_util::future::join_all;
use tillgate::crypto::sign::amend_control;
use tillgate::payment::ids::{MerchantId, OrderId};
use tillgate::payment::{DAY, HOUR, SECOND};

/// How many orders are fought over if nobody says otherwise.
const ROUNDS: u64 = 10;

#[tokio::test]
async fn a_hold_is_captured_and_then_reversed() {
    scenario(async |world| {
        let order = world.hold("A-1", "10.42").await;
        world.settle().await;
        assert_eq!(world.latest("A-1", &order).await, "preauth approved auth_approved 10.42");
        let captured = world.amend("capture", "A-1", &order, None).await;
        assert_eq!(captured.order(), order, "one order id for all its transactions");
        assert_eq!(
            world.latest("A-1", &order).await,
            "capture processing capture_processing 10.42"
        );
        world.settle().await;
        let answer = world.status("A-1", &order).await;
        assert_eq!(answer.get("order-stage"), "capture_approved");
        assert_eq!(answer.get("processor-rrn").len(), 12);
        world.amend("return", "A-1", &order, None).await.order();
        world.settle().await;
        assert_eq!(world.latest("A-1", &order).await, "reversal approved reversal_approved 10.42");
        assert_eq!(world.balances().await, [("capture", 1042), ("reversal", 1042)].into());
    })
    .await;
}

#[tokio::test]
async fn a_hold_is_cancelled_and_the_acquirer_releases_it() {
    scenario(async |world| {
        let order = world.hold("C-1", "10.42").await;
        world.settle().await;
        world.amend("return", "C-1", &order, None).await.order();
        world.settle().await;
        assert_eq!(world.latest("C-1", &order).await, "cancel approved cancel_approved 10.42");
        assert!(world.host().has_reversed(order_id(&order)));
        assert!(world.balances().await.is_empty(), "a hold moves no money");
        let late = world.amend("capture", "C-1", &order, None).await;
        assert_eq!(late.refusal(), "error 102 WRONG_ORDER_STATE");
    })
    .await;
}

#[tokio::test]
async fn a_sale_is_given_back_in_parts_until_nothing_is_left() {
    scenario(async |world| {
        let order = world.sell("P-1", "100").await;
        world.settle().await;
        for part in ["60", "30.5"] {
            world.amend("return", "P-1", &order, Some(part)).await.order();
        }
        let too_much = world.amend("return", "P-1", &order, Some("10")).await;
        assert_eq!(too_much.refusal(), "error 103 AMOUNT_EXCEEDED", "before any of them is done");
        world.settle().await;
        world.amend("return", "P-1", &order, None).await.order();
        world.settle().await;
        assert_eq!(world.latest("P-1", &order).await, "reversal approved reversal_approved 9.50");
        let nothing_left = world.amend("return", "P-1", &order, None).await;
        assert_eq!(nothing_left.refusal(), "error 103 AMOUNT_EXCEEDED");
        assert_eq!(world.balances().await, [("reversal", 10_000), ("sale", 10_000)].into());
    })
    .await;
}

#[tokio::test]
async fn a_sale_of_today_is_voided_whole_and_the_acquirer_takes_it_back() {
    scenario(async |world| {
        let order = world.sell("V-1", "10.42").await;
        world.settle().await;
        let part = world.amend("void", "V-1", &order, Some("1")).await;
        assert_eq!(part.refusal(), "error 105 PARTIAL_NOT_SUPPORTED");
        world.amend("void", "V-1", &order, Some("10.42")).await.order();
        world.settle().await;
        assert_eq!(world.latest("V-1", &order).await, "void approved void_approved 10.42");
        assert!(world.host().has_reversed(order_id(&order)));
        let again = world.amend("void", "V-1", &order, None).await;
        assert_eq!(again.refusal(), "error 102 WRONG_ORDER_STATE");
        let back = world.amend("return", "V-1", &order, None).await;
        assert_eq!(back.refusal(), "error 102 WRONG_ORDER_STATE");
    })
    .await;
}

#[tokio::test]
async fn a_capture_that_was_voided_leaves_the_hold_to_be_captured_again() {
    scenario(async |world| {
        let order = world.hold("V-2", "10").await;
        world.settle().await;
        for command in ["capture", "void", "capture"] {
            world.amend(command, "V-2", &order, None).await.order();
            world.settle().await;
        }
        assert_eq!(world.latest("V-2", &order).await, "capture approved capture_approved 10.00");
        assert!(!world.host().has_reversed(order_id(&order)), "the hold itself stands");
    })
    .await;
}

#[tokio::test]
async fn each_request_is_asked_for_by_its_serial_number() {
    scenario(async |world| {
        let sale = world.sale(&world.sale_form("N-1", "100").await).await;
        let order = sale.order();
        world.settle().await;
        let back = world.amend("return", "N-1", &order, Some("60")).await;
        world.amend("return", "N-1", &order, Some("40")).await.order();
        world.settle().await;
        let by_serial = async |serial: &str| {
            let mut form = world.status_form("N-1", &order);
            form.push(("by-request-sn".to_owned(), serial.to_owned()));
            world.post("/api/v2/status/1111", &form).await
        };
        let told = by_serial(&sale.get("serial-number")).await;
        assert_eq!(
            (told.get("transaction-type"), told.get("amount")),
            ("sale".into(), "100.00".into())
        );
        let told = by_serial(&back.get("serial-number")).await;
        assert_eq!(told.get("transaction-type"), "reversal");
        assert_eq!(
            (told.get("amount"), told.get("initial-amount")),
            ("60.00".into(), "100.00".into())
        );
        assert_eq!(told.get("by-request-sn"), back.get("serial-number"));
        let unknown = by_serial("00000000-0000-0000-0000-000000000001").await;
        assert_eq!(unknown.refusal(), "error 101 ORDER_NOT_FOUND");
    })
    .await;
}

#[tokio::test]
async fn later_transactions_call_back_to_the_notify_url_and_not_to_the_url_of_the_sale() {
    scenario(async |world| {
        let inbox = world.ready.callback_inbox_url.clone();
        for (name, parameter) in [("B-1", "notify_url"), ("B-2", "server_callback_url")] {
            let mut form = world.sale_form(name, "10.42").await;
            form.push((parameter.to_owned(), inbox.clone()));
            let order = world.sale(&form).await.order();
            world.settle().await;
            world.amend("return", name, &order, Some("5")).await.order();
            world.settle().await;
        }
        let told: Vec<_> = world
            .callbacks()
            .await
            .iter()
            .map(|one| {
                ["client_orderid", "type", "status", "amount"]
                    .map(|name| one[name].clone())
                    .join(" ")
            })
            .collect();
        assert_eq!(
            told,
            ["B-1 sale approved 10.42", "B-1 reversal approved 5.00", "B-2 sale approved 10.42"]
        );
        let reversal = &world.callbacks().await[1];
        assert_eq!(reversal["comment"], "changed my mind");
        assert_eq!(reversal["gate-partial-reversal"], "enabled");
    })
    .await;
}

#[tokio::test]
async fn a_reversal_that_the_acquirer_declines_frees_its_amount() {
    scenario(async |world| {
        let order = world.sell("D-1", "100").await;
        world.settle().await;
        world.amend("return", "D-1", &order, Some("51.16")).await.order();
        world.settle().await;
        let answer = world.status("D-1", &order).await;
        assert_eq!(answer.get("order-stage"), "reversal_declined");
        assert_eq!(answer.get("error-code"), "116");
        world.amend("return", "D-1", &order, Some("100")).await.order();
        world.settle().await;
        assert_eq!(world.balances().await, [("reversal", 10_000), ("sale", 10_000)].into());
    })
    .await;
}

#[tokio::test]
async fn a_reversal_whose_answer_is_lost_is_asked_for_then_unknown_then_repeated_until_answered() {
    scenario(async |world| {
        let order = world.sell("U-1", "100").await;
        world.settle().await;
        world.amend("return", "U-1", &order, Some("12.17")).await.order();
        world.settle().await;
        for wait in [SECOND, 5 * SECOND] {
            world.pass(wait).await;
            assert_eq!(
                world.latest("U-1", &order).await,
                "reversal processing reversal_processing 12.17"
            );
        }
        // The last inquiry, and the first repeat at once after it, which the host answers.
        world.pass(30 * SECOND).await;
        assert_eq!(world.latest("U-1", &order).await, "reversal approved reversal_approved 12.17");
        assert_eq!(world.balances().await, [("reversal", 1217), ("sale", 10_000)].into());
    })
    .await;
}

#[tokio::test]
async fn a_capture_that_the_acquirer_decides_late_is_asked_for_until_then() {
    scenario(async |world| {
        let order = world.hold("L-1", "100").await;
        world.settle().await;
        world.amend("capture", "L-1", &order, Some("14.08")).await.order();
        world.settle().await;
        world.pass(59 * SECOND).await;
        assert_eq!(
            world.latest("L-1", &order).await,
            "capture processing capture_processing 14.08"
        );
        world.pass(SECOND).await;
        assert_eq!(world.latest("L-1", &order).await, "capture approved capture_approved 14.08");
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_vanishes_with_a_reversal_leaves_it_to_the_next_who_asks_first() {
    scenario(async |world| {
        let order = world.sell("W-1", "100").await;
        world.settle().await;
        world.amend("return", "W-1", &order, Some("60")).await.order();
        let lost = world.claim_jobs().await.remove(0);
        world.pass(60 * SECOND + HOUR).await;
        assert_eq!(world.latest("W-1", &order).await, "reversal approved reversal_approved 60.00");
        // It was only slow: its result is dropped.
        world.gateway().take_step(lost).await.unwrap();
        assert_eq!(world.balances().await, [("reversal", 6_000), ("sale", 10_000)].into());
    })
    .await;
}

#[tokio::test]
async fn a_hold_whose_days_are_over_is_cancelled_by_itself_and_cannot_be_captured_any_more() {
    scenario(async |world| {
        let order = world.hold("E-1", "10.42").await;
        let kept = world.hold("E-2", "10.42").await;
        world.settle().await;
        world.amend("capture", "E-2", &kept, None).await.order();
        world.settle().await;
        world.clock.advance(7 * DAY);
        let late = world.amend("capture", "E-1", &order, None).await;
        assert_eq!(late.refusal(), "error 102 WRONG_ORDER_STATE", "before the job has run");
        world.settle().await;
        assert_eq!(world.latest("E-1", &order).await, "cancel approved cancel_approved 10.42");
        assert!(world.host().has_reversed(order_id(&order)));
        assert_eq!(world.latest("E-2", &kept).await, "capture approved capture_approved 10.42");
        assert!(!world.host().has_reversed(order_id(&kept)));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_its_code_and_changes_nothing() {
    scenario(async |world| {
        let sale = world.sell("R-1", "100").await;
        let early = world.amend("return", "R-1", &sale, None).await;
        assert_eq!(early.refusal(), "error 102 WRONG_ORDER_STATE", "still processing");
        world.settle().await;
        let declined = world.sell("R-2", "1.16").await;
        world.settle().await;
        let before = world.status("R-1", &sale).await.body.replace("serial", "");

        let refused = async |command: &str, name: &str, order: &str, amount: Option<&str>| {
            world.amend(command, name, order, amount).await.refusal()
        };
        assert_eq!(refused("return", "R-2", &declined, None).await, "error 102 WRONG_ORDER_STATE");
        assert_eq!(refused("capture", "R-1", &sale, None).await, "error 102 WRONG_ORDER_STATE");
        assert_eq!(
            refused("return", "R-1", &sale, Some("100.01")).await,
            "error 103 AMOUNT_EXCEEDED"
        );
        assert_eq!(refused("return", "R-1", "999999999", None).await, "error 101 ORDER_NOT_FOUND");
        assert_eq!(refused("return", "other", &sale, None).await, "error 101 ORDER_NOT_FOUND");
        let whole = world.amend_form("return", "R-1", &sale, None);
        let spoilt = |name: &str, value: Option<&str>| with(&whole, name, value);
        for (form, refusal) in [
            (spoilt("control", Some("00")), "validation-error 3 INVALID_CONTROL_CODE"),
            (spoilt("login", Some("nobody")), "validation-error 3 INVALID_CONTROL_CODE"),
            (spoilt("comment", None), "validation-error 2 Request parameter 'comment' is missing"),
            (spoilt("orderid", None), "validation-error 2 Request parameter 'orderid' is missing"),
            (
                spoilt("orderid", Some("x")),
                "validation-error 1 Request parameter 'orderid' is invalid: not a number",
            ),
            (
                spoilt("amount", Some("5")),
                "validation-error 2 Request parameter 'currency' is missing",
            ),
        ] {
            let answer = world.post("/api/v2/return/1111", &form).await;
            assert_eq!(answer.refusal(), refusal);
        }
        let euros = euros(world, &sale);
        let answer = world.post("/api/v2/return/1111", &euros).await;
        assert_eq!(answer.refusal(), "error 104 CURRENCY_MISMATCH");
        let after = world.status("R-1", &sale).await.body.replace("serial", "");
        assert_eq!(unnumbered(&before), unnumbered(&after));
    })
    .await;
}

#[tokio::test]
async fn another_merchants_order_looks_like_none() {
    scenario(async |world| {
        let order = world.sell("O-1", "100").await;
        world.settle().await;
        world.gateway().enrol_merchant(MerchantId(2), "other", "OTHER-KEY").await.unwrap();
        let control = amend_control("other", "O-1", &order, None, "OTHER-KEY");
        for command in ["return", "void", "capture"] {
            let form = world.amend_form(command, "O-1", &order, None);
            let form = with(&with(&form, "login", Some("other")), "control", Some(&control));
            for endpoint in ["1111", "4711"] {
                let answer = world.post(&format!("/api/v2/{command}/{endpoint}"), &form).await;
                let refusal = format!("validation-error 4 End point {endpoint} not found");
                assert_eq!(answer.refusal(), refusal);
            }
        }
        assert_eq!(world.balances().await, [("sale", 10_000)].into());
    })
    .await;
}

#[tokio::test]
async fn an_order_is_amended_through_the_group_of_its_end_point_too() {
    scenario(async |world| {
        let order = world.hold("H-1", "10.42").await;
        world.settle().await;
        for path in ["capture/group", "void/void", "capture/group", "void/group", "return/group"] {
            let command = path.split('/').next().unwrap();
            let form = world.amend_form(command, "H-1", &order, None);
            let group = &world.ready.group_id;
            world.post(&format!("/api/v2/{path}/{group}"), &form).await.order();
            world.settle().await;
        }
        assert_eq!(world.latest("H-1", &order).await, "cancel approved cancel_approved 10.42");
    })
    .await;
}

/// A return in a currency that is not the order's.
fn euros(world: &World, order: &str) -> Fields {
    use tillgate::crypto::sign::control;
    let parts = [&world.ready.login, "R-1", order, "500", "EUR", &world.ready.control_key];
    let form = world.amend_form("return", "R-1", order, Some("5"));
    let form = with(&form, "currency", Some("EUR"));
    with(&form, "control", Some(&control(&parts)))
}

/// Without the number of the request, which is another each time.
fn unnumbered(body: &str) -> String {
    body.lines().filter(|line| !line.contains("-number=")).collect()
}

#[tokio::test]
async fn of_fifty_reversals_at_once_never_more_goes_back_than_was_taken() {
    scenario(async |world| {
        let rounds = i64::try_from(wanted("ROUNDS").unwrap_or(ROUNDS)).unwrap();
        for round in 0..rounds {
            let name = format!("F-{round}");
            let order = world.sell(&name, "100").await;
            world.settle().await;
            let asked = (0..50).map(|_| world.amend("return", &name, &order, Some("60")));
            let answers = join_all(asked).await;
            let accepted = answers.iter().filter(|one| one.get("type") == "async-response").count();
            assert_eq!(accepted, 1);
            for refused in answers.iter().filter(|one| one.get("type") != "async-response") {
                assert_eq!(refused.refusal(), "error 103 AMOUNT_EXCEEDED");
            }
            world.settle().await;
        }
        let moved = [("reversal", 6_000 * rounds), ("sale", 10_000 * rounds)];
        assert_eq!(world.balances().await, moved.into());
    })
    .await;
}

#[tokio::test]
async fn reversals_on_two_instances_at_once_never_give_back_more_than_was_taken() {
    for engine in engines().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let world = World::start(engine).await;
        let other = world.another_instance().await;
        let addresses = [world.ready.base_url.clone(), format!("http://{}", other.address())];
        for round in 0..10 {
            let name = format!("I-{round}");
            let order = world.sell(&name, "100").await;
            world.settle().await;
            let form = world.amend_form("return", &name, &order, Some("60"));
            let ask = async |asked: usize| {
                let url = format!("{}/api/v2/return/1111", addresses[asked % 2]);
                Answer::of(world.http.post(url).form(&form)).await
            };
            let answers = join_all((0..20).map(ask)).await;
            let accepted = answers.iter().filter(|one| one.body.contains("async-response")).count();
            assert_eq!(accepted, 1, "{answers:?}");
            world.settle().await;
        }
        assert_eq!(world.balances().await, [("reversal", 60_000), ("sale", 100_000)].into());
        other.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn whichever_instance_took_them_later_transactions_are_in_their_order() {
    for engine in engines().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let world = World::start(engine).await;
        let order = world.hold("T-1", "10.42").await;
        world.settle().await;
        // The second instance gives out later numbers than the first one's next.
        let other = world.another_instance().await;
        let url = format!("http://{}/api/v2/capture/1111", other.address());
        let form = world.amend_form("capture", "T-1", &order, None);
        Answer::of(world.http.post(url).form(&form)).await.order();
        world.settle().await;
        world.amend("void", "T-1", &order, None).await.order();
        world.settle().await;
        assert_eq!(world.latest("T-1", &order).await, "void approved void_approved 10.42");
        let captures = "SELECT kind, id FROM amendments WHERE kind = 'capture'";
        let capture = world.database.numbers(captures).await[0].1;
        assert!(capture > order.parse::<i64>().unwrap() + 10_000, "{capture} is not later");
        assert!(world.host().has_reversed(OrderId(capture)), "the acquirer was told");
        other.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn parts_asked_for_at_once_are_all_given_back_while_they_fit() {
    scenario(async |world| {
        let order = world.sell("G-1", "100").await;
        world.settle().await;
        let answers =
            join_all((0..12).map(|_| world.amend("return", "G-1", &order, Some("10")))).await;
        let accepted = answers.iter().filter(|one| one.get("type") == "async-response").count();
        assert_eq!(accepted, 10);
        world.settle().await;
        assert_eq!(world.balances().await, [("reversal", 10_000), ("sale", 10_000)].into());
    })
    .await;
}
