//! Operators who add to the registry at the same moment: the same thing, or different ones.

use crate::key_blocks::{AES_BASE, TDES_BASE, check_value};
use crate::registry::{call, done, done_by, operator};
use crate::world::{World, scenario};
use serde_json::{Value, json};
use tillgate::crypto::block_key::Algorithm;

const ROUNDS: usize = 10;

#[tokio::test]
async fn of_two_operators_who_add_the_same_at_once_one_hears_that_it_is_there() {
    scenario(async |world| {
        for round in 0..ROUNDS {
            let (prefix, serial) = (format!("AA00{round:02}"), format!("29{round:06}"));
            let group: i64 = world.ready.group_id.parse().unwrap();
            for (path, body) in [
                ("merchants", json!({ "login": format!("shop-{round}") })),
                ("key-sets", json!({ "prefix": prefix, "cipher": "tdes-dukpt", "generate": true })),
                (
                    "readers",
                    json!({
                        "serial": serial, "kind": "spire", "merchant": world.ready.login,
                        "group": group, "key_set": 2, "device": 500 + round,
                    }),
                ),
            ] {
                let request = format!("POST /admin/v1/{path}");
                let add = || call(world, "sandbox", &request, body.clone());
                let (one, other) = tokio::join!(add(), add());
                let mut statuses = [one.0, other.0];
                statuses.sort_unstable();
                assert_eq!(statuses, [201, 409], "{path}: {one:?} {other:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn two_operators_who_add_different_things_at_once_both_succeed() {
    scenario(async |world| {
        for round in 0..ROUNDS {
            for path in ["merchants", "groups", "endpoints", "key-sets", "readers"] {
                let request = format!("POST /admin/v1/{path}");
                let add = async |which: usize| {
                    let body = different(world, path, 2 * round + which);
                    call(world, "sandbox", &request, body).await
                };
                let (one, other) = tokio::join!(add(0), add(1));
                assert_eq!((one.0, other.0), (201, 201), "{path}: {one:?} {other:?}");
                if path != "readers" {
                    assert_ne!(one.1["id"], other.1["id"], "{path}");
                }
            }
        }
    })
    .await;
}

/// One of many things of a kind; each has another name, and none has a number of its own.
fn different(world: &World, path: &str, which: usize) -> Value {
    let login = &world.ready.login;
    let group: i64 = world.ready.group_id.parse().unwrap();
    match path {
        "merchants" => json!({ "login": format!("shop-{which}") }),
        "groups" => json!({ "merchant": login }),
        "endpoints" => json!({
            "merchant": login, "currency": "RUB", "amount_most_minor": 100, "terminal_id": "1",
        }),
        "key-sets" => json!({
            "prefix": format!("AB00{which:02}"), "cipher": "tdes-dukpt", "generate": true,
        }),
        _ => json!({
            "serial": format!("28{which:06}"), "kind": "spire", "merchant": login, "group": group,
            "key_set": 2, "device": 700 + which,
        }),
    }
}

#[tokio::test]
async fn two_ceremonies_that_begin_and_end_at_once_both_make_their_keys() {
    scenario(async |world| {
        let anna = operator(world, "anna", "custodian").await;
        let ben = operator(world, "ben", "custodian").await;
        for round in 1..=ROUNDS {
            let make = async |algorithm: &str| {
                let body = json!({ "transport_algorithm": algorithm, "components": 2 });
                let begun = done(world, "POST /admin/v1/key-ceremonies", body).await;
                let give = format!("POST /admin/v1/key-ceremonies/{}/components", begun["id"]);
                let family = Algorithm::from_name(algorithm).unwrap();
                for (token, digits) in [(&anna, TDES_BASE), (&ben, AES_BASE)] {
                    let value = check_value(family, digits);
                    let part = json!({ "component": digits, "check_value": value });
                    done_by(world, token, &give, part).await;
                }
            };
            tokio::join!(make("tdes"), make("aes128"));
            let keys = i64::try_from(2 * round).unwrap();
            assert_eq!(world.database.count("transport_keys").await, keys);
            assert_eq!(world.database.count("key_components").await, 0);
        }
    })
    .await;
}
