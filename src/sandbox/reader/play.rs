//! Playing a script: what goes into a reading is changed before it, what comes out of it after it.

use super::event::Event;
use super::layout::{Sealing, mask};
use super::script::{Deed, Script};
use super::spoil;
use super::{Presentation, ReaderFault, Swipe, read_signing};
use crate::clock::Entropy;
use crate::crypto::dukpt::DukptError;
use crate::crypto::reader::ReaderMessage;
use crate::crypto::reader_keys::{BaseKey, InitialKey, OpeningError};
use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::key_set::{Cipher, DataVariant};
use crate::payment::ksn::Ksn;
use crate::payment::money::{Amount, Currency};
use crate::payment::reader::Reader;
use crate::payment::{DAY, Millis};
use zeroize::Zeroizing;

/// The base key of the examples in ANSI X9.24, which half of the world's test benches use.
const PUBLIC_KEY: [u8; 16] = [
    0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10,
];
/// Five years, but for leap days.
const CLOCK_OFF: Millis = 5 * 365 * DAY;
const UNKNOWN_SERIAL: &str = "99999999";
const LONG_AGO: &str = "2001";

/// A reading about to be played.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub reader: &'a Reader,
    pub key: &'a InitialKey,
    /// That of the script; see [`Counters::take`](super::Counters::take).
    pub counter: u32,
    pub card: &'a Presentation<'a>,
    pub amount: Amount,
    pub now: Millis,
    pub entropy: &'a Entropy,
}

/// What the app gets from the reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Played {
    pub swipe: Option<Swipe>,
    pub event: Option<Event>,
}

/// Plays a script.
///
/// # Errors
/// As [`read_card`](super::read_card); a script that gives nothing cannot fail.
pub fn play(script: &Script, scene: Scene<'_>) -> Result<Played, ReaderFault> {
    let event = script.event();
    if matches!(script.deed, Deed::Fail(_)) {
        return Ok(Played { swipe: None, event });
    }
    let mut swipe = read(script.deed, scene)?;
    let bytes = hex::decode(&swipe.encrypted_data).unwrap_or_default();
    swipe.encrypted_data = spoil_message(script.deed, scene, &swipe.encrypted_data, bytes);
    swipe.ksn = swipe.ksn.with_counter(scene.reader.cipher, scene.counter).unwrap_or(swipe.ksn);
    Ok(Played { swipe: Some(swipe), event })
}

/// The card is read by a reader that is not quite as it should be.
fn read(deed: Deed, scene: Scene<'_>) -> Result<Swipe, ReaderFault> {
    let Scene { reader, card, amount, now, entropy, .. } = scene;
    let reader = other_reader(deed, reader);
    let key = other_key(deed, scene)?;
    let misprinted = (deed == Deed::Misprint).then(|| card.pan.misprinted());
    let card = other_card(deed, card, misprinted.as_ref());
    let now = if deed == Deed::OldClock { now - CLOCK_OFF } else { now };
    let signed = other_amount(deed, amount);
    let key = key.as_ref().unwrap_or(scene.key);
    let counter = key_counter(scene);
    let sealing = Sealing { reader: &reader, key, counter, amount, entropy };
    read_signing(sealing, &card, signed, now)
}

/// Where no key exists for the counter, the data is sealed under the next one for which there is.
fn key_counter(Scene { reader, counter, .. }: Scene<'_>) -> u32 {
    let cipher = reader.cipher;
    match cipher.is_legal_counter(counter) {
        true => counter,
        false => cipher.next_counter(counter).unwrap_or(cipher.last_counter()),
    }
}

fn other_reader(deed: Deed, reader: &Reader) -> Reader {
    let mut other = reader.clone();
    let flip = |place: usize, bit: u8| {
        let mut bytes = reader.initial_ksn.as_bytes().to_vec();
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= bit;
        }
        Ksn::from_slice(&bytes).unwrap_or(reader.initial_ksn)
    };
    match deed {
        Deed::OtherSerial => UNKNOWN_SERIAL.clone_into(&mut other.serial),
        Deed::OtherKeySet => other.initial_ksn = flip(0, 0x01),
        // Behind every key set's bytes, in front of every counter.
        Deed::OtherDevice => other.initial_ksn = flip(5, 0x40),
        _ => {}
    }
    other
}

fn other_key(deed: Deed, scene: Scene<'_>) -> Result<Option<InitialKey>, ReaderFault> {
    let Scene { reader, key, entropy, .. } = scene;
    let cipher = reader.cipher;
    let no_key = ReaderFault::Keys(OpeningError::Key(DukptError::Cipher));
    let other = match (deed, cipher) {
        (Deed::RandomKey, _) => {
            let fresh = Zeroizing::new(entropy.bytes::<32>());
            let fresh = fresh.get(..cipher.base_key_len()).unwrap_or_default();
            InitialKey::from_slice(cipher, fresh)
        }
        (Deed::PublicKey, _) => {
            let public = PUBLIC_KEY.into_iter().cycle().take(cipher.base_key_len());
            let base = BaseKey::from_slice(cipher, &public.collect::<Vec<_>>());
            Some(base.ok_or(no_key)?.initial_key(&reader.serial, reader.initial_ksn)?)
        }
        (Deed::OtherVariant, Cipher::TdesDukpt(variant)) => {
            let other = match variant {
                DataVariant::DataRequest => DataVariant::Pin,
                DataVariant::Pin => DataVariant::DataRequest,
            };
            InitialKey::from_slice(Cipher::TdesDukpt(other), key.expose())
        }
        _ => return Ok(None),
    };
    other.map(Some).ok_or(no_key)
}

fn other_card<'a>(
    deed: Deed,
    card: &Presentation<'a>,
    misprinted: Option<&'a Pan>,
) -> Presentation<'a> {
    let expired = Expiry::from_yymm(LONG_AGO).filter(|_| deed == Deed::Expire);
    let fell_back = (deed == Deed::FallBack).then_some(EntryMode::FallbackSwipe);
    Presentation {
        pan: misprinted.unwrap_or(card.pan),
        expiry: expired.unwrap_or(card.expiry),
        entry_mode: fell_back.unwrap_or(card.entry_mode),
        ..*card
    }
}

/// What the chip signs.
fn other_amount(deed: Deed, amount: Amount) -> Amount {
    let currency = if amount.currency().alpha() == "EUR" { "USD" } else { "EUR" };
    let other = match deed {
        Deed::OtherAmount => Amount::from_minor(amount.minor() + 1, amount.currency()),
        Deed::OtherCurrency => Currency::from_alpha(currency)
            .and_then(|currency| Amount::from_minor(amount.minor(), currency)),
        _ => None,
    };
    other.unwrap_or(amount)
}

/// The message, once it is made, is changed on its way.
fn spoil_message(deed: Deed, scene: Scene<'_>, text: &str, mut bytes: Vec<u8>) -> String {
    if let Ok(message) = ReaderMessage::parse(scene.reader.kind, text) {
        if scene.counter != key_counter(scene) {
            recount(&mut bytes, &message, scene);
        }
        match deed {
            Deed::Garble => spoil::garble(&mut bytes, &message),
            Deed::OtherMask => spoil::other_mask(&mut bytes, &mask(scene.card.pan)),
            _ => {}
        }
    }
    match deed {
        Deed::Trail => bytes.extend_from_slice(&[0x90, 0x00]),
        Deed::Truncate => bytes.truncate(bytes.len() / 2),
        Deed::Frame => bytes = spoil::framed(&bytes),
        _ => {}
    }
    spoil::written(deed, &bytes)
}

/// Puts the script's counter into each KSN.
fn recount(bytes: &mut [u8], message: &ReaderMessage, Scene { reader, counter, .. }: Scene<'_>) {
    for ksn in message.ksns() {
        if let Some(counted) = ksn.with_counter(reader.cipher, counter) {
            spoil::replace(bytes, ksn.as_bytes(), counted.as_bytes());
        }
    }
}
