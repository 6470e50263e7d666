//! `tillgate callbacks` against a running gateway: what people read, and what is done.

use crate::callback_control::{a_moment, sell};
use crate::process::{Ended, Folder};
use crate::receiver::{Answering, Receiver};
use crate::world::{World, scenario};
use serde_json::Value;
use tillgate::payment::DAY;

/// Runs `tillgate callbacks` with these words to its end.
async fn run(world: &World, words: &str) -> Ended {
    let words = format!("callbacks {words} --url {}", world.url(""));
    let run = move || Folder::make().run(&words.split(' ').collect::<Vec<_>>(), &[]);
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// What it prints when all is well.
async fn told(world: &World, words: &str) -> String {
    let ended = run(world, words).await;
    assert!(ended.success, "{words}: {ended:?}");
    ended.out
}

async fn the_only_id(world: &World) -> String {
    let listed = told(world, "list --endpoint 1111 --json").await;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed[0]["id"].to_string()
}

/// The words of the line that begins with this one.
fn row(text: &str, first: &str) -> Vec<String> {
    let mut rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = rows.find(|words| words.first() == Some(&first));
    let found = found.unwrap_or_else(|| panic!("no row {first} in:\n{text}"));
    found.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn people_see_each_attempt_and_let_callbacks_wait_go_and_come_again() {
    scenario(async |world| {
        let mut answers = vec![Answering::with(500).saying("sorry")];
        answers.extend(vec![Answering::with(200); 3]);
        let receiver = Receiver::start(answers);
        let none = told(world, "list --endpoint 1111").await;
        assert!(none.contains("no such callbacks"), "{none}");
        let order = sell(world, "C-1", &receiver.url).await;
        let id = the_only_id(world).await;
        let listed = told(world, "list --endpoint 1111 --state waiting").await;
        assert_eq!(row(&listed, &id)[..5], [&id, &order, "approved", "waiting", "1"]);
        let shown = told(world, &format!("show evt_{id}")).await;
        assert_eq!(row(&shown, "1")[4..6], ["retried", "500"]);
        assert!(shown.contains(r#"answered 500: "sorry""#), "{shown}");

        let stopped = told(world, "stop --endpoint 1111").await;
        assert!(stopped.contains("tillgate callbacks start --endpoint 1111"), "{stopped}");
        let held = told(world, "list --endpoint 1111 --state held").await;
        assert_eq!(row(&held, &id)[3], "held");
        assert!(told(world, "start --endpoint 1111").await.contains("1 had waited"));
        a_moment(world).await;
        assert_eq!(receiver.received().len(), 2);
        let again = told(world, &format!("resend {id}")).await;
        assert!(again.contains(&format!("tillgate callbacks show {id}")), "{again}");
        a_moment(world).await;
        assert_eq!(receiver.received().len(), 3);
        let noon = "--from 2026-11-21T12:00:00Z --to 2026-11-21T12:01:00Z";
        let again = told(world, &format!("replay --endpoint 1111 {noon}")).await;
        assert!(again.starts_with("1 callback goes out now"), "{again}");
        a_moment(world).await;
        assert_eq!(receiver.received().len(), 4);
        assert!(told(world, "requeue --endpoint 1111").await.contains("nothing to do"));
        let shown = told(world, &format!("show {id} --json")).await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["attempts_made"].as_array().unwrap().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn dead_letters_are_listed_with_the_command_that_sends_them_again() {
    scenario(async |world| {
        let mut answers = vec![Answering::with(503); 30];
        answers.push(Answering::with(200));
        let receiver = Receiver::start(answers);
        sell(world, "C-2", &receiver.url).await;
        for _ in 0..40 {
            world.pass(DAY).await;
        }
        let id = the_only_id(world).await;
        let dead = told(world, "list --endpoint 1111 --state dead").await;
        assert_eq!(row(&dead, &id)[3..5], ["dead", "30"]);
        assert!(dead.contains("tillgate callbacks requeue --endpoint 1111"), "{dead}");
        let shown = told(world, &format!("show {id}")).await;
        assert_eq!(row(&shown, "30")[4..6], ["given_up", "503"]);
        let again = told(world, "requeue --endpoint 1111").await;
        assert!(again.starts_with("1 callback goes out now that was given up"), "{again}");
        a_moment(world).await;
        assert_eq!(receiver.received().len(), 31);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_is_no_success() {
    scenario(async |world| {
        for (words, expected) in [
            ("show 4711", "no callback has the id 4711"),
            ("show order", "like 1001 or evt_1001"),
            ("list --endpoint 1111 --state lost", "waiting, sending, held, delivered, dead"),
            ("stop --endpoint 4711", "no end point has the id 4711"),
            ("list --endpoint 1111 --token wrong", "--token"),
            ("replay --endpoint 1111 --from noon --to 2026-11-21T12:00:00Z", "from: must be"),
        ] {
            let ended = run(world, words).await;
            assert!(!ended.success && ended.err.contains(expected), "{words}: {ended:?}");
        }
    })
    .await;
}
