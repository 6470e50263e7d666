//! What operators do: opening gates, deciding what is unknown, settlement files, and comparing them
//! with the acquirer's.

use crate::world::{Answer, World, scenario};
use std::path::Path;
use std::process::Command;
use tillgate::payment::{HOUR, MINUTE, SECOND};

fn authorized(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header("Authorization", "Bearer sandbox")
}

async fn get(world: &World, path: &str) -> Answer {
    Answer::of(authorized(world.http.get(world.url(path)))).await
}

async fn resolve(world: &World, order: &str, body: &'static str) -> Answer {
    let url = world.url(&format!("/admin/orders/{order}/resolve"));
    Answer::of(authorized(world.http.post(url)).body(body)).await
}

async fn close(world: &World, request_id: &str) -> String {
    let form = vec![("day_close_request_id".to_owned(), request_id.to_owned())];
    let answer = world.post_signed("/api/v2/close-day/1111", &form).await;
    assert_eq!(answer.get("status"), "finished", "{answer:?}");
    answer.get("RRN").trim_start_matches('0').to_owned()
}

#[tokio::test]
async fn an_order_that_nobody_answers_for_stays_unknown_until_an_operator_decides() {
    for (word, status, moved) in [("true", "approved", 1218), ("false", "declined", 0)] {
        scenario(async |world| {
            let order = world.sell("U-1", "12.18").await;
            let early = resolve(world, &order, r#"{"approved":true}"#).await;
            assert_eq!(early.status, 409, "it is not unknown yet");
            world.settle().await;
            for _ in 0..20 {
                world.pass(HOUR).await;
            }
            assert_eq!(
                world.latest("U-1", &order).await,
                "sale unknown sale_auto_reversal_processing 12.18"
            );
            let body =
                if word == "true" { r#"{"approved":true}"# } else { r#"{"approved":false}"# };
            assert_eq!(resolve(world, &order, body).await.status, 204);
            assert_eq!(world.status("U-1", &order).await.get("status"), status);
            assert_eq!(world.balances().await.get("sale").copied().unwrap_or(0), moved);
            assert_eq!(resolve(world, &order, body).await.status, 409, "decided once");
        })
        .await;
    }
}

#[tokio::test]
async fn a_reversal_that_nobody_answers_for_is_decided_too() {
    scenario(async |world| {
        let order = world.sell("U-2", "100").await;
        world.settle().await;
        world.amend("return", "U-2", &order, Some("12.18")).await.order();
        for wait in [SECOND, MINUTE, MINUTE, MINUTE, HOUR] {
            world.pass(wait).await;
        }
        assert_eq!(world.latest("U-2", &order).await, "reversal unknown reversal_unknown 12.18");
        assert_eq!(resolve(world, &order, r#"{"approved":true}"#).await.status, 204);
        assert_eq!(world.latest("U-2", &order).await, "reversal approved reversal_approved 12.18");
        assert_eq!(world.balances().await["reversal"], 1218);
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_in_without_the_token() {
    scenario(async |world| {
        for token in ["", "Bearer ", "Bearer sandbo", "Bearer sandboxx", "sandbox", "Basic sandbox"]
        {
            let request = world.http.get(world.url("/admin/gates/1111"));
            let answer = Answer::of(request.header("Authorization", token)).await;
            assert_eq!(answer.status, 401, "{token:?}");
        }
        let answer = get(world, "/admin/gates/1111").await;
        assert!(answer.body.contains(r#""is_day_closing":false"#), "{answer:?}");
        assert_eq!(get(world, "/admin/gates/4711").await.status, 404);
        assert_eq!(resolve(world, "4711", r#"{"approved":true}"#).await.status, 404);
        assert_eq!(resolve(world, "4711", r#"{"approved":"perhaps"}"#).await.status, 400);
        assert_eq!(get(world, "/admin/settlements/4711.csv").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_shut_gate_is_seen_and_opened_over_http() {
    scenario(async |world| {
        world.sell("G-1", "10.42").await;
        let form = vec![("day_close_request_id".to_owned(), "close0001".to_owned())];
        let answer = world.post_signed("/api/v2/close-day/1111", &form).await;
        assert_eq!(answer.get("isDayClosing"), "true");
        let seen = get(world, "/admin/gates/1111").await;
        assert!(seen.body.contains(r#""request_id":"close0001","state":"waiting""#), "{seen:?}");
        let url = world.url("/admin/gates/1111/unlock");
        let opened = Answer::of(authorized(world.http.post(url))).await;
        assert!(opened.body.contains(r#""is_day_closing":false"#), "{opened:?}");
        world.sell("G-2", "10.42").await;
    })
    .await;
}

#[tokio::test]
async fn the_settlement_file_says_what_the_ledger_says_in_csv_and_in_json() {
    scenario(async |world| {
        let order = world.sell("a \"quoted\", name", "10.42").await;
        world.settle().await;
        world.amend("return", "a \"quoted\", name", &order, Some("5")).await.order();
        world.settle().await;
        let batch = close(world, "close0001").await;
        let text = get(world, &format!("/admin/settlements/{batch}.csv")).await.body;
        assert!(text.lines().count() == 3 && text.ends_with("\r\n"), "{text}");
        let mut file = csv::Reader::from_reader(text.as_bytes());
        let header = file.headers().unwrap().clone();
        let rows: Vec<_> = file.records().map(Result::unwrap).collect();
        let cell = |row: usize, column: &str| {
            let place = header.iter().position(|known| known == column).unwrap();
            rows[row].get(place).unwrap().to_owned()
        };
        assert_eq!(cell(0, "client_orderid"), "a \"quoted\", name");
        assert_eq!((cell(0, "movement"), cell(0, "amount")), ("sale".into(), "10.42".into()));
        assert_eq!((cell(1, "movement"), cell(1, "amount")), ("reversal".into(), "5.00".into()));
        assert_eq!(cell(1, "order"), order);
        let json = get(world, &format!("/admin/settlements/{batch}.json")).await.body;
        let lines: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        for (row, line) in lines.iter().enumerate() {
            for column in &header {
                assert_eq!(line[column], cell(row, column), "{column}");
            }
        }
        let empty = close(world, "close0002").await;
        let json = get(world, &format!("/admin/settlements/{empty}.json")).await.body;
        let lines: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert!(lines.is_empty(), "{json}");
    })
    .await;
}

#[tokio::test]
async fn balances_are_told_by_merchant_endpoint_and_day_and_come_to_zero() {
    scenario(async |world| {
        world.sell("B-1", "10.42").await;
        world.settle().await;
        close(world, "close0001").await;
        world.sell("B-2", "5").await;
        world.settle().await;
        let told = async |query: &str| {
            let answer = get(world, &format!("/admin/balances?{query}")).await;
            let lines: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
            let line = |one: serde_json::Value| {
                let text = |name: &str| one[name].as_str().unwrap().to_owned();
                format!("{} {} {}", one["day"], text("account"), text("balance"))
            };
            lines.into_iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(
            told("merchant=sandbox").await,
            [
                "1 acquirer -10.42",
                "1 card_holders 0.00",
                "1 merchant 10.42",
                "2 card_holders -5.00",
                "2 merchant 5.00",
            ]
        );
        let second = ["2 card_holders -5.00", "2 merchant 5.00"];
        assert_eq!(told("merchant=sandbox&endpoint=1111&day=2").await, second);
        assert!(told("merchant=sandbox&endpoint=1112").await.is_empty());
        assert_eq!(get(world, "/admin/balances?merchant=nobody").await.status, 404);
        assert_eq!(get(world, "/admin/balances?day=x").await.status, 400);
    })
    .await;
}

fn reconcile(folder: &Path, ours: &str, theirs: &str) -> (bool, String) {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("ours.csv", ours);
    write("theirs.csv", theirs);
    let run = Command::new(env!("CARGO_BIN_EXE_tillgate"))
        .args(["reconcile", "--ours", "ours.csv", "--theirs", "theirs.csv"])
        .current_dir(folder)
        .output()
        .unwrap();
    let told = [run.stdout, run.stderr].concat();
    (run.status.success(), String::from_utf8(told).unwrap())
}

#[tokio::test]
async fn the_settlement_file_is_held_against_the_acquirers() {
    scenario(async |world| {
        for (name, amount) in [("R-1", "10.42"), ("R-2", "7")] {
            world.sell(name, amount).await;
        }
        world.settle().await;
        let batch = close(world, "close0001").await;
        let ours = get(world, &format!("/admin/settlements/{batch}.csv")).await.body;
        let folder = std::env::temp_dir().join(format!("reconcile-{}", world.ready.control_key));
        std::fs::create_dir_all(&folder).unwrap();
        let references: Vec<_> =
            ours.lines().skip(1).map(|line| line.split(',').nth(7).unwrap()).collect();
        let theirs = |amount: &str| {
            format!(
                "date,reference,movement,currency,amount\n\
                 2026-11-21,{},sale,RUB,{amount}\n2026-11-21,{},sale,RUB,7\n",
                references[0], references[1]
            )
        };
        let (fits, told) = reconcile(&folder, &ours, &theirs("10.42"));
        assert!(fits, "{told}");
        let (fits, told) = reconcile(&folder, &ours, &theirs("10.43"));
        assert!(!fits && told.contains("ours: 10.42 RUB on 2026-11-21, theirs: 10.43"), "{told}");
        let (fits, told) = reconcile(&folder, &ours, "reference,movement\n");
        assert!(!fits && told.contains("theirs.csv has no column amount"), "{told}");
        let (fits, told) = reconcile(&folder, &ours, &theirs("1e3"));
        assert!(!fits && told.contains("theirs.csv, line 2"), "{told}");
        std::fs::remove_dir_all(&folder).unwrap();
    })
    .await;
}
