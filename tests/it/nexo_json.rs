//! The JSON family at its own doors: in the shop and through the cloud, plain and protected, at
//! once and later.

use crate::till::{Ear, Till, change, field, passing, quick, rejection, result, transaction};
use crate::world::{Answer, World, scenario};
use serde_json::{Value, json};
use tillgate::crypto::nexo_crypto::{NexoKey, derive};
use tillgate::doors::nexo::wire::{json as json_wire, secured};

const CLOUD: &str = "/sync";
const SHOP: &str = "/nexo";
const NONCE: [u8; 16] = [7; 16];

/// A payment in euros.
pub fn payment(till: &Till<'_>, amount: &str) -> String {
    let amount: serde_json::Number = amount.parse().unwrap();
    let body = json!({
        "SaleData": {
            "SaleTransactionID": {
                "TransactionID": "order-17", "TimeStamp": "2026-11-21T12:00:00+00:00" },
            "SaleToAcquirerData": "metadata.table=4%2612&tenderOption=AskGratuity",
        },
        "PaymentTransaction": { "AmountsReq": { "Currency": "EUR", "RequestedAmount": amount } },
    });
    till.json("Payment", &body)
}

/// Takes a payment back, or a part of it.
pub fn reversal(till: &Till<'_>, transaction: &str, part: Option<f64>) -> String {
    let mut body = json!({
        "OriginalPOITransaction": { "POITransactionID": {
            "TransactionID": transaction, "TimeStamp": "2026-11-21T12:34:56.000Z" } },
        "ReversalReason": "MerchantCancel",
    });
    if let Some(part) = part {
        body["ReversedAmount"] = part.into();
    }
    till.json("Reversal", &body)
}

fn service_id(text: &str) -> String {
    let request: Value = serde_json::from_str(text).unwrap();
    request["SaleToPOIRequest"]["MessageHeader"]["ServiceID"].as_str().unwrap().to_owned()
}

async fn post(till: &Till<'_>, path: &str, text: String) -> Answer {
    till.post(path, "application/json", text).await
}

#[tokio::test]
async fn a_payment_through_the_cloud_is_answered_in_the_words_of_the_family() {
    scenario(async |world| {
        quick(world, "SIM-JSON-1").await;
        let till = Till::at(world, "SIM-JSON-1");
        let paid = post(&till, CLOUD, payment(&till, "14.95")).await;
        assert_eq!(paid.headers["content-type"], "application/json; charset=utf-8");
        let body: Value = serde_json::from_str(&paid.body).unwrap();
        let answer = &body["SaleToPOIResponse"]["PaymentResponse"];
        let own = answer["POIData"]["POITransactionID"]["TransactionID"].as_str().unwrap();
        assert_eq!(answer["Response"]["Result"], "Success");
        assert_eq!(
            answer["Response"]["AdditionalResponse"],
            format!("pspReference={own}&cardType=visa&metadata.table=4%2612"),
            "the metadata comes back, the rest does not"
        );
        let result = &answer["PaymentResult"];
        assert_eq!(result["AmountsResp"]["AuthorizedAmount"].to_string(), "14.95", "a number");
        let card = &result["PaymentInstrumentData"]["CardData"];
        assert_eq!(card["MaskedPAN"], "444455 **** 1111");
        assert_eq!(card["PaymentBrand"], "visa");
        assert_eq!(card["EntryMode"], json!(["Contactless"]));
        assert_eq!(result["PaymentAcquirerData"]["AcquirerTransactionID"]["TransactionID"], own);
        assert_eq!(answer["SaleData"]["SaleTransactionID"]["TransactionID"], "order-17");
        let declined = post(&till, CLOUD, payment(&till, "11.23")).await;
        let told = crate::till::result(&declined);
        assert!(told.starts_with("Failure Refusal message=123%20"), "{told}");
        assert!(told.contains("&refusalReason="), "{told}");
        assert_eq!(world.balances().await["sale"], 1_495);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_wanted_later_goes_to_the_listener_until_it_is_heard() {
    scenario(async |world| {
        quick(world, "SIM-JSON-1").await;
        let deaf = std::sync::atomic::AtomicU32::new(2);
        let ear = Ear::answering(move |message| {
            let is_answer = message.header.category == "Payment";
            let still = std::sync::atomic::Ordering::Relaxed;
            let fails = is_answer && deaf.load(still) > 0 && deaf.fetch_sub(1, still) > 0;
            if fails { "503 Service Unavailable" } else { "200 OK" }
        });
        let till = Till::at(world, "SIM-JSON-1").listening(&ear);
        let text = payment(&till, "14.95");
        let taken = post(&till, "/async", text.clone()).await;
        assert_eq!((taken.status, taken.body.as_str()), (200, "ok"));
        let answers = || ear.heard().iter().filter(|heard| *heard == "Payment Response").count();
        while answers() < 3 {
            world.pass(1_000).await;
            tokio::task::yield_now().await;
        }
        // Its status tells it, too.
        let body = json!({ "MessageReference": {
            "MessageCategory": "Payment", "SaleID": till.sale_id, "ServiceID": service_id(&text) }});
        let status = post(&till, CLOUD, till.json("TransactionStatus", &body)).await;
        let found: Value = serde_json::from_str(&status.body).unwrap();
        let found = &found["SaleToPOIResponse"]["TransactionStatusResponse"];
        let repeated = &found["RepeatedMessageResponse"]["RepeatedResponseMessageBody"];
        assert_eq!(repeated["PaymentResponse"]["Response"]["Result"], "Success", "{status:?}");
        // 911: the same answer comes twice.
        assert_eq!(post(&till, "/async", payment(&till, "19.11")).await.body, "ok");
        while answers() < 5 {
            world.pass(1_000).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(world.balances().await["sale"], 1_495 + 1_911);
    })
    .await;
}

#[tokio::test]
async fn the_paths_of_a_device_know_it_and_its_merchant() {
    scenario(async |world| {
        quick(world, "SIM-JSON-1").await;
        let till = Till::at(world, "SIM-JSON-1");
        let device = |merchant: &str, device: &str, what: &str| {
            format!("/v1/merchants/{merchant}/devices/{device}/{what}")
        };
        let own = device("sandbox", "SIM-JSON-1", "sync");
        let paid = post(&till, &own, payment(&till, "5.00")).await;
        assert!(result(&paid).starts_with("Success"), "{paid:?}");
        let other = device("sandbox", "SIM-JSON-2", "sync");
        let differs = post(&till, &other, payment(&till, "5.00")).await;
        assert_eq!((differs.status, code_of(&differs).as_str()), (400, "00_400"));
        let elsewhere = device("somebody", "SIM-JSON-1", "sync");
        let forbidden = post(&till, &elsewhere, payment(&till, "5.00")).await;
        assert_eq!((forbidden.status, code_of(&forbidden).as_str()), (403, "00_403"));

        let get = async |path: String, key: &str| {
            Answer::of(world.http.get(world.url(&path)).header("X-API-Key", key)).await
        };
        let status = device("sandbox", "SIM-JSON-1", "status");
        let online = get(status.clone(), "sandbox").await;
        assert_eq!(online.body, r#"{"deviceId":"SIM-JSON-1","status":"ONLINE"}"#);
        change(world, "SIM-JSON-1", |terminal| terminal.profile.online = false).await;
        assert!(get(status.clone(), "sandbox").await.body.contains("\"OFFLINE\""));
        let listed = get("/v1/merchants/sandbox/connectedDevices".to_owned(), "sandbox").await;
        assert_eq!(
            listed.body, r#"{"uniqueDeviceIds":["SIM-XML-1","SIM-XML-2","SIM-JSON-2"]}"#,
            "what is online"
        );
        let unknown = get(status, "a wrong key").await;
        assert_eq!((unknown.status, code_of(&unknown).as_str()), (401, "00_401"));
        let gone = get(device("sandbox", "NOBODY", "status"), "sandbox").await;
        assert_eq!((gone.status, code_of(&gone).as_str()), (404, "00_404"));
        assert_eq!(world.balances().await["sale"], 500);
    })
    .await;
}

fn code_of(answer: &Answer) -> String {
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["status"], answer.status);
    problem["errorCode"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_payment_is_taken_back_in_parts_and_never_beyond_itself() {
    scenario(async |world| {
        quick(world, "SIM-JSON-1").await;
        let till = Till::at(world, "SIM-JSON-1");
        let paid = post(&till, CLOUD, payment(&till, "20.00")).await;
        let later = post(&till, CLOUD, payment(&till, "5.00")).await;
        let own = transaction(&paid);
        let back = async |part: Option<f64>| post(&till, CLOUD, reversal(&till, &own, part)).await;
        let first = back(Some(7.5)).await;
        assert!(result(&first).starts_with("Success  pspReference="), "{first:?}");
        assert_eq!(field(&first, "ReversedAmount").unwrap(), "7.5");
        assert!(result(&back(Some(12.51)).await).starts_with("Failure Refusal "), "too much");
        assert!(result(&back(None).await).starts_with("Success"), "the rest");
        assert!(result(&back(None).await).starts_with("Failure"), "nothing is left");
        let balances = world.balances().await;
        assert_eq!((balances["sale"], balances["reversal"]), (2_500, 2_000));

        let declined = post(&till, CLOUD, payment(&till, "11.23")).await;
        let refused = post(&till, CLOUD, reversal(&till, &transaction(&declined), None)).await;
        assert!(result(&refused).starts_with("Failure"), "{refused:?}");
        let unknown = post(&till, CLOUD, reversal(&till, "0000000000", None)).await;
        assert!(result(&unknown).starts_with("Failure NotFound"), "{unknown:?}");
        let second = post(&till, CLOUD, reversal(&till, &transaction(&later), None)).await;
        assert!(result(&second).starts_with("Success"), "{second:?}");
    })
    .await;
}

#[tokio::test]
async fn an_abort_is_acknowledged_as_each_door_does_and_told_by_the_payment() {
    scenario(async |world| {
        quick(world, "SIM-JSON-1").await;
        for (path, acknowledged) in [(CLOUD, "ok"), (SHOP, "")] {
            let till = Till::at(world, "SIM-JSON-1").named(&format!("till at {path}"));
            let waiting = payment(&till, "9.07");
            let paying = till.sending(CLOUD, "application/json", waiting.clone());
            let body = json!({});
            loop {
                let status = post(&till, CLOUD, till.json("TransactionStatus", &body)).await;
                if result(&status).starts_with("Failure InProgress") {
                    let told = "Failure InProgress message=Uncompleted%20transaction";
                    assert_eq!(result(&status), told);
                    break;
                }
            }
            let abort = |id: &str| {
                let body = json!({ "AbortReason": "MerchantAbort", "MessageReference": {
                    "MessageCategory": "Payment", "SaleID": till.sale_id, "ServiceID": id }});
                till.json("Abort", &body)
            };
            let wrong = post(&till, path, abort("no such")).await;
            assert_eq!((wrong.status, wrong.body.as_str()), (200, acknowledged), "harmless");
            let aborted = post(&till, path, abort(&service_id(&waiting))).await;
            assert_eq!((aborted.status, aborted.body.as_str()), (200, acknowledged));
            let ended = passing(world, paying).await;
            assert!(result(&ended).starts_with("Failure Aborted message="), "{ended:?}");
        }
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}

fn key(passphrase: &str, identifier: &str, version: i64) -> NexoKey {
    NexoKey::from_material(identifier, version, &derive(passphrase).unwrap()).unwrap()
}

fn sealed(text: &str, key: &NexoKey) -> String {
    let message = json_wire::read(text.as_bytes()).unwrap();
    String::from_utf8(secured::write(&message, key, &NONCE)).unwrap()
}

#[tokio::test]
async fn protected_messages_are_answered_protected_and_changed_ones_all_alike() {
    scenario(async |world| {
        quick(world, "SIM-JSON-2").await;
        let good = key("sandbox passphrase", "sandbox", 1);
        let till = Till::at(world, "SIM-JSON-2");
        for path in [SHOP, CLOUD] {
            let paid = post(&till, path, sealed(&payment(&till, "14.95"), &good)).await;
            assert!(!paid.body.contains("PaymentResponse"), "{paid:?}");
            let opened = secured::recognise(paid.body.as_bytes()).unwrap().unwrap();
            let opened = opened.open(&good).ok().unwrap();
            assert_eq!(opened.body.text("Response/Result"), Some("Success"));
        }
        let clear = post(&till, SHOP, payment(&till, "14.95")).await;
        let only = "message=The%20terminal%20takes%20encrypted%20messages%20only";
        assert_eq!(rejection(&clear).body.text("EventDetails"), Some(only));
        let clear = post(&till, CLOUD, payment(&till, "1.00")).await;
        assert_eq!(result(&clear).split_once(' ').unwrap().0, "Success", "the cloud is TLS");

        let text = payment(&till, "14.95");
        let whole = sealed(&text, &good);
        let envelope = |change: &dyn Fn(&mut Value)| {
            let mut envelope: Value = serde_json::from_str(&whole).unwrap();
            change(&mut envelope["SaleToPOIRequest"]);
            envelope.to_string()
        };
        let flipped = |name: &'static str| {
            move |envelope: &mut Value| {
                let place = match name {
                    "NexoBlob" => &mut envelope[name],
                    name => &mut envelope["SecurityTrailer"][name],
                };
                let text = place.as_str().unwrap();
                let other = if text.starts_with('A') { "B" } else { "A" };
                *place = format!("{other}{}", &text[1..]).into();
            }
        };
        let wrong = [
            sealed(&text, &key("another passphrase", "sandbox", 1)),
            sealed(&text, &key("sandbox passphrase", "another", 1)),
            sealed(&text, &key("sandbox passphrase", "sandbox", 2)),
            envelope(&flipped("NexoBlob")),
            envelope(&flipped("Nonce")),
            envelope(&flipped("Hmac")),
            envelope(&|envelope| envelope["SecurityTrailer"]["AdyenCryptoVersion"] = 2.into()),
            envelope(&|envelope| envelope["MessageHeader"]["SaleID"] = "another".into()),
            envelope(&|envelope| envelope["NexoBlob"] = "".into()),
            envelope(&|envelope| envelope["SecurityTrailer"]["Nonce"] = "AAAA".into()),
        ];
        for path in [SHOP, CLOUD] {
            for text in &wrong {
                let refused = rejection(&post(&till, path, text.clone()).await);
                let told = Some("message=Message%20could%20not%20be%20decrypted");
                assert_eq!(refused.body.text("EventDetails"), told, "{text}");
            }
        }
        assert_eq!(world.balances().await["sale"], 1_495 * 2 + 100);
    })
    .await;
}

#[tokio::test]
async fn what_a_terminal_says_to_a_till_with_a_passphrase_is_protected() {
    scenario(async |world| {
        quick(world, "SIM-JSON-2").await;
        let ear = Ear::open_sealed(key("sandbox passphrase", "sandbox", 1));
        let till = Till::at(world, "SIM-JSON-2").listening(&ear);
        let good = key("sandbox passphrase", "sandbox", 1);
        let paid = post(&till, SHOP, sealed(&payment(&till, "9.04"), &good)).await;
        assert_eq!(paid.status, 200);
        ear.until(world, "event TENDER_FINAL").await;
        let heard = ear.heard();
        let first = heard.iter().position(|heard| heard == "event TENDER_CREATED").unwrap();
        let events: Vec<_> = heard[first..].iter().map(String::as_str).collect();
        for event in ["CARD_INSERTED", "WAIT_FOR_PIN", "PIN_ENTERED", "TENDER_FINAL"] {
            let told = format!("event {event}");
            assert!(events.contains(&told.as_str()), "{event}: {events:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_terminal_that_is_off_is_said_to_be_off_and_pays_nothing() {
    scenario(async |world| {
        for poi_id in ["SIM-JSON-1", "SIM-XML-1"] {
            quick(world, poi_id).await;
            change(world, poi_id, |terminal| terminal.profile.online = false).await;
        }
        let till = Till::at(world, "SIM-JSON-1");
        let off = post(&till, CLOUD, payment(&till, "14.95")).await;
        assert_eq!(rejection(&off).header.poi_id, "SIM-JSON-1");
        let till = Till::at(world, "SIM-XML-1");
        let off = till.pay("14.95").await;
        assert_eq!(result(&off), "Failure UnavailableDevice Terminal not reachable");
        assert_eq!(transaction(&off), "4120010000");
        assert_eq!(world.database.count("terminal_services").await, 0);
    })
    .await;
}

#[tokio::test]
async fn one_key_opens_the_terminals_of_one_merchant() {
    scenario(async |world: &World| {
        quick(world, "SIM-JSON-1").await;
        let till = Till::at(world, "SIM-JSON-1");
        let with = async |headers: &[(&str, &str)], path: &str| {
            let mut request = world.http.post(world.url(path)).body(payment(&till, "1.00"));
            request = request.header("Content-Type", "application/json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            Answer::of(request).await
        };
        for headers in [&[][..], &[("X-API-Key", "")], &[("X-API-Key", "Sandbox")]] {
            for path in [CLOUD, "/async"] {
                let refused = with(headers, path).await;
                assert_eq!((refused.status, code_of(&refused).as_str()), (401, "00_401"));
            }
        }
        assert_eq!(world.database.count("terminal_services").await, 0);
    })
    .await;
}
