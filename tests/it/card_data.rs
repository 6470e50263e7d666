//! The reader's message: bound to reader, amount and currency, taken once, and gone when it is
//! not needed any more.

use crate::world::{Answer, PAN, World, contains, form_with, order_id, scenario, with};
use sqlx::Row;
use tillgate::crypto::card_writer::{PlasticCard, write_clear_card};
use tillgate::crypto::reader::Container;
use tillgate::crypto::reader_keys::InitialKey;
use tillgate::crypto::tlv::Tag;
use tillgate::crypto::tlv_write::write;
use tillgate::payment::HOUR;
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::key_set::Cipher;
use tillgate::payment::ksn::Ksn;
use tillgate::payment::money::{Amount, Currency};

fn rub(minor: i64) -> Amount {
    Amount::from_minor(minor, Currency::from_alpha("RUB").unwrap()).unwrap()
}

/// A reader in the hands of the test: it seals whatever it is given.
struct Forge {
    serial: String,
    key: InitialKey,
    ksn: Ksn,
}

impl Forge {
    async fn of(world: &World) -> Self {
        let reader = world.gateway().reader(world.reader()).await.unwrap().unwrap();
        Self {
            serial: reader.serial.clone(),
            key: world.gateway().initial_key(&reader).await.unwrap(),
            ksn: reader.initial_ksn,
        }
    }

    fn message(&self, counter: u32, plaintext: &[u8], mode: EntryMode, amount: Amount) -> String {
        let ksn = self.ksn.with_counter(Cipher::AesGcm, counter).unwrap();
        Container {
            ciphertext: self.key.seal(plaintext, [7; 12], ksn, &self.serial, amount).unwrap(),
            ksn,
            entry_mode: mode,
            serial: self.serial.clone(),
            pin: None,
        }
        .write()
    }
}

fn stripe(pan: &str, expiry: &str) -> Vec<u8> {
    let pan = Pan::parse(pan).unwrap();
    let expiry = Expiry::from_yymm(expiry).unwrap();
    let card = PlasticCard { pan: &pan, expiry, cardholder: "TEST CARD", has_chip: false };
    write_clear_card(&card, None).to_vec()
}

fn tagged(tags: &[(u32, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, value) in tags {
        write(Tag(*tag), &hex::decode(value).unwrap(), &mut bytes);
    }
    bytes
}

async fn try_sale(world: &World, name: &str, data: &str) -> String {
    world.sale(&form_with(name, "10.42", data)).await.refusal()
}

#[tokio::test]
async fn what_is_inside_must_be_a_card_that_agrees_with_the_request() {
    scenario(async |world| {
        let forge = Forge::of(world).await;
        let swipe = EntryMode::Swipe;
        let good = stripe(PAN, "3012");
        let with_tags = |tags: &[(u32, &str)]| [good.clone(), tagged(tags)].concat();
        // Tag 5A with a digit changed fails the Luhn check.
        let bad_luhn = tagged(&[(0x5A, "4444555566661112"), (0x5F24, "301231")]);
        for (name, plaintext, mode, refusal) in [
            ("luhn", bad_luhn, swipe, "error 30 CARD_NUMBER_INVALID"),
            ("no card", tagged(&[(0x5F24, "301231")]), swipe, "error 30 CARD_NUMBER_INVALID"),
            ("expired", stripe(PAN, "2610"), swipe, "error 31 CARD_EXPIRED"),
            (
                "another amount on a stripe",
                with_tags(&[(0x9F02, "000000009999")]),
                swipe,
                "error 32 CARD_DATA_AMOUNT_OR_CURRENCY_DIFFERS",
            ),
            (
                "another currency on a stripe",
                with_tags(&[(0x5F2A, "0978")]),
                swipe,
                "error 32 CARD_DATA_AMOUNT_OR_CURRENCY_DIFFERS",
            ),
            (
                "a chip without an amount",
                good.clone(),
                EntryMode::Chip,
                "error 32 CARD_DATA_AMOUNT_OR_CURRENCY_DIFFERS",
            ),
            (
                "a tap without a currency",
                with_tags(&[(0x9F02, "000000001042")]),
                EntryMode::Contactless,
                "error 32 CARD_DATA_AMOUNT_OR_CURRENCY_DIFFERS",
            ),
            ("not TLV", vec![0x5A, 0x7F], swipe, "validation-error 9 Invalid encrypted-data"),
        ] {
            let data = forge.message(1, &plaintext, mode, rub(1042));
            assert_eq!(try_sale(world, name, &data).await, refusal, "{name}");
        }
        assert_eq!(world.database.count("orders").await, 0);
        let data = forge.message(1, &stripe(PAN, "2611"), swipe, rub(1042));
        let answer = world.sale(&form_with("good this month", "10.42", &data)).await;
        assert_eq!(answer.get("type"), "async-response");
    })
    .await;
}

#[tokio::test]
async fn a_message_for_another_amount_currency_or_reader_does_not_open() {
    scenario(async |world| {
        let forge = Forge::of(world).await;
        let plaintext = stripe(PAN, "3012");
        let other_amount = forge.message(1, &plaintext, EntryMode::Swipe, rub(1043));
        let euro = Amount::from_minor(1042, Currency::from_alpha("EUR").unwrap()).unwrap();
        let other_currency = forge.message(1, &plaintext, EntryMode::Swipe, euro);
        let key = InitialKey::from_slice(Cipher::AesGcm, &[1; 32]).unwrap();
        let other_key = Forge { key, ..Forge::of(world).await };
        let other_key = other_key.message(1, &plaintext, EntryMode::Swipe, rub(1042));
        let good = forge.message(1, &plaintext, EntryMode::Swipe, rub(1042));
        let spoilt = format!("{}{}", &good[..60], good[60..].replacen('A', "B", 1));
        for data in [other_amount, other_currency, other_key, spoilt] {
            assert_eq!(try_sale(world, "K-1", &data).await, "error 24 CARD_DATA_DECRYPTION_FAILED");
        }
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_container_must_be_whole() {
    scenario(async |world| {
        let good = world.swipe("10.42", serde_json::json!({})).await;
        let truncated = &good[..good.len() - 2];
        let trailing = format!("{good}00");
        let wrong_template = format!("E8{}", &good[2..]);
        let too_long = "E9".repeat(20_000);
        for data in
            ["xyz", "E9", "E92B", "0", truncated, &trailing, &wrong_template, &too_long, "E90100"]
        {
            let refusal = try_sale(world, "T-1", data).await;
            assert_eq!(refusal, "validation-error 9 Invalid encrypted-data", "{data:.40}");
        }
        let form = form_with("T-2", "10.42", &good.to_lowercase());
        for kind in ["verifone", "SIM", "whatever"] {
            let answer = world.sale(&with(&form, "encrypted-type", Some(kind))).await;
            assert_eq!(answer.refusal(), "validation-error 8 Unsupported encrypted-type");
        }
        assert_eq!(world.database.count("orders").await, 0);
        let miura = world.sale(&with(&form, "encrypted-type", Some("miura"))).await;
        assert_eq!(miura.refusal(), "validation-error 9 Invalid encrypted-data");
        let spire = with(&form, "encrypted-type", Some("spire"));
        assert_eq!(world.sale(&spire).await.get("type"), "async-response");
    })
    .await;
}

#[tokio::test]
async fn a_counter_rises_or_the_message_is_refused() {
    scenario(async |world| {
        let forge = Forge::of(world).await;
        let message =
            |counter| forge.message(counter, &stripe(PAN, "3012"), EntryMode::Swipe, rub(1042));
        let answer = world.sale(&form_with("C-1", "10.42", &message(5))).await;
        assert_eq!(answer.get("type"), "async-response");
        assert_eq!(try_sale(world, "C-2", &message(5)).await, "error 25 KSN_REPLAY");
        assert_eq!(try_sale(world, "C-3", &message(4)).await, "error 25 KSN_REPLAY");
        assert_eq!(try_sale(world, "C-4", &message(0)).await, "error 25 KSN_REPLAY");
        let answer = world.sale(&form_with("C-5", "10.42", &message(0xFF_FFFF))).await;
        assert_eq!(answer.get("type"), "async-response");
        assert_eq!(try_sale(world, "C-6", &message(0xFF_FFFF)).await, "error 34 READER_EXHAUSTED");
        assert_eq!(world.database.count("orders").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_refused_message_does_not_use_up_its_counter() {
    scenario(async |world| {
        let form = world.sale_form("U-1", "10.42").await;
        let refused = world.sale(&with(&form, "city", None)).await;
        assert_eq!(refused.get("error-code"), "2");
        assert_eq!(world.sale(&form).await.get("type"), "async-response");
    })
    .await;
}

#[tokio::test]
async fn of_two_sales_with_one_message_at_once_exactly_one_is_taken() {
    scenario(async |world| {
        let data = world.swipe("10.42", serde_json::json!({})).await;
        let forms: Vec<_> = (0..16).map(|n| form_with(&format!("X-{n}"), "10.42", &data)).collect();
        let answers =
            futures_util::future::join_all(forms.iter().map(|form| world.sale(form))).await;
        let taken = answers.iter().filter(|a| a.get("type") == "async-response").count();
        let replayed = answers.iter().filter(|a| a.find("error-code").as_deref() == Some("25"));
        assert_eq!((taken, replayed.count()), (1, 15));
    })
    .await;
}

#[tokio::test]
async fn a_message_of_another_key_set_or_device_is_refused() {
    scenario(async |world| {
        let forge = Forge::of(world).await;
        let own = forge.ksn.as_bytes().to_vec();
        for (place, refusal) in
            [(0, "error 35 UNKNOWN_KEY_SET"), (6, "error 24 CARD_DATA_DECRYPTION_FAILED")]
        {
            let mut bytes = own.clone();
            bytes[place] ^= 0x55;
            let forge = Forge { ksn: Ksn::from_slice(&bytes).unwrap(), ..Forge::of(world).await };
            let data = forge.message(1, &stripe(PAN, "3012"), EntryMode::Swipe, rub(1042));
            assert_eq!(try_sale(world, "S-1", &data).await, refusal);
        }
    })
    .await;
}

#[tokio::test]
async fn the_sealed_card_is_there_until_the_order_is_final_and_unreadable_after() {
    scenario(async |world| {
        let order = world.sell("W-1", "10.42").await;
        let store = world.app().store();
        let sealed = async || store.order_with_card(order_id(&order)).await.unwrap().unwrap().1;
        let before = sealed().await.unwrap();
        assert!(contains(&world.database.dump().await, before.as_bytes()));
        world.settle().await;
        assert_eq!(sealed().await, None);

        let key = sealed_key(world).await;
        // Within the hour the key may still be in use; after it, key and card are gone.
        world.pass(3 * HOUR).await;
        let swept = world.gateway().sweep().await.unwrap();
        assert_eq!(swept.card_keys, 1);
        let dump = world.database.dump().await;
        assert!(!contains(&dump, &key), "the key's bytes are still in the files");
        assert!(!contains(&dump, hex::encode(&key).as_bytes()), "the key is still in a row");
        assert_eq!(world.database.count("card_keys").await, 0);
    })
    .await;
}

#[tokio::test]
async fn the_key_of_an_unfinished_order_outlives_its_hour() {
    scenario(async |world| {
        let order = world.sell("W-2", "10.42").await;
        world.clock.advance(5 * HOUR);
        assert_eq!(world.gateway().sweep().await.unwrap().card_keys, 0);
        world.settle().await;
        assert_eq!(world.status("W-2", &order).await.get("status"), "approved");
        world.clock.advance(5 * HOUR);
        assert_eq!(world.gateway().sweep().await.unwrap().card_keys, 1);
    })
    .await;
}

#[tokio::test]
async fn sales_and_sweeps_at_the_turn_of_an_hour_lose_no_card() {
    scenario(async |world| {
        let mut orders = Vec::new();
        for hour in 0..12 {
            let names: Vec<_> = (0..3).map(|n| format!("T-{hour}-{n}")).collect();
            let mut forms = Vec::new();
            for (name, reader) in names.iter().zip(&world.ready.readers) {
                let data = world.swipe_at(&reader.serial, "10.42", serde_json::json!({})).await;
                forms.push(form_with(name, "10.42", &data));
            }
            let sales = futures_util::future::join_all(forms.iter().map(|form| world.sale(form)));
            let (answers, swept) = tokio::join!(sales, world.gateway().sweep());
            swept.unwrap();
            orders.extend(names.into_iter().zip(answers.iter().map(Answer::order)));
            world.clock.advance(HOUR);
        }
        world.settle().await;
        for (name, order) in orders {
            assert_eq!(world.status(&name, &order).await.get("status"), "approved", "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn old_nonces_are_forgotten_and_fresh_ones_kept() {
    scenario(async |world| {
        world.sell("N-1", "10.42").await;
        world.settle().await;
        assert_eq!(world.gateway().sweep().await.unwrap().nonces, 0);
        world.clock.advance(HOUR);
        assert_eq!(world.gateway().sweep().await.unwrap().nonces, 1);
        assert_eq!(world.database.count("nonces").await, 0);
    })
    .await;
}

async fn sealed_key(world: &World) -> Vec<u8> {
    let pool = world.database.look().await;
    let row = sqlx::query("SELECT key_sealed FROM card_keys").fetch_one(&pool).await.unwrap();
    pool.close().await;
    row.get(0)
}
