//! HMAC without a fallible constructor.

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Block length of both SHA-1 and SHA-256; HMAC keys are padded with zeros up to it (RFC 2104).
const BLOCK: usize = 64;

/// HMAC-SHA1 over the parts as if they were one message.
pub(super) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new((&*padded::<Sha1>(key)).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA256 over the parts as if they were one message.
pub(super) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    hmac_sha256_of(key, |add| parts.iter().for_each(|part| add(part)))
}

/// HMAC-SHA256 over what `feed` adds, part by part.
pub(super) fn hmac_sha256_of(key: &[u8], feed: impl FnOnce(&mut dyn FnMut(&[u8]))) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new((&*padded::<Sha256>(key)).into());
    feed(&mut |part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The key of exactly one block that HMAC would make of `key` itself. Doing it here leaves no
/// length to refuse.
fn padded<D: Digest>(key: &[u8]) -> Zeroizing<[u8; BLOCK]> {
    let mut block = Zeroizing::new([0; BLOCK]);
    let hashed = (key.len() > BLOCK).then(|| D::digest(key));
    let key = hashed.as_ref().map_or(key, AsRef::as_ref);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_2202_and_rfc_4231_hold() {
        let short = hmac_sha1(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex::encode(short), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let long =
            hmac_sha1(&[0xaa; 80], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(hex::encode(long), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        let wide = hmac_sha256(b"Jefe", &[b"what do ya want for nothing?"]);
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(wide), expected);
    }
}
