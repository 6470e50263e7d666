//! Keys in people's hands: who moves them, what the audit log says of it, and custodians who come
//! at the same instant, too late, or for the same key set.

use crate::key_blocks::{
    AES_BASE, AES_TRANSPORT, TDES_BASE, check_value, export_under, import, import_under, key,
    register, sells, sentence, transport_key,
};
use crate::registry::{TDES, call, change, done, done_by, look, operator, stripe, text};
use crate::world::{form_with, scenario, with};
use serde_json::{Value, json};
use tillgate::crypto::block_key::Algorithm;
use tillgate::crypto::dukpt_block::wrap_base_key;
use tillgate::crypto::key_block::PAD_MAX;
use tillgate::crypto::reader_keys::BaseKey;
use tillgate::payment::SECOND;
use tillgate::payment::key_set::Exportability;
use tillgate::payment::operator::Role;
use tillgate::store::ComponentRecord;

#[tokio::test]
async fn custodians_who_give_at_the_same_instant_make_one_key() {
    scenario(async |world| {
        let anna = operator(world, "anna", "custodian").await;
        let ben = operator(world, "ben", "custodian").await;
        for count in 1..=10 {
            let body = json!({ "transport_algorithm": "aes128", "components": 2 });
            let begun = done(world, "POST /admin/v1/key-ceremonies", body).await;
            let give = format!("POST /admin/v1/key-ceremonies/{}/components", begun["id"]);
            let part = |digits: &str| {
                let value = check_value(Algorithm::Aes128, digits);
                json!({ "component": digits, "check_value": value })
            };
            let (one, other) = tokio::join!(
                call(world, &anna, &give, part(TDES_BASE)),
                call(world, &ben, &give, part(AES_BASE))
            );
            assert_eq!((one.0, other.0), (200, 200), "{one:?} {other:?}");
            assert_eq!(world.database.count("transport_keys").await, count);
            assert_eq!(world.database.count("key_components").await, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn only_custodians_move_keys_and_neither_an_admin_nor_root() {
    scenario(async |world| {
        let list = "GET /admin/v1/transport-keys";
        let mut tokens = vec![("root", "sandbox".to_owned())];
        for role in Role::ALL {
            let name = format!("the-{}", role.name());
            tokens.push((role.name(), operator(world, &name, role.name()).await));
        }
        for (role, token) in &tokens {
            assert_eq!(call(world, token, list, Value::Null).await.0, 200);
            for (request, answer) in [
                ("POST /admin/v1/key-ceremonies/1/components", 400),
                ("POST /admin/v1/key-sets/import/1", 400),
                ("POST /admin/v1/key-sets/2/export/1", 404),
                ("POST /admin/v1/readers/10000462/inject/1", 404),
            ] {
                let (status, told) = call(world, token, request, json!({})).await;
                let expected = if *role == "custodian" { answer } else { 403 };
                assert_eq!(status, expected, "{role} {request}: {told}");
                let why = text(&told["error"]);
                assert!(status != 403 || why.ends_with("somebody of the role custodian"), "{why}");
            }
        }
        for request in [list, "POST /admin/v1/key-sets/import/1"] {
            assert_eq!(call(world, "", request, Value::Null).await.0, 401);
        }
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_says_under_which_transport_key_a_key_came_and_left() {
    scenario(async |world| {
        let transport = transport_key(world, Algorithm::Aes256, AES_TRANSPORT).await;
        let clara = operator(world, "clara", "custodian").await;
        let block = done(world, "POST /admin/v1/key-sets", generated("FFAA01")).await;
        let export = export_under(&block, &transport);
        let out = done_by(world, &clara, &export, Value::Null).await;
        let body = import("FFAA02", "tdes-dukpt", text(&out["key_block"]));
        let set = done_by(world, &clara, &import_under(&transport), body).await;
        register(world, "20000099", &set, 99).await;
        let inject = format!("POST /admin/v1/readers/20000099/inject/{}", transport["id"]);
        done_by(world, &clara, &inject, Value::Null).await;
        let rows = look(world, "/admin/v1/audit?limit=1000").await;
        let of_clara = |row: &&Value| row["operator"] == "clara" && row["status"] != 0;
        let rows = rows.as_array().unwrap().iter().filter(of_clara);
        let told: Vec<_> = rows.map(|row| format!("POST {}", text(&row["subject"]))).collect();
        assert_eq!(told, [export, import_under(&transport), inject]);
    })
    .await;
}

#[tokio::test]
async fn who_writes_into_the_database_that_a_key_may_leave_makes_it_open_nothing() {
    scenario(async |world| {
        let transport = transport_key(world, Algorithm::Aes256, AES_TRANSPORT).await;
        let clara = operator(world, "clara", "custodian").await;
        let base = BaseKey::from_slice(TDES, &hex::decode(TDES_BASE).unwrap()).unwrap();
        let kbpk = key(Algorithm::Aes256, AES_TRANSPORT);
        let block = wrap_base_key(&kbpk, &base, Exportability::No, [7; PAD_MAX]).unwrap();
        let body = import("FFAA01", "tdes-dukpt", &block);
        let set = done_by(world, &clara, &import_under(&transport), body).await;
        register(world, "20000099", &set, 99).await;
        let inject = "POST /admin/v1/readers/20000099/inject";
        let injected = done(world, inject, Value::Null).await;
        let export = export_under(&set, &transport);
        assert_eq!(sentence(world, &clara, &export, Value::Null).await.0, 409, "it says N");
        for letter in ["E", "S"] {
            let say = format!("UPDATE key_sets SET exportability = '{letter}' WHERE id = ");
            change(world, &(say + &set["id"].to_string())).await;
            // Key sets are remembered for a second.
            world.clock.advance(2 * SECOND);
            let (status, told) = call(world, &clara, &export, Value::Null).await;
            assert!(status == 500 && told.get("key_block").is_none(), "{status} {told}");
            let form = form_with("N-1", "10.42", &stripe(&injected, 1, "10.42"));
            let answer = world.sale(&with(&form, "encrypted-type", Some("spire"))).await;
            assert!(answer.status >= 500, "{answer:?}");
            assert_eq!(world.database.count("orders").await, 0);
        }
        let back = "UPDATE key_sets SET exportability = 'N' WHERE id = ".to_owned();
        change(world, &(back + &set["id"].to_string())).await;
        world.clock.advance(2 * SECOND);
        sells(world, "N-1", &injected).await;
    })
    .await;
}

#[tokio::test]
async fn a_component_that_comes_after_the_key_is_not_kept() {
    scenario(async |world| {
        transport_key(world, Algorithm::Aes256, AES_TRANSPORT).await;
        let set = done(world, "POST /admin/v1/key-ceremonies", of_prefix("FFAA01")).await;
        let record = ComponentRecord {
            operator: "dora".to_owned(),
            check_value: "000000".to_owned(),
            sealed: vec![1],
        };
        let (store, now) = (world.app().store(), world.clock.now());
        assert!(!store.add_component(1, &record, now).await.unwrap(), "it has its key");
        assert!(!store.add_component(4711, &record, now).await.unwrap(), "there is none");
        assert_eq!(world.database.count("key_components").await, 0);
        let under_way = set["id"].as_i64().unwrap();
        assert!(store.add_component(under_way, &record, now).await.unwrap());
        assert!(!store.add_component(under_way, &record, now).await.unwrap(), "one each");
        assert_eq!(world.database.count("key_components").await, 1);
    })
    .await;
}

#[tokio::test]
async fn of_two_ceremonies_for_one_prefix_the_second_puts_its_components_away() {
    scenario(async |world| {
        let anna = operator(world, "anna", "custodian").await;
        let ben = operator(world, "ben", "custodian").await;
        let before = world.database.count("key_sets").await;
        let mut gives = Vec::new();
        for prefix in ["FFAA01", "FFAA0102"] {
            let begun = done(world, "POST /admin/v1/key-ceremonies", of_prefix(prefix)).await;
            gives.push(format!("POST /admin/v1/key-ceremonies/{}/components", begun["id"]));
        }
        let part = |digits: &str| {
            let value = check_value(Algorithm::Tdes, digits);
            json!({ "component": digits, "check_value": value })
        };
        for give in &gives {
            done_by(world, &anna, give, part(TDES_BASE)).await;
        }
        let first = done_by(world, &ben, &gives[0], part(AES_BASE)).await;
        let (status, why) = sentence(world, &ben, &gives[1], part(AES_BASE)).await;
        assert_eq!(status, 409, "{why}");
        for word in [
            &format!("key set {} begin like this", first["key_set"]["id"]),
            "all components were put away",
            "for another prefix",
        ] {
            assert!(why.contains(word), "{why}");
        }
        assert_eq!(world.database.count("key_components").await, 0);
        assert_eq!(world.database.count("key_sets").await, before + 1);
    })
    .await;
}

fn of_prefix(prefix: &str) -> Value {
    json!({ "prefix": prefix, "cipher": "tdes-dukpt", "components": 2 })
}

fn generated(prefix: &str) -> Value {
    json!({ "prefix": prefix, "cipher": "tdes-dukpt", "generate": true })
}
