//! When nobody can say whether money moved: ask, then reverse, and never guess.

use crate::world::{order_id, scenario};
use tillgate::payment::SECOND;

#[tokio::test]
async fn a_lost_answer_is_asked_for_becomes_unknown_and_is_reversed() {
    scenario(async |world| {
        let inbox = world.ready.callback_inbox_url.clone();
        let mut form = world.sale_form("L-1", "12.17").await;
        form.push(("server_callback_url".to_owned(), inbox));
        let order = world.sale(&form).await.order();
        world.settle().await;
        for wait in [SECOND, 5 * SECOND] {
            world.pass(wait).await;
            let answer = world.status("L-1", &order).await;
            assert_eq!(answer.get("status"), "processing");
        }
        world.pass(30 * SECOND).await;
        let answer = world.status("L-1", &order).await;
        assert_eq!(answer.get("status"), "unknown");
        assert_eq!(answer.get("order-stage"), "sale_auto_reversal_processing");
        assert_eq!(world.callbacks().await, [], "unknown is not final");
        assert!(!world.host().has_reversed(order_id(&order)));

        world.pass(5 * SECOND).await;
        let answer = world.status("L-1", &order).await;
        assert_eq!(answer.get("status"), "declined");
        assert_eq!(answer.get("error-code"), "907");
        assert!(world.host().has_reversed(order_id(&order)));
        assert_eq!(world.callbacks().await[0]["status"], "declined");
        assert_eq!(world.host().requests_for(order_id(&order)), 1, "it was sent once only");
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_worker_vanished_before_sending_is_sent_by_the_next() {
    scenario(async |world| {
        let order = world.sell("V-1", "10.42").await;
        let claimed = world.claim_jobs().await;
        assert_eq!(claimed.len(), 1);
        world.settle().await;
        assert_eq!(world.status("V-1", &order).await.get("status"), "processing", "still leased");
        world.pass(60 * SECOND).await;
        assert_eq!(world.status("V-1", &order).await.get("status"), "approved");
        assert_eq!(world.host().requests_for(order_id(&order)), 1);
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_worker_vanished_after_sending_is_asked_for_and_not_sent_again() {
    scenario(async |world| {
        let order = world.sell("V-2", "10.42").await;
        let lost = world.claim_jobs().await.remove(0);
        world.pass(60 * SECOND - 1).await;
        // The first worker wakes up and sends; its lease ends before it can save what it heard.
        let second = {
            world.clock.advance(1);
            world.claim_jobs().await.remove(0)
        };
        assert_eq!((second.job.order, second.job.claims), (lost.job.order, 2));
        world.gateway().take_step(lost).await.unwrap();
        world.gateway().take_step(second).await.unwrap();
        assert_eq!(world.status("V-2", &order).await.get("status"), "approved");
        assert_eq!(world.host().requests_for(order_id(&order)), 1, "never twice");
        assert_eq!(world.database.count("notices").await, 0);
    })
    .await;
}
