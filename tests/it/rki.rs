//! What readers are configured with, as their SDK asks for it.

use crate::world::{Answer, Fields, World, scenario};
use serde_json::{Value, json};
use tillgate::payment::reader::{Reader, ReaderState};

/// Every key of the answer to `spire-config`.
const KEYS: [&str; 44] = [
    "complete_transaction_tags",
    "go_online_tags",
    "ascii_tags",
    "contactless_threshold_amount",
    "update_filename",
    "update_size",
    "update_crc32_hex",
    "update_content_hex",
    "terminal_serial_number",
    "terminal_type",
    "terminal_country_code",
    "terminal_capabilities_hex",
    "terminal_additional_capabilities_hex",
    "terminal_currency_code",
    "terminal_currency_exponent",
    "merchant_category_code",
    "merchant_name_and_location",
    "transaction_category_code",
    "timeout1",
    "timeout2",
    "timeout3",
    "operator_pin",
    "merchant_language",
    "swipe_constraint_checks",
    "acquirer_identifier",
    "tac_default_hex",
    "tac_denial_hex",
    "tac_online_hex",
    "terminal_risk_management_data_hex",
    "force_online",
    "target_percentage_used_in_random_selection",
    "max_target_percentage_used_in_random_selection",
    "threshold_value_used_in_random_selection",
    "floor_limit",
    "tdol_hex",
    "ddol_hex",
    "constraint_checks",
    "additional_constraint_checks_hex",
    "process_type",
    "pos_entry_mode_code",
    "wait_reboot_on_update",
    "application_version_number_hex",
    "terminal_application_versions",
    "send_supplementary_on_terminate",
];
const LAST_KEY: &str = "supplementary_terminate_tags_hex";

/// What the shipped SDK tells.
fn told(serial: &str) -> Fields {
    [
        ("terminal_serial_number", serial),
        ("amount_in_cents", "1042"),
        ("currency", "RUB"),
        ("device_id", "F5769D0E-DD15-459B-AED1-E1F9F05A2495"),
        ("sdk_version", "0.2.32-4"),
        ("ios_version", "9.2"),
        ("firmware_version", "1.16"),
        ("app_version", "1.0"),
        ("app_build", "7"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn config(world: &World, path: &str) -> Answer {
    world.post_signed(path, &told("20000001")).await
}

/// The tags that a virtual Spire's chip sends.
async fn sent_tags(world: &World) -> Vec<String> {
    let data = world.swipe_at("20000001", "10.42", json!({ "entry_mode": "insert" })).await;
    let list = data.split_once("DFAE60").unwrap().1;
    let length = usize::from_str_radix(&list[..2], 16).unwrap();
    assert!(length < 0x80);
    let names = list.as_bytes()[2..2 + length * 2].chunks(4);
    let names = names.map(|name| str::from_utf8(name).unwrap());
    names.map(|name| name.strip_suffix("00").unwrap_or(name).to_owned()).collect()
}

#[tokio::test]
async fn a_spire_is_told_everything_and_asked_for_what_its_messages_need() {
    scenario(async |world| {
        for base in ["/rki", "/paynet/rki"] {
            let path = format!("{base}/spire-config/sandbox/1111/20000001");
            let told = json_of(&config(world, &path).await);
            let told = told.as_object().unwrap();
            for key in KEYS.into_iter().chain([LAST_KEY]) {
                assert!(told.contains_key(key), "{key} is missing");
            }
            assert_eq!(told.len(), KEYS.len() + 1);
            assert_eq!(told["terminal_serial_number"], "20000001");
            assert_eq!(told["terminal_currency_code"], "0643");
            assert_eq!(told["terminal_currency_exponent"], 2);
            assert_eq!(told["update_content_hex"], "");
            let asked = told["go_online_tags"].as_array().unwrap();
            for tag in sent_tags(world).await {
                assert!(asked.contains(&json!(tag)), "{tag} is sent but not asked for");
            }
            for tag in ["DF63", "DF64", "9F1E", "5A", "5F20", "5F24", "9F34"] {
                assert!(asked.contains(&json!(tag)), "{tag}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_other_questions_are_answered() {
    scenario(async |world| {
        let form = |pairs: &[(&str, &str)]| -> Fields {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let path = "/rki/spire-update/sandbox/1111/20000001";
        let done = form(&[("filename", "fw-1.17.bin"), ("result", "ok")]);
        assert_eq!(json_of(&world.post_signed(path, &done).await), json!({}));
        let half = world.post_signed(path, &form(&[("filename", "fw-1.17.bin")])).await;
        assert_eq!((half.status, half.body.contains("'result' is missing")), (400, true));
        let path = "/rki/miura-check/sandbox/1111/30000001";
        let checked = json_of(&world.post_signed(path, &form(&[("a", "b")])).await);
        assert_eq!(checked["update_required"], false);
        let path = "/rki/inpas-config/sandbox/1112";
        let named = json_of(&world.post_signed(path, &form(&[("a", "b")])).await);
        assert_eq!(named["currency_code"], "978");
    })
    .await;
}

#[tokio::test]
async fn what_is_unknown_or_foreign_is_not_found_and_what_is_not_signed_is_forbidden() {
    scenario(async |world| {
        for path in [
            "/rki/spire-config/somebody/1111/20000001",
            "/rki/spire-config/sandbox/1111/99999999",
            "/rki/spire-config/sandbox/1111/30000001",
            "/rki/miura-check/sandbox/1111/20000001",
        ] {
            let answer = config(world, path).await;
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
            let told: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(told["error"].is_string(), "{path}");
        }
        let path = "/rki/spire-config/sandbox/1111/20000001";
        assert_eq!(config(world, "/rki/spire-config/sandbox/9999/20000001").await.status, 403);
        assert_eq!(world.post(path, &told("20000001")).await.status, 403);
        let signed = world.authorization(&world.url(path), &told("20000001"));
        let first = world.post_with(path, &told("20000001"), &signed).await;
        let again = world.post_with(path, &told("20000001"), &signed).await;
        assert_eq!((first.status, again.status), (200, 403), "a signature is good for once");
        for (name, value) in [
            ("terminal_serial_number", "20000002"),
            ("amount_in_cents", "10.42"),
            ("currency", "EUR"),
        ] {
            let form = crate::world::with(&told("20000001"), name, Some(value));
            assert_eq!(world.post_signed(path, &form).await.status, 400, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_lost_reader_is_told_nothing() {
    scenario(async |world| {
        let reader = world.gateway().reader("20000001").await.unwrap().unwrap();
        let lost = Reader { state: ReaderState::Lost, ..Reader::clone(&reader) };
        world.gateway().change_reader(&lost).await.unwrap();
        let answer = config(world, "/rki/spire-config/sandbox/1111/20000001").await;
        assert_eq!(answer.status, 404);
        assert!(answer.body.contains("READER_DISABLED"));
    })
    .await;
}
