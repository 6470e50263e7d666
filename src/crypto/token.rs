//! Tokens of operators: random, so that a plain digest gives nothing away.

use sha2::{Digest, Sha256};

/// Under which a token is kept and looked up: SHA-256, 64 lower-case hex digits.
#[must_use]
pub fn token_digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_as_its_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token_digest("abc"), expected);
    }
}
