//! The keys that a reader may have taken by mistake.

use super::facts::told_set;
use super::{Case, Finding};
use crate::crypto::block_key::{Algorithm, BlockKey};
use crate::crypto::dukpt::{self, Use};
use crate::crypto::reader_keys::algorithm;
use crate::payment::key_set::{Cipher, DataVariant};
use crate::payment::ksn::Ksn;
use zeroize::Zeroizing;

/// How far around a counter keys are tried.
const COUNTS_AROUND: u32 = 8;
/// The base keys of the standards' examples, which many devices hold when they are new.
const PUBLISHED: [&str; 3] = [
    "0123456789ABCDEFFEDCBA9876543210",
    "FEDCBA9876543210F1F1F1F1F1F1F1F1",
    "00000000000000000000000000000000",
];
/// What is laid over each half of the message's key for PINs, and for requested data.
const PIN_MASK: u64 = 0xFF;
const DATA_MASK: u64 = 0x00FF_0000;

type MakeKey<'a> = Box<dyn Fn(Ksn) -> Option<BlockKey> + 'a>;

/// A key that may have been taken, for each KSN of a message.
pub(super) struct Trial<'a> {
    pub(super) finding: Finding,
    /// Which key it is, as part of a sentence.
    pub(super) what: String,
    pub(super) key: MakeKey<'a>,
}

impl<'a> Trial<'a> {
    fn new(
        finding: Finding,
        what: impl Into<String>,
        key: impl Fn(Ksn) -> Option<BlockKey> + 'a,
    ) -> Self {
        Self { finding, what: what.into(), key: Box::new(key) }
    }
}

/// The initial key of the device with this KSN.
fn initial(cipher: Cipher, base: &BlockKey, ksn: Ksn) -> Option<BlockKey> {
    match cipher {
        Cipher::AesDukpt(_) => dukpt::aes::initial_key(base, *ksn.as_bytes().first_chunk()?).ok(),
        _ => dukpt::tdes::initial_key(base, ksn.as_bytes().try_into().ok()?).ok(),
    }
}

/// A working key of one message; for TDES by the standard's own variants.
fn working(cipher: Cipher, initial: &BlockKey, ksn: Ksn, purpose: Use) -> Option<BlockKey> {
    let bytes = ksn.as_bytes();
    if let Cipher::AesDukpt(_) = cipher {
        let algorithm = initial.algorithm();
        return dukpt::aes::working_key(initial, bytes.try_into().ok()?, purpose, algorithm).ok();
    }
    let variant = DataVariant::DataRequest;
    dukpt::tdes::working_key(initial, bytes.try_into().ok()?, purpose, variant).ok()
}

/// The use whose key seals card data.
fn right_use(cipher: Cipher) -> Use {
    match cipher {
        Cipher::TdesDukpt(DataVariant::Pin) => Use::Pin,
        _ => Use::DataRequest,
    }
}

/// What DUKPT derives from, for one key set and one reader.
struct Schedule {
    cipher: Cipher,
    initial: BlockKey,
}

impl Schedule {
    fn of(cipher: Cipher, base: &[u8], ksn: Ksn) -> Option<Self> {
        let base = BlockKey::from_slice(algorithm(cipher), base)?;
        Some(Self { cipher, initial: initial(cipher, &base, ksn)? })
    }

    fn key(&self, ksn: Ksn, purpose: Use) -> Option<BlockKey> {
        working(self.cipher, &self.initial, ksn, purpose)
    }

    fn right(&self, ksn: Ksn) -> Option<BlockKey> {
        self.key(ksn, right_use(self.cipher))
    }

    /// The message's own key with something laid over both halves.
    fn masked(&self, ksn: Ksn, mask: u64) -> Option<BlockKey> {
        let pin = self.key(ksn, Use::Pin)?;
        let both = u128::from(PIN_MASK ^ mask) * (1 << 64 | 1);
        let whole = Zeroizing::new(u128::from_be_bytes(pin.expose().try_into().ok()?) ^ both);
        Some(BlockKey::tdes(whole.to_be_bytes()))
    }
}

/// The key that is right.
pub(super) fn right<'a>(case: &Case<'a>) -> Option<Trial<'a>> {
    let (cipher, ksn) = (case.reader.cipher, case.reader.initial_ksn);
    let own = Schedule::of(cipher, case.base.expose(), ksn)?;
    Some(Trial::new(Finding::AllIsWell, "the right key", move |ksn| own.right(ksn)))
}

/// The keys that may have been taken instead, the likeliest first.
pub(super) fn wrong<'a>(case: &'a Case<'a>, message: Ksn) -> Vec<Trial<'a>> {
    let (cipher, device) = (case.reader.cipher, case.reader.initial_ksn);
    let base = case.base.expose();
    let schedule = || Schedule::of(cipher, base, device);
    let mut trials = Vec::new();
    for (finding, what, purpose) in uses(cipher) {
        if let Some(own) = schedule() {
            trials.push(Trial::new(finding, what, move |ksn| own.key(ksn, purpose)));
        }
    }
    for (finding, what, make) in RELATIVES {
        if let Some(own) = schedule() {
            trials.push(Trial::new(*finding, *what, move |ksn| make(&own, ksn)));
        }
    }
    let whole = move || BlockKey::from_slice(algorithm(cipher), base);
    trials.push(Trial::new(Finding::BaseKeyUsed, "the base key itself", move |_| whole()));
    for (finding, counter) in counters(cipher, message.counter(cipher)) {
        if let Some(own) = schedule() {
            let distance = counter.wrapping_sub(message.counter(cipher));
            let what = format!("the key of counter {counter}");
            let other = move |ksn: Ksn| {
                let count = match finding {
                    Finding::CounterByteOrder => counter,
                    _ => ksn.counter(cipher).wrapping_add(distance),
                };
                own.right(ksn.with_counter(cipher, count)?)
            };
            trials.push(Trial::new(finding, what, other));
        }
    }
    trials.extend(other_bases(case));
    trials
}

/// The keys of the same message for other uses.
fn uses(cipher: Cipher) -> impl Iterator<Item = (Finding, &'static str, Use)> {
    const USES: [(Finding, &str, Use); 7] = [
        (Finding::KeyPin, "the key for PINs", Use::Pin),
        (Finding::KeyDataRequest, "the key for requested data", Use::DataRequest),
        (Finding::KeyMacRequest, "the key for MACs of requests", Use::MacRequest),
        (Finding::KeyMacResponse, "the key for MACs of responses", Use::MacResponse),
        (Finding::KeyDataResponse, "the key for data of responses", Use::DataResponse),
        (Finding::KeyMacBoth, "the key for MACs both ways", Use::MacBoth),
        (Finding::KeyDataBoth, "the key for data both ways", Use::DataBoth),
    ];
    // With TDES a key for both ways is that of requests.
    let tdes = matches!(cipher, Cipher::TdesDukpt(_));
    let right = right_use(cipher);
    USES.into_iter().filter(move |(_, _, purpose)| {
        *purpose != right && !(tdes && matches!(purpose, Use::MacBoth | Use::DataBoth))
    })
}

type Relative = (Finding, &'static str, fn(&Schedule, Ksn) -> Option<BlockKey>);

/// Keys that are a step away from the right one; where the cipher has no such step, none.
const RELATIVES: &[Relative] = &[
    (Finding::KeyWithoutVariant, "the message's key without a variant", |own, ksn| {
        (own.initial.algorithm() == Algorithm::Tdes).then(|| own.masked(ksn, 0))?
    }),
    (Finding::KeyVariantUnfinished, "the data variant without its last encryption", |own, ksn| {
        (own.initial.algorithm() == Algorithm::Tdes).then(|| own.masked(ksn, DATA_MASK))?
    }),
    (Finding::InitialKeyUsed, "the initial key, not the message's", |own, _| {
        BlockKey::from_slice(own.initial.algorithm(), own.initial.expose())
    }),
    (Finding::AesInsteadOfTdes, "AES, with the key that is for TDES", |own, ksn| {
        let key = own.right(ksn).filter(|key| key.algorithm() == Algorithm::Tdes)?;
        BlockKey::from_slice(Algorithm::Aes128, key.expose())
    }),
    (Finding::SingleDes, "single DES, with half of the key", |own, ksn| {
        let key = own.right(ksn).filter(|key| key.algorithm() == Algorithm::Tdes)?;
        let half = key.expose().first_chunk::<8>()?;
        BlockKey::from_slice(Algorithm::Tdes, &Zeroizing::new([*half, *half].concat()))
    }),
    (Finding::TdesInsteadOfAes, "TDES, with a key derived for it", |own, ksn| {
        let ksn = ksn.as_bytes().try_into().ok()?;
        let (initial, purpose) = (&own.initial, Use::DataRequest);
        dukpt::aes::working_key(initial, ksn, purpose, Algorithm::Tdes).ok()
    }),
    (Finding::TdesInsteadOfAes, "TDES, with the key that is for AES", |own, ksn| {
        let key = own.right(ksn).filter(|key| key.algorithm() != Algorithm::Tdes)?;
        BlockKey::from_slice(Algorithm::Tdes, key.expose().get(..16)?)
    }),
    (Finding::OtherKeyLength, "a key of 128 bits", |own, ksn| shorter(own, ksn, Algorithm::Aes128)),
    (Finding::OtherKeyLength, "a key of 192 bits", |own, ksn| shorter(own, ksn, Algorithm::Aes192)),
];

fn shorter(own: &Schedule, ksn: Ksn, length: Algorithm) -> Option<BlockKey> {
    let ksn = ksn.as_bytes().try_into().ok()?;
    let initial = Some(&own.initial).filter(|initial| initial.algorithm() != length)?;
    dukpt::aes::working_key(initial, ksn, Use::DataRequest, length).ok()
}

/// Counters near the one that the KSN tells, and the same in the other byte order.
pub(super) fn counters(cipher: Cipher, told: u32) -> Vec<(Finding, u32)> {
    let near = (1..=COUNTS_AROUND)
        .flat_map(|step| [told.checked_add(step), told.checked_sub(step)])
        .flatten()
        .map(|counter| (Finding::CounterOff, counter));
    let narrow = told.swap_bytes() >> 8;
    let turned = if cipher.counter_mask() == u32::MAX { told.swap_bytes() } else { narrow };
    let turned = (Finding::CounterByteOrder, turned);
    let legal = |counter| cipher.is_legal_counter(counter);
    near.chain([turned]).filter(|(_, counter)| *counter != told && legal(*counter)).collect()
}

/// Base keys of other key sets, and such as everybody knows.
fn other_bases<'a>(case: &'a Case<'a>) -> Vec<Trial<'a>> {
    let (cipher, device) = (case.reader.cipher, case.reader.initial_ksn);
    let mut trials = Vec::new();
    let mut put = |finding, what: String, cipher, base: &[u8]| {
        if let Some(other) = Schedule::of(cipher, base, device) {
            trials.push(Trial::new(finding, what, move |ksn| other.right(ksn)));
        }
    };
    for set in case.others {
        let other = told_set(set.id.0, set.prefix, set.base.check_value());
        let what = format!("a key derived from the base key of the key set {other}");
        for other_cipher in [set.base.cipher(), cipher] {
            put(Finding::OtherBaseKey, what.clone(), other_cipher, set.base.expose());
        }
    }
    for published in PUBLISHED {
        let base = hex::decode(published).unwrap_or_default().repeat(2);
        let base = base.get(..cipher.base_key_len()).unwrap_or_default();
        let what = "a key derived from a base key that the standards publish for tests";
        put(Finding::TestBaseKey, what.to_owned(), cipher, base);
    }
    let own = case.base.expose();
    let (front, back) = own.split_at(own.len() / 2);
    let turned = Zeroizing::new([back, front].concat());
    let what = "a key derived from the base key with its halves swapped";
    put(Finding::BaseKeyHalves, what.to_owned(), cipher, &turned);
    trials
}
