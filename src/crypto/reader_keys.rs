//! The keys of readers: a key set's base key, the initial key that is injected into one reader, and
//! the key of each message.

use super::block_key::{Algorithm, BlockKey, CHECK_VALUE_LEN};
use super::clear_list::{ClearListError, clear_list};
use super::dukpt::{self, DukptError, Use};
use super::pin_block::{PinError, encrypt_pin};
use super::reader::{ReaderMessage, SealedPin};
use super::sim_keys::{self, OpenError, SimBaseKey, SimKey};
use crate::payment::card::Pan;
use crate::payment::key_set::{AesLength, Cipher, DataVariant};
use crate::payment::ksn::Ksn;
use crate::payment::money::Amount;
use crate::payment::pin_format::PinFormat;
use std::fmt;
use zeroize::Zeroizing;

/// The base derivation key of one key set. It leaves the server as a key block only.
pub struct BaseKey {
    cipher: Cipher,
    key: Secret<SimBaseKey>,
}

/// The key that is injected into one reader.
pub struct InitialKey {
    cipher: Cipher,
    key: Secret<SimKey>,
}

/// Keys of the `sim` profile, or of DUKPT.
enum Secret<S> {
    Sim(S),
    Dukpt(BlockKey),
}

/// A PIN that a card holder has entered at a virtual PIN pad. It is test data.
#[derive(Clone, Copy)]
pub struct PinEntry<'a> {
    /// 4 to 12 digits.
    pub pin: &'a str,
    pub format: PinFormat,
    pub pan: &'a Pan,
}

/// Why a reader's message does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpeningError {
    #[error("sealed by the sim profile, it does not open: {0}")]
    Sim(#[from] OpenError),
    #[error("no key can be derived: {0}")]
    Key(#[from] DukptError),
    #[error("the KSN has another length than those of this cipher")]
    KsnLength,
    #[error("the sealed data is empty, or no whole number of blocks")]
    Length,
    #[error("{0}; the key, or the variant of the key, is probably not the reader's")]
    List(#[from] ClearListError),
}

impl BaseKey {
    /// Copies the raw key; `None` unless it has the length of the cipher's keys.
    #[must_use]
    pub fn from_slice(cipher: Cipher, bytes: &[u8]) -> Option<Self> {
        let key = match cipher {
            Cipher::AesGcm => Secret::Sim(SimBaseKey::from_bytes(*bytes.as_array::<32>()?)),
            _ => Secret::Dukpt(BlockKey::from_slice(algorithm(cipher), bytes)?),
        };
        Some(Self { cipher, key })
    }

    /// How the key set encrypts.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// By which two people compare the key without saying it.
    #[must_use]
    pub fn check_value(&self) -> [u8; CHECK_VALUE_LEN] {
        match &self.key {
            Secret::Sim(base) => check_value(base.expose()),
            Secret::Dukpt(base) => base.check_value(),
        }
    }

    /// The initial key of the reader with this serial and this KSN. The `sim` profile derives from
    /// the serial, DUKPT from the KSN.
    ///
    /// # Errors
    /// `KsnLength` for a KSN of another cipher.
    pub fn initial_key(&self, serial: &str, ksn: Ksn) -> Result<InitialKey, OpeningError> {
        let key = match &self.key {
            Secret::Sim(base) => Secret::Sim(base.initial_key(serial)),
            Secret::Dukpt(base) => Secret::Dukpt(match self.cipher {
                Cipher::AesDukpt(_) => {
                    let ksn = bytes::<12>(ksn)?;
                    let id = ksn.first_chunk().ok_or(OpeningError::KsnLength)?;
                    dukpt::aes::initial_key(base, *id)?
                }
                _ => dukpt::tdes::initial_key(base, bytes(ksn)?)?,
            }),
        };
        Ok(InitialKey { cipher: self.cipher, key })
    }

    /// The clear bytes. Whoever calls this must not log or keep them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match &self.key {
            Secret::Sim(base) => base.expose(),
            Secret::Dukpt(base) => base.expose(),
        }
    }
}

impl InitialKey {
    /// Copies the raw key, as a virtual reader stores it; `None` unless it has the right length.
    #[must_use]
    pub fn from_slice(cipher: Cipher, bytes: &[u8]) -> Option<Self> {
        let key = match cipher {
            Cipher::AesGcm => Secret::Sim(SimKey::from_bytes(*bytes.as_array::<32>()?)),
            _ => Secret::Dukpt(BlockKey::from_slice(algorithm(cipher), bytes)?),
        };
        Some(Self { cipher, key })
    }

    /// The clear bytes, for injection. Whoever calls this must not log or keep them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match &self.key {
            Secret::Sim(key) => key.expose(),
            Secret::Dukpt(key) => key.expose(),
        }
    }

    /// By which two people compare the key without saying it.
    #[must_use]
    pub fn check_value(&self) -> [u8; CHECK_VALUE_LEN] {
        match &self.key {
            Secret::Sim(key) => check_value(key.expose()),
            Secret::Dukpt(key) => key.check_value(),
        }
    }

    /// Opens a message into [`one_list`]. The `sim` profile binds what it seals to the amount,
    /// DUKPT does not.
    ///
    /// # Errors
    /// `OpeningError`, which carries nothing of what was inside.
    pub fn open(
        &self,
        message: &ReaderMessage,
        amount: Amount,
    ) -> Result<Zeroizing<Vec<u8>>, OpeningError> {
        one_list(self.cipher, self.open_parts(message, amount)?, message)
    }

    /// Opens each sealed value of a message, whatever is inside.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for `List`.
    pub fn open_parts(
        &self,
        message: &ReaderMessage,
        amount: Amount,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, OpeningError> {
        let open = |ksn, ciphertext: &[u8]| match &self.key {
            Secret::Sim(key) => Ok(sim_keys::open(ciphertext, key, ksn, &message.serial, amount)?),
            Secret::Dukpt(_) => {
                let key = self.working_key(ksn, Use::DataRequest)?;
                let mut clear = Zeroizing::new(ciphertext.to_vec());
                key.decrypt(&mut clear).map_err(|_| OpeningError::Length)?;
                if clear.is_empty() { Err(OpeningError::Length) } else { Ok(clear) }
            }
        };
        message.sealed.iter().map(|sealed| open(sealed.ksn, &sealed.ciphertext)).collect()
    }

    /// The virtual reader's side: seals a value for an amount. `fresh` are random bytes, which only
    /// the `sim` profile needs; DUKPT fills the last block up with zeros.
    ///
    /// # Errors
    /// When no key can be derived for this KSN.
    pub fn seal(
        &self,
        clear: &[u8],
        fresh: [u8; 12],
        ksn: Ksn,
        serial: &str,
        amount: Amount,
    ) -> Result<Vec<u8>, OpeningError> {
        if let Secret::Sim(key) = &self.key {
            return Ok(sim_keys::seal(clear, fresh, key, ksn, serial, amount));
        }
        let key = self.working_key(ksn, Use::DataRequest)?;
        let length = clear.len().next_multiple_of(key.algorithm().block_len());
        let mut sealed = Vec::with_capacity(length);
        sealed.extend_from_slice(clear);
        sealed.resize(length, 0);
        key.encrypt(&mut sealed).map_err(|_| OpeningError::Length)?;
        Ok(sealed)
    }

    /// The reader's encrypted PIN block and the key that opens it. In the `sim` profile the block
    /// itself is clear under the seal, so it is encrypted again at once, under a key that is gone
    /// with the answer.
    pub(super) fn pin_block(
        &self,
        pin: &SealedPin,
        serial: &str,
        amount: Amount,
    ) -> Result<(Vec<u8>, BlockKey), OpeningError> {
        let Secret::Sim(key) = &self.key else {
            return Ok((pin.block.clone(), self.working_key(pin.ksn, Use::Pin)?));
        };
        let mut clear = sim_keys::open(&pin.block, key, pin.ksn, serial, amount)?;
        let passing = passing_key(key, pin.ksn);
        passing.encrypt(&mut clear).map_err(|_| OpeningError::Length)?;
        Ok((clear.to_vec(), passing))
    }

    /// The virtual PIN pad's side: the sealed block of a PIN. The random bytes must be fresh.
    ///
    /// # Errors
    /// When no key can be derived for this KSN, or format and PIN do not fit (`Length`).
    pub fn seal_pin(
        &self,
        entry: PinEntry<'_>,
        ksn: Ksn,
        serial: &str,
        amount: Amount,
        random: [u8; 16],
    ) -> Result<Vec<u8>, OpeningError> {
        let PinEntry { pin, format, pan } = entry;
        let refused = |_: PinError| OpeningError::Length;
        let Secret::Sim(key) = &self.key else {
            let key = self.working_key(ksn, Use::Pin)?;
            return encrypt_pin(pin, format, &key, pan, random).map_err(refused);
        };
        let passing = passing_key(key, ksn);
        let mut block =
            Zeroizing::new(encrypt_pin(pin, format, &passing, pan, random).map_err(refused)?);
        passing.decrypt(&mut block).map_err(|_| OpeningError::Length)?;
        let [nonce @ .., _, _, _, _] = random;
        Ok(sim_keys::seal(&block, nonce, key, ksn, serial, amount))
    }

    /// How the key's reader encrypts.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// A DUKPT working key of the message with this KSN.
    fn working_key(&self, ksn: Ksn, purpose: Use) -> Result<BlockKey, OpeningError> {
        let Secret::Dukpt(initial) = &self.key else {
            return Err(OpeningError::Key(DukptError::Cipher));
        };
        Ok(match self.cipher {
            Cipher::AesDukpt(_) => {
                dukpt::aes::working_key(initial, bytes(ksn)?, purpose, initial.algorithm())?
            }
            Cipher::TdesDukpt(variant) => {
                dukpt::tdes::working_key(initial, bytes(ksn)?, purpose, variant)?
            }
            Cipher::AesGcm => {
                dukpt::tdes::working_key(initial, bytes(ksn)?, purpose, DataVariant::DataRequest)?
            }
        })
    }
}

impl fmt::Debug for BaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseKey({}, ..)", self.cipher.name())
    }
}

impl fmt::Debug for InitialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InitialKey({}, ..)", self.cipher.name())
    }
}

/// The list that [`ClearCard`](super::card_data::ClearCard) reads, from the opened values of a
/// message and what came with them in the clear.
///
/// # Errors
/// `List`, which is what a wrong key leads to where the cipher itself does not notice.
pub fn one_list(
    cipher: Cipher,
    mut opened: Vec<Zeroizing<Vec<u8>>>,
    message: &ReaderMessage,
) -> Result<Zeroizing<Vec<u8>>, OpeningError> {
    match (cipher, opened.len(), message.clear.is_empty()) {
        // The whole list was sealed, and the cipher vouches for it.
        (Cipher::AesGcm, 1, true) => opened.pop().ok_or(OpeningError::Length),
        _ => Ok(clear_list(&opened, &message.clear)?),
    }
}

/// A TDES key for one moment, which no reader has.
fn passing_key(key: &SimKey, ksn: Ksn) -> BlockKey {
    let whole = key.message_key(ksn);
    let mut front = [0; 16];
    for (to, from) in front.iter_mut().zip(whole.expose()) {
        *to = !from;
    }
    BlockKey::tdes(front)
}

/// The block cipher of a scheme, which is that of all its keys.
#[must_use]
pub fn algorithm(cipher: Cipher) -> Algorithm {
    match cipher {
        Cipher::TdesDukpt(_) => Algorithm::Tdes,
        Cipher::AesDukpt(AesLength::Aes128) => Algorithm::Aes128,
        Cipher::AesDukpt(AesLength::Aes192) => Algorithm::Aes192,
        Cipher::AesGcm | Cipher::AesDukpt(AesLength::Aes256) => Algorithm::Aes256,
    }
}

fn check_value(key: &[u8; 32]) -> [u8; CHECK_VALUE_LEN] {
    let key = BlockKey::from_slice(Algorithm::Aes256, key);
    key.map(|key| key.check_value()).unwrap_or_default()
}

fn bytes<const N: usize>(ksn: Ksn) -> Result<[u8; N], OpeningError> {
    ksn.as_bytes().try_into().map_err(|_| OpeningError::KsnLength)
}
