//! NexoCrypto: how terminals and tills of the JSON family protect a whole message under a key that
//! both make of one passphrase (nexo contract, section 12). The scheme is a vendor's, as the salt
//! says; it computes its HMAC over the clear text and encrypts that, so that padding must not tell
//! anything before the HMAC does.

use super::block_key::{Algorithm, BlockKey};
use super::key::Key32;
use super::mac::hmac_sha256;
use sha1::Sha1;
use std::fmt;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

const SALT: &[u8] = b"AdyenNexoV1Salt";
const ITERATIONS: u32 = 4000;
/// Bytes that a passphrase gives: 32 for the HMAC, 32 for AES-256, 16 for the initialisation
/// vector.
pub const MATERIAL_LEN: usize = 80;
/// Bytes of a nonce, and of a block of AES.
pub const NONCE_LEN: usize = 16;
/// Bytes of an HMAC.
pub const HMAC_LEN: usize = 32;

/// The key of one terminal. It wipes itself and cannot be printed.
pub struct NexoKey {
    identifier: String,
    version: i64,
    hmac: Key32,
    cipher: BlockKey,
    iv: Zeroizing<[u8; NONCE_LEN]>,
}

/// A protected message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    pub blob: Vec<u8>,
    pub hmac: [u8; HMAC_LEN],
}

/// A message was not protected with this key, or was changed. It never says more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the message is not protected as agreed")]
pub struct NexoRefused;

/// What both sides make of a passphrase, which takes milliseconds: to be kept, sealed. `None` if
/// the passphrase is empty or not ASCII: clients disagree about the bytes of anything else.
#[must_use]
pub fn derive(passphrase: &str) -> Option<Zeroizing<[u8; MATERIAL_LEN]>> {
    let usable = passphrase.is_ascii() && !passphrase.is_empty();
    usable.then(|| {
        let mut material = Zeroizing::new([0; MATERIAL_LEN]);
        let passphrase = passphrase.as_bytes();
        pbkdf2::pbkdf2_hmac::<Sha1>(passphrase, SALT, ITERATIONS, &mut *material);
        material
    })
}

impl NexoKey {
    /// The key of what [`derive`] gave, known by an identifier and a version.
    #[must_use]
    pub fn from_material(
        identifier: &str,
        version: i64,
        material: &[u8; MATERIAL_LEN],
    ) -> Option<Self> {
        let (hmac, rest) = material.split_first_chunk::<32>()?;
        let (cipher, iv) = rest.split_first_chunk::<32>()?;
        Some(Self {
            identifier: identifier.to_owned(),
            version,
            hmac: Key32::from_bytes(*hmac),
            cipher: BlockKey::from_slice(Algorithm::Aes256, cipher)?,
            iv: Zeroizing::new(*iv.first_chunk()?),
        })
    }

    /// `KeyIdentifier` of the trailer.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// `KeyVersion` of the trailer.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Protects a message. The nonce must be fresh.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], nonce: &[u8; NONCE_LEN]) -> Sealed {
        // PKCS#7: as many bytes as are missing, at least one, each saying how many.
        let missing = NONCE_LEN - plaintext.len() % NONCE_LEN;
        let mut blob = Vec::with_capacity(plaintext.len() + missing);
        blob.extend_from_slice(plaintext);
        blob.resize(plaintext.len() + missing, u8::try_from(missing).unwrap_or_default());
        // Whole blocks are never refused.
        let _ = self.cipher.encrypt_from(&*self.iv_of(nonce), &mut blob);
        Sealed { blob, hmac: hmac_sha256(self.hmac.expose(), &[plaintext]) }
    }

    /// Opens what [`seal`](Self::seal) protected.
    ///
    /// # Errors
    /// `NexoRefused`, after the same work whatever is wrong: where the padding is, the HMAC is
    /// computed over all of it.
    pub fn open(
        &self,
        blob: &[u8],
        nonce: &[u8; NONCE_LEN],
        hmac: &[u8; HMAC_LEN],
    ) -> Result<Zeroizing<Vec<u8>>, NexoRefused> {
        let mut plaintext = Zeroizing::new(blob.to_vec());
        let whole = self.cipher.decrypt_from(&*self.iv_of(nonce), &mut plaintext).is_ok();
        let (length, padded) = unpadded_len(&plaintext);
        plaintext.truncate(length);
        let expected = hmac_sha256(self.hmac.expose(), &[&plaintext]);
        let good = expected.ct_eq(hmac) & padded & Choice::from(u8::from(whole));
        if bool::from(good) { Ok(plaintext) } else { Err(NexoRefused) }
    }

    fn iv_of(&self, nonce: &[u8; NONCE_LEN]) -> Zeroizing<[u8; NONCE_LEN]> {
        let mut iv = self.iv.clone();
        for (to, from) in iv.iter_mut().zip(nonce) {
            *to ^= from;
        }
        iv
    }
}

/// How much is left without the padding, and whether that was good; all, if it was not.
fn unpadded_len(padded: &[u8]) -> (usize, Choice) {
    let last = padded.last().copied().unwrap_or_default();
    let mut good = !last.ct_eq(&0) & !last.ct_gt(&16);
    for (place, byte) in (0_u8..16).zip(padded.iter().rev()) {
        let is_padding = last.ct_gt(&place);
        good &= !is_padding | byte.ct_eq(&last);
    }
    let padding = u8::conditional_select(&0, &last, good);
    (padded.len().saturating_sub(usize::from(padding)), good)
}

impl fmt::Debug for NexoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NexoKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    const PLAIN: &str = "{\"SaleToPOIResponse\":{\"MessageHeader\":{\"MessageClass\":\"Service\",\
        \"MessageCategory\":\"Payment\",\"MessageType\":\"Response\",\"ServiceID\":\"0000000042\",\
        \"SaleID\":\"TILL-7\",\"POIID\":\"SIM-001\"},\"PaymentResponse\":{\"Response\":\
        {\"Result\":\"Success\"}}}}";
    const BLOB: &str = "WbAGUZNUAMCmb4FLuDRWR1xfAskdtq3SM/QIA9iVfMFZwX9GDBrnOLaODumTEzS8tPhH1QXSjf\
        LSdI+BWrwbOTDn72sLIfXQBiSqeBcJMue7shysJg8VDiLZzRtEiMUS+X9E+vnsc7sLwMDIiBgxNZ85n6wu2ptV0tNe\
        pOf1yNyGvusnTotzTGIGZMntnxzgob1lhUO8leqVRQM7tohYgbgmBeM7XO1pWASPzsTVf7nmueYMCXXyZYD27ufK54\
        GF3qO0bBpLtcdkzNtWFX2MsqinreZ79a0F1lJ9xS+0ooxwLpNxarJvhqF1QTUP12eX";
    const HMAC: &str = "kEv1kQ3pk3CuOJgMdfEuI9tJSha5UBbKXHAJI9fSEgM=";
    const NONCE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    fn key() -> NexoKey {
        NexoKey::from_material("sim", 1, &derive("correct horse battery").unwrap()).unwrap()
    }

    fn golden() -> (Vec<u8>, [u8; 32]) {
        (STANDARD.decode(BLOB).unwrap(), STANDARD.decode(HMAC).unwrap().try_into().unwrap())
    }

    #[test]
    fn both_passphrases_of_the_contract_give_their_keys() {
        for (passphrase, material) in [
            (
                "p@ssw0rd123456",
                "733636253b5b98f9a483b1a678d73a58dab2accafbc029ecbe12d60eaa909e32\
                 cf2c822761b9f5305bf69970bfa7b659a6724a119db21f8b0e949779f2ea022c\
                 bb9ba8092e6027c735398dc65977c051",
            ),
            (
                "correct horse battery",
                "6d3b94b9f0f6cb7071e35a76e094dee7661587c889e4e1070b8da2c4a0d76313\
                 4eaeef21bd9267b80ce2176b81145578ac499415ff4e0f494c841de46efef8d5\
                 0aa54c65bda8251cc63b4e15ba8cac82",
            ),
        ] {
            assert_eq!(hex::encode(*derive(passphrase).unwrap()), material, "{passphrase}");
        }
        assert!(derive("").is_none() && derive("pässword").is_none());
        assert_eq!(format!("{:?}", key()), "NexoKey(..)");
        assert_eq!((key().identifier(), key().version()), ("sim", 1));
    }

    #[test]
    fn the_golden_message_is_sealed_and_opened() {
        let (blob, hmac) = golden();
        let iv = hex::encode(*key().iv_of(&NONCE));
        assert_eq!(iv, "0aa44e66b9ad231bce32441eb681a28d");
        assert_eq!(key().seal(PLAIN.as_bytes(), &NONCE), Sealed { blob: blob.clone(), hmac });
        assert_eq!(key().open(&blob, &NONCE, &hmac).unwrap().as_slice(), PLAIN.as_bytes());
    }

    #[test]
    fn whatever_is_changed_the_refusal_is_the_same() {
        let (blob, hmac) = golden();
        for place in 0..blob.len() {
            let mut spoilt = blob.clone();
            spoilt[place] ^= 1;
            assert_eq!(key().open(&spoilt, &NONCE, &hmac), Err(NexoRefused), "{place}");
        }
        for place in 0..16 {
            let mut nonce = NONCE;
            nonce[place] ^= 1;
            assert_eq!(key().open(&blob, &nonce, &hmac), Err(NexoRefused), "{place}");
        }
        for place in 0..32 {
            let mut spoilt = hmac;
            spoilt[place] ^= 0x80;
            assert_eq!(key().open(&blob, &NONCE, &spoilt), Err(NexoRefused), "{place}");
        }
        for length in [0, 1, 15, 16, blob.len() - 16, blob.len() - 1] {
            assert_eq!(key().open(&blob[..length], &NONCE, &hmac), Err(NexoRefused), "{length}");
        }
        let other = NexoKey::from_material("sim", 1, &derive("p@ssw0rd123456").unwrap()).unwrap();
        assert_eq!(other.open(&blob, &NONCE, &hmac), Err(NexoRefused));
    }

    #[test]
    fn padding_is_all_of_its_bytes_or_none() {
        let length = |padded: &[u8]| {
            let (length, good) = unpadded_len(padded);
            (length, bool::from(good))
        };
        assert_eq!(length(&[16; 16]), (0, true));
        assert_eq!(length(&[9, 1]), (1, true));
        assert_eq!(length(&[9, 3, 3, 3]), (1, true));
        assert_eq!(length(&[3, 2, 3, 3]), (4, false));
        assert_eq!(length(&[0; 16]), (16, false));
        assert_eq!(length(&[17; 32]), (32, false));
        assert_eq!(length(&[]), (0, false));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_what_is_not_is_refused(
            plaintext in proptest::collection::vec(any::<u8>(), 0..100),
            nonce in any::<[u8; 16]>(),
            noise in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let material = std::array::from_fn(|place| u8::try_from(place).unwrap());
            let key = NexoKey::from_material("sim", 1, &material).unwrap();
            let Sealed { blob, hmac } = key.seal(&plaintext, &nonce);
            let opened = key.open(&blob, &nonce, &hmac).unwrap();
            prop_assert_eq!(opened.as_slice(), &plaintext[..]);
            prop_assert_eq!(key.open(&noise, &nonce, &hmac), Err(NexoRefused));
        }
    }
}
