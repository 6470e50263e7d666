//! What is refused at the second door, category by category: each answer is whole, and what has no
//! answer gets none; in which order a terminal looks; and how many answers may wait.

use crate::till::{DEFAULT, Ear, Till, change, quick, read, rejection, result, working};
use crate::world::{Answer, scenario};
use futures_util::future::join_all;
use serde_json::json;
use tillgate::doors::nexo::wire::schema::Schema;

const XML_DOOR: &str = "/EPASSaleToPOI/3.1";
const JSON: &str = "application/json";
/// As many answers may be on their way.
const ANSWERS_MAX: usize = 1_000;

/// The categories that the protocol has an answer for.
fn with_an_answer() -> Vec<&'static str> {
    let answers = Schema::get().structure("SaleToPOIResponse").unwrap();
    let names = answers.fields.iter().filter_map(|field| field.name.strip_suffix("Response"));
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), 25);
    names
}

/// A request of any category, with nothing in it.
fn empty(till: &Till<'_>, category: &'static str, version: &str) -> String {
    let name = match category {
        "InputUpdate" => category.to_owned(),
        _ => format!("{category}Request"),
    };
    let text = till.xml(&till.request(category, &format!("<{name}/>")));
    text.replace("\"3.1\"", &format!("\"{version}\""))
}

fn empty_json(till: &Till<'_>, category: &str) -> String {
    till.json(category, &json!({})).replace("\"3.0\"", "\"4.0\"")
}

/// The answer of this category, whole, which says why nothing was done.
fn is_refused(answer: &Answer, category: &str, condition: &str) {
    assert_eq!(read(answer).header.category, category, "{answer:?}");
    assert!(answer.body.contains(condition), "{category}: {answer:?}");
}

#[tokio::test]
async fn every_category_is_refused_in_whole_answers_or_in_none() {
    scenario(async |world| {
        let till = Till::at(world, "SIM-XML-1");
        let stranger = Till::at(world, "NOBODY");
        let off = Till::at(world, "SIM-XML-2");
        change(world, "SIM-XML-2", |terminal| terminal.profile.online = false).await;
        for (till, version, condition) in [
            (&till, "4.0", "UnavailableService"),
            (&stranger, "3.1", "UnavailableDevice"),
            (&off, "3.1", "UnavailableDevice"),
        ] {
            let ask = async |text: String| till.post(XML_DOOR, "application/xml", text).await;
            for category in with_an_answer() {
                is_refused(&ask(empty(till, category, version)).await, category, condition);
            }
            for category in ["InputUpdate", "Nonsense"] {
                rejection(&ask(empty(till, category, version)).await);
            }
            assert_eq!(ask(empty(till, "Abort", version)).await.status, 204, "{}", till.poi_id);
            let event = empty(till, "Event", version)
                .replace("\"Request\"", "\"Notification\"")
                .replace("\"Service\"", "\"Event\"")
                .replace("EventRequest", "EventNotification");
            assert_eq!(ask(event).await.status, 204, "{}", till.poi_id);
        }

        let till = Till::at(world, "SIM-JSON-1");
        for category in with_an_answer() {
            let refused = till.post("/sync", JSON, empty_json(&till, category)).await;
            is_refused(&refused, category, "UnavailableService");
        }
        for (path, acknowledged) in [("/sync", "ok"), ("/nexo", "")] {
            let abort = till.post(path, JSON, empty_json(&till, "Abort")).await;
            assert_eq!((abort.status, abort.body.as_str()), (200, acknowledged), "{path}");
        }
        assert_eq!(world.database.count("terminal_services").await, 0);
    })
    .await;
}

#[tokio::test]
async fn where_a_terminal_stands_is_told_before_a_body_that_cannot_be_read() {
    scenario(async |world| {
        quick(world, "SIM-XML-1").await;
        let ear = Ear::silent();
        let till = Till::at(world, "SIM-XML-1").listening(&ear);
        // The table of fields wants a currency; without one there is no message.
        let broken = || {
            let mut broken = till.payment("10.00");
            broken.body = broken.body.replace(" Currency=\"SEK\"", "");
            broken
        };
        let told = async || result(&till.ask(&broken()).await);
        assert_eq!(told().await, "Failure NotAllowed Login required");
        till.login(DEFAULT).await;
        let missing = "Failure MessageFormat PaymentRequest/PaymentTransaction/AmountsReq/Currency: \
                       missing";
        assert_eq!(told().await, missing);
        let payment = till.payment("9.07");
        let paying = till.send(&payment);
        ear.until(world, "Present card").await;
        let busy = "Failure Busy POI Terminal Busy to Process another Request: PaymentRequest";
        assert_eq!(told().await, busy);
        till.abort(&payment).await;
        assert!(result(&working(world, paying).await).starts_with("Failure Aborted "));
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn more_answers_than_may_wait_are_not_promised() {
    scenario(async |world| {
        let mut till = Till::at(world, "SIM-JSON-1");
        // Nobody listens there, and time stands still: each answer keeps its place.
        till.listener = Some("http://127.0.0.1:1/".to_owned());
        let ask = || till.sending("/async", JSON, empty_json(&till, "Diagnosis"));
        for _ in 0..ANSWERS_MAX / 50 {
            for taken in join_all((0..50).map(|_| ask())).await {
                let taken = taken.unwrap();
                assert_eq!((taken.status, taken.body.as_str()), (200, "ok"));
            }
        }
        let refused = ask().await.unwrap();
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
        // Those that found nobody for a quarter of an hour make room.
        while ask().await.unwrap().status == 503 {
            world.pass(60_000).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
}
