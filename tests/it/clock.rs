//! The sandbox's clock: moved forwards, what is due then happens.

use crate::process::{Folder, Running};
use crate::world::{Answer, NOON, World, order_id, scenario};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;
use tillgate::cli::ReadyLine;
use tillgate::payment::{DAY, MINUTE};

async fn ask(world: &World) -> Value {
    let answer = Answer::of(world.http.get(world.url("/sandbox/clock"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn post(world: &World, body: &str) -> (u16, Value) {
    let request = world.http.post(world.url("/sandbox/clock"));
    let answer = Answer::of(request.body(body.to_owned())).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn seven_days_later_a_hold_is_cancelled_by_itself() {
    scenario(async |world| {
        let order = world.hold("K-1", "10.42").await;
        world.settle().await;
        let (status, told) = post(world, r#"{"advance":"7d"}"#).await;
        let expected = json!({ "now": "2026-11-28T12:00:00.000Z", "offset_ms": 7 * DAY });
        assert_eq!((status, told), (200, expected.clone()));
        assert_eq!((ask(world).await, world.clock.now()), (expected, NOON + 7 * DAY));
        world.settle().await;
        assert_eq!(world.latest("K-1", &order).await, "cancel approved cancel_approved 10.42");
        assert!(world.host().has_reversed(order_id(&order)));
    })
    .await;
}

#[tokio::test]
async fn a_callback_that_failed_is_tried_again_once_its_time_has_come() {
    scenario(async |world| {
        // A port that nobody listens on.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut form = world.sale_form("K-2", "10.42").await;
        form.push(("server_callback_url".to_owned(), format!("http://{closed}/cb")));
        let order = order_id(&world.sale(&form).await.order());
        world.settle().await;
        let attempts = async || world.app().store().notices_of(order).await.unwrap()[0].attempts;
        // It comes up to a tenth early.
        for (advance, expected) in [(MINUTE * 9 / 10 - 1, 1), (MINUTE / 10 + 1, 2)] {
            post(world, &json!({ "advance_ms": advance }).to_string()).await;
            world.settle().await;
            assert_eq!(attempts().await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn workers_and_the_schedule_hear_of_it_at_once() {
    scenario(async |world| {
        let order = world.sell("K-3", "10.42").await;
        world.settle().await;
        assert_ne!(world.database.count("nonces").await, 0, "{order}");
        world.gateway().jobs().take_left();
        world.gateway().callbacks().take_left();
        post(world, r#"{"advance":"16m"}"#).await;
        assert!(world.gateway().jobs().take_left() && world.gateway().callbacks().take_left());
        assert_eq!(world.database.count("nonces").await, 0, "swept");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_time_forwards_is_refused_and_moves_nothing() {
    scenario(async |world| {
        let cases = [
            (r#"{"advance":"soon"}"#, "advance: \"soon\" is not a time; write a whole number and"),
            (r#"{"advance":"7"}"#, "advance: \"7\" is not a time"),
            (r#"{"advance":"-7d"}"#, "the clock goes forwards only, by 1 ms or more"),
            (r#"{"advance_ms":0}"#, "the clock goes forwards only, by 1 ms or more"),
            (r#"{"advance":"3654d"}"#, "the clock goes ten years ahead at most, and is 0 ms ahead"),
            (r#"{"advance":"99999999999999999999d"}"#, "the clock goes ten years ahead at most"),
            (r#"{"advance_ms":9223372036854775807}"#, "the clock goes ten years ahead at most"),
            (r#"{"advance_ms":9223372036854775808}"#, "invalid value: integer"),
            (r#"{"advance_ms":1.5}"#, "invalid type: floating point"),
            ("{}", "write either advance, for example {\"advance\":\"7d\"}, or advance_ms"),
            (r#"{"advance":"7d","advance_ms":1}"#, "write either advance"),
            (r#"{"advance":"7d","to":"noon"}"#, "unknown field `to`, expected `advance` or"),
            ("", "EOF while parsing"),
            ("7d", ""),
        ];
        for (body, expected) in cases {
            let (status, answer) = post(world, body).await;
            let error = answer["error"].as_str().unwrap();
            assert!(status == 400 && error.starts_with(expected), "{body}: {status} {error}");
        }
        assert_eq!(ask(world).await, json!({ "now": "2026-11-21T12:00:00.000Z", "offset_ms": 0 }));
    })
    .await;
}

#[tokio::test]
async fn ten_years_are_the_most_in_all() {
    scenario(async |world| {
        assert_eq!(post(world, r#"{"advance":"3652d"}"#).await.0, 200);
        let (status, answer) = post(world, r#"{"advance":"25h"}"#).await;
        let error = answer["error"].as_str().unwrap();
        assert!(status == 400 && error.contains("start the sandbox again"), "{error}");
        assert_eq!(post(world, r#"{"advance":"24h"}"#).await.0, 200);
        assert_eq!(ask(world).await["offset_ms"], 3_653 * DAY);
    })
    .await;
}

fn start(folder: &Folder) -> (Running, ReadyLine) {
    let mut dev = folder.start(&["dev", "--ephemeral", "--port", "0", "--json"], &[]);
    let ready = dev.ready();
    (dev, ready)
}

fn sale<'a>(ready: &'a ReadyLine, callback: &'a str) -> Vec<&'a str> {
    let key = ready.control_key.as_str();
    let mut sale = vec!["sale", "--url", &ready.base_url, "--endpoint", "1111"];
    sale.extend(["--login", "sandbox", "--control-key", key, "--reader", "10000462"]);
    sale.extend(["--amount", "10.42", "--callback-url", callback]);
    sale
}

#[test]
fn the_command_prints_the_time_and_moves_it_and_sales_are_signed_with_it() {
    let folder = Folder::make();
    let (_dev, ready) = start(&folder);
    let clock = |more: &[&str]| {
        let ended = folder.run(&[&["clock", "--url", &ready.base_url], more].concat(), &[]);
        assert!(ended.success, "{ended:?}");
        ended.out
    };
    let today = clock(&[]);
    assert!(today.ends_with("Z\n") && today.contains('T'), "{today}");
    assert!(clock(&["+7d"]).ends_with("Z, moved by 7d\n"));
    assert!(clock(&["90s"]).ends_with("Z, moved by 7d 1m 30s\n"));
    assert!(clock(&[]) > today);
    let sold = folder.run(&sale(&ready, &ready.callback_inbox_url), &[]);
    assert!(sold.out.contains("approved (sale_approved)"), "{sold:?}");
}

#[test]
fn the_command_says_what_is_wrong() {
    let folder = Folder::make();
    let (_dev, ready) = start(&folder);
    for (advance, expected) in [("-7d", "forwards only"), ("soon", "is not a time")] {
        let ended = folder.run(&["clock", advance, "--url", &ready.base_url], &[]);
        assert!(!ended.success && ended.err.contains(expected), "{ended:?}");
    }
    // Nothing listens on port 1.
    let ended = folder.run(&["clock", "--url", "http://127.0.0.1:1"], &[]);
    assert!(!ended.success && ended.err.contains("tillgate dev"), "{ended:?}");
}

#[test]
fn with_the_command_a_callback_is_tried_again_by_the_running_workers() {
    let folder = Folder::make();
    let (_dev, ready) = start(&folder);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/cb", listener.local_addr().unwrap());
    let (note, attempts) = mpsc::channel();
    std::thread::spawn(move || {
        for status in [500, 200] {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
            write!(stream, "HTTP/1.1 {status} X\r\n{end}").unwrap();
            note.send(status).unwrap();
        }
    });
    let sold = folder.run(&sale(&ready, &url), &[]);
    assert!(sold.success, "{sold:?}");
    assert_eq!(attempts.recv(), Ok(500));
    // The first move may come before the attempt is recorded; then the next one makes it due.
    let mut moves = 0;
    while attempts.recv_timeout(Duration::from_secs(1)).is_err() {
        moves += 1;
        assert!(moves < 20, "the callback is not tried again");
        assert!(folder.run(&["clock", "+1m", "--url", &ready.base_url], &[]).success);
    }
}
