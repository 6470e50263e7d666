//! Several sealing keys for one purpose: the first seals, and the others still open what they
//! sealed, so that the master key can be replaced while the gateway serves.

use super::key::KeyTextError;
use super::seal::{KeyId, SealError, SealingKey};
use std::fmt;
use zeroize::Zeroizing;

/// First byte of what a ring seals; the key's id follows.
const VERSION: u8 = 2;
/// First byte of what was sealed before there were rings, without an id.
const WITHOUT_ID: u8 = 1;

/// The keys of a ring, the present one first.
pub struct KeyRing {
    present: SealingKey,
    earlier: Vec<SealingKey>,
}

impl KeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn of(present: SealingKey) -> Self {
        Self { present, earlier: Vec::new() }
    }

    /// Reads keys of 64 hex digits each, one in a line, the present one first. Empty lines, and
    /// what follows a `#`, do not count.
    ///
    /// # Errors
    /// `KeyTextError` when a line is no key or there is none; it never carries the text.
    pub fn from_lines(text: &str) -> Result<Self, KeyTextError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut keys = lines.filter(|line| !line.is_empty()).map(SealingKey::from_hex);
        let present = keys.next().ok_or(KeyTextError)??;
        Ok(Self { present, earlier: keys.collect::<Result<_, _>>()? })
    }

    /// The ring of another purpose.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        let earlier = self.earlier.iter().map(|key| key.derive(purpose)).collect();
        Self { present: self.present.derive(purpose), earlier }
    }

    /// The key that seals.
    #[must_use]
    pub fn present(&self) -> &SealingKey {
        &self.present
    }

    /// The key that sealed first.
    #[must_use]
    pub fn oldest(&self) -> &SealingKey {
        self.earlier.last().unwrap_or(&self.present)
    }

    /// Whether there are others beside the present key.
    #[must_use]
    pub fn has_earlier(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Seals as `02 ‖ key id (4) ‖ nonce ‖ ciphertext ‖ tag`. The nonce must never be used twice;
    /// the context must be given again to open.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], context: &str, nonce: [u8; 12]) -> Vec<u8> {
        let [a, b, c, d] = self.present.id();
        self.present.seal_behind(&[VERSION, a, b, c, d], plaintext, context, nonce)
    }

    /// Opens what this ring sealed, or one of its keys before there were rings.
    ///
    /// # Errors
    /// `SealError`; wrong key, wrong context and spoilt bytes look the same.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match sealed {
            [VERSION, a, b, c, d, body @ ..] => {
                let id = [*a, *b, *c, *d];
                let key = self.keys().find(|key| key.id() == id).ok_or(SealError::Refused)?;
                key.open_body(body, context)
            }
            [WITHOUT_ID, body @ ..] => {
                let opened = self.keys().find_map(|key| key.open_body(body, context).ok());
                opened.ok_or(SealError::Refused)
            }
            _ => Err(SealError::Version),
        }
    }

    /// Whether the present key sealed it.
    #[must_use]
    pub fn is_present(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&[VERSION]) && sealed.get(1..5) == Some(&self.present.id()[..])
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.present).chain(&self.earlier)
    }
}

/// The ids of the keys, which tell nothing about them.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<KeyId> = self.keys().map(SealingKey::id).collect();
        write!(f, "KeyRing({ids:02x?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(keys: &[u8]) -> KeyRing {
        let lines: Vec<_> = keys.iter().map(|byte| hex::encode([*byte; 32])).collect();
        KeyRing::from_lines(&lines.join("\n")).unwrap()
    }

    #[test]
    fn the_present_key_seals_and_the_earlier_ones_still_open() {
        let before = lines(&[1]);
        let sealed = before.seal(b"secret", "c", [5; 12]);
        assert_eq!(before.open(&sealed, "c").unwrap().as_slice(), b"secret");
        assert!(before.is_present(&sealed));
        let after = lines(&[2, 1]);
        assert_eq!(after.open(&sealed, "c").unwrap().as_slice(), b"secret");
        assert!(!after.is_present(&sealed));
        let again = after.seal(b"secret", "c", [6; 12]);
        assert!(after.is_present(&again));
        assert_eq!(before.open(&again, "c").unwrap_err(), SealError::Refused);
        assert_eq!(lines(&[3]).open(&sealed, "c").unwrap_err(), SealError::Refused);
        assert_eq!(after.open(&sealed, "d").unwrap_err(), SealError::Refused);
    }

    #[test]
    fn what_was_sealed_before_there_were_rings_opens_under_any_of_them() {
        let old = SealingKey::from_bytes([1; 32]).seal(b"secret", "c", [5; 12]);
        assert_eq!(lines(&[2, 1]).open(&old, "c").unwrap().as_slice(), b"secret");
        assert!(!lines(&[1]).is_present(&old));
        assert_eq!(lines(&[2]).open(&old, "c").unwrap_err(), SealError::Refused);
        assert_eq!(lines(&[2]).open(&[], "c").unwrap_err(), SealError::Version);
        assert_eq!(lines(&[2]).open(&[2, 1], "c").unwrap_err(), SealError::Version);
    }

    #[test]
    fn a_file_of_keys_may_have_comments_and_must_have_a_key() {
        let key = hex::encode([7; 32]);
        let ring = KeyRing::from_lines(&format!("\n{key} # of May\n# nothing\n")).unwrap();
        assert_eq!(ring.earlier.len(), 0);
        for bad in ["", "# only this", "abc", &format!("{key}\nabc")] {
            assert_eq!(KeyRing::from_lines(bad).unwrap_err(), KeyTextError);
        }
        let derived = ring.derive("a");
        assert_ne!(derived.present().id(), ring.present().id());
        assert!(!format!("{ring:?}").contains(&key));
    }
}
