//! `explain decrypt`: what is wrong with a reader's message is named, what is right is left alone,
//! and neither keys nor cards are told.

use crate::process::PROGRAM;
use crate::world::{Answer, PAN, World, scenario};
use serde_json::{Value, json};
use std::process::Command;
use tillgate::crypto::block_key::BlockKey;
use tillgate::crypto::card_writer::{PlasticCard, track2_characters};
use tillgate::crypto::dukpt::{Use, tdes};
use tillgate::crypto::reader::Container;
use tillgate::crypto::reader_keys::InitialKey;
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::key_set::DataVariant;
use tillgate::payment::ksn::Ksn;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::reader::{Reader, ReaderState};

const AMOUNT: &str = "10.42";
const SPIRE: (&str, &str) = ("20000001", "spire");

async fn explain(world: &World, reader: (&str, &str), data: &str, amount: &str) -> Value {
    let request = json!({
        "reader": reader.0,
        "encrypted_type": reader.1,
        "encrypted_data": data,
        "amount": amount,
        "currency": "RUB",
    });
    let url = world.url("/admin/explain/decrypt");
    let request = world.http.post(url).header("Authorization", "Bearer sandbox").json(&request);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.body.contains(PAN), "a card number is told");
    assert_no_key(world, &answer.body).await;
    serde_json::from_str(&answer.body).unwrap()
}

async fn assert_no_key(world: &World, told: &str) {
    let told = told.to_lowercase();
    for reader in &world.ready.readers {
        assert!(!told.contains(&reader.bdk.to_lowercase()), "a base key is told");
        let forge = Forge::of(world, &reader.serial).await;
        assert!(!told.contains(&hex::encode(forge.key.expose())), "an initial key is told");
    }
}

async fn finding(world: &World, reader: (&str, &str), data: &str) -> String {
    let found = explain(world, reader, data, AMOUNT).await;
    assert_eq!(found["well"], found["finding"] == "all-is-well");
    found["finding"].as_str().unwrap().to_owned()
}

/// A reader in the hands of the test.
struct Forge {
    reader: Reader,
    key: InitialKey,
}

impl Forge {
    async fn of(world: &World, serial: &str) -> Self {
        let reader = world.gateway().reader(serial).await.unwrap().unwrap();
        let key = world.gateway().initial_key(&reader).await.unwrap();
        Self { reader: Reader::clone(&reader), key }
    }

    fn ksn(&self, counter: u32) -> Ksn {
        self.reader.initial_ksn.with_counter(self.reader.cipher, counter).unwrap()
    }

    fn sealed(&self, clear: &[u8], counter: u32) -> Vec<u8> {
        let amount = Amount::parse(AMOUNT, Currency::from_alpha("RUB").unwrap()).unwrap();
        let serial = &self.reader.serial;
        self.key.seal(clear, [7; 12], self.ksn(counter), serial, amount).unwrap()
    }

    /// The track sealed under another key of the same message.
    fn sealed_for(&self, purpose: Use, counter: u32) -> Vec<u8> {
        let initial = BlockKey::tdes(self.key.expose().try_into().unwrap());
        let ksn = self.ksn(counter).as_bytes().try_into().unwrap();
        let key = tdes::working_key(&initial, ksn, purpose, DataVariant::DataRequest).unwrap();
        let mut bytes = track();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        key.encrypt(&mut bytes).unwrap();
        bytes
    }

    fn message(&self, ciphertext: Vec<u8>, ksn: Ksn) -> String {
        let serial = self.reader.serial.clone();
        Container { ciphertext, ksn, entry_mode: EntryMode::Swipe, serial, pin: None }.write()
    }

    fn swipe(&self, counter: u32) -> String {
        self.message(self.sealed(&track(), counter), self.ksn(counter))
    }
}

fn track() -> Vec<u8> {
    let pan = Pan::parse(PAN).unwrap();
    let expiry = Expiry::from_yymm("3012").unwrap();
    let card = PlasticCard { pan: &pan, expiry, cardholder: "TEST CARD", has_chip: false };
    track2_characters(&card).to_vec()
}

#[tokio::test]
async fn untouched_messages_of_every_virtual_reader_are_not_blamed() {
    scenario(async |world| {
        let readers: Vec<_> = world.ready.readers.clone();
        for reader in &readers {
            let claimed = (reader.serial.as_str(), reader.kind.as_str());
            let is_code = reader.kind == "mc-qrcode";
            let modes = ["swipe", "insert", "tap", "fallback"];
            for mode in if is_code { &["scan"][..] } else { &modes } {
                let more = json!({ "entry_mode": mode });
                let data = world.swipe_at(&reader.serial, AMOUNT, more).await;
                let found = explain(world, claimed, &data, AMOUNT).await;
                assert_eq!(found["finding"], "all-is-well", "{claimed:?} {mode}: {found}");
                let facts = found["facts"].to_string();
                assert!(facts.contains("444455******1111"), "{facts}");
            }
            if is_code {
                continue;
            }
            let last = json!({ "amount": AMOUNT, "currency": "RUB", "auth_response_code": "00" });
            let url = world.url(&format!("/sandbox/readers/{}/complete", reader.serial));
            let told = Answer::of(world.http.post(url).json(&last)).await;
            let told: Value = serde_json::from_str(&told.body).unwrap();
            let data = told["encrypted_data"].as_str().unwrap();
            let found = explain(world, claimed, data, AMOUNT).await;
            assert_eq!(found["finding"], "all-is-well", "{claimed:?}: {found}");
            assert!(found["says"].as_str().unwrap().contains("last word"), "{found}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_written_or_framed_wrongly_is_told_so() {
    scenario(async |world| {
        let good = Forge::of(world, SPIRE.0).await.swipe(5);
        let spaced = good.as_bytes().chunks(2).map(|two| str::from_utf8(two).unwrap());
        let spaced = spaced.collect::<Vec<_>>();
        let json = format!("{{\"encrypted_data\":\"{good}\"}}");
        for (data, expected) in [
            (String::new(), "empty"),
            (good.clone(), "all-is-well"),
            (spaced.join(" "), "whitespace"),
            (spaced.join(":"), "separators"),
            (format!("{good}\n"), "whitespace"),
            (format!("0x{good}"), "hex-prefix"),
            (format!("\"{good}\""), "quoted"),
            (format!("encrypted-data={good}"), "field-name"),
            (json, "whole-json"),
            (hex::encode(&good), "double-hex"),
            (good[1..].to_owned(), "odd-length"),
            (good.replacen('A', "O", 1), "not-hex"),
            (good[..good.len() - 8].to_owned(), "truncated"),
            (format!("{good}00"), "extra-bytes"),
            (format!("{good}{good}"), "two-messages"),
            (good[4..].to_owned(), "missing-template"),
            (format!("0100{:02X}{good}55", good.len() / 2), "vendor-frame"),
            (format!("{:04X}{good}", good.len() / 2), "length-header"),
            (good.replacen("E9", "EA", 1), "unknown-template"),
            (good.replace("DFAE650130", "DFAE650100"), "entry-mode"),
            (good.replace("DFAE66", "DFAE65"), "repeated-tag"),
            (good.replace("DFAE66", "DFAE67"), "missing-tag"),
            (good.replace("DFAE64", "DFAE67"), "missing-ksn"),
            (hex::encode(b"no message at all"), "not-tlv"),
        ] {
            assert_eq!(finding(world, SPIRE, &data).await, expected, "{data}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_scanned_code_that_was_spoilt_or_sent_under_another_name_is_told_so() {
    scenario(async |world| {
        let serial = "40000001";
        let good = world.swipe_at(serial, AMOUNT, json!({ "entry_mode": "scan" })).await;
        let stripe = world.swipe_at(SPIRE.0, AMOUNT, json!({})).await;
        assert_eq!(finding(world, SPIRE, &good).await, "wrong-type");
        for (kind, data, expected) in [
            ("mc-qrcode", good.clone(), "all-is-well"),
            ("spire", good.clone(), "wrong-type"),
            ("mc-qrcode", stripe, "wrong-template"),
            ("mc-qrcode", good.replacen("9F0101", "9F0501", 1), "wrong-template"),
            ("mc-qrcode", good.replacen("9F010131", "9F010132", 1), "bad-code"),
            ("mc-qrcode", good.replacen("9F0308", "9F0508", 1), "missing-tag"),
            ("mc-qrcode", hex::encode(&good), "double-hex"),
        ] {
            assert_eq!(finding(world, (serial, kind), &data).await, expected, "{kind} {data}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_ksn_is_told_from_a_wrong_key_and_a_wrong_key_is_named() {
    scenario(async |world| {
        let (one, two) = (Forge::of(world, SPIRE.0).await, Forge::of(world, "20000002").await);
        let neighbour = Forge::of(world, "30000002").await;
        let sealed = |counter| one.sealed(&track(), counter);
        let mut reversed = one.ksn(5).as_bytes().to_vec();
        reversed.reverse();
        let unknown = Ksn::from_hex("FFFF0900000000200005").unwrap();
        for (data, expected) in [
            (one.message(sealed(5), Ksn::from_slice(&reversed).unwrap()), "ksn-reversed"),
            (one.message(sealed(5), neighbour.ksn(5)), "other-reader"),
            (one.message(sealed(5), two.ksn(5)), "other-key-set"),
            (one.message(sealed(5), unknown), "unknown-key-set"),
            (one.message(sealed(5), one.ksn(0)), "counter-zero"),
            (one.message(sealed(5), one.ksn(0x7FF)), "counter-illegal"),
            (one.message(sealed(7), one.ksn(5)), "counter-off"),
            (one.message(one.sealed_for(Use::Pin, 5), one.ksn(5)), "key-pin"),
            (one.message(one.sealed_for(Use::MacResponse, 5), one.ksn(5)), "key-mac-response"),
            (one.message(track(), one.ksn(5)), "not-encrypted"),
            (one.message(hex::encode(sealed(5)).into_bytes(), one.ksn(5)), "sealed-as-text"),
            (one.message(one.sealed(b"no card at all", 5), one.ksn(5)), "no-card-inside"),
            (one.message(vec![0x5C; 40], one.ksn(5)), "does-not-open"),
            (one.message(sealed(5)[1..].to_vec(), one.ksn(5)), "not-whole-blocks"),
            (two.swipe(5), "other-serial"),
        ] {
            assert_eq!(finding(world, SPIRE, &data).await, expected);
        }
        assert_eq!(finding(world, ("2", "spire"), &one.swipe(5)).await, "reader-not-registered");
        assert_eq!(finding(world, (SPIRE.0, "Spire"), &one.swipe(5)).await, "unsupported-type");
        assert_eq!(finding(world, (SPIRE.0, "miura"), &one.swipe(5)).await, "wrong-type");
    })
    .await;
}

#[tokio::test]
async fn the_amount_that_the_sim_profile_binds_is_found_out() {
    scenario(async |world| {
        let sim = ("10000462", "sim");
        let data = world.swipe(AMOUNT, json!({})).await;
        let dear = explain(world, sim, &data, "1042").await;
        assert_eq!(dear["finding"], "amount-differs");
        assert!(dear["wrong"].as_str().unwrap().contains("10.42 RUB"), "{dear}");
        let chip = world.swipe_at(SPIRE.0, AMOUNT, json!({ "entry_mode": "insert" })).await;
        let chip = explain(world, SPIRE, &chip, "1042").await;
        assert_eq!(chip["finding"], "amount-differs");
    })
    .await;
}

#[tokio::test]
async fn a_used_counter_and_a_blocked_reader_are_told() {
    scenario(async |world| {
        let form = world.sale_form("E-1", AMOUNT).await;
        world.sale(&form).await.order();
        let data = form.iter().find(|(name, _)| name == "encrypted-data").unwrap().1.clone();
        let sim = ("10000462", "sim");
        assert_eq!(finding(world, sim, &data).await, "counter-replayed");
        let forge = Forge::of(world, SPIRE.0).await;
        let blocked = Reader { state: ReaderState::Blocked, ..forge.reader.clone() };
        world.gateway().change_reader(&blocked).await.unwrap();
        assert_eq!(finding(world, SPIRE, &forge.swipe(5)).await, "reader-blocked");
    })
    .await;
}

#[tokio::test]
async fn only_operators_ask_and_the_command_tells_people() {
    scenario(async |world| {
        let url = world.url("/admin/explain/decrypt");
        assert_eq!(Answer::of(world.http.post(&url).json(&json!({}))).await.status, 401);
        let command = |data: String| {
            let base = world.url("");
            tokio::task::spawn_blocking(move || {
                let reader = ["--reader", SPIRE.0, "--type", SPIRE.1, "--data", &data];
                let mut command = Command::new(PROGRAM);
                command.args(["explain", "decrypt", "--url", &base]).args(reader);
                command.output().unwrap()
            })
        };
        let good = Forge::of(world, SPIRE.0).await.swipe(5);
        let well = command(good.clone()).await.unwrap();
        assert!(well.status.success(), "{well:?}");
        let wrong = command(good[2..].to_owned()).await.unwrap();
        assert!(!wrong.status.success());
        let told = String::from_utf8(wrong.stdout).unwrap();
        assert!(told.contains("what to change"), "{told}");
    })
    .await;
}
