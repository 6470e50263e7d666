//! OAuth 1.0a signatures with HMAC-SHA1 (MAPI 2.2, RFC 5849 3.4).

use super::mac::hmac_sha1;
use super::oauth_fault::OAuthFault;
use super::oauth_header::Header;
use super::percent::{compare_encoded, percent_encoded, push_encoded, push_encoded_twice};
use std::borrow::Cow;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The third part of the base string: form and header parameters encoded, sorted, joined, and
/// encoded once more. It does not depend on the URL, so one serves all candidate URLs.
///
/// `form` are the decoded pairs of the body (of the query for GET; none for a JSON body).
///
/// # Errors
/// `BodyDiffers` when the body repeats an `oauth_` parameter with another value than the header's.
pub fn signed_params<N, V>(form: &[(N, V)], header: &Header) -> Result<String, OAuthFault>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut pairs = Vec::with_capacity(form.len() + header.signed_params().len());
    for (name, value) in form {
        let (name, value) = (name.as_ref(), value.as_ref());
        if !name.starts_with("oauth_") {
            pairs.push((name, value));
        } else if !header.agrees_with(name, value) {
            return Err(OAuthFault::BodyDiffers);
        }
    }
    pairs
        .extend(header.signed_params().iter().map(|(name, value)| (name.as_str(), value.as_str())));
    pairs.sort_by(|(name, value), (other_name, other_value)| {
        compare_encoded(name, other_name).then_with(|| compare_encoded(value, other_value))
    });
    Ok(joined(&pairs))
}

fn joined(pairs: &[(&str, &str)]) -> String {
    let length: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    let mut out = String::with_capacity(length + length / 8);
    for (place, (name, value)) in pairs.iter().enumerate() {
        out.push_str(if place == 0 { "" } else { "%26" });
        push_encoded_twice(&mut out, name);
        out.push_str("%3D");
        push_encoded_twice(&mut out, value);
    }
    out
}

/// The signature base string (RFC 5849 3.4.1) of a request.
///
/// `url` is normalised already: `scheme://host[:port]/path` in lower case up to the path, without
/// a query. `params` comes from [`signed_params`].
#[must_use]
pub fn base_string(method: &str, url: &str, params: &str) -> String {
    let mut base = String::with_capacity(method.len() + url.len() * 2 + params.len() + 2);
    base.push_str(&method.to_ascii_uppercase());
    base.push('&');
    push_encoded(&mut base, url);
    base.push('&');
    base.push_str(params);
    base
}

/// The HMAC-SHA1 signature of a base string under the merchant's control key.
#[must_use]
pub fn sign(secret: &str, base: &str) -> [u8; 20] {
    sign_with(&percent_encoded(secret), base)
}

/// Whether the signature is the merchant's. Some SDKs leave the secret in the key unencoded, so
/// either form passes. Compared in constant time.
#[must_use]
pub fn verify(secret: &str, base: &str, signature: &[u8]) -> bool {
    let encoded = percent_encoded(secret);
    let by_the_rule = sign_with(&encoded, base).ct_eq(signature);
    if matches!(encoded, Cow::Borrowed(_)) {
        return by_the_rule.into();
    }
    (by_the_rule | sign_with(secret, base).ct_eq(signature)).into()
}

/// The key is the secret and an `&`: there is no token secret to follow it.
fn sign_with(secret: &str, base: &str) -> [u8; 20] {
    let mut key = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
    key.extend_from_slice(secret.as_bytes());
    key.push(b'&');
    hmac_sha1(&key, &[base.as_bytes()])
}

/// The client's side: the whole `Authorization` value for a request.
///
/// # Errors
/// `BodyDiffers` when the form has `oauth_` parameters of its own.
pub fn authorize<N, V>(
    header: &Header,
    secret: &str,
    method: &str,
    url: &str,
    form: &[(N, V)],
) -> Result<String, OAuthFault>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let params = signed_params(form, header)?;
    Ok(header.write(&sign(secret, &base_string(method, url, &params))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    const SECRET: &str = "B17F59B4-A7DC-41B4-8FF9-37D986B43D20";
    const URL: &str = "https://gate.example.com/paynet/mapi/v1/sale/1111";
    const SIGNATURE: &str = "4q7keue6MBdXpRqGxllFnGfL3Yw=";
    const SALE: [(&str, &str); 13] = [
        ("client_orderid", "902B4FF5"),
        ("order_desc", "Test order"),
        ("amount", "10.42"),
        ("currency", "RUB"),
        ("address1", "no-address"),
        ("city", "Moscow"),
        ("zip_code", "123000"),
        ("country", "RU"),
        ("email", "john.smith@gmail.com"),
        ("ipaddress", "127.0.0.1"),
        ("phone-id", "F5769D0E-DD15-459B-AED1-E1F9F05A2495"),
        ("encrypted-type", "spire"),
        ("encrypted-data", "E92B"),
    ];

    fn golden_header() -> Header {
        Header::unsigned("merchantlogin", "y3qlvMPky7g", 1_669_966_913)
    }

    fn golden_base() -> String {
        base_string("post", URL, &signed_params(&SALE, &golden_header()).unwrap())
    }

    #[test]
    fn the_golden_sale_has_its_base_string_and_signature() {
        let base = golden_base();
        let start = "POST&https%3A%2F%2Fgate.example.com%2Fpaynet%2Fmapi%2Fv1%2Fsale%2F1111&\
            address1%3Dno-address%26amount%3D10.42%26city%3DMoscow%26";
        assert!(base.starts_with(start));
        assert!(base.contains("email%3Djohn.smith%2540gmail.com"));
        assert!(base.contains("order_desc%3DTest%2520order"));
        assert_eq!(STANDARD.encode(sign(SECRET, &base)), SIGNATURE);
        let authorization = authorize(&golden_header(), SECRET, "POST", URL, &SALE).unwrap();
        let header = Header::parse(&authorization).unwrap();
        assert_eq!(signed_params(&SALE, &header), signed_params(&SALE, &golden_header()));
        assert!(verify(SECRET, &base, &header.signature));
    }

    #[test]
    fn the_example_of_rfc_5849_has_its_base_string() {
        let text = "OAuth realm=\"Example\", oauth_consumer_key=\"9djdj82h48djs9d2\", \
            oauth_token=\"kkk9d7dh3k39sjv7\", oauth_signature_method=\"HMAC-SHA1\", \
            oauth_timestamp=\"137131201\", oauth_nonce=\"7d8f3e4a\", \
            oauth_signature=\"bYT5CMsGcbgUdFHObYMEfcx6bsw%3D\"";
        let form =
            [("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("c2", ""), ("a3", "2 q")];
        let params = signed_params(&form, &Header::parse(text).unwrap()).unwrap();
        assert_eq!(
            base_string("POST", "http://example.com/request", &params),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D\
            %253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonc\
            e%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oau\
            th_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    #[test]
    fn a_secret_may_stand_in_the_key_encoded_or_raw() {
        let (secret, base) = ("a+b/c &", golden_base());
        assert!(verify(secret, &base, &sign_with("a%2Bb%2Fc%20%26", &base)));
        assert!(verify(secret, &base, &sign_with(secret, &base)));
        assert!(!verify(secret, &base, &sign_with("other", &base)));
    }

    #[test]
    fn a_signature_of_another_length_or_request_is_refused() {
        let signature = STANDARD.decode(SIGNATURE).unwrap();
        assert!(verify(SECRET, &golden_base(), &signature));
        assert!(!verify(SECRET, &golden_base(), &signature[1..]));
        assert!(!verify(SECRET, &golden_base(), &[]));
        assert!(!verify(SECRET, &golden_base().replace("10.42", "10.43"), &signature));
    }

    #[test]
    fn oauth_parameters_of_the_body_are_counted_once_and_must_agree() {
        let mut header = golden_header();
        header.signature = STANDARD.decode(SIGNATURE).unwrap();
        let mut form = SALE.to_vec();
        form.extend([("oauth_nonce", "y3qlvMPky7g"), ("oauth_signature", SIGNATURE)]);
        assert_eq!(signed_params(&form, &header), signed_params(&SALE, &header));
        for wrong in [("oauth_nonce", "x"), ("oauth_token", ""), ("oauth_signature", "x")] {
            assert_eq!(signed_params(&[wrong], &header), Err(OAuthFault::BodyDiffers));
        }
    }

    proptest! {
        #[test]
        fn encoding_twice_in_one_step_is_encoding_twice(name in "\\PC*", value in "\\PC*") {
            prop_assume!(!name.starts_with("oauth_"));
            let mut header = golden_header();
            header.signature.clear();
            let text = signed_params(&[(name.as_str(), value.as_str())], &header).unwrap();
            let pair = format!("{}={}", percent_encoded(&name), percent_encoded(&value));
            let twice = percent_encoded(&pair);
            prop_assert!(text.contains(twice.as_ref()));
        }
    }
}
