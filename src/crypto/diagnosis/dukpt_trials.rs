//! A DUKPT message that does not open: other modes, other keys, until one gives a card.

use super::facts::cipher_name;
use super::keys::{Trial, right, wrong};
use super::{Case, Fault, Finding};
use crate::crypto::block_key::BlockKey;
use crate::crypto::card_data::ClearCard;
use crate::crypto::clear_list::{ClearListError, clear_list};
use crate::crypto::reader::{ReaderMessage, Sealed};
use crate::crypto::tag_names::name_of;
use crate::crypto::tlv;
use crate::payment::ksn::Ksn;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Wipes itself.
type Clear = Zeroizing<Vec<u8>>;

/// How whole blocks may have been chained.
#[derive(Clone, Copy)]
enum Mode {
    Cbc,
    Ecb,
    /// CBC from something else than zeros, made of the KSN.
    From(fn(Ksn) -> Vec<u8>),
}

const FROM_KSN: [Mode; 4] = [
    Mode::From(|ksn| ksn.as_bytes().to_vec()),
    Mode::From(|ksn| ksn.as_bytes().last_chunk::<8>().map(|end| end.to_vec()).unwrap_or_default()),
    Mode::From(|ksn| [&[0; 4], ksn.as_bytes()].concat()),
    Mode::From(|ksn| [&[0; 6], ksn.as_bytes()].concat()),
];

/// What is wrong with a message that the right key does not open to a card.
pub(super) fn run(case: &Case<'_>, message: &ReaderMessage) -> Fault {
    let raw: Vec<_> =
        message.sealed.iter().map(|sealed| Zeroizing::new(sealed.ciphertext.clone())).collect();
    if is_card(&raw, message) {
        return Fault::new(
            Finding::NotEncrypted,
            "the card data is not encrypted at all",
            "switch the reader's encryption on; treat the card as exposed, and the log as well",
        );
    }
    let told = right(case).and_then(|key| with_right_key(message, &key));
    let told = told.or_else(|| with_wrong_key(case, message));
    told.unwrap_or_else(|| nothing_opens(case, message))
}

fn with_right_key(message: &ReaderMessage, key: &Trial<'_>) -> Option<Fault> {
    let opens = |mode| opened(message, key, mode).is_some_and(|clear| is_card(&clear, message));
    if opens(Mode::Ecb) {
        return Some(Fault::new(
            Finding::ModeEcb,
            "the key is right, but the blocks are not chained (ECB)",
            "encrypt in CBC mode, from an initialisation vector of zeros",
        ));
    }
    if FROM_KSN.into_iter().any(opens) {
        return Some(Fault::new(
            Finding::IvKsn,
            "the key is right, but the chain begins with the KSN",
            "begin the CBC chain with an initialisation vector of zeros",
        ));
    }
    if written_out(message, key) {
        return Some(Fault::new(
            Finding::SealedAsText,
            "the key is right, but the sealed bytes are written as text before they are put in",
            "put the sealed bytes themselves into the tag",
        ));
    }
    let clear = opened(message, key, Mode::Cbc)?;
    if is_card(&clear.iter().map(|one| unpadded(one)).collect::<Vec<_>>(), message) {
        return Some(Fault::new(
            Finding::Padding,
            "the key is right, but the last block is filled up in a way that is not understood",
            "fill the last block up with zeros",
        ));
    }
    if clear.iter().any(|one| makes_sense(one)) {
        return Some(Fault::new(
            Finding::NoCardInside,
            "the key is right, but what it opens is neither a track nor a list with a card",
            "seal a track, or tag 57, or tags 5A and 5F24, from the first byte on",
        ));
    }
    let block = (key.key)(message.sealed.first()?.ksn)?.algorithm().block_len();
    let garbled = clear.iter().any(|one| one.get(block..).is_some_and(looks_like_card));
    garbled.then(|| {
        Fault::new(
            Finding::IvNotZero,
            "the key is right, but the first block is not: the chain does not begin with zeros",
            "begin the CBC chain with an initialisation vector of zeros",
        )
    })
}

fn with_wrong_key(case: &Case<'_>, message: &ReaderMessage) -> Option<Fault> {
    let ksn = message.sealed.first()?.ksn;
    for trial in wrong(case, ksn) {
        for mode in [Mode::Cbc, Mode::Ecb] {
            let clear = opened(message, &trial, mode);
            if clear.is_some_and(|clear| is_card(&clear, message)) {
                let also = match mode {
                    Mode::Ecb => "; the blocks are not chained either (ECB)",
                    Mode::Cbc | Mode::From(_) => "",
                };
                let own = cipher_name(case.reader.cipher);
                let wrong = format!("it is sealed by {}; expected is {own}{also}", trial.what);
                return Some(Fault::new(trial.finding, wrong, change_for(trial.finding, ksn)));
            }
        }
    }
    None
}

fn nothing_opens(case: &Case<'_>, message: &ReaderMessage) -> Fault {
    let lengths = message.sealed.iter().map(|sealed| sealed.ciphertext.len());
    let block = right(case).and_then(|trial| (trial.key)(message.sealed.first()?.ksn));
    let block = block.map_or(8, |key| key.algorithm().block_len());
    if let Some(length) = lengths.into_iter().find(|length| !length.is_multiple_of(block)) {
        let wrong = format!("{length} sealed bytes are no whole number of {block}-byte blocks");
        let change = "send all the reader sealed; look for a cut, or for another cipher";
        return Fault::new(Finding::NotWholeBlocks, wrong, change);
    }
    if message.sealed.iter().any(|sealed| sealed.ciphertext.is_empty()) {
        let change = "let the reader put in what it sealed";
        return Fault::new(Finding::NothingSealed, "the sealed value is empty", change);
    }
    let tried = message.sealed.first().map_or(0, |sealed| wrong(case, sealed.ksn).len());
    Fault::new(
        Finding::DoesNotOpen,
        format!("neither the right key nor any of {tried} others opens it"),
        "compare the initial key's check value with the device's; inject it again",
    )
}

/// What each sealed value opens to; none when a key or a length does not fit.
fn opened(message: &ReaderMessage, trial: &Trial<'_>, mode: Mode) -> Option<Vec<Clear>> {
    let open = |sealed: &Sealed| {
        let key = (trial.key)(sealed.ksn)?;
        decrypted(&key, mode, sealed.ksn, &sealed.ciphertext)
    };
    message.sealed.iter().map(open).collect()
}

fn decrypted(key: &BlockKey, mode: Mode, ksn: Ksn, sealed: &[u8]) -> Option<Clear> {
    let mut clear = Zeroizing::new(sealed.to_vec());
    let block = key.algorithm().block_len();
    if clear.is_empty() || !clear.len().is_multiple_of(block) {
        return None;
    }
    match mode {
        Mode::Cbc => key.decrypt(&mut clear).ok()?,
        Mode::Ecb => {
            for one in clear.chunks_exact_mut(block) {
                key.decrypt(one).ok()?;
            }
        }
        Mode::From(vector) => {
            let vector = vector(ksn);
            let vector = vector.get(..block.min(vector.len())).unwrap_or_default();
            key.decrypt_from(vector, &mut clear).ok()?;
        }
    }
    Some(clear)
}

/// Whether a card is in the opened values: no wrong key makes up a whole one.
fn is_card(opened: &[Clear], message: &ReaderMessage) -> bool {
    match clear_list(opened, &message.clear) {
        Ok(list) => ClearCard::parse(&list).is_ok(),
        Err(error) => error == ClearListError::MaskDiffers,
    }
}

/// Whether the sealed bytes stand there in digits or in base64.
fn written_out(message: &ReaderMessage, trial: &Trial<'_>) -> bool {
    let read = |sealed: &Sealed| {
        let text = str::from_utf8(&sealed.ciphertext).ok()?;
        let bytes = hex::decode(text).ok().or_else(|| STANDARD.decode(text).ok())?;
        decrypted(&(trial.key)(sealed.ksn)?, Mode::Cbc, sealed.ksn, &bytes)
    };
    let opened: Option<Vec<_>> = message.sealed.iter().map(read).collect();
    opened.is_some_and(|opened| is_card(&opened, message))
}

/// Without the fill of PKCS 7, ANSI X9.23 or ISO 7816-4.
fn unpadded(clear: &[u8]) -> Clear {
    let counted = clear.last().map_or(0, |last| usize::from(*last));
    let by_count = clear.get(..clear.len().saturating_sub(counted)).filter(|_| counted <= 16);
    let zeros = clear.iter().rev().take_while(|byte| **byte == 0).count();
    let before_zeros = clear.get(..clear.len() - zeros).unwrap_or_default();
    let by_mark = before_zeros.strip_suffix(&[0x80]);
    let kept = by_mark.or_else(|| by_count.filter(|_| counted > 0)).unwrap_or(clear);
    Zeroizing::new(kept.to_vec())
}

/// The later part of a track, in characters or in digits of four bits, or zeros.
fn looks_like_card(rest: &[u8]) -> bool {
    let end = rest.len() - rest.iter().rev().take_while(|byte| **byte == 0).count();
    let characters = rest.get(..end).unwrap_or_default();
    let printable = characters.iter().all(|c| matches!(c, b' '..=b'_'));
    let nibbles = rest.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    let (digits, others): (Vec<u8>, Vec<u8>) = nibbles.partition(|nibble| *nibble <= 9);
    let packed = others.iter().all(|nibble| matches!(nibble, 0xD | 0xF));
    characters.len() >= 8 && printable || digits.len() >= 12 && packed && others.len() <= 4
}

/// Whether opened bytes are text, or a list of tags that are known.
fn makes_sense(clear: &[u8]) -> bool {
    let end = clear.len() - clear.iter().rev().take_while(|byte| **byte == 0).count();
    let kept = clear.get(..end).unwrap_or_default();
    let text = kept.len() >= 6 && kept.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let list = tlv::parse_list(clear).or_else(|_| tlv::parse_list(kept)).unwrap_or_default();
    text || !list.is_empty() && list.iter().all(|one| name_of(one.tag).is_some())
}

/// What to change about a key.
fn change_for(finding: Finding, ksn: Ksn) -> String {
    let change = match finding {
        Finding::KeyPin => {
            "seal card data under the data key, not under the PIN's; or give the \
                            key set the variant pin, if all its readers do so"
        }
        Finding::KeyDataRequest => {
            "seal card data under the PIN variant, as this key set has it; \
                                    or give the key set the variant data-request"
        }
        Finding::KeyWithoutVariant => "lay the variant of the use over the message's key first",
        Finding::KeyVariantUnfinished => {
            "encrypt both halves under the varied key once more: it is the data key's last step"
        }
        Finding::InitialKeyUsed => "derive the key of each message from the initial key",
        Finding::BaseKeyUsed => {
            "never load the base key into a device; inject the reader's initial key"
        }
        Finding::CounterOff => {
            return format!(
                "send the KSN of the key that was used, not that before or after {ksn}"
            );
        }
        Finding::CounterByteOrder => "write the counter with its highest byte first",
        Finding::AesInsteadOfTdes => "encrypt by TDES, or register the reader in an AES key set",
        Finding::TdesInsteadOfAes => "encrypt by AES, or register the reader in a TDES key set",
        Finding::SingleDes => "encrypt by TDES with both halves of the key",
        Finding::OtherKeyLength => "derive a working key as long as the base key",
        Finding::OtherBaseKey => {
            "inject a key derived from this key set's base key, or register the reader in the other"
        }
        Finding::TestBaseKey => "inject a key derived from this key set's base key",
        Finding::BaseKeyHalves => "enter the base key's halves in their order",
        _ => "seal card data under the key for requested data",
    };
    change.to_owned()
}
