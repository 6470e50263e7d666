//! Keys in and out as key blocks: transport keys of two custodians, base keys that come and go
//! under them, readers' initial keys, and what is refused. `custody.rs` has who may do so.
//!
//! The blocks of these scenarios were made with psec 1.3.0, another implementation, under the
//! protection keys of the examples in TR-31:2018, annex A; `tests/outside/key_exchange.py` has
//! fresh ones made.

use crate::leavings::logged;
use crate::registry::{TDES, call, done, done_by, look, operator, stripe, text};
use crate::world::{World, contains, form_with, scenario, with};
use serde_json::{Value, json};
use tillgate::crypto::block_key::{Algorithm, BlockKey};
use tillgate::crypto::key_block::{KeyUsage, unwrap};
use tillgate::crypto::key_ring::KeyRing;
use tillgate::crypto::reader_keys::BaseKey;
use tillgate::gateway::Resealed;
use tillgate::payment::ksn::Ksn;
use tillgate::store::SecretPlace;

const TDES_TRANSPORT: &str = "DD7515F2BFC17F85CE48F3CA25CB21F6";
pub const AES_TRANSPORT: &str = "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6";
/// The base keys of the examples in ANSI X9.24-1 and X9.24-3.
pub const TDES_BASE: &str = "0123456789ABCDEFFEDCBA9876543210";
pub const AES_BASE: &str = "FEDCBA9876543210F1F1F1F1F1F1F1F1";
/// psec's blocks of these base keys under these transport keys. The AES one says N: it goes no
/// further.
const TDES_BLOCK: &str = "B0096B0TX00E0000D5EE0676491AE016552786A29D3BC003D85BD54A0059CF5F02B563BD\
    6140A0723163F3DB82798F7D";
const AES_BLOCK: &str = "D0144B0AX00N000084B447C2307D6EB2B4AA8C643D63561CE403FA9C921566AA9CDD52F3\
    1AFE51FCC4F9B2763FF7564C1CFD8F3A1B9BC20DFCEDE0CFA137F4F9E00A083E1EB9A6E4";
/// The base key of the TDES block, with mode of use N and S, under the AES transport key.
const SENSITIVE_BLOCK: &str = "D0112B0TN00S0000864168B6779D4C03C4222B2A4C1547485D29ACB34919CDF15A\
    5E4975567845907C642EF12C2E7B2051847C30B0ED3433";

/// psec's blocks that do not fit, the cipher they are imported for, whether the transport key is
/// the TDES one, and what the answer says of them.
const REFUSED: [(&str, &str, bool, [&str; 2]); 13] = [
    (
        "B0096P0TE00E00006F925BE4AA8329C9D58D7AD9D6EAACC593EEC246AD995A0E3E07301026B110743C744F4C\
         D37D202E",
        "tdes-dukpt",
        true,
        ["says usage P0", "wrapped as B0"],
    ),
    (
        "B0096D1TE00E00002A952A088115F35100A2DE92A01302B438BAEDA15C9014576E1DAB23E89A23A4AF3CFB01\
         086563D5",
        "tdes-dukpt",
        true,
        ["says usage D1", "wrapped as B0"],
    ),
    (
        "B0096B0TB00E0000BC592A0931C42E63B73229D335D8A36DD992D9DA8A760B19C1CB2FA3FC4222CC6AE5FD55\
         E674AAC5",
        "tdes-dukpt",
        true,
        ["says mode of use B", "with mode X"],
    ),
    (
        "B0096B0TX00E00009475E5EB1373893B1FD7F422B8D33B13AB104A1024AC7863F036D1C93BDFBEADE99E340D\
         D5D22793",
        "tdes-dukpt",
        true,
        ["a key of tdes (192 bits)", "needs one of tdes (128 bits)"],
    ),
    (
        "D0144B0AX00E00009D996963B7D61706EC9D38A4AD343964B2967B1FAB103F54EAF0E8E36BD2146723E4C722\
         EE193BBE60FCE8B20CD52CA58ECBD5FFAD058071D83B8963B1873F48",
        "aes128-dukpt",
        false,
        ["a key of aes256 (256 bits)", "name the cipher that fits"],
    ),
    (TDES_BLOCK, "aes128-dukpt", true, ["a key of tdes (128 bits)", "name the cipher that fits"]),
    (
        "B0112B0AX00E000063E3BCBBBEACA34F8D7CAD65E4479B0B602DE25E0796DB11F410BC67D06CC84FAD5C3D1D\
         FDEC76974C8E59DB9A7E96D8",
        "aes128-dukpt",
        true,
        ["stronger than the transport key of tdes", "agree on a stronger transport key"],
    ),
    (
        "B0096B0TX00E00007F660955EF731D160CBCFAD8C184BF32B1832129A4A5A67EE20C706421B6E80788F3E19C\
         D63C5A4E",
        "tdes-dukpt",
        true,
        ["two equal halves", "made at random"],
    ),
    (
        "A0088B0TX00E00000C8B2B27D06C8626ACA467EB2DC8751958B94F7FB85548197C0F42CA8EDA7518F06429FB",
        "tdes-dukpt",
        true,
        ["version A", "ask the sender for another key block"],
    ),
    (
        "B0080B0HX00E0000602A376BD1E810FC9EEA9103A67972C32689BC31C2737564CA22A9F5E5783298",
        "tdes-dukpt",
        true,
        ["neither of TDES (T) nor of AES (A)", "ask the sender for another key block"],
    ),
    (
        "B0096B0TXc1E0000F0D9303CAD09E28B78B6A8C96BBBBA63B2478E4D2D02F684B668BC0C2872F937D4D8605D\
         7EFC8568",
        "tdes-dukpt",
        true,
        ["this is a component", "ask the sender for another key block"],
    ),
    (TDES_BLOCK, "tdes-dukpt", false, ["version B was not made under", "name the transport key"]),
    (TDES_BLOCK, "aes-gcm", true, ["only DUKPT keys travel", "name a DUKPT key set or cipher"]),
];

const ROOT: &str = "sandbox";

pub fn key(algorithm: Algorithm, digits: &str) -> BlockKey {
    BlockKey::from_hex(algorithm, digits).unwrap()
}

pub fn check_value(algorithm: Algorithm, digits: &str) -> String {
    hex::encode_upper(key(algorithm, digits).check_value())
}

/// Anna and Ben bring a transport key that neither has; what its ceremony comes to.
pub async fn transport_key(world: &World, algorithm: Algorithm, digits: &str) -> Value {
    let mut tokens = Vec::new();
    for name in ["anna", "ben"] {
        let name = format!("{name}-{}", algorithm.name());
        tokens.push(operator(world, &name, "custodian").await);
    }
    let one = "E8BC63E5479455E26577F715D587FE68".repeat(2)[..digits.len()].to_owned();
    let pairs = hex::decode(digits).unwrap().into_iter().zip(hex::decode(&one).unwrap());
    let other = hex::encode_upper(pairs.map(|(a, b)| a ^ b).collect::<Vec<_>>());
    let body = json!({ "transport_algorithm": algorithm.name(), "components": 2 });
    let (status, begun) = call(world, &tokens[0], "POST /admin/v1/key-ceremonies", body).await;
    assert_eq!((status, &begun["transport_key"]), (201, &Value::Null), "{begun}");
    let give = format!("POST /admin/v1/key-ceremonies/{}/components", begun["id"]);
    let part =
        |part: &str| json!({ "component": part, "check_value": check_value(algorithm, part) });
    let (status, told) = call(world, &tokens[0], &give, part(&one)).await;
    assert_eq!((status, told["received"].as_array().unwrap().len()), (200, 1), "{told}");
    assert_eq!(call(world, &tokens[0], &give, part(&other)).await.0, 409, "one hand, one part");
    let (status, told) = call(world, &tokens[1], &give, part(&other)).await;
    assert_eq!((status, &told["key_set"]), (200, &Value::Null), "{told}");
    assert_eq!(call(world, &tokens[1], &give, part(&other)).await.0, 409, "it has its key");
    assert_eq!(world.database.count("key_components").await, 0);
    told["transport_key"].clone()
}

/// A TDES and an AES transport key, and the token of Clara, who moves keys under them.
async fn both_transport_keys(world: &World) -> (Value, Value, String) {
    let tdes = transport_key(world, Algorithm::Tdes, TDES_TRANSPORT).await;
    let aes = transport_key(world, Algorithm::Aes256, AES_TRANSPORT).await;
    (tdes, aes, operator(world, "clara", "custodian").await)
}

pub fn import_under(transport: &Value) -> String {
    format!("POST /admin/v1/key-sets/import/{}", transport["id"])
}

pub fn export_under(set: &Value, transport: &Value) -> String {
    format!("POST /admin/v1/key-sets/{}/export/{}", set["id"], transport["id"])
}

pub fn import(prefix: &str, cipher: &str, block: &str) -> Value {
    json!({ "prefix": prefix, "cipher": cipher, "key_block": block })
}

/// What the request of whoever has this token is refused with.
pub async fn sentence(world: &World, token: &str, request: &str, body: Value) -> (u16, String) {
    let (status, told) = call(world, token, request, body).await;
    (status, text(&told["error"]).to_owned())
}

pub async fn register(world: &World, serial: &str, set: &Value, device: u32) {
    let body = json!({ "serial": serial, "kind": "spire", "merchant": "sandbox", "endpoint": 1111,
                       "key_set": set["id"], "device": device });
    done(world, "POST /admin/v1/readers", body).await;
}

/// Sells at a Spire reader with this key, and sees the sale approved.
pub async fn sells(world: &World, name: &str, injected: &Value) {
    let form = form_with(name, "10.42", &stripe(injected, 1, "10.42"));
    world.sale(&with(&form, "encrypted-type", Some("spire"))).await.order();
    world.settle().await;
    assert_eq!(world.status_of(name).await, "approved");
}

#[tokio::test]
async fn two_custodians_make_a_transport_key_that_nobody_reads() {
    scenario(async |world| {
        let (tdes, aes, _) = both_transport_keys(world).await;
        let told = json!({ "id": 1, "algorithm": "tdes", "custodians": ["anna-tdes", "ben-tdes"],
                           "check_value": check_value(Algorithm::Tdes, TDES_TRANSPORT),
                           "made_at": world.clock.now() });
        assert_eq!(tdes, told);
        assert_eq!(aes["check_value"], check_value(Algorithm::Aes256, AES_TRANSPORT));
        assert_eq!(look(world, "/admin/v1/transport-keys").await, json!([tdes, aes]));
        let begin = "POST /admin/v1/key-ceremonies";
        for body in [
            json!({ "components": 2 }),
            json!({ "prefix": "FFFF0E", "components": 2 }),
            json!({ "prefix": "FFFF0E", "cipher": "tdes-dukpt", "transport_algorithm": "tdes",
                    "components": 2 }),
            json!({ "transport_algorithm": "tdes", "pin_formats": ["iso0"], "components": 2 }),
        ] {
            let (status, why) = sentence(world, ROOT, begin, body).await;
            assert!(status == 400 && why.contains("transport_algorithm alone"), "{why}");
        }
        let body = json!({ "transport_algorithm": "des", "components": 2 });
        assert_eq!(sentence(world, ROOT, begin, body).await.0, 400);
        // The wire of base keys knows nothing of transport keys.
        let body = json!({ "prefix": "FFFF0E", "cipher": "tdes-dukpt", "components": 2 });
        let told = done(world, begin, body).await;
        let expected = json!({ "id": 3, "components": 2, "received": [], "key_set": null });
        assert_eq!(told, expected);
    })
    .await;
}

#[tokio::test]
async fn a_base_key_made_elsewhere_comes_in_and_its_readers_sell() {
    scenario(async |world| {
        let (tdes, aes, clara) = both_transport_keys(world).await;
        let body = import("FFFF0E", "tdes-dukpt", TDES_BLOCK);
        let set = done_by(world, &clara, &import_under(&tdes), body).await;
        assert_eq!(set["check_value"], check_value(Algorithm::Tdes, TDES_BASE));
        assert_eq!((&set["prefix"], &set["variant"]), (&json!("FFFF0E"), &json!("data-request")));
        register(world, "20000099", &set, 99).await;
        // The reader's key was derived elsewhere too, from the base key itself.
        let ksn = Ksn::of_device(TDES, &[0xFF, 0xFF, 0x0E], 99).unwrap();
        let base = BaseKey::from_slice(TDES, &hex::decode(TDES_BASE).unwrap()).unwrap();
        let initial = base.initial_key("20000099", ksn).unwrap();
        let reader = json!({ "serial": "20000099", "initial_ksn": ksn.to_string(),
                             "initial_key": hex::encode_upper(initial.expose()) });
        sells(world, "E-1", &reader).await;
        let mut body = import("FFFF0F10", "aes128-dukpt", AES_BLOCK);
        (body["id"], body["pin_formats"]) = (json!(77), json!(["iso4"]));
        let set = done_by(world, &clara, &import_under(&aes), body).await;
        assert_eq!((&set["id"], &set["pin_formats"]), (&json!(77), &json!(["iso4"])));
        assert_eq!(set["check_value"], check_value(Algorithm::Aes128, AES_BASE));
    })
    .await;
}

#[tokio::test]
async fn a_base_key_that_goes_out_comes_in_again_as_the_same() {
    scenario(async |world| {
        let (tdes, aes, clara) = both_transport_keys(world).await;
        let mut place = 0;
        for (transport, front, cipher, prefix) in [
            (&tdes, "B0096B0TX00E", "tdes-dukpt", ""),
            (&aes, "D0112B0TX00E", "tdes-dukpt", ""),
            (&aes, "D0144B0AX00E", "aes128-dukpt", "00"),
            (&aes, "D0144B0AX00E", "aes256-dukpt", "00"),
        ] {
            place += 2;
            let prefix = |number| format!("FFAA{number:02}{prefix}");
            let body = json!({ "prefix": prefix(place), "cipher": cipher, "generate": true });
            let set = done(world, "POST /admin/v1/key-sets", body).await;
            let export = export_under(&set, transport);
            let out = done_by(world, &clara, &export, Value::Null).await;
            assert_eq!(out["check_value"], set["check_value"]);
            let block = text(&out["key_block"]);
            assert!(block.starts_with(front), "{block}");
            let body = import(&prefix(place + 1), cipher, block);
            let again = done_by(world, &clara, &import_under(transport), body).await;
            assert_eq!(again["check_value"], set["check_value"]);
            if (front, place) == ("B0096B0TX00E", 2) {
                register(world, "20000099", &again, 99).await;
                let inject = "POST /admin/v1/readers/20000099/inject";
                sells(world, "O-1", &done(world, inject, Value::Null).await).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_block_that_does_not_fit_is_refused_with_a_sentence_of_its_own() {
    scenario(async |world| {
        let (tdes, aes, clara) = both_transport_keys(world).await;
        let before = world.database.count("key_sets").await;
        for (block, cipher, under_tdes, words) in REFUSED {
            let prefix = if cipher.starts_with("aes128") { "FFAA0100" } else { "FFAA01" };
            let request = import_under(if under_tdes { &tdes } else { &aes });
            let body = import(prefix, cipher, block);
            let (status, why) = sentence(world, &clara, &request, body).await;
            let told = status == 400 && words.iter().all(|word| why.contains(word));
            assert!(told, "{status} {why}");
        }
        // A wrong transport key and a changed block are one answer.
        let other = transport_key(world, Algorithm::Aes128, AES_BASE).await;
        let spoilt = AES_BLOCK.replace("84B4", "84B5");
        let mut answers = Vec::new();
        for (transport, block) in [(&other, AES_BLOCK), (&aes, &*spoilt)] {
            let body = import("FFAA0100", "aes128-dukpt", block);
            answers.push(sentence(world, &clara, &import_under(transport), body).await);
        }
        assert!(answers[0] == answers[1] && answers[0].1.contains("compare"), "{answers:?}");
        let (unknown, body) = (json!({ "id": 4711 }), import("FFAA01", "tdes-dukpt", TDES_BLOCK));
        let (status, why) = sentence(world, &clara, &import_under(&unknown), body).await;
        assert!(status == 404 && why.contains("a key ceremony makes one"), "{why}");
        let taken = import("FFFF02", "tdes-dukpt", TDES_BLOCK);
        assert_eq!(sentence(world, &clara, &import_under(&tdes), taken).await.0, 409);
        assert_eq!(world.database.count("key_sets").await, before, "nothing was stored");
    })
    .await;
}

#[tokio::test]
async fn no_key_leaves_under_a_weaker_one_nor_against_its_word() {
    scenario(async |world| {
        let (tdes, aes, clara) = both_transport_keys(world).await;
        let short = transport_key(world, Algorithm::Aes128, AES_BASE).await;
        let mut sets = Vec::new();
        for (prefix, cipher) in
            [("FFAA0100", "aes128-dukpt"), ("FFAA0200", "aes256-dukpt"), ("FFAA03", "aes-gcm")]
        {
            let body = json!({ "prefix": prefix, "cipher": cipher, "generate": true });
            sets.push(done(world, "POST /admin/v1/key-sets", body).await);
        }
        let body = import("FFAA0400", "aes128-dukpt", AES_BLOCK);
        sets.push(done_by(world, &clara, &import_under(&aes), body).await);
        for (set, transport, word) in [
            (0, &tdes, "a key of aes128 is not wrapped under a transport key of tdes"),
            (1, &short, "a key of aes256 is not wrapped under a transport key of aes128"),
            (2, &aes, "only DUKPT keys travel"),
            (3, &aes, "may not be exported: the key block that brought it says N"),
        ] {
            let export = export_under(&sets[set], transport);
            let (status, why) = sentence(world, &clara, &export, Value::Null).await;
            assert!(status == 409 && why.contains(word), "{status} {why}");
        }
        // What came with S leaves with S.
        let body = import("FFAA05", "tdes-dukpt", SENSITIVE_BLOCK);
        let set = done_by(world, &clara, &import_under(&aes), body).await;
        let out = done_by(world, &clara, &export_under(&set, &tdes), Value::Null).await;
        assert!(text(&out["key_block"]).starts_with("B0096B0TX00S"), "{out}");
        let missing = json!({ "id": 4711 });
        for nowhere in [export_under(&set, &missing), export_under(&missing, &tdes)] {
            assert_eq!(sentence(world, &clara, &nowhere, Value::Null).await.0, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_readers_initial_key_goes_to_its_injection_as_a_key_block() {
    scenario(async |world| {
        let (tdes, aes, clara) = both_transport_keys(world).await;
        let body = import("FFFF0E", "tdes-dukpt", TDES_BLOCK);
        let set = done_by(world, &clara, &import_under(&tdes), body).await;
        register(world, "20000099", &set, 99).await;
        let inject = |serial: &str, transport: &Value| {
            format!("POST /admin/v1/readers/{serial}/inject/{}", transport["id"])
        };
        let own = inject("20000099", &aes);
        let told = done_by(world, &clara, &own, Value::Null).await;
        assert_eq!(told.get("initial_key"), None);
        let kbpk = key(Algorithm::Aes256, AES_TRANSPORT);
        let (header, initial) = unwrap(&kbpk, text(&told["key_block"])).unwrap();
        assert_eq!(header.usage(), KeyUsage::InitialDukpt);
        assert_eq!(header.optional_text("KS"), told["initial_ksn"].as_str());
        assert_eq!(told["check_value"], hex::encode_upper(initial.check_value()));
        assert_eq!(sentence(world, &clara, &own, Value::Null).await.0, 409, "once");
        let mut injected = told.clone();
        injected["initial_key"] = json!(hex::encode_upper(initial.expose()));
        sells(world, "I-1", &injected).await;
        // What is refused leaves the reader as it is: neither re-keyed nor counted as injected.
        let body = json!({ "prefix": "FFAA0100", "cipher": "aes128-dukpt", "generate": true });
        let long = done(world, "POST /admin/v1/key-sets", body).await;
        let body = json!({ "key_set": long["id"], "device": 1 });
        let weak = inject("20000099", &tdes);
        let (status, why) = sentence(world, &clara, &weak, body).await;
        assert!(status == 409 && why.contains("which is weaker"), "{why}");
        let reader = look(world, "/admin/v1/readers/20000099").await;
        assert_eq!((&reader["key_set"], &reader["state"]), (&set["id"], &json!("active")));
        let sim = inject("10000462", &aes);
        let (status, why) = sentence(world, &clara, &sim, Value::Null).await;
        assert!(status == 409 && why.contains("only DUKPT keys travel"), "{why}");
        let reader = look(world, "/admin/v1/readers/10000462").await;
        assert_eq!(reader["injected_at"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn transport_keys_are_sealed_anew_with_the_rest_and_never_seen() {
    scenario(async |world| {
        let (tdes, aes, clara) = both_transport_keys(world).await;
        let ring = |keys: &[u8]| {
            let lines: Vec<_> = keys.iter().map(|byte| hex::encode([*byte; 32])).collect();
            KeyRing::from_lines(&lines.join("\n")).unwrap()
        };
        let sealed = async || {
            let secrets = world.app().store().secrets(SecretPlace::TransportKeys).await.unwrap();
            secrets.into_iter().map(|secret| secret.sealed).collect::<Vec<_>>()
        };
        let (gateway, before) = (world.gateway(), sealed().await);
        gateway.take_master_keys(&ring(&[10, 9])).await.unwrap();
        assert_eq!(gateway.reseal().await.unwrap().unreadable, 0);
        gateway.take_master_keys(&ring(&[10])).await.unwrap();
        assert_eq!(gateway.reseal().await.unwrap(), Resealed::default());
        let after = sealed().await;
        assert!(before.len() == 2 && before.iter().all(|old| !after.contains(old)));
        assert_eq!(look(world, "/admin/v1/transport-keys").await, json!([tdes, aes]));
        let mut answers = String::new();
        for (prefix, cipher, transport, block) in [
            ("FFFF0E", "tdes-dukpt", &tdes, TDES_BLOCK),
            ("FFFF0F10", "aes128-dukpt", &aes, AES_BLOCK),
        ] {
            let body = import(prefix, cipher, block);
            let set = done_by(world, &clara, &import_under(transport), body).await;
            answers += &set.to_string();
        }
        let sets = look(world, "/admin/v1/key-sets").await.to_string();
        let ceremony = look(world, "/admin/v1/key-ceremonies/1").await.to_string();
        answers = answers + &sets + &ceremony;
        let dump = world.database.dump().await;
        for secret in [TDES_TRANSPORT, AES_TRANSPORT, TDES_BASE, AES_BASE] {
            let bytes = hex::decode(secret).unwrap();
            assert!(!contains(&dump, &bytes), "a key is in the database");
            for digits in [secret.to_owned(), secret.to_lowercase()] {
                for place in [&dump, &logged(), answers.as_bytes()] {
                    assert!(!contains(place, digits.as_bytes()), "a key is in the clear");
                }
            }
        }
    })
    .await;
}
