//! The gateway's own keys are replaced while it serves, and nobody notices.

use crate::world::{PAN, World, form_with, scenario};
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;
use tillgate::clock::Entropy;
use tillgate::crypto::key_ring::KeyRing;
use tillgate::crypto::seal::SealingKey;
use tillgate::gateway::{KeyStore, Resealed, SoftwareKeys};
use tillgate::payment::card::Pan;
use tillgate::payment::ids::{EndpointId, KeySetId, MerchantId};
use tillgate::payment::limits::{Limits, Per, Velocity};
use tillgate::payment::merchant::Endpoint;
use tillgate::payment::{DAY, SECOND};
use tillgate::store::SecretPlace;

/// The master key with which every scenario starts, and the next one.
const FIRST: [u8; 32] = [9; 32];
const NEXT: [u8; 32] = [10; 32];
/// How many sales are under way at once, each at a reader of its own, and how often.
const AT_ONCE: usize = 7;
const ROUNDS: usize = 6;

fn ring(keys: &[[u8; 32]]) -> KeyRing {
    let lines: Vec<_> = keys.iter().map(hex::encode).collect();
    KeyRing::from_lines(&lines.join("\n")).unwrap()
}

/// Sales at readers of every cipher, all at once; whether each was accepted is seen to.
async fn sell_many(world: &World, round: usize) {
    let sales = (0..AT_ONCE).map(async |place| {
        let serial = &world.ready.readers[place % world.ready.readers.len()].serial;
        let data = world.swipe_at(serial, "10.42", json!({})).await;
        let mut form = form_with(&format!("R-{round}-{place}"), "10.42", &data);
        let kind = world.ready.readers[place % world.ready.readers.len()].kind.clone();
        form.iter_mut().find(|(name, _)| name == "encrypted-type").unwrap().1 = kind;
        world.sale(&form).await.order()
    });
    join_all(sales).await;
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
        assert!(first.take_up(set.id, set.cipher, &secret.sealed).await.is_err());
        assert!(next.take_up(set.id, set.cipher, &secret.sealed).await.is_ok());
    }
}

#[tokio::test]
async fn the_master_key_is_replaced_under_load_and_no_sale_fails() {
    scenario(async |world| {
        let gateway = world.gateway();
        sell_many(world, 0).await;
        world.settle().await;
        let sales = async {
            for round in 1..ROUNDS {
                sell_many(world, round).await;
            }
        };
        let rotation = async {
            gateway.take_master_keys(&ring(&[NEXT, FIRST])).await.unwrap();
            let resealed = gateway.reseal().await.unwrap();
            assert!(resealed.resealed > 5 && resealed.unreadable == 0, "{resealed:?}");
            assert_eq!(gateway.reseal().await.unwrap(), Resealed::default());
            gateway.take_master_keys(&ring(&[NEXT])).await.unwrap();
        };
        tokio::join!(sales, rotation);
        world.settle().await;
        world.pass(SECOND).await;
        sell_many(world, ROUNDS).await;
        world.settle().await;
        assert_eq!(gateway.reseal().await.unwrap(), Resealed::default());
        nothing_needs_the_first_key(world).await;
        let orders = i64::try_from(AT_ONCE * (ROUNDS + 1)).unwrap();
        assert_eq!(world.database.count("orders").await, orders);
        let answer = world.status_of("R-0-0").await;
        assert_eq!(answer, "approved");
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
        let hash = hash.card_hash(&Pan::parse(PAN).unwrap());
        world.sell("D-2", "10.42").await;
        let dump = world.database.dump().await;
        let found = dump.windows(hash.len()).filter(|window| *window == hash.as_bytes()).count();
        assert!(found >= 2, "both orders know the card by one hash");
    })
    .await;
}
