//! What a merchant's app asks for: one sale, with one reading of a card.

use super::receiver::ADDRESS;
use crate::dice::Dice;
use crate::shelf;
use std::sync::Arc;
use tillgate::clock::Entropy;
use tillgate::gateway::{CallbackUrl, Gateway, Intent, Merchant, NewKeySet, SignedNonce};
use tillgate::payment::Millis;
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::ids::{EndpointId, KeySetId, MerchantId, ReaderId};
use tillgate::payment::key_set::Cipher;
use tillgate::payment::ksn::Ksn;
use tillgate::payment::merchant::Endpoint;
use tillgate::payment::order::{Kind, RequestFacts};
use tillgate::payment::reader::{Reader, ReaderState};
use tillgate::sandbox::reader::{Presentation, TEST_CARDHOLDER, TEST_EXPIRY, TEST_PAN, read_card};

pub const ENDPOINT: EndpointId = EndpointId(1111);
pub const LOGIN: &str = "shop";
const MERCHANT: MerchantId = MerchantId(1);
const KEY_SET: KeySetId = KeySetId(1);
const READERS: u64 = 2;

#[derive(Clone)]
pub struct Request {
    /// The `client_orderid`. Rivals share one.
    pub name: String,
    /// Another amount for each request, by which its order is recognised.
    pub minor: i64,
    pub reader: i64,
    pub counter: i64,
    kind: Kind,
    wants_callback: bool,
    encrypted_data: String,
}

/// What opens every KSN of the key set.
const PREFIX: [u8; 3] = [0xFF, 0xFF, 1];

/// Enrols a merchant with its readers and reads the cards of so many requests.
pub async fn prepare(
    gateway: &Gateway,
    sales: i64,
    dice: &Dice,
    entropy: &Entropy,
) -> Vec<Request> {
    gateway.enrol_merchant(MERCHANT, LOGIN, "the control key").await.unwrap();
    gateway.enrol_endpoint(&endpoint()).await.unwrap();
    let (cipher, base_key) = (Cipher::AesGcm, entropy.bytes::<32>());
    let (id, prefix, pin_formats) = (KEY_SET, &PREFIX, &[]);
    let set = NewKeySet { id, prefix, cipher, pin_formats, base_key: &base_key };
    gateway.enrol_key_set(set).await.unwrap();
    let mut keys = Vec::new();
    for id in 1..=READERS {
        let reader = reader(i64::try_from(id).unwrap());
        gateway.enrol_reader(&reader).await.unwrap();
        keys.push((gateway.initial_key(&reader).await.unwrap(), reader));
    }
    let mut requests: Vec<Request> = Vec::new();
    for number in 1..=sales {
        let (key, reader) = &keys[usize::try_from(dice.below(READERS)).unwrap()];
        let rival = requests.last().filter(|_| dice.one_in(8));
        let name = rival.map_or_else(|| format!("order {number}"), |rival| rival.name.clone());
        // What ends in 300 is filtered.
        let minor = 1000 * number + if dice.one_in(10) { 300 } else { 42 };
        let counter = u32::try_from(number).unwrap();
        let card = Presentation {
            pan: &Pan::parse(TEST_PAN).unwrap(),
            expiry: Expiry::from_yymm(TEST_EXPIRY).unwrap(),
            cardholder: TEST_CARDHOLDER,
            entry_mode: EntryMode::Swipe,
            pin: None,
        };
        let now = gateway.clock().now();
        let amount = shelf::rub(minor);
        let swipe = read_card(reader, key, counter, &card, amount, now, entropy).unwrap();
        requests.push(Request {
            name,
            minor,
            reader: reader.id.0,
            counter: counter.into(),
            kind: dice.pick(&[Kind::Sale, Kind::Preauth, Kind::Refund]),
            wants_callback: !dice.one_in(4),
            encrypted_data: swipe.encrypted_data,
        });
    }
    requests
}

impl Request {
    /// The request as a door hands it on.
    pub fn intent(
        &self,
        gateway: &Gateway,
        merchant: Arc<Merchant>,
        endpoint: Arc<Endpoint>,
        nonce_digest: [u8; 16],
        signed_at: Millis,
    ) -> Intent {
        let minor = self.minor.to_string();
        let fields = [("name", &self.name), ("amount", &minor), ("card", &self.encrypted_data)];
        let fields = fields.into_iter().map(|(name, value)| (name, value.as_str()));
        Intent {
            merchant,
            endpoint,
            kind: self.kind,
            client_orderid: self.name.clone(),
            amount: shelf::rub(self.minor),
            encrypted_type: "sim".to_owned(),
            encrypted_data: self.encrypted_data.clone(),
            callback_url: self
                .wants_callback
                .then(|| CallbackUrl { parameter: "server_callback_url", url: ADDRESS.to_owned() }),
            facts: RequestFacts::default(),
            terminal_id: None,
            phone: None,
            request_digest: gateway.request_digest(self.kind, fields),
            nonce: Some(SignedNonce { digest: nonce_digest, signed_at }),
            right: None,
        }
    }
}

fn endpoint() -> Endpoint {
    Endpoint { callback_url: None, sandbox: true, ..shelf::endpoint() }
}

fn reader(id: i64) -> Reader {
    Reader {
        id: ReaderId(id),
        serial: format!("1000046{id}"),
        key_set: KEY_SET,
        key_set_prefix: PREFIX.to_vec(),
        initial_ksn: Ksn::of_device(Cipher::AesGcm, &PREFIX, u32::try_from(id).unwrap()).unwrap(),
        state: ReaderState::New,
        ..shelf::reader(id)
    }
}
