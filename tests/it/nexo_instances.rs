//! Two instances on one database play the same terminals: whichever a till reaches, a service is
//! carried out once, and its answer is the same.

use crate::database::{Engine, engines};
use crate::till::{LIGHT, Till, passing, read, result, tireless};
use crate::world::{Answer, World};

/// A message to another instance than the world's own.
fn to(world: &World, base: &str, text: String) -> reqwest::RequestBuilder {
    let request = world.http.post(format!("{base}/EPASSaleToPOI/3.1"));
    request.header("Content-Type", "application/xml").body(text)
}

#[tokio::test]
async fn two_instances_take_a_service_once_and_find_each_others_answers() {
    for engine in engines().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let world = World::start(engine).await;
        tireless(&world, "SIM-XML-1").await;
        let other = world.another_instance().await;
        let base = format!("http://{}", other.address());
        let till = Till::at(&world, "SIM-XML-1");
        till.login(LIGHT).await;
        let payment = till.payment("10.00");
        let sending: Vec<_> = (0..20)
            .map(|place| match place % 2 {
                0 => till.send(&payment),
                _ => tokio::spawn(Answer::of(to(&world, &base, till.xml(&payment)))),
            })
            .collect();
        let mut answers = Vec::new();
        for one in sending {
            answers.push(passing(&world, one).await);
        }
        for answer in &answers {
            assert_eq!(answer.body, answers[0].body);
            assert_eq!(result(answer), "Success");
        }
        assert_eq!(world.database.count("terminal_services").await, 1);
        assert_eq!(world.balances().await["sale"], 1_000);

        // What one of them is busy with, the other is not free for.
        let waiting = till.payment("9.07");
        let paying = till.send(&waiting);
        while world.database.count("terminal_services").await < 2 {
            tokio::task::yield_now().await;
        }
        let second = till.xml(&till.payment("1.00"));
        let busy = Answer::of(to(&world, &base, second)).await;
        assert!(result(&busy).starts_with("Failure Busy"), "{busy:?}");
        let body = "<TransactionStatusRequest/>".to_owned();
        let status = till.xml(&till.request("TransactionStatus", &body));
        let told = Answer::of(to(&world, &base, status.clone())).await;
        assert_eq!(
            result(&told),
            format!("Failure Busy Payment in progress: {}", waiting.service_id)
        );
        till.abort(&waiting).await;
        passing(&world, paying).await;
        let told = read(&Answer::of(to(&world, &base, status)).await);
        let path = "RepeatedMessageResponse/PaymentResponse/Response/ErrorCondition";
        assert_eq!(told.body.text(path), Some("Aborted"));
        other.stop().await;
        world.end().await;
    }
}
