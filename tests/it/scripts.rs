//! Virtual readers that fail, err or behave on demand: every script at every reader that it is for
//! does what its row of the table says.

use crate::process::repository_file;
use crate::world::{Answer, World, form_with, scenario, with};
use serde_json::{Value, json};
use tillgate::crypto::reader::Container;
use tillgate::crypto::reader_keys::BaseKey;
use tillgate::payment::SECOND;
use tillgate::payment::card::EntryMode;
use tillgate::payment::key_set::{Cipher, DataVariant};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::reader::ReaderKind;
use tillgate::sandbox::reader::script::{Model, Outcome, SCRIPTS, Script};

const AMOUNT: &str = "10.42";
/// The readers of each model.
const READERS: [(&str, Model); 6] = [
    ("10000462", Model::Sim),
    ("20000001", Model::SpireTdes),
    ("20000002", Model::SpireAes),
    ("30000001", Model::Miura),
    ("30000002", Model::Miura),
    ("40000001", Model::QrCode),
];

async fn play(world: &World, serial: &str, request: &Value) -> Answer {
    let url = world.url(&format!("/sandbox/readers/{serial}/swipe"));
    Answer::of(world.http.post(url).json(request)).await
}

async fn play_script(world: &World, serial: &str, script: &str) -> Value {
    // What the gateway remembers of the reader's counter is forgotten.
    world.clock.advance(2 * SECOND);
    let request = json!({ "amount": AMOUNT, "currency": "RUB", "script": script });
    let answer = play(world, serial, &request).await;
    assert_eq!(answer.status, 200, "{script} at {serial}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// What the gateway says to the reader's message: `accepted`, or its error code.
async fn sell(world: &World, name: &str, given: &Value) -> String {
    let data = given["encrypted_data"].as_str().unwrap();
    let kind = given["encrypted_type"].as_str();
    let form = with(&form_with(name, AMOUNT, data), "encrypted-type", kind);
    let answer = world.sale(&form).await;
    match answer.get("type").as_str() {
        "async-response" => "accepted".to_owned(),
        _ => answer.get("error-code"),
    }
}

async fn check(world: &World, script: &Script, serial: &str) {
    let given = play_script(world, serial, script.name).await;
    let place = format!("{} at {serial}", script.name);
    let kind = ReaderKind::from_name(given["encrypted_type"].as_str().unwrap_or("sim")).unwrap();
    match script.event() {
        Some(event) => assert_eq!(given["event"]["name"], event.name, "{place}"),
        None => assert!(given.get("event").is_none(), "{place}: {given}"),
    }
    let expected = match script.outcome {
        Outcome::Event => {
            assert_eq!(given.as_object().unwrap().len(), 1, "{place}: {given}");
            let code = given["event"]["code"].as_u64().unwrap();
            let own = script.event().unwrap();
            let codes = ReaderKind::ALL.map(|kind| u64::from(own.code(kind)));
            assert!(codes.contains(&code) && !given["event"]["message"].is_null(), "{place}");
            return;
        }
        Outcome::Accepted => "accepted".to_owned(),
        Outcome::Refused(code) => code.to_string(),
    };
    let sold = sell(world, &format!("{}-{serial}", script.name), &given).await;
    assert_eq!(sold, expected, "{place}, a {} reader", kind.name());
    if script.name == "counter-at-end" {
        let again = play_script(world, serial, script.name).await;
        assert_eq!(sell(world, &format!("after-{serial}"), &again).await, "34", "{place}");
    }
}

#[test]
fn the_page_about_readers_has_every_script_and_its_example_holds() {
    let page = repository_file("docs/readers.md");
    for script in SCRIPTS {
        let row = format!("| `{}` | {} |", script.name, script.says);
        assert!(page.contains(&row), "{row}");
    }
    let cipher = Cipher::TdesDukpt(DataVariant::DataRequest);
    let base_key = hex::decode("0123456789ABCDEFFEDCBA9876543210").unwrap();
    let ksn = Ksn::from_hex("FFFF0200000000800001").unwrap();
    let base = BaseKey::from_slice(cipher, &base_key).unwrap();
    let key = base.initial_key("20000001", ksn).unwrap();
    let amount = Amount::parse(AMOUNT, Currency::from_alpha("RUB").unwrap()).unwrap();
    let track = b";4444555566661111=30121010000000000?";
    let ciphertext = key.seal(track, [0; 12], ksn, "20000001", amount).unwrap();
    let serial = "20000001".to_owned();
    let sealed = hex::encode_upper(&ciphertext);
    let entry_mode = EntryMode::Swipe;
    let data = Container { ciphertext, ksn, entry_mode, serial, pin: None }.write();
    let in_one_line: String = page.split_whitespace().collect();
    for shown in [hex::encode_upper(key.expose()), sealed, data] {
        assert!(in_one_line.contains(&shown), "{shown}");
    }
}

#[tokio::test]
async fn every_script_does_what_its_row_says_at_every_reader_it_is_for() {
    scenario(async |world| {
        for script in SCRIPTS {
            let mut played = 0;
            for (serial, model) in READERS {
                if script.models.contains(&model) {
                    check(world, script, serial).await;
                    played += 1;
                }
            }
            assert!(played > 0, "no reader can play {}", script.name);
        }
    })
    .await;
}

#[tokio::test]
async fn the_counter_stays_or_goes_on_as_the_script_says() {
    scenario(async |world| {
        let serial = "20000001";
        let ksn = async |script: &str| {
            let given = play_script(world, serial, script).await;
            given["ksn"].as_str().unwrap_or_default().to_owned()
        };
        assert_eq!(ksn("ok").await, "FFFF0200000000800001");
        for unused in ["low-battery", "tampered", "user-cancelled"] {
            assert_eq!(ksn(unused).await, "");
        }
        assert_eq!(ksn("ok").await, "FFFF0200000000800002");
        assert_eq!(ksn("bluetooth-lost").await, "");
        assert_eq!(ksn("ok").await, "FFFF0200000000800004", "a counter is lost with its message");
        assert_eq!(ksn("counter-replayed").await, "FFFF0200000000800000");
        assert_eq!(ksn("counter-jumped").await, "FFFF0200000000810006");
        assert_eq!(ksn("illegal-counter").await, "FFFF02000000008103FF");
    })
    .await;
}

#[tokio::test]
async fn the_codes_of_an_event_are_those_of_the_readers_maker() {
    scenario(async |world| {
        for (serial, code) in [("10000462", 108), ("20000001", 2015), ("30000001", 1065)] {
            let given = play_script(world, serial, "user-cancelled").await;
            assert_eq!(given["event"]["code"], code, "{serial}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_played_is_refused_with_what_can() {
    scenario(async |world| {
        let request = |script: &str, mode: &str| {
            json!({ "amount": AMOUNT, "currency": "RUB", "script": script, "entry_mode": mode })
        };
        for (serial, script, mode, said) in [
            ("10000462", "unheard-of", "swipe", "garbled-ciphertext"),
            ("10000462", "pin-variant-key", "swipe", "spire-tdes, miura"),
            ("20000001", "clock-wrong", "swipe", "insert or tap"),
            ("20000001", "stripe-unreadable", "tap", "swipe or fallback"),
        ] {
            let answer = play(world, serial, &request(script, mode)).await;
            assert_eq!(answer.status, 400, "{script}: {answer:?}");
            assert!(answer.body.contains(said), "{script}: {answer:?}");
        }
        let list = Answer::of(world.http.get(world.url("/sandbox/scripts"))).await;
        let list: Vec<Value> = serde_json::from_str(&list.body).unwrap();
        assert_eq!(list.len(), SCRIPTS.len());
        let garbled = list.iter().find(|row| row["name"] == "garbled-ciphertext").unwrap();
        assert_eq!(garbled["outcome"], json!({ "result": "refused", "error_code": 24 }));
    })
    .await;
}
