//! `tillgate listen`: an end point's callbacks on a developer's machine, each of them, in order.

use crate::callback_control::{a_moment, sell};
use crate::process::{Folder, Running};
use crate::receiver::{Answering, Received, Receiver};
use crate::registry::{call, done, operator};
use crate::world::scenario;
use serde_json::{Value, json};
use tillgate::cli::ReadyLine;

fn dev(folder: &Folder) -> (Running, ReadyLine) {
    let mut dev = folder.start(&["dev", "--ephemeral", "--port", "0", "--json"], &[]);
    let ready = dev.ready();
    (dev, ready)
}

fn sale(folder: &Folder, ready: &ReadyLine, name: &str) {
    let mut sale = vec!["sale", "--url", &ready.base_url, "--endpoint", "1111"];
    sale.extend(["--login", "sandbox", "--reader", "10000462", "--amount", "10.42"]);
    sale.extend(["--order", name, "--callback-url", &ready.callback_inbox_url]);
    let sold = folder.run(&sale, &[("TILLGATE_CONTROL_KEY", &ready.control_key)]);
    assert!(sold.success, "{sold:?}");
}

/// `tillgate listen` with the control key, and its first line.
fn listen(folder: &Folder, ready: &ReadyLine, to: &str, more: &[&str]) -> (Running, String) {
    let words = ["listen", "--url", &ready.base_url, "--forward-to", to];
    let key = [("TILLGATE_CONTROL_KEY", ready.control_key.as_str())];
    let mut listen = folder.start(&[&words, more].concat(), &key);
    let first = listen.line();
    (listen, first)
}

fn names(receiver: &Receiver) -> Vec<String> {
    receiver.received().iter().map(|one| one.query("client_orderid")).collect()
}

#[test]
fn it_verifies_and_relays_what_comes_and_goes_on_behind_the_last_event() {
    let folder = Folder::make();
    let (_dev, ready) = dev(&folder);
    let receiver = Receiver::start(vec![Answering::with(200), Answering::with(500)]);
    sale(&folder, &ready, "L-0");
    let (mut first, welcome) = listen(&folder, &ready, &receiver.url, &[]);
    assert!(welcome.contains("end point 1111, from now on"), "{welcome}");
    sale(&folder, &ready, "L-1");
    let line = first.line();
    let got = receiver.received().pop().unwrap();
    let (event, order) = (got.header("webhook-id"), got.query("orderid"));
    let shown = format!("{event}  order {order}  sale  approved  control ok  answered 200 in ");
    assert!(line.starts_with(&shown), "{line}");
    let (ended, rest) = first.stop();
    assert_eq!((ended.code(), rest.as_str()), (Some(0), ""));

    sale(&folder, &ready, "L-2");
    let (mut second, welcome) = listen(&folder, &ready, &receiver.url, &[]);
    assert!(welcome.contains(&format!("from behind {event}")), "{welcome}");
    let line = second.line();
    assert!(line.contains("answered 500") && line.contains("would send it again"), "{line}");
    assert_eq!(names(&receiver), ["L-1", "L-2"]);
}

#[test]
fn a_server_that_does_not_answer_is_tried_again_and_nothing_is_skipped() {
    let folder = Folder::make();
    let (_dev, ready) = dev(&folder);
    let mut answers = vec![Answering::hanging_up()];
    answers.extend(vec![Answering::with(200); 2]);
    let receiver = Receiver::start(answers);
    sale(&folder, &ready, "L-1");
    sale(&folder, &ready, "L-2");
    let key = [("TILLGATE_CONTROL_KEY", "another")];
    let words = ["listen", "--url", &ready.base_url, "--forward-to", &receiver.url];
    let mut listen = folder.start(&[&words[..], &["--from-start"]].concat(), &key);
    assert!(listen.line().contains("from the first"));
    let trouble = listen.line();
    assert!(trouble.contains("does not answer") && trouble.contains("again in 1 s"), "{trouble}");
    assert!(!trouble.contains("client_orderid"), "{trouble}");
    for _ in 0..2 {
        let line = listen.line();
        assert!(line.contains("control wrong"), "{line}");
    }
    assert_eq!(names(&receiver), ["L-1", "L-1", "L-2"]);
}

#[test]
fn what_it_cannot_go_on_from_or_listen_to_is_said() {
    let folder = Folder::make();
    let (_dev, ready) = dev(&folder);
    sale(&folder, &ready, "L-1");
    let (listening, _) = listen(&folder, &ready, "http://127.0.0.1:1/cb", &[]);
    assert!(listening.stop().0.success());
    let (_other, other) = dev(&folder);
    let refused = |ready: &ReadyLine, more: &[&str]| {
        let words = ["listen", "--url", &ready.base_url, "--forward-to"];
        let ended = folder.run(&[&words, more].concat(), &[]);
        assert!(!ended.success, "{ended:?}");
        ended.err
    };
    let told = refused(&other, &["http://127.0.0.1:1/cb"]);
    assert!(told.contains("another database") && told.contains("--from-start"), "{told}");
    let told = refused(&ready, &["http://127.0.0.1:1/cb", "--endpoint", "1112"]);
    assert!(told.contains("--state"), "{told}");
    let nowhere = ["http://127.0.0.1:1/cb", "--endpoint", "4711", "--state", "another"];
    let told = refused(&ready, &nowhere);
    assert!(told.contains("no end point has the id 4711"), "{told}");
    let told = refused(&ready, &["localhost:3000/cb"]);
    assert!(told.contains("http://localhost:3000"), "{told}");
}

/// What a relay sends for it: method, query, body, headers.
fn relayed(got: &Received) -> Value {
    let signed = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers = signed.map(|name| (name.to_owned(), json!(got.header(name))));
    let (query, body) = (got.query_text(), &got.body);
    json!({
        "method": got.method,
        "query": (!query.is_empty()).then_some(query),
        "body": (!body.is_empty()).then_some(body),
        "headers": serde_json::Map::from_iter(headers),
    })
}

#[tokio::test]
async fn a_callback_in_words_is_what_its_receiver_gets_and_not_for_every_role() {
    scenario(async |world| {
        let receiver = Receiver::start(vec![Answering::with(200); 2]);
        let endpoint = "/admin/v1/endpoints/1111";
        let key = json!({ "overlap_seconds": 0 });
        done(world, &format!("POST {endpoint}/webhook-key"), key).await;
        let mut last = String::new();
        for mode in ["get", "post"] {
            let body = json!({ "webhooks": mode });
            call(world, "sandbox", &format!("PUT {endpoint}/webhooks"), body).await;
            a_moment(world).await;
            let url = format!("{}?shop=7", receiver.url);
            sell(world, &format!("W-{mode}"), &url).await;
            let got = receiver.received().pop().unwrap();
            let id = got.header("webhook-id").replace("evt_", "");
            last = format!("GET /admin/v1/callbacks/{id}/call");
            assert_eq!(done(world, &last, Value::Null).await, relayed(&got), "{mode}");
        }
        for (role, expected) in [("viewer", 403), ("custodian", 403), ("operator", 200)] {
            let token = operator(world, role, role).await;
            assert_eq!(call(world, &token, &last, Value::Null).await.0, expected, "{role}");
        }
        let none = "GET /admin/v1/callbacks/4711/call";
        assert_eq!(call(world, "sandbox", none, Value::Null).await.0, 404);
    })
    .await;
}
