//! The registry over HTTP: who may do what, the log of it, and what is enrolled there at work.

use crate::database::Engine;
use crate::world::{Answer, Fields, World, form_with, scenario, with};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use tillgate::crypto::block_key::{Algorithm, BlockKey};
use tillgate::crypto::card_writer::{PlasticCard, track2_characters};
use tillgate::crypto::oauth::authorize;
use tillgate::crypto::oauth_header::Header;
use tillgate::crypto::reader::Container;
use tillgate::crypto::reader_keys::InitialKey;
use tillgate::crypto::sign::{callback_control, status_control};
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::key_set::{Cipher, DataVariant};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::operator::{Action, Role};
use tillgate::payment::{HOUR, SECOND};
use tillgate::store::Location;

const ROOT: &str = "sandbox";
pub const TDES: Cipher = Cipher::TdesDukpt(DataVariant::DataRequest);

pub async fn call(world: &World, token: &str, request: &str, body: Value) -> (u16, Value) {
    let (method, path) = request.split_once(' ').unwrap();
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut sent = world.http.request(method, world.url(path));
    if !token.is_empty() {
        sent = sent.header("Authorization", format!("Bearer {token}"));
    }
    if !body.is_null() {
        sent = sent.body(body.to_string());
    }
    let answer = Answer::of(sent).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null))
}

/// What root asks for and gets.
pub async fn done(world: &World, request: &str, body: Value) -> Value {
    let (status, told) = call(world, ROOT, request, body).await;
    assert!((200..300).contains(&status), "{request}: {status} {told}");
    told
}

pub async fn look(world: &World, path: &str) -> Value {
    done(world, &format!("GET {path}"), Value::Null).await
}

/// The status with which root's request is refused.
async fn refused(world: &World, request: &str, body: Value) -> u16 {
    let (status, told) = call(world, ROOT, request, body).await;
    assert!(told["error"].is_string(), "{request}: {status} {told}");
    status
}

pub async fn operator(world: &World, name: &str, role: &str) -> String {
    let body = json!({ "name": name, "role": role });
    let told = done(world, "POST /admin/v1/operators", body).await;
    told["token"].as_str().unwrap().to_owned()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A stripe at a Spire reader that has the key of this answer.
pub fn stripe(injected: &Value, counter: u32, amount: &str) -> String {
    let key = hex::decode(text(&injected["initial_key"])).unwrap();
    let key = InitialKey::from_slice(TDES, &key).unwrap();
    let ksn = Ksn::from_hex(text(&injected["initial_ksn"])).unwrap();
    let ksn = ksn.with_counter(TDES, counter).unwrap();
    let pan = Pan::parse(crate::world::PAN).unwrap();
    let expiry = Expiry::from_yymm("3012").unwrap();
    let card = PlasticCard { pan: &pan, expiry, cardholder: "TEST CARD", has_chip: false };
    let rub = Currency::from_alpha("RUB").unwrap();
    let amount = Amount::parse(amount, rub).unwrap();
    let serial = text(&injected["serial"]).to_owned();
    let ciphertext = key.seal(&track2_characters(&card), [0; 12], ksn, &serial, amount).unwrap();
    Container { ciphertext, ksn, entry_mode: EntryMode::Swipe, serial, pin: None }.write()
}

async fn sale(world: &World, path: &str, who: (&str, &str), nonce: &str, form: &Fields) -> Answer {
    let stamp = (world.clock.now() / SECOND).unsigned_abs();
    let header = Header::unsigned(who.0, nonce, stamp);
    let signed = authorize(&header, who.1, "POST", &world.url(path), form).unwrap();
    world.post_with(path, form, &signed).await
}

#[tokio::test]
async fn a_merchant_enrolled_over_http_sells_at_its_own_reader() {
    scenario(async |world| {
        let body = json!({ "login": "coffee-shop" });
        let merchant = done(world, "POST /admin/v1/merchants", body).await;
        let group = json!({ "merchant": "coffee-shop" });
        let group = done(world, "POST /admin/v1/groups", group).await;
        let body = json!({
            "merchant": "coffee-shop", "group": group["id"], "currency": "RUB", "sandbox": true,
            "amount_most_minor": 1_000_000, "terminal_id": "20000099", "close_at": "23:30",
            "time_zone": "Europe/Berlin", "limits": { "amount_most_minor": 500_000 },
        });
        let endpoint = done(world, "POST /admin/v1/endpoints", body).await;
        assert_eq!((&endpoint["close_at"], &endpoint["hold_days"]), (&json!("23:30"), &json!(7)));
        let body = json!({ "prefix": "FFFF0A", "cipher": "tdes-dukpt", "generate": true });
        let set = done(world, "POST /admin/v1/key-sets", body).await;
        let body = json!({
            "serial": "20000099", "kind": "spire", "merchant": "coffee-shop",
            "group": group["id"], "key_set": set["id"], "device": 99,
        });
        let reader = done(world, "POST /admin/v1/readers", body).await;
        assert_eq!(reader["state"], "new");
        assert_eq!(reader["key_set_check_value"], set["check_value"]);
        let inject = "POST /admin/v1/readers/20000099/inject";
        let injected = done(world, inject, Value::Null).await;
        assert_eq!(injected["initial_ksn"], "FFFF0A0000000C600000");
        assert_eq!(refused(world, inject, Value::Null).await, 409);

        let form = form_with("S-1", "10.42", &stripe(&injected, 1, "10.42"));
        let form = with(&form, "encrypted-type", Some("spire"));
        let path = format!("/mapi/v1/sale/{}", endpoint["id"]);
        let who = ("coffee-shop", text(&merchant["control_key"]));
        let order = sale(world, &path, who, "n-1", &form).await.order();
        world.settle().await;
        let control = status_control(who.0, "S-1", &order, who.1);
        let ask = [("login", who.0), ("client_orderid", "S-1"), ("orderid", order.as_str())];
        let mut ask: Fields = ask.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        ask.push(("control".to_owned(), control));
        let answer = world.post(&format!("/api/v2/status/{}", endpoint["id"]), &ask).await;
        assert_eq!(answer.get("status"), "approved", "{answer:?}");
        let reader = look(world, "/admin/v1/readers/20000099").await;
        assert_eq!((&reader["state"], &reader["last_counter"]), (&json!("active"), &json!(1)));
        let dump = world.database.dump().await;
        for secret in [who.1, text(&injected["initial_key"])] {
            assert!(!crate::world::contains(&dump, secret.as_bytes()), "a key is in the clear");
        }
    })
    .await;
}

/// Each changing route and what it is.
const CHANGES: [(&str, Action); 17] = [
    ("POST /admin/v1/operators", Action::Govern),
    ("POST /admin/v1/operators/x/disable", Action::Govern),
    ("POST /admin/v1/merchants", Action::Govern),
    ("POST /admin/v1/merchants/x/control-key", Action::HandleKeys),
    ("POST /admin/v1/groups", Action::Govern),
    ("POST /admin/v1/endpoints", Action::Govern),
    ("PATCH /admin/v1/endpoints/4711", Action::Govern),
    ("PUT /admin/v1/endpoints/4711/callback-url", Action::Operate),
    ("POST /admin/v1/key-sets", Action::HandleKeys),
    ("POST /admin/v1/key-ceremonies", Action::HandleKeys),
    ("POST /admin/v1/key-ceremonies/1/components", Action::HandleKeys),
    ("POST /admin/v1/readers", Action::Operate),
    ("POST /admin/v1/readers/x/block", Action::Operate),
    ("POST /admin/v1/readers/x/lost", Action::Operate),
    ("POST /admin/v1/readers/x/inject", Action::HandleKeys),
    ("POST /admin/gates/4711/unlock", Action::Operate),
    ("POST /admin/orders/4711/resolve", Action::Operate),
];
const LOOKS: [&str; 8] = [
    "operators",
    "audit",
    "audit/verify",
    "merchants",
    "groups",
    "endpoints",
    "key-sets",
    "readers",
];

#[tokio::test]
async fn each_role_may_do_what_it_is_for_and_nothing_else() {
    scenario(async |world| {
        for role in Role::ALL {
            let token = operator(world, &format!("the-{}", role.name()), role.name()).await;
            for path in LOOKS {
                let look = format!("GET /admin/v1/{path}");
                assert_eq!(call(world, &token, &look, Value::Null).await.0, 200, "{path}");
                assert_eq!(call(world, "", &look, Value::Null).await.0, 401, "{path}");
                assert_eq!(call(world, "wrong", &look, Value::Null).await.0, 401, "{path}");
            }
            for (request, action) in CHANGES {
                let (status, told) = call(world, &token, request, json!({})).await;
                let expected = if role.may(action) { [400, 404] } else { [403, 403] };
                assert!(expected.contains(&status), "{} {request}: {status} {told}", role.name());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_operator_who_is_shut_out_stays_out() {
    scenario(async |world| {
        let token = operator(world, "anna", "admin").await;
        let me = "GET /admin/v1/operators";
        assert_eq!(call(world, &token, me, Value::Null).await.0, 200);
        let told = done(world, "POST /admin/v1/operators/anna/disable", Value::Null).await;
        assert_eq!(told["enabled"], false);
        assert_eq!(call(world, &token, me, Value::Null).await.0, 401);
        let again = json!({ "name": "anna", "role": "viewer" });
        assert_eq!(refused(world, "POST /admin/v1/operators", again).await, 409);
        let root = "POST /admin/v1/operators/root/disable";
        assert_eq!(refused(world, root, Value::Null).await, 409);
        for bad in
            [json!({ "name": "root", "role": "viewer" }), json!({ "name": "b", "role": "x" })]
        {
            assert_eq!(refused(world, "POST /admin/v1/operators", bad).await, 400);
        }
        let dump = world.database.dump().await;
        assert!(!crate::world::contains(&dump, token.as_bytes()), "a token is in the clear");
    })
    .await;
}

async fn change(world: &World, statement: &str) {
    let pool = world.database.look().await;
    pool.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn every_call_is_in_the_audit_log_and_a_changed_row_is_found() {
    scenario(async |world| {
        call(world, "wrong", "GET /admin/gates/1111", Value::Null).await;
        look(world, "/admin/gates/1111").await;
        let viewer = operator(world, "vera", "viewer").await;
        let block = "POST /admin/v1/readers/10000462/block";
        assert_eq!(call(world, &viewer, block, Value::Null).await.0, 403);
        done(world, block, Value::Null).await;
        let rows = look(world, "/admin/v1/audit").await;
        let told: Vec<_> = rows.as_array().unwrap().iter().map(line).collect();
        let route = "POST /admin/v1/readers/{serial}/block /admin/v1/readers/10000462/block";
        assert_eq!(
            told,
            [
                "nobody GET /admin/gates/{endpoint} /admin/gates/1111 401",
                "root GET /admin/gates/{endpoint} /admin/gates/1111 200",
                "root POST /admin/v1/operators /admin/v1/operators 0",
                "root POST /admin/v1/operators /admin/v1/operators 201",
                &format!("vera {route} 403"),
                &format!("root {route} 0"),
                &format!("root {route} 200"),
            ]
        );
        assert_eq!(rows[5]["request_id"], rows[6]["request_id"]);
        let page = look(world, "/admin/v1/audit?after=1&limit=2").await;
        assert_eq!(page.as_array().unwrap().iter().map(line).collect::<Vec<_>>(), told[1..3]);
        assert_eq!(refused(world, "GET /admin/v1/audit?limit=0", Value::Null).await, 400);

        let verdict = look(world, "/admin/v1/audit/verify").await;
        assert_eq!((&verdict["whole"], &verdict["rows"]), (&json!(true), &json!(10)));
        for (spoil, repair, broken) in [
            ("status = 200", "status = 401", 1),
            ("operator = 'root'", "operator = 'vera'", 5),
            ("id = 500", "id = 5", 6),
        ] {
            let at = |value: &str, id: i64| format!("UPDATE audit SET {value} WHERE id = {id}");
            let (row, moved) = if spoil == "id = 500" { (5, 500) } else { (broken, broken) };
            change(world, &at(spoil, row)).await;
            let verdict = look(world, "/admin/v1/audit/verify").await;
            assert_eq!((&verdict["whole"], &verdict["broken"]), (&json!(false), &json!(broken)));
            if moved == row {
                change(world, &at(repair, moved)).await;
                assert_eq!(look(world, "/admin/v1/audit/verify").await["whole"], true);
            }
        }
        done(world, "POST /admin/v1/readers/10000462/unblock", Value::Null).await;
    })
    .await;
}

fn line(row: &Value) -> String {
    let named = ["operator", "action", "subject"].map(|name| text(&row[name]));
    format!("{} {}", named.join(" "), row["status"])
}

#[tokio::test]
async fn two_custodians_make_a_key_that_neither_has() {
    scenario(async |world| {
        let one = "E8BC63E5479455E26577F715D587FE68";
        let key = hex::decode("0123456789ABCDEFFEDCBA9876543210").unwrap();
        let other: Vec<_> = hex::decode(one).unwrap().iter().zip(key).map(|(a, b)| a ^ b).collect();
        let check = BlockKey::from_slice(Algorithm::Tdes, &other).unwrap().check_value();
        let (other, check) = (hex::encode_upper(other), hex::encode_upper(check));
        let anna = operator(world, "anna", "custodian").await;
        let ben = operator(world, "ben", "custodian").await;
        let body = json!({ "prefix": "FFFF0B", "cipher": "tdes-dukpt", "components": 2 });
        let (status, told) = call(world, &anna, "POST /admin/v1/key-ceremonies", body).await;
        assert_eq!(status, 201, "{told}");
        let give = format!("POST /admin/v1/key-ceremonies/{}/components", told["id"]);
        let part = |text: &str, check: &str| json!({ "component": text, "check_value": check });
        assert_eq!(call(world, &anna, &give, part(one, "08D7B4")).await.0, 400);
        assert_eq!(call(world, &anna, &give, part(one, "9A4212")).await.0, 200);
        assert_eq!(call(world, &anna, &give, part(&other, &check)).await.0, 409);
        // The same component would cancel itself: all are put away.
        assert_eq!(call(world, &ben, &give, part(one, "9A4212")).await.0, 409);
        assert_eq!(world.database.count("key_components").await, 0);
        assert_eq!(call(world, &anna, &give, part(one, "9A4212")).await.0, 200);
        let (status, told) = call(world, &ben, &give, part(&other, &check)).await;
        assert_eq!((status, &told["key_set"]["check_value"]), (200, &json!("08D7B4")), "{told}");
        assert_eq!(world.database.count("key_components").await, 0);
        assert_eq!(call(world, &ben, &give, part(&other, &check)).await.0, 409);
        let sets = look(world, "/admin/v1/key-sets").await;
        assert_eq!(sets.as_array().unwrap().last().unwrap(), &told["key_set"]);
    })
    .await;
}

/// Asks for an order's status with this key.
async fn ask(world: &World, base: &str, order: &str, key: &str) -> String {
    let control = status_control("sandbox", "R-1", order, key);
    let form = [
        ("login", "sandbox"),
        ("client_orderid", "R-1"),
        ("orderid", order),
        ("control", &control),
    ];
    let url = format!("{base}/api/v2/status/1111");
    Answer::of(world.http.post(url).form(&form)).await.get("type").trim().to_owned()
}

const FINE: &str = "status-response";

#[tokio::test]
async fn no_request_fails_while_a_control_key_is_rotated() {
    scenario(async |world| {
        let base = world.ready.base_url.clone();
        let old = world.ready.control_key.clone();
        let inbox = world.ready.callback_inbox_url.clone();
        let form = world.sale_form("R-1", "10.42").await;
        let form = with(&form, "server_callback_url", Some(&inbox));
        let order = world.sale(&form).await.order();
        let other = match world.database.location {
            Location::Sqlite(_) => None,
            Location::Postgres(_) => Some(world.another_instance().await),
        };
        let there = other.as_ref().map(|app| format!("http://{}", app.address()));
        if let Some(there) = &there {
            assert_eq!(ask(world, there, &order, &old).await, FINE);
        }
        let rotate = "POST /admin/v1/merchants/sandbox/control-key";
        let body = json!({ "overlap_seconds": 3600 });
        let asking = join_all((0..20).map(|_| ask(world, &base, &order, &old)));
        let (answers, rotated) = tokio::join!(asking, done(world, rotate, body));
        assert!(answers.iter().all(|answer| answer == FINE), "{answers:?}");
        let new = text(&rotated["control_key"]);
        for (place, key) in [old.as_str(), new].into_iter().enumerate() {
            assert_eq!(ask(world, &base, &order, key).await, FINE);
            let name = format!("S-{place}");
            let form = world.sale_form(&name, "1").await;
            let told = sale(world, "/mapi/v1/sale/1111", ("sandbox", key), &name, &form).await;
            told.order();
            if let Some(there) = &there {
                assert_eq!(ask(world, there, &order, key).await, FINE);
            }
        }
        world.settle().await;
        let callbacks = world.callbacks().await;
        let control = callback_control("approved", &order, "R-1", new);
        assert_eq!(callbacks[0]["control"], control, "{callbacks:?}");
        assert_eq!(refused(world, rotate, json!({ "overlap_seconds": 60 })).await, 409);
        world.pass(HOUR).await;
        assert_ne!(ask(world, &base, &order, &old).await, FINE);
        assert_eq!(ask(world, &base, &order, new).await, FINE);
        let rotated = done(world, rotate, Value::Null).await;
        assert_ne!(ask(world, &base, &order, new).await, FINE);
        assert_eq!(ask(world, &base, &order, text(&rotated["control_key"])).await, FINE);
        if let Some(app) = other {
            app.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_is_blocked_unblocked_keyed_anew_and_lost() {
    scenario(async |world| {
        let at = |what: &str| format!("POST /admin/v1/readers/10000462/{what}");
        let state = |told: Value| text(&told["state"]).to_owned();
        assert_eq!(state(done(world, &at("block"), Value::Null).await), "blocked");
        let form = world.sale_form("B-1", "1").await;
        assert!(world.sale(&form).await.refusal().contains("READER_DISABLED"));
        assert_eq!(refused(world, &at("inject"), Value::Null).await, 409);
        assert_eq!(state(done(world, &at("unblock"), Value::Null).await), "new");
        world.sale(&world.sale_form("B-2", "1").await).await.order();
        let elsewhere = json!({ "merchant": "sandbox", "endpoint": 1112 });
        done(world, &at("assign"), elsewhere).await;
        let form = world.sale_form("B-3", "1").await;
        assert!(world.sale(&form).await.refusal().contains("READER_NOT_ASSIGNED"));

        let (first, body) = (
            "FFFF01",
            json!({ "prefix": "FFFF0C", "cipher": "aes-gcm",
                                               "generate": true }),
        );
        let set = done(world, "POST /admin/v1/key-sets", body).await;
        done(world, &at("inject"), Value::Null).await;
        let anew = done(world, &at("inject"), json!({ "key_set": set["id"] })).await;
        assert!(text(&anew["initial_ksn"]).starts_with("FFFF0C"), "{anew}");
        let reader = look(world, "/admin/v1/readers/10000462").await;
        assert_eq!((&reader["last_counter"], &reader["state"]), (&json!(0), &json!("new")));
        assert_eq!(refused(world, &at("inject"), json!({ "key_set": set["id"] })).await, 409);
        // Under the keys it had before, its old messages would count again.
        assert_eq!(refused(world, &at("inject"), json!({ "key_set": 1 })).await, 409);
        let back = json!({ "key_set": 1, "device": 4711 });
        let back = done(world, &at("inject"), back).await;
        assert!(text(&back["initial_ksn"]).starts_with(first), "{back}");

        assert_eq!(state(done(world, &at("lost"), Value::Null).await), "lost");
        for what in ["block", "unblock", "inject"] {
            assert_eq!(refused(world, &at(what), Value::Null).await, 409, "{what}");
        }
        assert_eq!(refused(world, "POST /admin/v1/readers/x/block", Value::Null).await, 404);
        let (status, page) =
            call(world, ROOT, "GET /admin/v1/readers?after=1&limit=2", Value::Null).await;
        assert_eq!((status, page.as_array().unwrap().len()), (200, 2));
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_sentence() {
    scenario(async |world| {
        let endpoint = |name: &str, value: Value| {
            let mut body = json!({ "merchant": "sandbox", "currency": "EUR",
                                   "amount_most_minor": 100, "terminal_id": "1" });
            body[name] = value;
            body
        };
        for (name, value, status) in [
            ("id", json!(1111), 409),
            ("id", json!(0), 400),
            ("merchant", json!("nobody"), 404),
            ("group", json!(4711), 404),
            ("currency", json!("XXX"), 400),
            ("amount_least_minor", json!(101), 400),
            ("terminal_id", json!(""), 400),
            ("callback_url", json!("ftp://x"), 400),
            ("hold_days", json!(0), 400),
            ("time_zone", json!("Mars"), 400),
            ("close_at", json!("24:00"), 400),
            ("limits", json!({ "amount_most_minor": 0 }), 400),
            ("typo", json!(1), 400),
        ] {
            let body = endpoint(name, value);
            assert_eq!(refused(world, "POST /admin/v1/endpoints", body).await, status, "{name}");
        }
        let patch = "PATCH /admin/v1/endpoints/1111";
        assert_eq!(refused(world, patch, json!({ "currency": "EUR" })).await, 400);
        let told = done(world, patch, json!({ "descriptor": "NEW", "hold_days": 3 })).await;
        assert_eq!((&told["descriptor"], &told["currency"]), (&json!("NEW"), &json!("RUB")));
        assert_eq!(look(world, "/admin/v1/endpoints/1111").await, told);
        let set = |prefix: &str, cipher: &str| {
            json!({ "prefix": prefix, "cipher": cipher,
                                                       "generate": true })
        };
        for (body, status) in [
            (set("FFFF01", "aes-gcm"), 409),
            (set("FFFF0101", "aes128-dukpt"), 409),
            (set("FF", "aes-gcm"), 400),
            (set("zz", "aes-gcm"), 400),
            (set("FFFF0D", "des"), 400),
        ] {
            assert_eq!(refused(world, "POST /admin/v1/key-sets", body).await, status);
        }
        let reader = |name: &str, value: Value| {
            let mut body = json!({ "serial": "9", "kind": "spire", "merchant": "sandbox",
                                   "endpoint": 1111, "key_set": 2, "device": 900 });
            body[name] = value;
            body
        };
        for (name, value, status) in [
            ("serial", json!("10000462"), 409),
            ("serial", json!("with space"), 400),
            ("kind", json!("other"), 400),
            ("merchant", json!("nobody"), 404),
            ("endpoint", json!(4711), 404),
            ("group", json!(11), 400),
            ("key_set", json!(4711), 404),
            ("device", json!(4), 409),
            ("initial_ksn", json!("FFFF020000000C600000"), 400),
        ] {
            let body = reader(name, value);
            assert_eq!(refused(world, "POST /admin/v1/readers", body).await, status, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_token_in_the_settings_the_door_is_shut() {
    let world = World::start_with(Engine::Sqlite, |settings| settings.admin_token = None).await;
    for path in ["/admin/v1/readers", "/admin/gates/1111"] {
        assert_eq!(call(&world, ROOT, &format!("GET {path}"), Value::Null).await.0, 404);
    }
    assert_eq!(world.database.count("audit").await, 0);
    world.end().await;
}
