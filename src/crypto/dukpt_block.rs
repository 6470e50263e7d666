//! DUKPT keys on their way as key blocks: what a block must say to be taken for a base key, and
//! what ours say.
//!
//! A base key goes as usage B0, a reader's initial key as B1; both derive keys and do nothing else
//! (mode X). What is found wrong is told with what is needed, since whoever reads it has to ask a
//! third party for another block.

use super::block_key::{Algorithm, BlockKey};
use super::key_block::{
    Exportability, KeyBlockError, KeyHeader, KeyUsage, KeyVersion, ModeOfUse, OptionalBlock,
    PAD_MAX, unwrap, wrap,
};
use super::key_components::is_weak;
use super::reader_keys::{BaseKey, InitialKey, algorithm};
use crate::payment::key_set::Cipher;
use crate::payment::ksn::Ksn;
use std::ops::Range;

/// Where a key block says for what its key is, of which family, and in which direction.
const USAGE: Range<usize> = 5..7;
const ALGORITHM: usize = 7;
const MODE: usize = 8;
/// Hexadecimal digits of the identifier of an AES DUKPT initial key (ANSI X9.24-3): the KSN without
/// its counter.
const INITIAL_KEY_ID: usize = 16;

/// Why a key does not travel. None of them says anything of a key but its algorithm.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DukptBlockError {
    /// The `sim` profile has keys of our own scheme, for which no key block has a usage.
    #[error(
        "only DUKPT keys travel as key blocks, and {} is a scheme of this gateway's own; \
         name a DUKPT key set or cipher", .0.name()
    )]
    Scheme(Cipher),
    /// The transport key is weaker than the key that is to go.
    #[error(
        "a key of {} is not wrapped under a transport key of {}, which is weaker; \
         name one of {} or stronger", .key.name(), .transport.name(), .key.name()
    )]
    TooWeak { key: Algorithm, transport: Algorithm },
    /// The transport key is weaker than the key that came.
    #[error(
        "the key in the block is stronger than the transport key of {}, which cannot protect it; \
         agree on a stronger transport key and have the block made again under that", .0.name()
    )]
    CameTooWeak(Algorithm),
    /// The block is not of the version that goes with the transport key.
    #[error(
        "a key block of version {version} was not made under this transport key of {}: version B \
         goes with tdes, D with AES; name the transport key that the sender used",
        .transport.name()
    )]
    Version { version: char, transport: Algorithm },
    /// A wrong transport key and a changed block look the same.
    #[error(
        "the key block was not made under this transport key, or was changed on its way; compare \
         the transport key's check value with the sender's, and have the block sent again"
    )]
    NotAuthentic,
    /// The key is for something else.
    #[error(
        "the key block says usage {0}, and a base derivation key says B0; ask the sender for the \
         base key, wrapped as B0"
    )]
    Usage(String),
    /// The key may do something else.
    #[error(
        "the key block says mode of use {0}, and a base key derives other keys, X, or does what \
         its usage allows, N; ask the sender to wrap it with mode X"
    )]
    Mode(char),
    /// The key is no base key of this cipher.
    #[error(
        "the key block has a key of {found}, and {} needs one of {}; name the cipher that fits \
         the key, or ask the sender for another key", .cipher.name(), sized(algorithm(*.cipher))
    )]
    Key { found: String, cipher: Cipher },
    /// The key is zeros, or a TDES key of two equal halves.
    #[error(
        "the key in the block is zeros, or a TDES key of two equal halves; ask the sender for a \
         key that was made at random"
    )]
    WeakKey,
    /// The block is malformed.
    #[error(
        "{0}; ask the sender for another key block of the base key (ASC X9.143: version B or D, \
         usage B0, mode of use X)"
    )]
    Block(KeyBlockError),
}

/// Whether keys of this cipher may go under a transport key of this algorithm.
///
/// # Errors
/// `Scheme` and `TooWeak`.
pub fn check_travel(cipher: Cipher, transport: Algorithm) -> Result<(), DukptBlockError> {
    if cipher == Cipher::AesGcm {
        return Err(DukptBlockError::Scheme(cipher));
    }
    let key = algorithm(cipher);
    let right = transport.may_protect(key);
    right.then_some(()).ok_or(DukptBlockError::TooWeak { key, transport })
}

/// Opens a key block that is to bring the base key of a key set of this cipher, and says how far
/// the key may travel on.
///
/// # Errors
/// All of `DukptBlockError` but `TooWeak`.
pub fn open_base_key(
    transport: &BlockKey,
    text: &str,
    cipher: Cipher,
) -> Result<(BlockKey, Exportability), DukptBlockError> {
    if cipher == Cipher::AesGcm {
        return Err(DukptBlockError::Scheme(cipher));
    }
    let opened = unwrap(transport, text);
    let (header, key) = opened.map_err(|error| told(error, transport, text, cipher))?;
    if header.usage() != KeyUsage::BaseDerivation {
        return Err(DukptBlockError::Usage(header.usage().code().to_owned()));
    }
    if key.algorithm() != algorithm(cipher) {
        return Err(DukptBlockError::Key { found: sized(key.algorithm()), cipher });
    }
    if is_weak(&key) {
        return Err(DukptBlockError::WeakKey);
    }
    Ok((key, header.exportability()))
}

/// Wraps a base key. The pad must be random.
///
/// # Errors
/// `Scheme` and `TooWeak`.
pub fn wrap_base_key(
    transport: &BlockKey,
    base: &BaseKey,
    exportability: Exportability,
    pad: [u8; PAD_MAX],
) -> Result<String, DukptBlockError> {
    let header = deriving(KeyUsage::BaseDerivation, exportability, Vec::new())?;
    wrapped(transport, base.cipher(), base.expose(), &header, pad)
}

/// Wraps the initial key of the reader with this KSN. The block names it: KS has the KSN of a TDES
/// key, IK the identifier of an AES one. From a reader no key is exported. The pad must be random.
///
/// # Errors
/// `Scheme` and `TooWeak`.
pub fn wrap_initial_key(
    transport: &BlockKey,
    initial: &InitialKey,
    ksn: Ksn,
    pad: [u8; PAD_MAX],
) -> Result<String, DukptBlockError> {
    let digits = ksn.to_string();
    let name = match initial.cipher() {
        Cipher::TdesDukpt(_) => OptionalBlock::new("KS", &digits),
        _ => digits.get(..INITIAL_KEY_ID).and_then(|id| OptionalBlock::new("IK", id)),
    };
    let named = name.into_iter().collect();
    let header = deriving(KeyUsage::InitialDukpt, Exportability::No, named)?;
    wrapped(transport, initial.cipher(), initial.expose(), &header, pad)
}

/// The header of a key from which others are derived.
fn deriving(
    usage: KeyUsage,
    exportability: Exportability,
    optional: Vec<OptionalBlock>,
) -> Result<KeyHeader, DukptBlockError> {
    let header = KeyHeader::new(usage, ModeOfUse::Derive, KeyVersion::UNUSED, exportability);
    header.and_then(|header| header.with_optional(optional)).map_err(DukptBlockError::Block)
}

fn wrapped(
    transport: &BlockKey,
    cipher: Cipher,
    key: &[u8],
    header: &KeyHeader,
    pad: [u8; PAD_MAX],
) -> Result<String, DukptBlockError> {
    check_travel(cipher, transport.algorithm())?;
    let key = BlockKey::from_slice(algorithm(cipher), key);
    let key = key.ok_or(DukptBlockError::Block(KeyBlockError::KeyLength))?;
    wrap(transport, header, &key, pad).map_err(DukptBlockError::Block)
}

/// An algorithm and the length of its keys.
fn sized(algorithm: Algorithm) -> String {
    format!("{} ({} bits)", algorithm.name(), 8 * algorithm.key_len())
}

/// Why a block was not opened. What is repeated of the block stands in its header, which is no
/// secret.
fn told(error: KeyBlockError, transport: &BlockKey, text: &str, cipher: Cipher) -> DukptBlockError {
    let transport = transport.algorithm();
    let letter = |place: usize| text.chars().nth(place).unwrap_or('?');
    let usage = text.get(USAGE).unwrap_or_default();
    match error {
        KeyBlockError::ProtectionKey => DukptBlockError::Version { version: letter(0), transport },
        KeyBlockError::NotAuthentic => DukptBlockError::NotAuthentic,
        KeyBlockError::TooWeak => DukptBlockError::CameTooWeak(transport),
        // Each usage knows other modes, so a usage that is none of ours comes first.
        KeyBlockError::Usage | KeyBlockError::Mode if usage != KeyUsage::BaseDerivation.code() => {
            DukptBlockError::Usage(usage.to_owned())
        }
        KeyBlockError::Mode => DukptBlockError::Mode(letter(MODE)),
        KeyBlockError::KeyBits(bits) => {
            let family = if letter(ALGORITHM) == 'T' { "tdes" } else { "aes" };
            DukptBlockError::Key { found: format!("{family} ({bits} bits)"), cipher }
        }
        other => DukptBlockError::Block(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::key_set::{AesLength, DataVariant};

    const TDES: Cipher = Cipher::TdesDukpt(DataVariant::DataRequest);
    const AES: Cipher = Cipher::AesDukpt(AesLength::Aes128);
    const PAD: [u8; PAD_MAX] = [0x3C; PAD_MAX];

    fn transport(algorithm: Algorithm) -> BlockKey {
        BlockKey::from_slice(algorithm, &vec![0x5A; algorithm.key_len()]).unwrap()
    }

    fn base(cipher: Cipher) -> BaseKey {
        let bytes: Vec<u8> = (1..).take(cipher.base_key_len()).collect();
        BaseKey::from_slice(cipher, &bytes).unwrap()
    }

    #[test]
    fn a_base_key_comes_back_with_how_far_it_may_travel() {
        for (cipher, algorithm) in [(TDES, Algorithm::Tdes), (TDES, Algorithm::Aes256)]
            .into_iter()
            .chain(Algorithm::ALL[1..].iter().map(|algorithm| (AES, *algorithm)))
        {
            let (base, transport) = (base(cipher), transport(algorithm));
            for export in [Exportability::Trusted, Exportability::No, Exportability::Sensitive] {
                let text = wrap_base_key(&transport, &base, export, PAD).unwrap();
                let front = if algorithm == Algorithm::Tdes { 'B' } else { 'D' };
                assert!(text.starts_with(front), "{text}");
                assert_eq!(
                    (&text[USAGE], &text[8..12]),
                    ("B0", &*format!("X00{}", export.letter()))
                );
                let (key, read) = open_base_key(&transport, &text, cipher).unwrap();
                assert_eq!((key.expose(), read), (base.expose(), export));
            }
        }
    }

    #[test]
    fn an_initial_key_goes_with_its_serial_number() {
        for (cipher, ksn, named) in [
            (TDES, "FFFF020000000C600000", "KS18FFFF020000000C600000"),
            (AES, "FFFF0300000000630000000000", "IK14FFFF030000000063"),
        ] {
            let ksn = Ksn::from_hex(&ksn[..2 * cipher.ksn_len()]).unwrap();
            let initial = base(cipher).initial_key("1", ksn).unwrap();
            let transport = transport(Algorithm::Aes128);
            let text = wrap_initial_key(&transport, &initial, ksn, PAD).unwrap();
            assert!(text[USAGE] == *"B1" && text.contains(named), "{text}");
            let (header, key) = unwrap(&transport, &text).unwrap();
            assert_eq!(header.exportability(), Exportability::No);
            assert_eq!(key.expose(), initial.expose());
            let refused = open_base_key(&transport, &text, cipher).unwrap_err();
            assert_eq!(refused, DukptBlockError::Usage("B1".to_owned()));
        }
    }

    #[test]
    fn neither_a_weaker_transport_key_nor_the_sim_scheme_carries_a_key() {
        let weak = check_travel(AES, Algorithm::Tdes).unwrap_err();
        assert_eq!(
            weak,
            DukptBlockError::TooWeak { key: Algorithm::Aes128, transport: Algorithm::Tdes }
        );
        let longest = Cipher::AesDukpt(AesLength::Aes256);
        assert!(check_travel(longest, Algorithm::Aes128).is_err());
        assert!(check_travel(TDES, Algorithm::Tdes).is_ok());
        let sim = Cipher::AesGcm;
        let kept =
            wrap_base_key(&transport(Algorithm::Aes256), &base(sim), Exportability::Trusted, PAD);
        assert_eq!(kept.unwrap_err(), DukptBlockError::Scheme(sim));
        let refused = open_base_key(&transport(Algorithm::Aes256), "", sim);
        assert_eq!(refused.unwrap_err(), DukptBlockError::Scheme(sim));
    }
}
