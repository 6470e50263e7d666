//! The `Authorization: OAuth ...` header (MAPI 2.2, RFC 5849 3.5.1).

use super::oauth_fault::OAuthFault;
use super::oauth_params::{read_params, value_of};
use super::percent::push_encoded;
use base64::{Engine, engine::general_purpose::STANDARD};

/// The only signature method of this gateway.
pub const HMAC_SHA1: &str = "HMAC-SHA1";

/// The OAuth parameters of one request, decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The merchant login.
    pub consumer_key: String,
    /// The client's random text.
    pub nonce: String,
    /// When the client signed, in Unix seconds by its own clock.
    pub timestamp: u64,
    /// The method as sent; compare it with [`HMAC_SHA1`].
    pub method: String,
    /// Whether `oauth_version` was sent; it can only be `1.0`.
    pub has_version: bool,
    /// The decoded signature; 20 bytes if it is HMAC-SHA1, empty in a header not yet signed.
    pub signature: Vec<u8>,
    /// Everything in the header that is signed: all but `realm` and `oauth_signature`.
    signed: Vec<(String, String)>,
}

impl Header {
    /// Reads the value of an `Authorization` header. Order is free, `realm` is passed over.
    ///
    /// # Errors
    /// Says what is wrong with the text; whether the signature holds is not looked at here.
    pub fn parse(text: &str) -> Result<Self, OAuthFault> {
        let mut signed = read_params(text)?;
        let place = signed.iter().position(|(name, _)| name == "oauth_signature");
        let (_, signature) =
            signed.swap_remove(place.ok_or(OAuthFault::Missing("oauth_signature"))?);
        let signature = STANDARD.decode(signature).map_err(|_| OAuthFault::BadSignatureText)?;
        let has_version = match value_of(&signed, "oauth_version") {
            Some("1.0") => true,
            Some(_) => return Err(OAuthFault::BadVersion),
            None => false,
        };
        Ok(Self {
            consumer_key: required(&signed, "oauth_consumer_key")?.to_owned(),
            nonce: required(&signed, "oauth_nonce")?.to_owned(),
            timestamp: read_timestamp(required(&signed, "oauth_timestamp")?)?,
            method: required(&signed, "oauth_signature_method")?.to_owned(),
            has_version,
            signature,
            signed,
        })
    }

    /// The client's side: parameters of a request that is still to be signed with HMAC-SHA1.
    #[must_use]
    pub fn unsigned(consumer_key: &str, nonce: &str, timestamp: u64) -> Self {
        let signed = [
            ("oauth_version", "1.0"),
            ("oauth_consumer_key", consumer_key),
            ("oauth_timestamp", &timestamp.to_string()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", HMAC_SHA1),
        ];
        Self {
            consumer_key: consumer_key.to_owned(),
            nonce: nonce.to_owned(),
            timestamp,
            method: HMAC_SHA1.to_owned(),
            has_version: true,
            signature: Vec::new(),
            signed: signed.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        }
    }

    /// The header's value with this signature in place of its own, in the documented order.
    #[must_use]
    pub fn write(&self, signature: &[u8]) -> String {
        let mut text = String::from("OAuth realm=\"\"");
        let signature = ("oauth_signature".to_owned(), STANDARD.encode(signature));
        for (name, value) in self.signed.iter().chain([&signature]) {
            text.push(',');
            push_encoded(&mut text, name);
            text.push_str("=\"");
            push_encoded(&mut text, value);
            text.push('"');
        }
        text
    }

    /// The decoded parameters that belong into the signature base string.
    #[must_use]
    pub fn signed_params(&self) -> &[(String, String)] {
        &self.signed
    }

    /// Whether an `oauth_` parameter found in the body says the same as this header.
    #[must_use]
    pub fn agrees_with(&self, name: &str, value: &str) -> bool {
        if name == "oauth_signature" {
            return STANDARD.encode(&self.signature) == value;
        }
        value_of(&self.signed, name) == Some(value)
    }
}

fn required<'a>(params: &'a [(String, String)], name: &'static str) -> Result<&'a str, OAuthFault> {
    value_of(params, name).filter(|value| !value.is_empty()).ok_or(OAuthFault::Missing(name))
}

/// Digits without a sign or leading zero: a second spelling would be a second nonce.
fn read_timestamp(text: &str) -> Result<u64, OAuthFault> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain).ok_or(OAuthFault::BadTimestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCUMENTED: &str = "OAuth realm=\"\",oauth_version=\"1.0\",oauth_consumer_key=\"login\",\
        oauth_timestamp=\"1690553049\",oauth_nonce=\"2lrRWDbfOoq\",\
        oauth_signature_method=\"HMAC-SHA1\",oauth_signature=\"lYpN%2BRi4u3tcCXJknQGVxlIGKQk%3D\"";

    fn fault(text: &str) -> OAuthFault {
        Header::parse(text).unwrap_err()
    }

    #[test]
    fn the_documented_header_is_read_and_written_back_the_same() {
        let header = Header::parse(DOCUMENTED).unwrap();
        assert_eq!((header.consumer_key.as_str(), header.timestamp), ("login", 1_690_553_049));
        assert_eq!((header.nonce.as_str(), header.method.as_str()), ("2lrRWDbfOoq", HMAC_SHA1));
        assert!(header.has_version);
        assert_eq!(STANDARD.encode(&header.signature), "lYpN+Ri4u3tcCXJknQGVxlIGKQk=");
        assert_eq!(header.write(&header.signature), DOCUMENTED);
        let unsigned = Header::unsigned("login", "2lrRWDbfOoq", 1_690_553_049);
        assert_eq!(unsigned.write(&header.signature), DOCUMENTED);
    }

    #[test]
    fn order_blanks_realm_and_the_case_of_the_scheme_are_free() {
        let text = "oauth  oauth_signature=\"AA==\" ,\toauth_nonce = \"a%2Cb\", \
            REALM=\"a, \\\"b\\\" c=d\",oauth_timestamp=\"1\",oauth_signature_method=\"x\", \
            oauth_consumer_key=\"%D0%B8\"";
        let header = Header::parse(text).unwrap();
        assert_eq!((header.nonce.as_str(), header.consumer_key.as_str()), ("a,b", "и"));
        assert!(!header.has_version && header.signed_params().len() == 4);
    }

    #[test]
    fn each_needed_value_is_checked() {
        let spoilt = |from: &str, to: &str| fault(&DOCUMENTED.replace(from, to));
        assert_eq!(spoilt("oauth_nonce", "other"), OAuthFault::Missing("oauth_nonce"));
        assert_eq!(spoilt("\"login\"", "\"\""), OAuthFault::Missing("oauth_consumer_key"));
        assert_eq!(spoilt("oauth_signature=", "x="), OAuthFault::Missing("oauth_signature"));
        assert_eq!(spoilt("\"1.0\"", "\"2.0\""), OAuthFault::BadVersion);
        assert_eq!(spoilt("lYpN", "l-pN"), OAuthFault::BadSignatureText);
        for bad in ["-1", "%2B1", "01", "0", "1.5", "99999999999999999999"] {
            assert_eq!(spoilt("1690553049", bad), OAuthFault::BadTimestamp, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*", tail in "[ -~]{0,200}") {
            let _ = Header::parse(&text);
            let _ = Header::parse(&format!("OAuth {text}"));
            let _ = Header::parse(&format!("{DOCUMENTED}{tail}"));
        }

        #[test]
        fn what_is_written_is_read_back(key in "\\PC{1,40}", nonce in "\\PC{1,40}", at in 1_u64..) {
            let header = Header::unsigned(&key, &nonce, at);
            let read = Header::parse(&header.write(&[9; 20])).unwrap();
            prop_assert_eq!((read.consumer_key, read.nonce, read.timestamp), (key, nonce, at));
        }
    }
}
