//! The gateway's own keys are replaced while it serves, and nobody notices.

use crate::world::{World, form_with, scenario, with};
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tillgate::clock::Entropy;
use tillgate::crypto::key_ring::KeyRing;
use tillgate::crypto::seal::SealingKey;
use tillgate::gateway::{KeyStore, Resealed, SoftwareKeys};
use tillgate::payment::card::Pan;
use tillgate::payment::ids::{EndpointId, KeySetId, MerchantId, ReaderId};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::limits::{Limits, Per, Velocity};
use tillgate::payment::merchant::Endpoint;
use tillgate::payment::reader::Reader;
use tillgate::payment::{DAY, SECOND};
use tillgate::store::SecretPlace;

/// The master key with which every scenario starts, and the next one.
const FIRST: [u8; 32] = [9; 32];
const NEXT: [u8; 32] = [10; 32];
/// The last byte of the master keys that follow.
const LATER: std::ops::Range<u8> = 11..40;
/// How many virtual readers of each kind sell at once, and how often each.
const COPIES: u32 = 8;
const ROUNDS: usize = 6;

fn ring(keys: &[[u8; 32]]) -> KeyRing {
    let lines: Vec<_> = keys.iter().map(hex::encode).collect();
    KeyRing::from_lines(&lines.join("\n")).unwrap()
}

/// Readers of every kind and cipher, enough of them for many sales at once: serial and kind.
async fn fleet(world: &World) -> Vec<(String, String)> {
    let mut fleet = Vec::new();
    for (number, known) in (1_u32..).zip(&world.ready.readers) {
        let like = world.gateway().reader(&known.serial).await.unwrap().unwrap();
        for copy in 0..COPIES {
            let device = 100 * number + copy;
            let reader = Reader {
                id: ReaderId(i64::from(1000 + device)),
                serial: format!("{}-{copy}", known.serial),
                initial_ksn: Ksn::of_device(like.cipher, &like.key_set_prefix, device).unwrap(),
                ..Reader::clone(&like)
            };
            world.gateway().enrol_reader(&reader).await.unwrap();
            fleet.push((reader.serial, known.kind.clone()));
        }
    }
    fleet
}

/// Each reader sells once, all at once; whether each sale was accepted is seen to.
async fn sell_many(world: &World, fleet: &[(String, String)], round: usize) {
    let sales = fleet.iter().map(async |(serial, kind)| {
        let data = world.swipe_at(serial, "10.42", json!({})).await;
        let form = form_with(&format!("R-{round}-{serial}"), "10.42", &data);
        world.sale(&with(&form, "encrypted-type", Some(kind))).await.order()
    });
    join_all(sales).await;
}

/// Replaces every key of the gateway's own, over and over, while sales go on. A master key goes
/// when all that was under way as the next one came has ended, as the settings page asks for.
/// Answers the last one, and how many there were.
async fn rotate_all(world: &World, rounds_done: &AtomicUsize) -> ([u8; 32], u32) {
    let gateway = world.gateway();
    let (mut present, mut count) = (FIRST, 0);
    for byte in LATER {
        let round = rounds_done.load(Ordering::Relaxed);
        if round == ROUNDS {
            break;
        }
        let next = [byte; 32];
        gateway.take_master_keys(&ring(&[next, present])).await.unwrap();
        let resealed = gateway.reseal().await.unwrap();
        assert!(resealed.resealed > 5 && resealed.unreadable == 0, "{resealed:?}");
        gateway.rotate_card_hash_key().await.unwrap();
        // The merchant's app goes on signing with the key that it has.
        if count == 0 {
            gateway.rotate_control_key(&world.ready.login, None, 3600).await.unwrap();
        }
        (present, count) = (next, count + 1);
        while rounds_done.load(Ordering::Relaxed) == round {
            tokio::task::yield_now().await;
        }
    }
    (present, count)
}

/// No secret of any kind opens with the first key any more.
async fn nothing_needs_the_first_key(world: &World) {
    let first = tillgate::gateway::Keys::derive(&ring(&[FIRST]));
    let next = tillgate::gateway::Keys::derive(&ring(&[NEXT]));
    for secret in world.app().store().secrets(SecretPlace::ControlKeys).await.unwrap() {
        let id = MerchantId(secret.number);
        assert!(first.open_control_key(id, &secret.sealed).is_err());
        assert!(next.open_control_key(id, &secret.sealed).is_ok());
    }
    let store = |keys| SoftwareKeys::new(Arc::new(keys), Entropy::seeded(1), None);
    let (first, next) = (store(first), store(next));
    for secret in world.app().store().secrets(SecretPlace::BaseKeys).await.unwrap() {
        let set = world.app().store().key_set(KeySetId(secret.number)).await.unwrap().unwrap();
        let exportability = set.exportability;
        assert!(first.take_up(set.id, set.cipher, exportability, &secret.sealed).await.is_err());
        assert!(next.take_up(set.id, set.cipher, exportability, &secret.sealed).await.is_ok());
    }
}

#[tokio::test]
async fn every_key_is_replaced_under_load_and_no_sale_fails() {
    scenario(async |world| {
        let gateway = world.gateway();
        let fleet = fleet(world).await;
        sell_many(world, &fleet, 0).await;
        world.settle().await;
        let rounds_done = AtomicUsize::new(0);
        let sales = async {
            for round in 1..=ROUNDS {
                sell_many(world, &fleet, round).await;
                rounds_done.store(round, Ordering::Relaxed);
            }
        };
        let ((), (present, count)) = tokio::join!(sales, rotate_all(world, &rounds_done));
        assert!(count > 1, "the keys were replaced {count} times");
        world.settle().await;
        world.pass(SECOND).await;
        gateway.take_master_keys(&ring(&[NEXT, present])).await.unwrap();
        gateway.reseal().await.unwrap();
        gateway.take_master_keys(&ring(&[NEXT])).await.unwrap();
        sell_many(world, &fleet, ROUNDS + 1).await;
        world.settle().await;
        assert_eq!(gateway.reseal().await.unwrap(), Resealed::default());
        nothing_needs_the_first_key(world).await;
        let approved = "SELECT status, COUNT(*) FROM orders GROUP BY status";
        let sold = i64::try_from(fleet.len() * (ROUNDS + 2)).unwrap();
        assert_eq!(world.database.numbers(approved).await, [("approved".to_owned(), sold)]);
    })
    .await;
}

#[tokio::test]
async fn master_keys_that_open_nothing_are_not_taken() {
    scenario(async |world| {
        let gateway = world.gateway();
        let refused = gateway.take_master_keys(&ring(&[NEXT])).await.unwrap_err().to_string();
        assert!(refused.contains("keep the old line below"), "{refused}");
        world.sell("M-1", "10.42").await;
        assert_eq!(gateway.reseal().await.unwrap(), Resealed { resealed: 0, unreadable: 0 });
    })
    .await;
}

#[tokio::test]
async fn a_card_is_counted_across_a_change_of_the_key_that_hashes_it() {
    scenario(async |world| {
        let gateway = world.gateway();
        let endpoint = gateway.endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let rule =
            Velocity { per: Per::Card, within: DAY, count_most: Some(2), sum_most_minor: None };
        let limits = Limits { velocity: vec![rule], ..Limits::default() };
        gateway.change_endpoint(&Endpoint { limits, ..Endpoint::clone(&endpoint) }).await.unwrap();
        let mut ends = Vec::new();
        for name in ["H-1", "H-2", "H-3"] {
            world.sell(name, "10.42").await;
            world.settle().await;
            ends.push(world.status_of(name).await);
            gateway.rotate_card_hash_key().await.unwrap();
        }
        assert_eq!(ends, ["approved", "approved", "filtered"]);
    })
    .await;
}

#[tokio::test]
async fn hashes_and_digests_outlive_the_master_key() {
    scenario(async |world| {
        let gateway = world.gateway();
        let form = world.sale_form("D-1", "10.42").await;
        let order = world.sale(&form).await.order();
        gateway.take_master_keys(&ring(&[NEXT, FIRST])).await.unwrap();
        gateway.reseal().await.unwrap();
        gateway.take_master_keys(&ring(&[NEXT])).await.unwrap();
        gateway.load_own_keys().await.unwrap();
        assert_eq!(world.sale(&form).await.order(), order, "the same request again");
        let hash = SealingKey::from_bytes(FIRST).derive("card hash");
        let hash = hash.card_hash(&Pan::parse(world.pan).unwrap());
        world.sell("D-2", "10.42").await;
        let dump = world.database.dump().await;
        let found = dump.windows(hash.len()).filter(|window| *window == hash.as_bytes()).count();
        assert!(found >= 2, "both orders know the card by one hash");
    })
    .await;
}
