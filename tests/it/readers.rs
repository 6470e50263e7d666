//! Readers of every maker: what they send is opened with their own keys, and each of their failures
//! has its own answer.

use crate::world::{Answer, Fields, World, form_with, scenario, with};
use serde_json::json;
use tillgate::crypto::card_writer::{PlasticCard, track2_characters};
use tillgate::crypto::reader::{Container, QrCodeMessage, Sealed, SealedPin};
use tillgate::crypto::reader_keys::{InitialKey, PinEntry};
use tillgate::gateway::NewKeySet;
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::ids::{EndpointId, KeySetId, ReaderId};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::limits::Limits;
use tillgate::payment::merchant::Endpoint;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::pin_format::PinFormat;
use tillgate::payment::reader::Reader;

const AMOUNT: &str = "10.42";
/// One reader of each maker and cipher: TDES, AES, TDES under the PIN variant, TDES again.
const MAKERS: [(&str, &str); 4] =
    [("20000001", "spire"), ("20000002", "spire"), ("30000001", "miura"), ("30000002", "miura")];

async fn form_at(world: &World, reader: (&str, &str), name: &str, entry_mode: &str) -> Fields {
    let (serial, kind) = reader;
    let more = json!({ "entry_mode": entry_mode });
    let data = world.swipe_at(serial, AMOUNT, more).await;
    with(&form_with(name, AMOUNT, &data), "encrypted-type", Some(kind))
}

/// A Spire reader in the hands of the test.
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

    /// One of a key set whose readers may not send PIN blocks of format 1.
    async fn without_iso1(world: &World) -> Self {
        let like = world.gateway().reader("20000001").await.unwrap().unwrap();
        let set = NewKeySet {
            id: KeySetId(99),
            prefix: &[0xFF, 0xFF, 0x99],
            cipher: like.cipher,
            pin_formats: &[PinFormat::Iso0, PinFormat::Iso3],
            base_key: &[0x99; 16],
        };
        world.gateway().enrol_key_set(set).await.unwrap();
        let reader = Reader {
            id: ReaderId(99),
            serial: "29000099".to_owned(),
            key_set: set.id,
            key_set_prefix: set.prefix.to_vec(),
            initial_ksn: Ksn::of_device(set.cipher, set.prefix, 99).unwrap(),
            ..Reader::clone(&like)
        };
        world.gateway().enrol_reader(&reader).await.unwrap();
        Self::of(world, &reader.serial).await
    }

    fn ksn(&self, counter: u32) -> Ksn {
        self.reader.initial_ksn.with_counter(self.reader.cipher, counter).unwrap()
    }

    fn seal(&self, clear: &[u8], counter: u32) -> Vec<u8> {
        let rub = Currency::from_alpha("RUB").unwrap();
        let amount = Amount::parse(AMOUNT, rub).unwrap();
        // A key exists for legal counters only.
        let ksn = self.ksn(counter);
        let ksn = if self.reader.cipher.is_legal_counter(counter) { ksn } else { self.ksn(1) };
        self.key.seal(clear, [0; 12], ksn, &self.reader.serial, amount).unwrap()
    }

    fn form(&self, name: &str, ciphertext: Vec<u8>, ksn: Ksn) -> Fields {
        let serial = self.reader.serial.clone();
        let entry_mode = EntryMode::Swipe;
        let data = Container { ciphertext, ksn, entry_mode, serial, pin: None }.write();
        with(&form_with(name, AMOUNT, &data), "encrypted-type", Some("spire"))
    }

    fn swipe(&self, name: &str, counter: u32) -> Fields {
        self.form(name, self.seal(&track(), counter), self.ksn(counter))
    }
}

fn track() -> Vec<u8> {
    let pan = Pan::parse("4444555566661111").unwrap();
    let expiry = Expiry::from_yymm("3012").unwrap();
    let card = PlasticCard { pan: &pan, expiry, cardholder: "TEST CARD", has_chip: false };
    track2_characters(&card).to_vec()
}

async fn refusal(world: &World, form: &Fields) -> String {
    world.sale(form).await.refusal()
}

#[tokio::test]
async fn a_stripe_is_sold_at_every_makers_reader() {
    scenario(async |world| {
        for (place, reader) in MAKERS.into_iter().enumerate() {
            let name = format!("S-{place}");
            let form = form_at(world, reader, &name, "swipe").await;
            let order = world.sale(&form).await.order();
            world.settle().await;
            let answer = world.status(&name, &order).await;
            assert_eq!(answer.get("status"), "approved", "{reader:?}");
            assert_eq!(answer.get("last-four-digits"), "1111", "{reader:?}");
            assert_eq!(answer.get("bin"), "444455", "{reader:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_scanned_code_is_sold_once() {
    scenario(async |world| {
        let phone = ("40000001", "mc-qrcode");
        let form = form_at(world, phone, "code", "scan").await;
        let order = world.sale(&form).await.order();
        world.settle().await;
        let answer = world.status("code", &order).await;
        assert_eq!(answer.get("status"), "approved");
        assert_eq!(answer.get("last-four-digits"), "1111");
        let again = with(&form, "client_orderid", Some("again"));
        assert_eq!(refusal(world, &again).await, "error 25 KSN_REPLAY");
        let forge = Forge::of(world, phone.0).await;
        let sealed = Sealed { ksn: forge.ksn(9), ciphertext: vec![0x5A; 60] };
        let guessed = QrCodeMessage { serial: phone.0.to_owned(), sealed }.write();
        let form = with(&again, "encrypted-data", Some(&guessed));
        assert_eq!(refusal(world, &form).await, "error 24 CARD_DATA_DECRYPTION_FAILED");
        let url = world.url("/sandbox/readers/40000001/swipe");
        for wrong in [json!({ "entry_mode": "swipe" }), json!({ "pin": "1234" })] {
            let mut request = json!({ "amount": AMOUNT, "currency": "RUB" });
            request.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            let answer = Answer::of(world.http.post(&url).json(&request)).await;
            assert_eq!(answer.status, 400, "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_chip_is_read_and_has_the_last_word_at_every_makers_reader() {
    scenario(async |world| {
        for (place, reader) in MAKERS.into_iter().enumerate() {
            let name = format!("C-{place}");
            let form = form_at(world, reader, &name, "insert").await;
            let order = world.sale(&form).await.order();
            world.settle().await;
            let answer = world.status(&name, &order).await;
            assert_eq!(answer.get("order-stage"), "sale_emv_validating", "{reader:?}");
            assert_eq!(answer.get("emv-terminal-aid-9f06"), "A0000000031010", "{reader:?}");
            let counter =
                async || world.app().store().reader(reader.0).await.unwrap().unwrap().last_counter;
            let sold_at = counter().await;
            complete(world, reader, &order).await;
            world.settle().await;
            assert_eq!(counter().await, sold_at, "its last word is in the clear: {reader:?}");
            let answer = world.status(&name, &order).await;
            assert_eq!(answer.get("order-stage"), "sale_approved", "{reader:?}");
            assert_eq!(answer.get("emv-cid-9f27"), "40", "{reader:?}");
        }
    })
    .await;
}

async fn complete(world: &World, (serial, kind): (&str, &str), order: &str) {
    let request = json!({ "amount": AMOUNT, "currency": "RUB", "auth_response_code": "00" });
    let url = world.url(&format!("/sandbox/readers/{serial}/complete"));
    let told = Answer::of(world.http.post(url).json(&request)).await;
    let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
    let form = [
        ("orderid", order),
        ("client_orderid", "dummy"),
        ("login", &world.ready.login),
        ("encrypted-type", kind),
        ("encrypted-data", told["encrypted_data"].as_str().unwrap()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let form = form.to_vec();
    assert_eq!(world.post_signed("/mapi/v1/emv-advice/1111", &form).await.order(), order);
}

#[tokio::test]
async fn a_card_may_be_held_to_every_makers_reader() {
    scenario(async |world| {
        for (place, reader) in MAKERS.into_iter().enumerate() {
            let form = form_at(world, reader, &format!("T-{place}"), "tap").await;
            let order = world.sale(&form).await.order();
            let answer = world.status(&format!("T-{place}"), &order).await;
            assert_eq!(answer.get("card-type"), "VISA", "{reader:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn counters_of_real_readers_rise_skip_illegal_ones_and_come_to_an_end() {
    scenario(async |world| {
        for (serial, illegal, last) in
            [("20000001", 0x7FF, 0x1F_F800), ("20000002", 0x1_FFFF, 0xFFFF_0000)]
        {
            let forge = Forge::of(world, serial).await;
            let name = |tail: &str| format!("{serial}-{tail}");
            let zero = refusal(world, &forge.swipe(&name("zero"), 0)).await;
            assert_eq!(zero, "error 25 KSN_REPLAY");
            world.sale(&forge.swipe(&name("1"), 0x3FF)).await.order();
            let replayed = refusal(world, &forge.swipe(&name("2"), 0x3FF)).await;
            assert_eq!(replayed, "error 25 KSN_REPLAY");
            assert_eq!(refusal(world, &forge.swipe(&name("3"), 1)).await, "error 25 KSN_REPLAY");
            let illegal = refusal(world, &forge.swipe(&name("4"), illegal)).await;
            assert_eq!(illegal, "validation-error 9 Invalid encrypted-data");
            world.sale(&forge.swipe(&name("5"), last)).await.order();
            let over = refusal(world, &forge.swipe(&name("6"), last)).await;
            assert_eq!(over, "error 34 READER_EXHAUSTED");
        }
        assert_eq!(world.database.count("orders").await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_counter_that_jumps_is_refused_where_the_end_point_says_so() {
    scenario(async |world| {
        let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let limits = Limits { counter_jump_most: Some(16), ..Limits::default() };
        let endpoint = Endpoint { limits, ..Endpoint::clone(&endpoint) };
        world.gateway().change_endpoint(&endpoint).await.unwrap();
        let forge = Forge::of(world, "20000001").await;
        assert_eq!(refusal(world, &forge.swipe("J-1", 17)).await, "error 33 KSN_JUMP");
        world.sale(&forge.swipe("J-2", 16)).await.order();
        assert_eq!(refusal(world, &forge.swipe("J-3", 33)).await, "error 33 KSN_JUMP");
        world.sale(&forge.swipe("J-4", 32)).await.order();
    })
    .await;
}

#[tokio::test]
async fn what_a_wrong_key_leads_to_is_a_failed_decryption_and_nothing_is_stored() {
    scenario(async |world| {
        for serial in ["20000001", "20000002"] {
            let forge = Forge::of(world, serial).await;
            let other_count = forge.form("W-1", forge.seal(&track(), 2), forge.ksn(1));
            let no_card = forge.form("W-2", forge.seal(b"no card at all", 1), forge.ksn(1));
            let mut other_device = forge.ksn(1).as_bytes().to_vec();
            other_device[7] ^= 0x40;
            let other_device = Ksn::from_slice(&other_device).unwrap();
            let other_device = forge.form("W-3", forge.seal(&track(), 1), other_device);
            for form in [other_count, no_card, other_device] {
                let refused = refusal(world, &form).await;
                assert_eq!(refused, "error 24 CARD_DATA_DECRYPTION_FAILED", "{serial}");
            }
            let torn = forge.form("W-4", forge.seal(&track(), 1)[1..].to_vec(), forge.ksn(1));
            let torn = refusal(world, &torn).await;
            assert_eq!(torn, "validation-error 9 Invalid encrypted-data", "{serial}");
            let mut other_set = forge.ksn(1).as_bytes().to_vec();
            other_set[0] ^= 1;
            let other_set = Ksn::from_slice(&other_set).unwrap();
            let other_set = forge.form("W-5", forge.seal(&track(), 1), other_set);
            assert_eq!(refusal(world, &other_set).await, "error 35 UNKNOWN_KEY_SET", "{serial}");
        }
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_reader_sends_its_makers_messages_only() {
    scenario(async |world| {
        let form = form_at(world, ("20000001", "spire"), "M-1", "swipe").await;
        let as_sim = with(&form, "encrypted-type", Some("sim"));
        let unsupported = "validation-error 8 Unsupported encrypted-type";
        assert_eq!(refusal(world, &as_sim).await, unsupported);
        let as_miura = with(&form, "encrypted-type", Some("miura"));
        let invalid = "validation-error 9 Invalid encrypted-data";
        assert_eq!(refusal(world, &as_miura).await, invalid);
        world.sale(&form).await.order();
    })
    .await;
}

async fn form_with_pin(world: &World, reader: (&str, &str), name: &str, pin: &str) -> Fields {
    let (serial, kind) = reader;
    let more = json!({ "entry_mode": "insert", "pin": pin });
    let data = world.swipe_at(serial, AMOUNT, more).await;
    with(&form_with(name, AMOUNT, &data), "encrypted-type", Some(kind))
}

#[tokio::test]
async fn a_pin_reaches_the_issuer_from_every_reader_and_a_wrong_one_is_declined() {
    scenario(async |world| {
        for (place, reader) in MAKERS.into_iter().chain([("10000462", "sim")]).enumerate() {
            let name = format!("P-{place}");
            let form = form_with_pin(world, reader, &name, "1234").await;
            let order = world.sale(&form).await.order();
            world.settle().await;
            let answer = world.status(&name, &order).await;
            assert_eq!(answer.get("order-stage"), "sale_emv_validating", "{reader:?}");
            let name = format!("Q-{place}");
            let form = form_with_pin(world, reader, &name, "4321").await;
            let order = world.sale(&form).await.order();
            world.settle().await;
            let answer = world.status(&name, &order).await;
            assert_eq!(answer.get("status"), "declined", "{reader:?}");
            assert_eq!(answer.get("error-code"), "117", "{reader:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_pin_block_of_a_format_that_is_not_allowed_or_of_no_format_is_refused() {
    scenario(async |world| {
        let pan = Pan::parse("4444555566661111").unwrap();
        let rub = Currency::from_alpha("RUB").unwrap();
        let amount = Amount::parse(AMOUNT, rub).unwrap();
        let forge = Forge::without_iso1(world).await;
        let form = |block: Vec<u8>, counter: u32| {
            let ksn = forge.ksn(counter);
            let data = Container {
                ciphertext: forge.seal(&track(), counter),
                ksn,
                entry_mode: EntryMode::Swipe,
                serial: forge.reader.serial.clone(),
                pin: Some(SealedPin { block, ksn }),
            };
            let form = form_with(&format!("F-{counter}"), AMOUNT, &data.write());
            with(&form, "encrypted-type", Some("spire"))
        };
        let pin = |format, counter| {
            let entry = PinEntry { pin: "1234", format, pan: &pan };
            let (ksn, serial) = (forge.ksn(counter), &forge.reader.serial);
            forge.key.seal_pin(entry, ksn, serial, amount, [5; 16]).unwrap()
        };
        world.sale(&form(pin(PinFormat::Iso3, 1), 1)).await.order();
        let broken = refusal(world, &form(vec![7; 8], 2)).await;
        assert_eq!(broken, "error 24 CARD_DATA_DECRYPTION_FAILED");
        let long = refusal(world, &form(vec![7; 37], 2)).await;
        assert_eq!(long, "validation-error 9 Invalid encrypted-data");
        let unwanted = refusal(world, &form(pin(PinFormat::Iso1, 2), 2)).await;
        assert_eq!(unwanted, "error 36 PIN_BLOCK_FORMAT_NOT_ALLOWED");
        world.sale(&form(pin(PinFormat::Iso0, 2), 2)).await.order();
        assert_eq!(world.database.count("orders").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_pin_block_that_was_kept_back_is_not_taken_with_another_card() {
    scenario(async |world| {
        let forge = Forge::of(world, "20000001").await;
        let rub = Currency::from_alpha("RUB").unwrap();
        let amount = Amount::parse(AMOUNT, rub).unwrap();
        let pan = Pan::parse("4444555566661111").unwrap();
        let with_pin_of = |counter: u32| {
            let entry = PinEntry { pin: "1234", format: PinFormat::Iso0, pan: &pan };
            let (ksn, serial) = (forge.ksn(counter), forge.reader.serial.clone());
            let block = forge.key.seal_pin(entry, ksn, &serial, amount, [5; 16]).unwrap();
            let data = Container {
                ciphertext: forge.seal(&track(), 1),
                ksn: forge.ksn(1),
                entry_mode: EntryMode::Swipe,
                serial,
                pin: Some(SealedPin { block, ksn }),
            };
            let form = form_with("K-1", AMOUNT, &data.write());
            with(&form, "encrypted-type", Some("spire"))
        };
        let apart = refusal(world, &with_pin_of(3)).await;
        assert_eq!(apart, "validation-error 9 Invalid encrypted-data");
        world.sale(&with_pin_of(2)).await.order();
    })
    .await;
}

#[tokio::test]
async fn a_card_that_is_no_test_card_is_refused() {
    scenario(async |world| {
        let data = world.swipe(AMOUNT, json!({ "pan": "4895370000000007" })).await;
        let refused = refusal(world, &form_with("T-1", AMOUNT, &data)).await;
        assert_eq!(refused, "error 30 CARD_NUMBER_INVALID");
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}
