//! The merchant, endpoint and readers that are registered at a measured gateway.

use super::gateway::{Enrolled, ReaderLine};
use crate::clock::Entropy;
use crate::gateway::{Gateway, NewKeySet, NewTerminal};
use crate::payment::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId};
use crate::payment::key_set::{AesLength, Cipher, DataVariant, Exportability};
use crate::payment::ksn::Ksn;
use crate::payment::limits::Limits;
use crate::payment::merchant::{Endpoint, Terms};
use crate::payment::money::Currency;
use crate::payment::reader::{Reader, ReaderKind, ReaderState};
use crate::payment::terminal::{Dialect, Profile};
use crate::store::{KeySetRecord, MerchantRecord, Store};
use anyhow::Context;
use clap::ValueEnum;
use zeroize::Zeroizing;

const LOGIN: &str = "bench";
pub(super) const MERCHANT: MerchantId = MerchantId(1);
const GROUP: GroupId = GroupId(11);
const ENDPOINT: EndpointId = EndpointId(1111);
const KEY_SET: KeySetId = KeySetId(1);
/// Ciphers use as many of these bytes as they need.
const KEY_SET_PREFIX: [u8; 4] = [0xFF, 0xFF, 0x01, 0x00];
/// The least and the most that a sale may be, in minor units.
const AMOUNT_LIMITS_MINOR: (i64, i64) = (1, 9_999_999_999);

/// How the readers of a gateway encrypt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum Encryption {
    /// AES-GCM, our own profile.
    Sim,
    /// TDES DUKPT.
    Tdes,
    /// AES-128 DUKPT.
    Aes,
}

impl Encryption {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Tdes => "tdes",
            Self::Aes => "aes",
        }
    }

    pub(super) fn cipher(self) -> Cipher {
        match self {
            Self::Sim => Cipher::AesGcm,
            Self::Tdes => Cipher::TdesDukpt(DataVariant::DataRequest),
            Self::Aes => Cipher::AesDukpt(AesLength::Aes128),
        }
    }
}

/// The readers of a measured gateway.
#[derive(Clone, Copy)]
pub(super) struct Fleet {
    pub readers: usize,
    pub encryption: Encryption,
    /// Payment terminals, each with one more reader inside.
    pub terminals: usize,
}

impl Fleet {
    /// So many readers of our own profile, which nearly all is measured with.
    pub(super) fn sim(readers: usize) -> Self {
        Self { readers, encryption: Encryption::Sim, terminals: 0 }
    }
}

/// Fills the registry of a gateway.
pub(super) async fn enrol(
    gateway: &Gateway,
    entropy: &Entropy,
    readers: u32,
    terminals: u32,
    cipher: Cipher,
) -> anyhow::Result<Enrolled> {
    let control_key = entropy.uuid().to_uppercase();
    gateway.enrol_merchant(MERCHANT, LOGIN, &control_key).await?;
    gateway.enrol_group(GROUP, MERCHANT).await?;
    gateway.enrol_endpoint(&endpoint()?).await?;
    let fresh = Zeroizing::new(entropy.bytes::<32>());
    let base_key = fresh.get(..cipher.base_key_len()).unwrap_or_default();
    let prefix = prefix(cipher);
    let set = NewKeySet { id: KEY_SET, prefix, cipher, pin_formats: &[], base_key };
    gateway.enrol_key_set(set).await?;
    let mut lines = Vec::new();
    for number in 1..=readers {
        let reader = reader(number, cipher)?;
        gateway.enrol_reader(&reader).await?;
        lines.push(ReaderLine {
            serial: reader.serial.clone(),
            cipher: cipher.name().to_owned(),
            variant: cipher.variant().map(str::to_owned),
            initial_ksn: reader.initial_ksn.to_string(),
            initial_key: hex::encode(gateway.initial_key(&reader).await?.expose()),
        });
    }
    let mut poi_ids = Vec::new();
    for number in 1..=terminals {
        poi_ids.push(enrol_terminal(gateway, readers + number, cipher).await?);
    }
    let login = LOGIN.to_owned();
    let endpoint = ENDPOINT.0;
    Ok(Enrolled { login, control_key, endpoint, readers: lines, terminals: poi_ids })
}

/// A terminal that needs no login and never rests, and whose card holders are quick.
async fn enrol_terminal(gateway: &Gateway, number: u32, cipher: Cipher) -> anyhow::Result<String> {
    let reader = reader(number, cipher)?;
    gateway.enrol_reader(&reader).await?;
    let poi_id = format!("T{number}");
    let (login_required, cooldown_ms) = (Some(false), Some(0));
    let profile = Profile { card_ms: 0, login_required, cooldown_ms, ..Profile::default() };
    let terminal = NewTerminal {
        poi_id: poi_id.clone(),
        merchant: LOGIN.to_owned(),
        reader: reader.serial,
        acquirer_poi_id: None,
        dialect: Dialect::Xml31,
        profile,
        listener_url: None,
        credential: None,
        passphrase: None,
    };
    gateway.register_terminal(terminal).await?;
    Ok(poi_id)
}

/// Fills the registry of a store to which nobody speaks with cryptography: its keys open nothing.
pub(super) async fn register(store: &Store, readers: u32, now: i64) -> anyhow::Result<()> {
    let no_key = vec![0; 40];
    let login = LOGIN.to_owned();
    let control_key_sealed = no_key.clone();
    let merchant =
        MerchantRecord { id: MERCHANT, login, control_key_sealed, old_control_key: None };
    store.add_merchant(&merchant, now).await?;
    store.add_group(GROUP, MERCHANT).await?;
    store.add_endpoint(&endpoint()?, 0).await?;
    let key_set = KeySetRecord {
        id: KEY_SET,
        prefix: prefix(Cipher::AesGcm).to_vec(),
        cipher: Cipher::AesGcm,
        pin_formats: Vec::new(),
        exportability: Exportability::No,
        base_key_sealed: no_key,
    };
    store.add_key_set(&key_set).await?;
    for number in 1..=readers {
        store.add_reader(&reader(number, Cipher::AesGcm)?, now).await?;
    }
    Ok(())
}

/// The one endpoint.
pub(super) fn endpoint() -> anyhow::Result<Endpoint> {
    Ok(Endpoint {
        id: ENDPOINT,
        merchant: MERCHANT,
        group: Some(GROUP),
        currency: Currency::from_alpha("RUB").context("there are no roubles")?,
        enabled: true,
        strict_validation: false,
        callback_url: None,
        amount_limits_minor: AMOUNT_LIMITS_MINOR,
        terminal_id: "10000462".to_owned(),
        descriptor: "TILLGATE BENCH".to_owned(),
        sandbox: true,
        terms: Terms::default(),
        limits: Limits::default(),
    })
}

/// What opens every KSN of the key set.
fn prefix(cipher: Cipher) -> &'static [u8] {
    &KEY_SET_PREFIX[..cipher.prefix_len().0]
}

/// Makers' readers send what real ones do, our own profile has a reader of its own.
pub(super) fn kind(cipher: Cipher) -> ReaderKind {
    if cipher == Cipher::AesGcm { ReaderKind::Sim } else { ReaderKind::Spire }
}

fn reader(number: u32, cipher: Cipher) -> anyhow::Result<Reader> {
    let prefix = prefix(cipher);
    let initial_ksn = Ksn::of_device(cipher, prefix, number);
    Ok(Reader {
        id: ReaderId(number.into()),
        serial: format!("{}", 10_000_000 + number),
        kind: kind(cipher),
        merchant: MERCHANT,
        endpoint: None,
        group: Some(GROUP),
        key_set: KEY_SET,
        cipher,
        key_set_prefix: prefix.to_vec(),
        initial_ksn: initial_ksn.context("there are more readers than a KSN can name")?,
        state: ReaderState::New,
        last_counter: 0,
        injected_at: None,
    })
}
