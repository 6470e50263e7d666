//! The end of the business day: totals, who may ask for it, what waits, and what is refused
//! meanwhile.

use crate::world::{Answer, Fields, World, form_with, scenario};
use chrono_tz::Tz;
use futures_util::future::join_all;
use tillgate::payment::day::BusinessDay;
use tillgate::payment::ids::EndpointId;
use tillgate::payment::merchant::{Endpoint, Fee, Terms};
use tillgate::payment::{DAY, HOUR, MINUTE, SECOND};

fn form(request_id: &str, claimed: &[(&str, &str)]) -> Fields {
    let own = [("day_close_request_id", request_id)];
    own.iter().chain(claimed).map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

async fn close(world: &World, request_id: &str, claimed: &[(&str, &str)]) -> Answer {
    world.post_signed("/api/v2/close-day/1111", &form(request_id, claimed)).await
}

async fn go_on(world: &World) {
    world.gateway().close_due_days().await.unwrap();
}

async fn change_terms(world: &World, change: impl FnOnce(&mut Terms)) {
    let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
    let mut changed = Endpoint::clone(&endpoint);
    change(&mut changed.terms);
    world.gateway().change_endpoint(&changed).await.unwrap();
}

/// Two sales of 10.42, one of which gave 5.00 back.
async fn sell(world: &World) {
    let first = world.sell("S-1", "10.42").await;
    world.sell("S-2", "10.42").await;
    world.settle().await;
    world.amend("return", "S-1", &first, Some("5")).await.order();
    world.settle().await;
}

const FIGURES: [&str; 4] =
    ["saleApprovedCount", "saleAmount", "reversalApprovedCount", "reversalAmount"];

fn figures(answer: &Answer) -> [String; 4] {
    FIGURES.map(|name| answer.get(name))
}

#[tokio::test]
async fn a_day_is_closed_with_the_totals_of_its_ledger() {
    scenario(async |world| {
        sell(world).await;
        let claimed = [
            ("sale_approved_count", "2"),
            ("sale_approved_sum", "20.84"),
            ("reversal_approved_count", "1"),
            ("reversal_approved_sum", "5.00"),
        ];
        let answer = close(world, "close0001", &claimed).await;
        assert_eq!(answer.get("type"), "close-day-response");
        assert_eq!(answer.get("status"), "finished");
        assert_eq!(answer.get("isDayClosing"), "false");
        assert_eq!(answer.get("gateId"), "1111");
        assert_eq!(answer.get("gateCloseDate"), "2026-11-21");
        assert_eq!(figures(&answer), ["2", "20.84", "1", "5.00"]);
        assert_eq!(answer.get("code39"), "00");
        assert_eq!(answer.get("RRN").len(), 12);
        let again = close(world, "close0001", &claimed).await;
        let told = |answer: &Answer| answer.body.split_once("&status").unwrap().1.to_owned();
        assert_eq!(told(&again), told(&answer), "the same request gets the same answer");
        let next = close(world, "close0002", &[]).await;
        assert_eq!(figures(&next), ["0", "0.00", "0", "0.00"], "each sale is in one day");
        assert_eq!(
            world.balances().await,
            [("reversal", 500), ("sale", 2084), ("settlement", 1584)].into()
        );
    })
    .await;
}

#[tokio::test]
async fn totals_that_differ_are_told_as_95_and_the_day_is_closed_all_the_same() {
    scenario(async |world| {
        sell(world).await;
        let answer = close(world, "close0001", &[("sale_approved_sum", "20.85")]).await;
        assert_eq!((answer.get("status"), answer.get("code39")), ("finished".into(), "95".into()));
        assert_eq!(figures(&answer), ["2", "20.84", "1", "5.00"]);
        let other = close(world, "close0001", &[("sale_approved_sum", "20.84")]).await;
        assert_eq!(other.refusal(), "error 37 DAY_CLOSE_REQUEST_DIFFERS");
    })
    .await;
}

#[tokio::test]
async fn while_the_day_closes_nothing_begins_and_what_is_in_flight_is_waited_for() {
    scenario(async |world| {
        let sold = world.sell("F-0", "10.42").await;
        world.settle().await;
        let flying = world.sell("F-1", "10.42").await;
        let answer = close(world, "close0001", &[]).await;
        assert_eq!(answer.get("status"), "processing");
        assert_eq!(answer.get("isDayClosing"), "true");
        assert_eq!(answer.find("saleAmount"), None, "not counted yet");
        let sale = world.sale(&world.sale_form("F-2", "10.42").await).await;
        assert_eq!(sale.refusal(), "error 26 GATE_CLOSING_DAY");
        let back = world.amend("return", "F-0", &sold, None).await;
        assert_eq!(back.refusal(), "error 26 GATE_CLOSING_DAY");
        let rival = close(world, "close0002", &[]).await;
        assert_eq!(rival.refusal(), "error 27 DAY_IS_CLOSING");
        world.settle().await;
        assert_eq!(world.status("F-1", &flying).await.get("status"), "approved");
        world.clock.advance(SECOND);
        go_on(world).await;
        let answer = close(world, "close0001", &[]).await;
        assert_eq!(answer.get("status"), "finished");
        assert_eq!(figures(&answer), ["2", "20.84", "0", "0.00"]);
        world.sell("F-3", "10.42").await;
    })
    .await;
}

#[tokio::test]
async fn a_void_is_for_today_and_a_return_for_any_day() {
    scenario(async |world| {
        let order = world.sell("V-1", "10.42").await;
        world.settle().await;
        assert_eq!(close(world, "close0001", &[]).await.get("status"), "finished");
        let void = world.amend("void", "V-1", &order, None).await;
        assert_eq!(void.refusal(), "error 102 WRONG_ORDER_STATE");
        world.amend("return", "V-1", &order, None).await.order();
        world.settle().await;
        let answer = close(world, "close0002", &[]).await;
        assert_eq!(figures(&answer), ["0", "0.00", "1", "10.42"]);
        assert_eq!(
            world.account("acquirer").await,
            0,
            "what was settled yesterday is given back today"
        );
    })
    .await;
}

#[tokio::test]
async fn a_gate_that_stays_shut_is_opened_by_an_operator_and_its_day_goes_on() {
    scenario(async |world| {
        let data = world.swipe("10.42", serde_json::json!({ "entry_mode": "insert" })).await;
        world.sale(&form_with("B-1", "10.42", &data)).await.order();
        // The chip is not heard of, and the workers stand still.
        assert_eq!(close(world, "close0001", &[]).await.get("status"), "processing");
        world.clock.advance(5 * MINUTE);
        go_on(world).await;
        let answer = close(world, "close0001", &[]).await;
        assert_eq!(answer.get("status"), "processing", "it has hardly looked yet");
        for _ in 0..30 {
            world.clock.advance(SECOND);
            go_on(world).await;
        }
        let answer = close(world, "close0001", &[]).await;
        assert_eq!(
            (answer.get("status"), answer.get("isDayClosing")),
            ("finished".into(), "true".into())
        );
        let sale = world.sale(&world.sale_form("B-2", "10.42").await).await;
        assert_eq!(sale.refusal(), "error 26 GATE_CLOSING_DAY");
        assert!(world.gateway().unlock_gate(EndpointId(1111)).await.unwrap());
        assert!(!world.gateway().unlock_gate(EndpointId(1111)).await.unwrap());
        let answer = close(world, "close0001", &[]).await;
        assert_eq!(
            (answer.get("status"), answer.get("isDayClosing")),
            ("error".into(), "false".into())
        );
        world.sell("B-3", "10.42").await;
        for _ in 0..2 {
            world.pass(HOUR).await;
        }
        let answer = close(world, "close0002", &[]).await;
        assert_eq!(figures(&answer), ["1", "10.42", "0", "0.00"], "the day went on");
    })
    .await;
}

#[tokio::test]
async fn a_day_closes_by_itself_in_the_time_zone_of_its_gate_once_a_date() {
    scenario(async |world| {
        change_terms(world, |terms| {
            // 23:30 in Moscow is 20:30 UTC; the scenario begins at noon.
            terms.day = BusinessDay { time_zone: Tz::Europe__Moscow, close_at: Some(1410) };
        })
        .await;
        world.sell("M-1", "10.42").await;
        world.settle().await;
        go_on(world).await;
        assert_eq!(world.database.count("day_closes").await, 0, "not for a time before its day");
        world.clock.advance(8 * HOUR + 29 * MINUTE);
        go_on(world).await;
        assert_eq!(world.database.count("day_closes").await, 0);
        world.clock.advance(MINUTE);
        for _ in 0..3 {
            go_on(world).await;
        }
        let closes = world.database.numbers("SELECT close_date, day FROM day_closes").await;
        assert_eq!(closes, [("2026-11-21".to_owned(), 1)]);
        world.clock.advance(DAY);
        go_on(world).await;
        let closes = world.database.numbers("SELECT close_date, day FROM day_closes ORDER BY day");
        let dates: Vec<_> = closes.await.into_iter().map(|(date, _)| date).collect();
        assert_eq!(dates, ["2026-11-21", "2026-11-22"]);
    })
    .await;
}

#[tokio::test]
async fn a_close_that_comes_late_is_still_that_of_its_date() {
    scenario(async |world| {
        change_terms(world, |terms| {
            terms.day = BusinessDay { time_zone: Tz::Europe__Moscow, close_at: Some(1410) };
        })
        .await;
        world.sell("L-1", "10.42").await;
        world.settle().await;
        // Nobody looks from noon until the next morning.
        world.clock.advance(20 * HOUR);
        go_on(world).await;
        world.clock.advance(13 * HOUR);
        go_on(world).await;
        let closes = world.database.numbers("SELECT close_date, day FROM day_closes ORDER BY day");
        let closes = closes.await;
        assert_eq!(closes, [("2026-11-21".to_owned(), 1), ("2026-11-22".to_owned(), 2)]);
    })
    .await;
}

#[tokio::test]
async fn every_sale_is_in_exactly_one_day_however_busy_the_gate_is() {
    scenario(async |world| {
        let sell = async |seller: usize| {
            let reader = &world.ready.readers[seller].serial;
            let mut sold = 0;
            for number in 0..12 {
                let data = world.swipe_at(reader, "10.42", serde_json::json!({})).await;
                let form = form_with(&format!("X-{seller}-{number}"), "10.42", &data);
                let answer = world.sale(&form).await;
                match answer.get("type").as_str() {
                    "async-response" => sold += 1,
                    _ => assert_eq!(answer.refusal(), "error 26 GATE_CLOSING_DAY"),
                }
                world.settle().await;
            }
            sold
        };
        let close_often = async {
            let mut counted = 0;
            for number in 0..20 {
                let id = format!("often{number:04}");
                let mut answer = close(world, &id, &[]).await;
                while answer.get("status") == "processing" {
                    world.settle().await;
                    answer = close(world, &id, &[]).await;
                }
                counted += answer.get("saleApprovedCount").parse::<i32>().unwrap();
            }
            counted
        };
        let (sold, counted) = tokio::join!(join_all((0..3).map(sell)), close_often);
        world.settle().await;
        let rest = close(world, "lastofall", &[]).await;
        let counted = counted + rest.get("saleApprovedCount").parse::<i32>().unwrap();
        assert_eq!(counted, sold.iter().sum::<i32>());
    })
    .await;
}

#[tokio::test]
async fn fees_are_kept_and_every_account_balances() {
    scenario(async |world| {
        change_terms(world, |terms| terms.fee = Fee { basis_points: 150, fixed_minor: 10 }).await;
        sell(world).await;
        close(world, "close0001", &[]).await;
        // 1.5 percent of 10.42 is 15.63, rounded to 16, and 10 on top, twice.
        assert_eq!(world.account("fees").await, 52);
        assert_eq!(world.account("merchant").await, 2084 - 500 - 52);
        assert_eq!(world.account("card_holders").await, 0, "all of it is settled");
        assert_eq!(world.account("acquirer").await, -1584);
    })
    .await;
}

#[tokio::test]
async fn a_close_that_is_asked_for_wrongly_is_refused_and_nothing_is_stored() {
    scenario(async |world| {
        let bad = |name: &str, why: &str| {
            format!("validation-error 1 Request parameter '{name}' is invalid: {why}")
        };
        let refused =
            async |id: &str, claimed: &[(&str, &str)]| close(world, id, claimed).await.refusal();
        let id = "day_close_request_id";
        assert_eq!(refused("short", &[]).await, bad(id, "not 8 to 32 characters"));
        assert_eq!(refused("with blanks", &[]).await, bad(id, "not letters and digits"));
        for (name, value, why) in [
            ("sale_approved_count", "-1", "not a number"),
            ("reversal_approved_count", "1.5", "not a number"),
            ("sale_approved_sum", "1.234", "more fraction digits than the currency has"),
            ("reversal_approved_sum", "1e3", "use digits with one '.' at most, for example 10.42"),
            ("sale_approved_sum", "999999999999999999", "too long"),
        ] {
            assert_eq!(refused("close0001", &[(name, value)]).await, bad(name, why));
        }
        let unsigned = world.post("/api/v2/close-day/1111", &form("close0001", &[])).await;
        assert_eq!(unsigned.status, 403);
        let foreign = world.post_signed("/api/v2/close-day/9999", &form("close0001", &[])).await;
        assert_eq!(foreign.status, 403);
        assert_eq!(world.database.count("day_closes").await, 0);
    })
    .await;
}
