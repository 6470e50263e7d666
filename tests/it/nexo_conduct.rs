//! How a terminal behaves when more than one thing happens: aborts, repeats, lost lines, other
//! tills, crashes.

use crate::till::{
    DEFAULT, Ear, LIGHT, Till, passing, quick, read, result, tireless, transaction, working,
};
use crate::world::{World, scenario};
use tillgate::payment::{HOUR, SECOND};

const IN_PROGRESS: &str = "Failure Busy Payment in progress: 112002";

/// A till that is logged in at a terminal that never rests, and hears all of it.
async fn at_work(world: &World) -> (Ear, Till<'_>) {
    tireless(world, "SIM-XML-1").await;
    let ear = Ear::silent();
    let till = Till::at(world, "SIM-XML-1").listening(&ear);
    till.login(DEFAULT).await;
    (ear, till)
}

async fn balance(world: &World, movement: &str) -> i64 {
    world.balances().await.get(movement).copied().unwrap_or_default()
}

#[tokio::test]
async fn an_abort_in_time_ends_the_payment_and_has_no_answer_of_its_own() {
    scenario(async |world| {
        let (ear, till) = at_work(world).await;
        let payment = till.payment("9.07");
        let paying = till.send(&payment);
        ear.until(world, "Present card").await;
        assert_eq!(result(&till.status(None).await), IN_PROGRESS);
        assert_eq!(result(&till.status(Some(&payment)).await), IN_PROGRESS);
        let busy = till.pay("1.00").await;
        assert_eq!(
            result(&busy),
            "Failure Busy POI Terminal Busy to Process another Request: PaymentRequest"
        );
        for _ in 0..2 {
            let aborted = till.abort(&payment).await;
            assert_eq!((aborted.status, aborted.body.as_str()), (204, ""));
        }
        let ended = working(world, paying).await;
        let told = "Failure Aborted Service Aborted during WaitCard - Reason: Abort by Sale \
                    System - from: TILL-01 - MessageID: 112002";
        assert_eq!(result(&ended), told);
        let status = till.status(Some(&payment)).await;
        assert!(status.body.contains("ErrorCondition=\"Aborted\""), "{status:?}");
        assert_eq!(balance(world, "sale").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_abort_that_names_nothing_under_way_is_harmless_and_told_to_who_listens() {
    scenario(async |world| {
        let (ear, till) = at_work(world).await;
        let payment = till.payment("9.07");
        let paying = till.send(&payment);
        ear.until(world, "Present card").await;
        let other = till.payment("9.07");
        assert_eq!(till.abort(&other).await.status, 204);
        // Numbers of another till are its own.
        let neighbour = Till::at(world, "SIM-XML-1").named("TILL-03");
        assert_eq!(neighbour.abort(&payment).await.status, 204);
        ear.until(world, "Event Reject").await;
        assert_eq!(result(&till.status(None).await), IN_PROGRESS, "untouched");
        till.abort(&payment).await;
        working(world, paying).await;
        till.abort(&payment).await;
        let light = Till::at(world, "SIM-XML-1").named("TILL-02");
        light.login(LIGHT).await;
        assert_eq!(light.abort(&other).await.status, 204, "silence in the light style");
    })
    .await;
}

#[tokio::test]
async fn an_abort_that_comes_too_late_changes_nothing() {
    scenario(async |world| {
        let (ear, till) = at_work(world).await;
        let payment = till.payment("9.08");
        let paying = till.send(&payment);
        ear.until(world, "Authorizing").await;
        assert_eq!(till.abort(&payment).await.status, 204);
        ear.until(world, "Event Completed").await;
        assert_eq!(result(&passing(world, paying).await), "Success");
        assert_eq!(balance(world, "sale").await, 908);
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_a_card_for_ever() {
    scenario(async |world| {
        let (ear, till) = at_work(world).await;
        let payment = till.payment("9.07");
        let paying = till.send(&payment);
        ear.until(world, "Present card").await;
        let ended = passing(world, paying).await;
        assert_eq!(result(&ended), "Failure Cancel Card not presented");
    })
    .await;
}

#[tokio::test]
async fn a_login_resets_the_terminal_but_never_a_payment_that_was_sent() {
    scenario(async |world| {
        let (ear, till) = at_work(world).await;
        let waiting = till.payment("9.07");
        let paying = till.send(&waiting);
        ear.until(world, "Present card").await;
        assert_eq!(result(&till.login(DEFAULT).await), "Success");
        assert!(result(&working(world, paying).await).starts_with("Failure Aborted"));

        let sent = till.payment("9.08");
        let paying = till.send(&sent);
        ear.until(world, "Authorizing").await;
        assert_eq!(result(&till.login(DEFAULT).await), "Success");
        assert!(result(&till.pay("1.00").await).starts_with("Failure Busy"));
        assert_eq!(result(&passing(world, paying).await), "Success");
        let found = till.status(Some(&sent)).await;
        assert!(found.body.contains("AuthorizedAmount=\"9.08\""), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_is_found_byte_for_byte() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let payment = till.payment("9.02");
        let sending = world
            .http
            .post(world.url("/EPASSaleToPOI/3.1"))
            .header("Content-Type", "application/xml")
            .body(till.xml(&payment));
        let lost = tokio::spawn(async move { sending.send().await?.bytes().await });
        while !lost.is_finished() {
            world.settle().await;
            tokio::task::yield_now().await;
        }
        assert!(lost.await.unwrap().is_err(), "the line breaks");
        let repeated = till.ask(&payment).await;
        assert_eq!(result(&repeated), "Success");
        let (from, to) = ("<PaymentResponse>", "</PaymentResponse>");
        let inner = |text: &str| {
            let begin = text.find(from).unwrap();
            text[begin..text.find(to).unwrap()].to_owned()
        };
        for found in [till.status(None).await, till.status(Some(&payment)).await] {
            assert_eq!(result(&found), "Success");
            assert_eq!(inner(&found.body), inner(&repeated.body));
        }
        assert_eq!(balance(world, "sale").await, 902, "charged once");
    })
    .await;
}

#[tokio::test]
async fn a_line_that_breaks_at_any_moment_stops_nothing() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let ear = Ear::confirming(true);
        for (amount, moment, taken) in
            [("9.04", "Present card", 904), ("9.08", "Authorizing", 908), ("9.03", "Print", 903)]
        {
            let till = Till::at(world, "SIM-XML-1").named(moment).listening(&ear);
            till.login(DEFAULT).await;
            let payment = till.payment(amount);
            let before = balance(world, "sale").await;
            let seen = ear.heard().len();
            let paying = till.send(&payment);
            while !ear.heard()[seen..].iter().any(|heard| heard.contains(moment)) {
                world.settle().await;
                tokio::task::yield_now().await;
            }
            paying.abort();
            assert!(paying.await.unwrap_err().is_cancelled());
            let answer = loop {
                world.pass(SECOND).await;
                let status = till.status(Some(&payment)).await;
                if result(&status)
                    != format!("Failure Busy Payment in progress: {}", payment.service_id)
                {
                    break status;
                }
            };
            assert!(answer.body.contains("<PaymentResponse><Response Result=\"Success\"/>"));
            assert_eq!(balance(world, "sale").await, before + taken, "{moment}");
            let repeated = till.ask(&payment).await;
            assert_eq!(result(&repeated), "Success", "and a repeat is answered the same");
            assert_eq!(balance(world, "sale").await, before + taken, "{moment}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_abort_when_the_cashier_looks_or_when_all_is_over_changes_nothing() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let asked = std::sync::Mutex::new(asked);
        // The cashier looks until the scenario goes on.
        let ear = Ear::open(move |message| {
            if message.header.category != "Input" {
                return None;
            }
            let _ = asked.lock().unwrap().recv();
            Some(crate::till::confirmation(message, true))
        });
        let till = Till::at(world, "SIM-XML-1").listening(&ear);
        till.login(DEFAULT).await;
        let payment = till.payment("9.03");
        let paying = till.send(&payment);
        ear.until(world, "Print CashierReceipt").await;
        ear.until(world, "Input Is signature OK?").await;
        assert_eq!(till.abort(&payment).await.status, 204);
        drop(ask);
        assert_eq!(result(&working(world, paying).await), "Success");
        assert_eq!(till.abort(&payment).await.status, 204);
        ear.until(world, "Event Reject").await;
        assert_eq!(balance(world, "sale").await, 903);
    })
    .await;
}

#[tokio::test]
async fn the_same_service_never_pays_twice() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let payment = till.payment("10.00");
        let first = till.ask(&payment).await;
        let again = till.ask(&payment).await;
        assert_eq!(first.body, again.body);
        let mut other = payment.clone();
        other.body = other.body.replace("10.00", "11.00");
        assert_eq!(
            result(&till.ask(&other).await),
            "Failure MessageFormat Repeated Message: ServiceID - 112002"
        );
        // A new session counts from the beginning, and still the same sale is paid once.
        till.login(LIGHT).await;
        assert_eq!(till.ask(&payment).await.body, first.body);
        world.clock.advance(49 * HOUR);
        let later = till.ask(&payment).await;
        assert_eq!(result(&later), "Success");
        assert_ne!(transaction(&later), transaction(&first), "after two days it is another");
        assert_eq!(balance(world, "sale").await, 2_000);
    })
    .await;
}

#[tokio::test]
async fn two_hundred_repeats_at_once_are_one_charge() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let payment = till.payment("10.00");
        let sending: Vec<_> = (0..200).map(|_| till.send(&payment)).collect();
        let mut answers = Vec::new();
        for one in sending {
            answers.push(working(world, one).await);
        }
        let first = &answers[0].body;
        for answer in &answers {
            assert_eq!(result(answer), "Success");
            assert_eq!(answer.body, *first);
        }
        assert_eq!(balance(world, "sale").await, 1_000);
        assert_eq!(world.database.count("terminal_services").await, 1);
    })
    .await;
}

#[tokio::test]
async fn another_till_waits_for_the_terminal_and_has_a_session_of_its_own() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let ear = Ear::silent();
        let till = Till::at(world, "SIM-XML-1").listening(&ear);
        let other = Till::at(world, "SIM-XML-1").named("TILL-02 (Bar)");
        till.login(DEFAULT).await;
        assert_eq!(result(&other.pay("1.00").await), "Failure NotAllowed Login required");
        other.login(LIGHT).await;
        let payment = till.payment("9.07");
        let paying = till.send(&payment);
        ear.until(world, "Present card").await;
        assert!(result(&other.pay("1.00").await).starts_with("Failure Busy"));
        assert!(result(&other.reverse("4120011001").await).starts_with("Failure Busy"));
        till.abort(&payment).await;
        working(world, paying).await;
        assert_eq!(result(&other.pay("1.00").await), "Success");
        let diagnosis = other.ask(&other.request("Diagnosis", "<DiagnosisRequest/>")).await;
        for sale_id in ["<LoggedSaleID>TILL-01<", "<LoggedSaleID>TILL-02 (Bar)<"] {
            assert!(diagnosis.body.contains(sale_id), "{diagnosis:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn behind_a_payment_a_terminal_is_busy_for_three_seconds() {
    scenario(async |world| {
        quick(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let paid = till.payment("1.00");
        let first = till.ask(&paid).await;
        assert!(result(&till.pay("2.00").await).starts_with("Failure Busy"));
        assert_eq!(till.ask(&paid).await.body, first.body, "a repeat is answered all the same");
        world.clock.advance(2_999);
        assert!(result(&till.pay("2.00").await).starts_with("Failure Busy"));
        world.clock.advance(1);
        assert_eq!(result(&till.pay("2.00").await), "Success");
    })
    .await;
}

#[tokio::test]
async fn what_the_acquirer_never_answers_is_reversed_and_told_as_unreachable() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let payment = till.payment("9.05");
        let paying = till.send(&payment);
        let told = "Failure UnreachableHost Acquirer not reachable";
        assert_eq!(result(&passing(world, paying).await), told);
        world.pass(HOUR).await;
        assert_eq!(balance(world, "sale").await, 0);
        let status = till.status(Some(&payment)).await;
        assert!(status.body.contains("UnreachableHost"), "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn a_crash_at_any_moment_leaves_no_payment_in_doubt() {
    for (amount, moment, ending, taken) in [
        ("9.07", "Present card", "Failure", 0),
        ("9.08", "Authorizing", "Success", 908),
        ("9.03", "Print", "Failure", 903),
    ] {
        for engine in crate::database::engines() {
            let mut world = World::start(engine).await;
            tireless(&world, "SIM-XML-1").await;
            // A cashier who never answers: the crash comes first.
            let ear = Ear::open(|message| {
                if message.header.category == "Input" {
                    std::thread::park();
                }
                None
            });
            let till = Till::at(&world, "SIM-XML-1").listening(&ear);
            till.login(DEFAULT).await;
            let payment = till.payment(amount);
            let paying = till.send(&payment);
            ear.until(&world, moment).await;
            // What is shown comes before what is written down.
            while moment == "Authorizing" && world.database.count("orders").await == 0 {
                tokio::task::yield_now().await;
            }
            paying.abort();
            world = world.crash().await;
            let till = Till::at(&world, "SIM-XML-1").named("TILL-01");
            let found = till.status(Some(&payment)).await;
            assert_eq!(result(&found), IN_PROGRESS, "never NotFound");
            world.pass(31 * SECOND).await;
            let nexo = world.app().nexo().unwrap().clone();
            let recovering = tokio::spawn(async move { nexo.recover().await.unwrap() });
            while !recovering.is_finished() {
                world.pass(SECOND).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(recovering.await.unwrap(), 1, "{amount}");
            let found = till.status(Some(&payment)).await;
            let stored = read(&found);
            let told = stored.body.text("RepeatedMessageResponse/PaymentResponse/Response/Result");
            assert_eq!(told, Some(ending), "{found:?}");
            assert_eq!(balance(&world, "sale").await, taken);
            let returned = if ending == "Failure" { taken } else { 0 };
            assert_eq!(balance(&world, "reversal").await, returned);
            assert_eq!(result(&till.pay("1.00").await), "Success", "the terminal is free again");
            world.end().await;
        }
    }
}

#[tokio::test]
async fn maintenance_is_wished_for_and_done_behind_a_logout() {
    scenario(async |world| {
        let (ear, till) = at_work(world).await;
        till.pay("9.12").await;
        ear.until(world, "Event SaleAdmin").await;
        let body = "<LogoutRequest MaintenanceAllowed=\"true\"/>";
        assert_eq!(result(&till.ask(&till.request("Logout", body)).await), "Success");
        ear.until(world, "Event EndMaintenance").await;
        let heard = ear.heard();
        let begin = heard.iter().position(|heard| heard == "Event BeginMaintenance").unwrap();
        assert_eq!(heard[begin..begin + 2], ["Event BeginMaintenance", "Event EndMaintenance"]);
        let again = till.ask(&till.request("Logout", "<LogoutRequest/>")).await;
        assert_eq!(result(&again), "Success", "without a session, too");
    })
    .await;
}
