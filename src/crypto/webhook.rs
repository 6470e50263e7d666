//! Signatures of Standard Webhooks (version 1.0.0 of its specification): HMAC-SHA256 over id, time
//! and content, by each key that is good at the moment.

use super::mac::hmac_sha256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Bytes of a fresh key; the specification allows 24 to 64.
pub const KEY_LEN: usize = 32;
/// What the text of a key begins with.
const PREFIX: &str = "whsec_";

/// A key that signs. It wipes itself and cannot be printed.
pub struct WebhookKey(Zeroizing<Vec<u8>>);

impl WebhookKey {
    /// Copies the raw key; `None` unless it has 24 to 64 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (24..=64).contains(&bytes.len()).then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The raw key. Whoever calls this must not log or keep it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// `whsec_` and base64, as receivers are told it, once.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(&*self.0)))
    }

    /// `v1,` and base64 of the HMAC over `id.timestamp.content`; the time stamp in seconds.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, content: &str) -> String {
        let front = format!("{id}.{timestamp}.");
        let signed = hmac_sha256(&self.0, &[front.as_bytes(), content.as_bytes()]);
        format!("v1,{}", STANDARD.encode(signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed() {
        // standard-webhooks 1.0.0, the test vector of its reference libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = WebhookKey::from_slice(&key).unwrap();
        let signature =
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(key.text().as_str(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert!(WebhookKey::from_slice(&[0; 23]).is_none());
    }
}
