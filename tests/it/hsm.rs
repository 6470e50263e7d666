//! Base keys in a module of their own, outside of the program: the gateway works through it, keeps
//! none of its keys, and says so where it would need one.

use crate::database::engines;
use crate::key_blocks::{AES_TRANSPORT, export_under, transport_key};
use crate::registry::{call, done, done_by, look, operator, text};
use crate::world::{Answer, World, contains, form_with, with};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tillgate::crypto::block_key::{Algorithm, BlockKey};
use tillgate::crypto::pin_block::EncryptedPin;
use tillgate::crypto::pin_zone::{PinZone, ReaderPin};
use tillgate::crypto::reader::ReaderMessage;
use tillgate::crypto::reader_keys::{BaseKey, InitialKey};
use tillgate::gateway::{CardPin, KeyStore, KeyStoreError, ReaderKeys, Resealed};
use tillgate::payment::ids::KeySetId;
use tillgate::payment::key_set::{Cipher, Exportability};
use tillgate::payment::money::Amount;
use tillgate::payment::pin_format::PinFormat;
use tillgate::payment::reader::Reader;
use tillgate::payment::{DAY, SECOND};
use tillgate::store::SecretPlace;
use zeroize::Zeroizing;

/// Keys by the names of their slots, which it counts, and how far each may travel. It lets go of
/// them until it is locked.
#[derive(Default)]
struct Module {
    slots: Mutex<HashMap<String, (Arc<BaseKey>, Exportability)>>,
    is_locked: AtomicBool,
    is_away: AtomicBool,
}

#[derive(Default)]
struct Hsm(Arc<Module>);

struct Slot {
    module: Arc<Module>,
    base: Arc<BaseKey>,
}

impl Module {
    fn reach(&self) -> Result<(), KeyStoreError> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(KeyStoreError::Away("no answer on its port".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl KeyStore for Hsm {
    async fn generate(&self, of: KeySetId, cipher: Cipher) -> Result<Vec<u8>, KeyStoreError> {
        let byte = u8::try_from(of.0 & 0x7F).unwrap();
        let base = BaseKey::from_slice(cipher, &vec![byte; cipher.base_key_len()]).unwrap();
        self.keep(of, &base, Exportability::Trusted).await
    }

    async fn keep(
        &self,
        _of: KeySetId,
        base: &BaseKey,
        exportability: Exportability,
    ) -> Result<Vec<u8>, KeyStoreError> {
        self.0.reach()?;
        let base = BaseKey::from_slice(base.cipher(), base.expose()).unwrap();
        let mut slots = self.0.slots.lock().unwrap();
        let name = format!("slot {}", slots.len());
        slots.insert(name.clone(), (Arc::new(base), exportability));
        Ok(name.into_bytes())
    }

    async fn take_up(
        &self,
        _of: KeySetId,
        _cipher: Cipher,
        exportability: Exportability,
        kept: &[u8],
    ) -> Result<Arc<dyn ReaderKeys>, KeyStoreError> {
        self.0.reach()?;
        let name = String::from_utf8(kept.to_vec()).unwrap();
        let slot = self.0.slots.lock().unwrap().get(&name).cloned();
        let slot = slot.filter(|(_, bound)| *bound == exportability);
        let (base, _) = slot.ok_or_else(|| KeyStoreError::Unreadable(format!("no {name}")))?;
        Ok(Arc::new(Slot { module: Arc::clone(&self.0), base }))
    }

    async fn renew(
        &self,
        _of: KeySetId,
        _exportability: Exportability,
        _kept: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyStoreError> {
        self.0.reach()?;
        Ok(None)
    }
}

#[async_trait]
impl ReaderKeys for Slot {
    fn check_value(&self) -> [u8; 3] {
        self.base.check_value()
    }

    async fn initial_key(&self, reader: &Reader) -> Result<InitialKey, KeyStoreError> {
        self.module.reach()?;
        Ok(self.base.initial_key(&reader.serial, reader.initial_ksn)?)
    }

    async fn open(
        &self,
        reader: &Reader,
        message: &ReaderMessage,
        amount: Amount,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.initial_key(reader).await?.open_parts(message, amount)?)
    }

    async fn translate_pin(
        &self,
        reader: &Reader,
        pin: CardPin<'_>,
        allowed: &[PinFormat],
    ) -> Result<EncryptedPin, KeyStoreError> {
        let key = &self.initial_key(reader).await?;
        let (CardPin { sealed, pan, amount }, serial) = (pin, reader.serial.as_str());
        let zone = PinZone::new(PinFormat::Iso0, BlockKey::tdes([0x5A; 16])).unwrap();
        let pin = ReaderPin { sealed, key, allowed, serial, amount, pan };
        Ok(zone.take(pin, [0; 16])?)
    }

    fn shown(&self) -> Option<&BaseKey> {
        (!self.module.is_locked.load(Ordering::Relaxed)).then_some(&*self.base)
    }
}

/// A gateway whose keys have gone into a module that shows them no more.
async fn scenario(test: impl AsyncFn(&World, &Module)) {
    for engine in engines() {
        let hsm = Hsm::default();
        let module = Arc::clone(&hsm.0);
        let world = World::start_on(engine, Arc::new(hsm)).await;
        module.is_locked.store(true, Ordering::Relaxed);
        test(&world, &module).await;
        world.end().await;
    }
}

async fn sell(world: &World, serial: &str, name: &str) -> Answer {
    let kind = world.ready.readers.iter().find(|reader| reader.serial == serial).unwrap();
    let data = world.swipe_at(serial, "10.42", json!({})).await;
    let form = form_with(name, "10.42", &data);
    world.sale(&with(&form, "encrypted-type", Some(&kind.kind))).await
}

#[tokio::test]
async fn every_reader_sells_through_a_key_module_and_the_registry_keeps_none_of_its_keys() {
    scenario(async |world, _| {
        for reader in &world.ready.readers {
            let order = sell(world, &reader.serial, &reader.serial).await.order();
            world.settle().await;
            let answer = world.status(&reader.serial, &order).await;
            assert_eq!(answer.get("status"), "approved", "{}", reader.serial);
        }
        for secret in world.app().store().secrets(SecretPlace::BaseKeys).await.unwrap() {
            assert!(secret.sealed.starts_with(b"slot ") && secret.sealed.len() < 8);
        }
        let bytes = world.database.dump().await;
        for reader in &world.ready.readers {
            assert!(!contains(&bytes, &hex::decode(&reader.bdk).unwrap()), "{}", reader.serial);
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_module_that_is_away_is_a_503_with_nothing_stored_and_the_sale_may_come_again() {
    scenario(async |world, module| {
        let data = world.swipe_at("20000001", "10.42", json!({})).await;
        let form = with(&form_with("A-1", "10.42", &data), "encrypted-type", Some("spire"));
        // The keys of a set are taken up for a second.
        world.clock.advance(2 * SECOND);
        module.is_away.store(true, Ordering::Relaxed);
        let away = world.sale(&form).await;
        assert_eq!(away.status, 503, "{away:?}");
        assert_eq!(world.database.count("orders").await, 0);
        module.is_away.store(false, Ordering::Relaxed);
        world.sale(&form).await.order();
    })
    .await;
}

#[tokio::test]
async fn what_would_need_a_base_key_says_that_the_module_shows_none() {
    scenario(async |world, module| {
        let data = world.swipe_at("20000001", "10.42", json!({})).await;
        let request = json!({
            "reader": "20000001", "encrypted_type": "spire", "encrypted_data": data,
        });
        let url = world.url("/admin/explain/decrypt");
        let request = world.http.post(url).header("Authorization", "Bearer sandbox").json(&request);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains("shows no base keys"), "{answer:?}");
        let id = KeySetId(2);
        assert!(world.gateway().sandbox_base_key(id).await.is_err());
        let transport = transport_key(world, Algorithm::Aes256, AES_TRANSPORT).await;
        let clara = operator(world, "clara", "custodian").await;
        let export = export_under(&json!({ "id": 2 }), &transport);
        let (status, told) = call(world, &clara, &export, Value::Null).await;
        assert_eq!(status, 409, "{told}");
        let why = "the key store shows no base keys; do this where it has its own door";
        assert_eq!(text(&told["error"]), why);
        module.is_locked.store(false, Ordering::Relaxed);
        done_by(world, &clara, &export, Value::Null).await;
        world.clock.advance(DAY);
        assert_eq!(world.gateway().reseal().await.unwrap(), Resealed::default());
    })
    .await;
}

#[tokio::test]
async fn a_reader_is_keyed_anew_only_once_the_module_has_made_its_key() {
    scenario(async |world, module| {
        let body = json!({ "prefix": "FFAA01", "cipher": "tdes-dukpt", "generate": true });
        let set = done(world, "POST /admin/v1/key-sets", body).await;
        let path = "/admin/v1/readers/20000001";
        let (inject, body) = (format!("POST {path}/inject"), json!({ "key_set": set["id"] }));
        let before = look(world, path).await;
        module.is_away.store(true, Ordering::Relaxed);
        // The set's keys are taken up, so the module is missed where it is to derive.
        assert_eq!(call(world, "sandbox", &inject, body.clone()).await.0, 503);
        module.is_away.store(false, Ordering::Relaxed);
        assert_eq!(look(world, path).await, before);
        let injected = done(world, &inject, body.clone()).await;
        assert!(text(&injected["initial_ksn"]).starts_with("FFAA01"), "{injected}");
        assert_eq!(call(world, "sandbox", &inject, body).await.0, 409, "once");
    })
    .await;
}

#[tokio::test]
async fn a_reader_whose_key_of_a_set_was_not_handed_out_gets_it_by_the_same_request() {
    scenario(async |world, _| {
        let body = json!({ "serial": "20000099", "kind": "spire", "merchant": "sandbox",
                           "endpoint": 1111, "key_set": 2, "device": 99 });
        let reader = done(world, "POST /admin/v1/readers", body).await;
        let inject = "POST /admin/v1/readers/20000099/inject";
        let elsewhere = json!({ "key_set": 2, "device": 100 });
        assert_eq!(call(world, "sandbox", inject, elsewhere).await.0, 409, "it is device 99");
        let own = json!({ "key_set": 2, "device": 99 });
        let injected = done(world, inject, own.clone()).await;
        assert_eq!(injected["initial_ksn"], reader["initial_ksn"]);
        assert_eq!(call(world, "sandbox", inject, own).await.0, 409, "once");
    })
    .await;
}

#[tokio::test]
async fn a_ceremony_that_the_module_missed_goes_on_when_a_component_is_given_again() {
    scenario(async |world, module| {
        let anna = operator(world, "anna", "custodian").await;
        let ben = operator(world, "ben", "custodian").await;
        let body = json!({ "prefix": "FFFF0B", "cipher": "tdes-dukpt", "components": 2 });
        let (_, begun) = call(world, &anna, "POST /admin/v1/key-ceremonies", body).await;
        let give = format!("POST /admin/v1/key-ceremonies/{}/components", begun["id"]);
        let part = |key: &[u8]| {
            let check = BlockKey::from_slice(Algorithm::Tdes, key).unwrap().check_value();
            json!({ "component": hex::encode(key), "check_value": hex::encode_upper(check) })
        };
        let (one, other) = (part(b"half of one key!"), part(b"the other's half"));
        assert_eq!(call(world, &anna, &give, one).await.0, 200);
        module.is_away.store(true, Ordering::Relaxed);
        assert_eq!(call(world, &ben, &give, other.clone()).await.0, 503);
        module.is_away.store(false, Ordering::Relaxed);
        let (status, told) = call(world, &ben, &give, other).await;
        assert!(status == 200 && told["key_set"]["check_value"].is_string(), "{told}");
        assert_eq!(world.database.count("key_components").await, 0);
    })
    .await;
}
