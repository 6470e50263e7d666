//! A message of the `sim` profile that does not open: another amount, key or binding.

use super::content::told;
use super::facts::told_set;
use super::keys::counters;
use super::{Case, Fault, Finding};
use crate::crypto::card_data::ClearCard;
use crate::crypto::clear_list::clear_list;
use crate::crypto::gcm::{Gcm, NONCE_LEN, SEALED_MIN};
use crate::crypto::key::Key32;
use crate::crypto::reader::{ReaderMessage, Sealed};
use crate::crypto::sim_keys::{SimBaseKey, associated_data};
use crate::payment::ksn::Ksn;
use crate::payment::money::{Amount, Currency};
use zeroize::Zeroizing;

/// Amounts up to this one are tried one by one, in minor units.
const AMOUNTS_TRIED: i64 = 10_000;

/// What is wrong with a message that does not open for this amount.
pub(super) fn run(case: &Case<'_>, message: &ReaderMessage, amount: Amount) -> Fault {
    let Some(sealed) = message.sealed.first() else {
        return Fault::new(Finding::NothingSealed, "nothing is sealed", "seal the card data");
    };
    let sim = Sim { case, sealed, serial: &message.serial, amount };
    let raw = [Zeroizing::new(sealed.ciphertext.clone())];
    if clear_list(&raw, &[]).is_ok_and(|list| ClearCard::parse(&list).is_ok()) {
        return Fault::new(
            Finding::NotEncrypted,
            "the card data is not encrypted at all",
            "seal it as the profile says; treat the card as exposed, and the log as well",
        );
    }
    if sealed.ciphertext.len() < SEALED_MIN {
        let length = sealed.ciphertext.len();
        return Fault::new(
            Finding::TooShort,
            format!("{length} sealed bytes are fewer than nonce and tag take ({SEALED_MIN})"),
            "send nonce, sealed bytes and tag, one after the other",
        );
    }
    let found = sim.other_amount().or_else(|| sim.other_binding()).or_else(|| sim.other_key());
    found.unwrap_or_else(|| {
        Fault::new(
            Finding::DoesNotOpen,
            "no key, amount or currency that was tried opens it",
            "compare the initial key's check value with the device's, and what is bound: the KSN, \
             serial, minor units and currency with | between",
        )
    })
}

struct Sim<'a> {
    case: &'a Case<'a>,
    sealed: &'a Sealed,
    serial: &'a str,
    amount: Amount,
}

impl Sim<'_> {
    fn base(&self) -> Option<SimBaseKey> {
        let bytes = self.case.base.expose().as_array::<32>()?;
        Some(SimBaseKey::from_bytes(*bytes))
    }

    /// The key of the message with this KSN.
    fn key(&self, ksn: Ksn) -> Option<Key32> {
        Some(self.base()?.initial_key(self.serial).message_key(ksn))
    }

    fn opens(&self, key: &Key32, ksn: Ksn) -> bool {
        let bound = associated_data(ksn, self.serial, self.amount);
        Gcm::new(key).open(&self.sealed.ciphertext, &bound).is_some()
    }

    fn other_amount(&self) -> Option<Fault> {
        let gcm = Gcm::new(&self.key(self.sealed.ksn)?);
        let found = amounts(self.amount).find(|amount| {
            let bound = associated_data(self.sealed.ksn, self.serial, *amount);
            gcm.open(&self.sealed.ciphertext, &bound).is_some()
        })?;
        let wrong = format!("it is sealed for {}, not for {}", told(found), told(self.amount));
        Some(match found.currency() == self.amount.currency() {
            true => Fault::new(
                Finding::AmountDiffers,
                wrong,
                "give the reader the amount of the sale; it binds minor units: 10.42 is 1042",
            ),
            false => Fault::new(
                Finding::CurrencyDiffers,
                wrong,
                "give the reader the currency of the sale",
            ),
        })
    }

    fn other_binding(&self) -> Option<Fault> {
        let ksn = self.sealed.ksn;
        let gcm = Gcm::new(&self.key(ksn)?);
        let bound = associated_data(ksn, self.serial, self.amount);
        let sealed = self.sealed.ciphertext.as_slice();
        if gcm.open(sealed, &[]).is_some() {
            return Some(Fault::new(
                Finding::NoAssociatedData,
                "the key is right, but nothing is bound to what is sealed",
                "give the cipher the associated data: KSN, serial, minor units, currency",
            ));
        }
        let tail = bound.get(ksn.as_bytes().len()..).unwrap_or_default();
        let texts = [ksn.to_string(), ksn.to_string().to_lowercase()];
        let as_text = |text: String| gcm.open(sealed, &[text.as_bytes(), tail].concat()).is_some();
        if texts.into_iter().any(as_text) {
            return Some(Fault::new(
                Finding::KsnTextBound,
                "the key is right, but the KSN is bound as text",
                "put the KSN's ten bytes into the associated data, not its digits",
            ));
        }
        let (body, nonce) = sealed.split_at_checked(sealed.len() - NONCE_LEN)?;
        gcm.open(&[nonce, body].concat(), &bound).is_some().then(|| {
            Fault::new(
                Finding::NonceAtEnd,
                "the key is right, but the nonce stands behind",
                "put the nonce in front, then the sealed bytes, then the tag",
            )
        })
    }

    fn other_key(&self) -> Option<Fault> {
        let ksn = self.sealed.ksn;
        let cipher = self.case.reader.cipher;
        let base = self.base()?;
        let initial = Key32::from_bytes(*base.initial_key(self.serial).expose());
        if self.opens(&initial, ksn) {
            let change = "derive the key of each message from the initial key and the KSN";
            let wrong = "it is sealed under the initial key, not under the message's";
            return Some(Fault::new(Finding::InitialKeyUsed, wrong, change));
        }
        if self.opens(&Key32::from_bytes(*base.expose()), ksn) {
            let change = "never load the base key into a device; inject the reader's initial key";
            let wrong = "it is sealed under the base key itself";
            return Some(Fault::new(Finding::BaseKeyUsed, wrong, change));
        }
        for (finding, counter) in counters(cipher, ksn.counter(cipher)) {
            let other = ksn.with_counter(cipher, counter)?;
            let key = self.key(other)?;
            if self.opens(&key, other) || self.opens(&key, ksn) {
                let change = format!("send the KSN of the key that was used, not {ksn}");
                let wrong = format!("it is sealed under the key of counter {counter}");
                return Some(Fault::new(finding, wrong, change));
            }
        }
        self.other_base()
    }

    fn other_base(&self) -> Option<Fault> {
        let ksn = self.sealed.ksn;
        let opens = |base: &[u8]| {
            let Some(bytes) = base.as_array::<32>() else { return false };
            let initial = SimBaseKey::from_bytes(*bytes).initial_key(self.serial);
            self.opens(&initial.message_key(ksn), ksn)
        };
        if let Some(set) = self.case.others.iter().find(|set| opens(set.base.expose())) {
            let other = told_set(set.id.0, set.prefix, set.base.check_value());
            return Some(Fault::new(
                Finding::OtherBaseKey,
                format!("the key is derived from the base key of the key set {other}"),
                "inject a key derived from this key set's base key",
            ));
        }
        opens(&[0; 32]).then(|| {
            Fault::new(
                Finding::TestBaseKey,
                "the key is derived from a base key of zeros",
                "inject a key derived from this key set's base key",
            )
        })
    }
}

/// Other amounts, the likeliest first: another currency, another number of digits, any small one.
fn amounts(told: Amount) -> impl Iterator<Item = Amount> {
    let (own, minor) = (told.currency(), told.minor());
    let shifts = [1, 10, 100, 1000].into_iter();
    let scaled = shifts.flat_map(move |factor| [minor.checked_mul(factor), Some(minor / factor)]);
    let scaled = scaled.flatten().collect::<Vec<_>>();
    let in_own = scaled.clone().into_iter().chain(0..=AMOUNTS_TRIED);
    let in_own = in_own.filter_map(move |minor| Amount::from_minor(minor, own));
    let others = Currency::all().filter(move |currency| *currency != own);
    let in_others = others.flat_map(move |currency| {
        let scaled = scaled.clone().into_iter();
        scaled.filter_map(move |minor| Amount::from_minor(minor, currency))
    });
    in_others.chain(in_own)
}
