//! Everything that can be wrong with a request: its documented error, and nothing stored.

use crate::world::{Answer, World, form_with, scenario, with};
use tillgate::payment::ids::{EndpointId, GroupId, MerchantId};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::reader::{Reader, ReaderState};
use tillgate::payment::{MINUTE, SECOND};

/// Nothing of a refused request may stay behind.
async fn nothing_is_stored(world: &World) {
    for table in ["orders", "jobs", "notices", "phones", "nonces"] {
        assert_eq!(world.database.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn every_mandatory_field_is_missed_by_name() {
    scenario(async |world| {
        let form = world.sale_form("B-1", "10.42").await;
        for name in [
            "client_orderid",
            "order_desc",
            "amount",
            "currency",
            "address1",
            "city",
            "zip_code",
            "country",
            "email",
            "ipaddress",
            "phone-id",
            "encrypted-type",
            "encrypted-data",
        ] {
            let expected = format!("validation-error 2 Request parameter '{name}' is missing");
            for value in [None, Some(""), Some("   ")] {
                let answer = world.sale(&with(&form, name, value)).await;
                assert_eq!(answer.refusal(), expected, "{value:?}");
            }
        }
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn every_field_has_a_longest_length() {
    scenario(async |world| {
        let form = world.sale_form("B-2", "10.42").await;
        for (name, most) in [
            ("client_orderid", 128),
            ("order_desc", 65536),
            ("address1", 128),
            ("city", 128),
            ("zip_code", 128),
            ("country", 128),
            ("email", 128),
            ("phone-id", 128),
            ("encrypted-type", 128),
            ("first_name", 128),
            ("last_name", 128),
            ("ssn", 128),
            ("birthday", 128),
            ("state", 128),
            ("phone", 128),
            ("cell_phone", 128),
            ("purpose", 128),
            ("site_url", 128),
            ("merchant_data", 65536),
            ("server_callback_url", 128),
            ("notify_url", 128),
            ("sdk-version", 128),
        ] {
            let long = "é".repeat(most + 1);
            let answer = world.sale(&with(&form, name, Some(&long))).await;
            let expected = format!(
                "validation-error 1 Request parameter '{name}' is invalid: \
                 longer than {most} characters"
            );
            assert_eq!(answer.refusal(), expected);
        }
        nothing_is_stored(world).await;
        let longest = with(&form, "order_desc", Some(&"é".repeat(65536)));
        assert_eq!(world.sale(&longest).await.get("type"), "async-response");
    })
    .await;
}

#[tokio::test]
async fn control_characters_and_repeated_fields_are_refused_everywhere() {
    scenario(async |world| {
        let form = world.sale_form("B-3", "10.42").await;
        for (name, value) in [
            ("order_desc", "a\0b"),
            ("city", "a\nb"),
            ("anything", "\u{1b}[31m"),
            ("email", "\u{85}x"),
        ] {
            let answer = world.sale(&with(&form, name, Some(value))).await;
            let expected = format!(
                "validation-error 1 Request parameter '{name}' is invalid: \
                 control characters are not allowed"
            );
            assert_eq!(answer.refusal(), expected);
        }
        let mut twice = form.clone();
        twice.push(("amount".to_owned(), "10.42".to_owned()));
        assert!(
            world
                .sale(&twice)
                .await
                .refusal()
                .ends_with("'amount' is invalid: given more than once")
        );
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn amounts_currencies_and_addresses_must_be_real() {
    scenario(async |world| {
        let form = world.sale_form("B-4", "10.42").await;
        for amount in ["-1", "1,5", "1e3", "0", "10.421", "99999999999", "ten", "١٠"] {
            let refusal = world.sale(&with(&form, "amount", Some(amount))).await.refusal();
            assert!(
                refusal.starts_with("validation-error 1 Request parameter 'amount' is invalid: "),
                "{amount}: {refusal}"
            );
        }
        for currency in ["XXX", "rub", "EUR"] {
            let refusal = world.sale(&with(&form, "currency", Some(currency))).await.refusal();
            let expected =
                format!("validation-error 6 Currency {currency} is not supported by the end point");
            assert_eq!(refusal, expected);
        }
        let too_much = world.sale(&with(&form, "amount", Some("9999999999"))).await;
        assert_eq!(too_much.refusal(), "validation-error 7 Amount is out of limits");
        let answer = world.sale(&with(&form, "ipaddress", Some("localhost"))).await;
        assert!(answer.refusal().ends_with("not an IPv4 or IPv6 address"), "{answer:?}");
        assert_eq!(
            world.sale(&with(&form, "ipaddress", Some("2001:db8::1"))).await.get("type"),
            "async-response"
        );
        assert_eq!(world.database.count("orders").await, 1);
    })
    .await;
}

#[tokio::test]
async fn formats_are_checked_only_where_the_endpoint_is_strict() {
    scenario(async |world| {
        let form = world.sale_form("B-5", "10.42").await;
        let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let mut strict = (*endpoint).clone();
        strict.strict_validation = true;
        world.gateway().change_endpoint(&strict).await.unwrap();
        let refusal = world.sale(&form).await.refusal();
        assert!(refusal.contains("'phone' is invalid"), "{refusal}");
        nothing_is_stored(world).await;

        let good =
            with(&with(&form, "phone", Some("+12063582043")), "email", Some("a@example.com"));
        assert_eq!(world.sale(&good).await.get("type"), "async-response");
    })
    .await;
}

#[tokio::test]
async fn every_broken_signature_gets_the_same_403_without_a_reason() {
    scenario(async |world| {
        let form = world.sale_form("B-6", "10.42").await;
        let path = "/mapi/v1/sale/1111";
        let good = world.authorization(&world.url(path), &form);
        let changed = with(&form, "amount", Some("99.00"));
        let stale = {
            world.clock.advance(-(5 * MINUTE + SECOND));
            let stale = world.authorization(&world.url(path), &form);
            world.clock.advance(5 * MINUTE + SECOND);
            stale
        };
        let early = {
            world.clock.advance(5 * MINUTE + SECOND);
            let early = world.authorization(&world.url(path), &form);
            world.clock.advance(-(5 * MINUTE + SECOND));
            early
        };
        let wrong = [
            ("changed form", world.post_with(path, &changed, &good).await),
            ("another path", world.post_with("/mapi/v1/preauth/1111", &form, &good).await),
            ("unknown endpoint", world.post_signed("/mapi/v1/sale/9999", &form).await),
            ("no header", world.post(path, &form).await),
            ("another scheme", world.post_with(path, &form, "Bearer x").await),
            ("stale", world.post_with(path, &form, &stale).await),
            ("early", world.post_with(path, &form, &early).await),
            ("unknown login", {
                let header = good.replace("\"sandbox\"", "\"nobody\"");
                assert_ne!(header, good);
                world.post_with(path, &form, &header).await
            }),
            ("another method", {
                let header = good.replace("HMAC-SHA1", "PLAINTEXT");
                world.post_with(path, &form, &header).await
            }),
            ("twice the same parameter", {
                world.post_with(path, &form, &format!("{good},oauth_nonce=\"x\"")).await
            }),
        ];
        for (what, answer) in &wrong {
            assert_eq!((answer.status, answer.body.as_str()), (403, ""), "{what}");
        }
        nothing_is_stored(world).await;
        assert_eq!(world.post_with(path, &form, &good).await.get("type"), "async-response");
    })
    .await;
}

#[tokio::test]
async fn the_clock_window_is_exact_at_its_edges() {
    scenario(async |world| {
        for (name, distance, status) in [
            ("E-1", 5 * MINUTE, 200),
            ("E-2", -5 * MINUTE, 200),
            ("E-3", 5 * MINUTE + SECOND, 403),
            ("E-4", -5 * MINUTE - SECOND, 403),
        ] {
            let form = world.sale_form(name, "10.42").await;
            world.clock.advance(distance);
            let header = world.authorization(&world.url("/mapi/v1/sale/1111"), &form);
            world.clock.advance(-distance);
            let answer = world.post_with("/mapi/v1/sale/1111", &form, &header).await;
            assert_eq!(answer.status, status, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_nonce_is_taken_once_also_after_a_restart_and_on_another_instance() {
    for engine in crate::database::engines() {
        let world = World::start(engine).await;
        let form = world.sale_form("B-7", "10.42").await;
        let path = "/mapi/v1/sale/1111";
        let address = world.url(path);
        let header = world.authorization(&address, &form);
        assert_eq!(world.post_with(path, &form, &header).await.status, 200);
        assert_eq!(world.post_with(path, &form, &header).await.status, 403);

        // The restarted program listens elsewhere, so the client's address is signed without its
        // port, which differs.
        let other = world.sale_form("B-8", "10.42").await;
        let portless = world.authorization("http://127.0.0.1/mapi/v1/sale/1111", &other);
        assert_eq!(world.post_with(path, &other, &portless).await.status, 200);
        let world = world.restart().await;
        let third = world.sale_form("B-8", "10.42").await;
        assert_eq!(world.post_with(path, &third, &portless).await.status, 403, "changed form");
        assert_eq!(world.post_with(path, &other, &portless).await.status, 403, "used nonce");
        assert_eq!(world.database.count("orders").await, 2);
        world.end().await;
    }
}

#[tokio::test]
async fn a_reader_that_is_unknown_foreign_blocked_or_elsewhere_is_refused() {
    scenario(async |world| {
        let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let reader = world.gateway().reader(world.reader()).await.unwrap().unwrap();
        let gateway = world.gateway();
        gateway.enrol_merchant(MerchantId(2), "other", "KEY").await.unwrap();
        gateway.enrol_group(GroupId(22), MerchantId(2)).await.unwrap();
        let mut foreign_endpoint = (*endpoint).clone();
        (foreign_endpoint.id, foreign_endpoint.merchant) = (EndpointId(2222), MerchantId(2));
        foreign_endpoint.group = Some(GroupId(22));
        gateway.enrol_endpoint(&foreign_endpoint).await.unwrap();
        let mut elsewhere = (*reader).clone();
        (elsewhere.id.0, elsewhere.serial) = (50, "29000001".to_owned());
        elsewhere.initial_ksn = Ksn::of_device(reader.cipher, &reader.key_set_prefix, 50).unwrap();
        (elsewhere.endpoint, elsewhere.group) = (Some(EndpointId(1112)), None);
        gateway.enrol_reader(&elsewhere).await.unwrap();
        let mut foreign = (*reader).clone();
        (foreign.id.0, foreign.serial) = (51, "29000002".to_owned());
        foreign.initial_ksn = Ksn::of_device(reader.cipher, &reader.key_set_prefix, 51).unwrap();
        (foreign.merchant, foreign.group) = (MerchantId(2), Some(GroupId(22)));
        gateway.enrol_reader(&foreign).await.unwrap();

        let swipe = |serial: &'static str| async move {
            let data = world.swipe_at(serial, "10.42", serde_json::json!({})).await;
            form_with("B-9", "10.42", &data)
        };
        let known = swipe("10000462").await;
        let unknown = {
            let data = with(&known, "", None);
            let hex = hex::encode_upper("10000462");
            let spoilt = data
                .iter()
                .find(|(n, _)| n == "encrypted-data")
                .unwrap()
                .1
                .replace(&hex, &hex::encode_upper("99999999"));
            with(&known, "encrypted-data", Some(&spoilt))
        };
        let of_foreign = world.sale(&swipe("29000002").await).await;
        let of_unknown = world.sale(&unknown).await;
        assert_eq!(of_unknown.refusal(), "error 21 READER_NOT_REGISTERED");
        assert_eq!(of_foreign.refusal(), of_unknown.refusal());
        let answer = world.sale(&swipe("29000001").await).await;
        assert_eq!(answer.refusal(), "error 23 READER_NOT_ASSIGNED");
        for state in [ReaderState::Blocked, ReaderState::Lost] {
            gateway.change_reader(&Reader { state, ..Reader::clone(&reader) }).await.unwrap();
            assert_eq!(world.sale(&known).await.refusal(), "error 22 READER_DISABLED");
        }
        nothing_is_stored(world).await;
        gateway.change_reader(&reader).await.unwrap();
        assert_eq!(world.sale(&known).await.get("type"), "async-response");
    })
    .await;
}

#[tokio::test]
async fn another_merchants_order_looks_exactly_like_an_unknown_one() {
    scenario(async |world| {
        let order = world.sell("B-10", "10.42").await;
        let gateway = world.gateway();
        let endpoint = gateway.endpoint(EndpointId(1111)).await.unwrap().unwrap();
        gateway.enrol_merchant(MerchantId(2), "other", "KEY").await.unwrap();
        gateway.enrol_group(GroupId(22), MerchantId(2)).await.unwrap();
        let mut foreign = (*endpoint).clone();
        (foreign.id, foreign.merchant, foreign.group) =
            (EndpointId(2222), MerchantId(2), Some(GroupId(22)));
        gateway.enrol_endpoint(&foreign).await.unwrap();

        let ask = |path: &'static str, name: &'static str, order: String| async move {
            let control = tillgate::crypto::sign::status_control("other", name, &order, "KEY");
            let form = [("login", "other"), ("client_orderid", name), ("control", &control)];
            let mut form: Vec<_> =
                form.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect();
            form.push(("orderid".to_owned(), order));
            world.post(path, &form).await
        };
        let own = "/api/v2/status/2222";
        let foreign_order = ask(own, "B-10", order.clone()).await;
        let unknown_order = ask(own, "B-10", "999999".to_owned()).await;
        assert_eq!(foreign_order.refusal(), "error 101 ORDER_NOT_FOUND");
        assert_eq!(bare(&foreign_order), bare(&unknown_order));
        let foreign_endpoint = ask("/api/v2/status/1111", "B-10", order.clone()).await;
        let unknown_endpoint = ask("/api/v2/status/1999", "B-10", order).await;
        assert_eq!(bare(&foreign_endpoint).replace("1111", "1999"), bare(&unknown_endpoint),);
    })
    .await;
}

#[tokio::test]
async fn a_disabled_endpoint_takes_nothing() {
    scenario(async |world| {
        let form = world.sale_form("B-11", "10.42").await;
        let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let mut disabled = (*endpoint).clone();
        disabled.enabled = false;
        world.gateway().change_endpoint(&disabled).await.unwrap();
        assert_eq!(world.sale(&form).await.refusal(), "error 29 END_POINT_DISABLED");
        nothing_is_stored(world).await;
    })
    .await;
}

/// An answer without its serial number.
fn bare(answer: &Answer) -> String {
    let lines = answer.body.lines().filter(|line| !line.starts_with("&serial-number"));
    lines.collect::<Vec<_>>().join("\n")
}
