//! AES-256-GCM over messages laid out as `nonce ‖ ciphertext ‖ tag`.

use super::key::Key32;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

/// Bytes of a GCM nonce.
pub(super) const NONCE_LEN: usize = 12;
/// Bytes of a GCM tag.
const TAG_LEN: usize = 16;
/// The sealed form of an empty plaintext: nothing shorter can be opened.
pub(super) const SEALED_MIN: usize = NONCE_LEN + TAG_LEN;

/// A cipher with its key schedule already made; the schedule wipes itself.
pub(super) struct Gcm(Aes256Gcm);

impl Gcm {
    pub(super) fn new(key: &Key32) -> Self {
        Self(Aes256Gcm::new(key.expose().into()))
    }

    /// Writes `prefix ‖ nonce ‖ ciphertext ‖ tag`. The prefix is not authenticated.
    pub(super) fn seal(
        &self,
        prefix: &[u8],
        plaintext: &[u8],
        associated: &[u8],
        nonce: [u8; NONCE_LEN],
    ) -> Vec<u8> {
        let head = prefix.len() + NONCE_LEN;
        let mut out = Vec::with_capacity(head + plaintext.len() + TAG_LEN);
        out.extend_from_slice(prefix);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plaintext);
        let (_, body) = out.split_at_mut(head);
        match self.0.encrypt_inout_detached(&nonce.into(), associated, body.into()) {
            Ok(tag) => out.extend_from_slice(&tag),
            // GCM refuses only more than 64 GiB. Nothing is what cannot be mistaken for a message.
            Err(_) => out.clear(),
        }
        out
    }

    /// Opens `nonce ‖ ciphertext ‖ tag`; `None` when it is too short or not authentic.
    pub(super) fn open(&self, sealed: &[u8], associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(body.to_vec());
        self.0.decrypt_in_place(nonce.into(), associated, &mut *text).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_message_opens_only_whole_and_with_its_associated_data() {
        let gcm = Gcm::new(&Key32::from_bytes([7; 32]));
        let sealed = gcm.seal(b"", b"secret", b"context", [1; 12]);
        assert_eq!(sealed.len(), SEALED_MIN + 6);
        assert_eq!(gcm.open(&sealed, b"context").unwrap().as_slice(), b"secret");
        assert!(gcm.open(&sealed, b"other").is_none());
        for length in 0..sealed.len() {
            assert!(gcm.open(&sealed[..length], b"context").is_none(), "{length}");
        }
    }
}
