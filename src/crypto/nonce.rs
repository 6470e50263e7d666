//! What the gateway remembers of a used OAuth nonce.

use sha2::{Digest, Sha256};

/// A 128-bit name for one use of (consumer key, nonce, timestamp) (MAPI 2.2).
///
/// It is the front half of a SHA-256 in which each text follows its own length, so that no two
/// triples spell the same message. The timestamp is in Unix seconds.
#[must_use]
pub fn nonce_digest(consumer_key: &str, nonce: &str, timestamp: u64) -> [u8; 16] {
    let mut hash = Sha256::new();
    for text in [consumer_key, nonce] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(timestamp.to_be_bytes());
    let whole: [u8; 32] = hash.finalize().into();
    let mut front = [0; 16];
    for (to, from) in front.iter_mut().zip(whole) {
        *to = from;
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_letter_between_the_fields_changes_the_digest() {
        let digest = nonce_digest("shop", "abc", 1);
        assert_eq!(digest, nonce_digest("shop", "abc", 1));
        assert_ne!(digest, nonce_digest("shopa", "bc", 1));
        assert_ne!(digest, nonce_digest("shop", "abc", 2));
        assert_ne!(nonce_digest("", "shop", 1), nonce_digest("shop", "", 1));
    }
}
