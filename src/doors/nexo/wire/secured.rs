//! The envelope of NexoCrypto: a copy of the header in clear, for routing only, beside the whole
//! message as one sealed blob (contract 12). It exists in JSON only.

use super::fault::ReadError;
use super::message::{Header, Message};
use super::{BYTES_MAX, json};
use crate::crypto::nexo_crypto::{HMAC_LEN, NONCE_LEN, NexoKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// The one version of the scheme that there is.
const CRYPTO_VERSION: i64 = 1;

/// A message that is still sealed.
pub struct Secured {
    /// Of the copy in clear: it finds the terminal and its key, and proves nothing.
    pub header: Header,
    /// By which the key is known.
    pub key_identifier: String,
    pub key_version: i64,
    crypto_version: i64,
    blob: Vec<u8>,
    nonce: [u8; NONCE_LEN],
    hmac: [u8; HMAC_LEN],
}

/// Why a sealed message is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SecuredError {
    /// Another key or version, changed, or another header inside than outside. The peer is told no
    /// more than that.
    #[error("the message is not protected as agreed")]
    Refused,
    /// Opened, but not a message.
    #[error(transparent)]
    Read(ReadError),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "NexoBlob")]
    blob: Option<String>,
    #[serde(rename = "SecurityTrailer", borrow)]
    trailer: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trailer {
    adyen_crypto_version: i64,
    key_identifier: String,
    key_version: i64,
    nonce: String,
    hmac: String,
}

/// Looks for a sealed message. `None` if it is a clear one, or none at all: [`json::read`] says
/// what.
///
/// # Errors
/// `ReadError` of a blob whose trailer or header is not as it has to be.
pub fn recognise(bytes: &[u8]) -> Result<Option<Secured>, ReadError> {
    if bytes.len() > BYTES_MAX || !contains(bytes, b"\"NexoBlob\"") {
        return Ok(None);
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let Ok(roots) = serde_json::from_slice::<BTreeMap<String, Envelope<'_>>>(bytes) else {
        return Ok(None);
    };
    let mut roots = roots.into_iter().filter(|(name, _)| super::message::is_envelope(name));
    let Some((_, Envelope { blob: Some(blob), trailer: Some(trailer) })) = roots.next() else {
        return Ok(None);
    };
    // The header beside a blob is that of a message without a body.
    let header = match json::read(bytes) {
        Err(ReadError::Body { header, .. }) => *header,
        Err(error) => return Err(error),
        Ok(message) => message.header,
    };
    let wrong = || ReadError::Unreadable("a NexoBlob without a whole SecurityTrailer");
    let trailer: Trailer = serde_json::from_str(trailer.get()).map_err(|_| wrong())?;
    let fixed = |text: &str| STANDARD.decode(text).map_err(|_| wrong());
    Ok(Some(Secured {
        header,
        key_identifier: trailer.key_identifier,
        key_version: trailer.key_version,
        crypto_version: trailer.adyen_crypto_version,
        blob: fixed(&blob)?,
        nonce: fixed(&trailer.nonce)?.try_into().map_err(|_| wrong())?,
        hmac: fixed(&trailer.hmac)?.try_into().map_err(|_| wrong())?,
    }))
}

impl Secured {
    /// Opens the message and holds its header against the clear one.
    ///
    /// # Errors
    /// `SecuredError`.
    pub fn open(&self, key: &NexoKey) -> Result<Message, SecuredError> {
        let agreed = self.crypto_version == CRYPTO_VERSION
            && self.key_version == key.version()
            && self.key_identifier == key.identifier();
        let opened = key.open(&self.blob, &self.nonce, &self.hmac);
        let plain = opened.ok().filter(|_| agreed).ok_or(SecuredError::Refused)?;
        let read = json::read(&plain);
        let inner = match &read {
            Ok(message) => Some(&message.header),
            Err(ReadError::Body { header, .. }) => Some(&**header),
            Err(_) => None,
        };
        if inner.is_some_and(|inner| *inner != self.header) {
            return Err(SecuredError::Refused);
        }
        read.map_err(SecuredError::Read)
    }
}

/// Writes a message in JSON, sealed. The nonce must be fresh.
#[must_use]
pub fn write(message: &Message, key: &NexoKey, nonce: &[u8; NONCE_LEN]) -> Vec<u8> {
    let sealed = key.seal(&json::write(message), nonce);
    let trailer = Trailer {
        adyen_crypto_version: CRYPTO_VERSION,
        key_identifier: key.identifier().to_owned(),
        key_version: key.version(),
        nonce: STANDARD.encode(nonce),
        hmac: STANDARD.encode(sealed.hmac),
    };
    // A struct of texts and numbers has no way to fail.
    let trailer = serde_json::to_string(&trailer).unwrap_or_default();
    let blob = STANDARD.encode(&sealed.blob);
    json::write_envelope(&message.header, |write| {
        write("NexoBlob", &format!("\"{blob}\""));
        write("SecurityTrailer", &trailer);
    })
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secured({:?}, {} bytes)", self.header, self.blob.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::nexo_crypto::derive;
    use crate::doors::nexo::wire::examples::examples;

    const NONCE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    fn key(version: i64) -> NexoKey {
        NexoKey::from_material("sim", version, &derive("correct horse battery").unwrap()).unwrap()
    }

    fn request() -> Message {
        json::read(&examples("json-loginless", "json")["payment-request"]).unwrap()
    }

    #[test]
    fn a_sealed_message_shows_its_header_and_opens_to_the_same_message() {
        let written = write(&request(), &key(1), &NONCE);
        let text = std::str::from_utf8(&written).unwrap();
        let front = "{\"SaleToPOIRequest\":{\"MessageHeader\":{\"ProtocolVersion\":\"3.0\",";
        assert!(text.starts_with(front), "{text}");
        let trailer = "\"SecurityTrailer\":{\"AdyenCryptoVersion\":1,\"KeyIdentifier\":\"sim\",\
            \"KeyVersion\":1,\"Nonce\":\"AAECAwQFBgcICQoLDA0ODw==\",\"Hmac\":\"";
        assert!(text.contains(trailer), "{text}");
        assert!(!text.contains("PaymentRequest"));
        let secured = recognise(&written).unwrap().unwrap();
        assert_eq!(secured.header, request().header);
        assert_eq!((secured.key_identifier.as_str(), secured.key_version), ("sim", 1));
        assert!(secured.open(&key(1)).unwrap() == request());
        assert!(!format!("{secured:?}").contains(&STANDARD.encode(&secured.blob)));
    }

    #[test]
    fn the_golden_message_of_the_contract_opens() {
        let blob = "WbAGUZNUAMCmb4FLuDRWR1xfAskdtq3SM/QIA9iVfMFZwX9GDBrnOLaODumTEzS8tPhH1QXSjfLSdI+B\
            WrwbOTDn72sLIfXQBiSqeBcJMue7shysJg8VDiLZzRtEiMUS+X9E+vnsc7sLwMDIiBgxNZ85n6wu2ptV\
            0tNepOf1yNyGvusnTotzTGIGZMntnxzgob1lhUO8leqVRQM7tohYgbgmBeM7XO1pWASPzsTVf7nmueYM\
            CXXyZYD27ufK54GF3qO0bBpLtcdkzNtWFX2MsqinreZ79a0F1lJ9xS+0ooxwLpNxarJvhqF1QTUP12eX";
        let text = format!(
            "{{\"SaleToPOIResponse\":{{\"MessageHeader\":{{\"MessageClass\":\"Service\",\
             \"MessageCategory\":\"Payment\",\"MessageType\":\"Response\",\
             \"ServiceID\":\"0000000042\",\"SaleID\":\"TILL-7\",\"POIID\":\"SIM-001\"}},\
             \"NexoBlob\":\"{blob}\",\"SecurityTrailer\":{{\"AdyenCryptoVersion\":1,\
             \"KeyIdentifier\":\"sim\",\"KeyVersion\":1,\"Nonce\":\"AAECAwQFBgcICQoLDA0ODw==\",\
             \"Hmac\":\"kEv1kQ3pk3CuOJgMdfEuI9tJSha5UBbKXHAJI9fSEgM=\"}}}}}}"
        );
        let secured = recognise(text.as_bytes()).unwrap().unwrap();
        // It opens; as an answer it is not whole.
        let Err(SecuredError::Read(ReadError::Body { header, fault })) = secured.open(&key(1))
        else {
            panic!("opened");
        };
        assert_eq!(*header, secured.header);
        assert_eq!(fault.to_string(), "PaymentResponse/SaleData: missing");
    }

    #[test]
    fn another_key_version_header_or_scheme_is_refused_in_the_same_words() {
        let written = String::from_utf8(write(&request(), &key(1), &NONCE)).unwrap();
        let other = NexoKey::from_material("sim", 1, &derive("p@ssw0rd123456").unwrap()).unwrap();
        let secured = recognise(written.as_bytes()).unwrap().unwrap();
        assert_eq!(secured.open(&other), Err(SecuredError::Refused));
        assert_eq!(secured.open(&key(2)), Err(SecuredError::Refused));
        for (from, to) in [
            ("\"SaleID\":\"Till 07 (Bar)\"", "\"SaleID\":\"Till 08 (Bar)\""),
            ("\"ServiceID\":\"A7K2M90001\"", "\"ServiceID\":\"A7K2M90002\""),
            ("\"MessageCategory\":\"Payment\"", "\"MessageCategory\":\"Login\""),
            ("\"ProtocolVersion\":\"3.0\",", ""),
            ("\"AdyenCryptoVersion\":1", "\"AdyenCryptoVersion\":2"),
            ("\"KeyIdentifier\":\"sim\"", "\"KeyIdentifier\":\"other\""),
            ("\"Nonce\":\"AAEC", "\"Nonce\":\"BAEC"),
        ] {
            assert!(written.contains(from), "{from}");
            let secured = recognise(written.replace(from, to).as_bytes()).unwrap().unwrap();
            assert_eq!(secured.open(&key(1)), Err(SecuredError::Refused), "{from}");
        }
    }

    #[test]
    fn a_clear_message_is_none_and_half_a_trailer_is_unreadable() {
        assert!(recognise(&json::write(&request())).unwrap().is_none());
        for not_sealed in
            ["", "[\"NexoBlob\"]", "{\"NexoBlob\":\"\"}", "{\"X\":{\"NexoBlob\":\"\"}}"]
        {
            assert!(recognise(not_sealed.as_bytes()).unwrap().is_none(), "{not_sealed}");
        }
        let written = String::from_utf8(write(&request(), &key(1), &NONCE)).unwrap();
        for (from, to) in [
            ("\"Nonce\":\"AAEC", "\"Nonce\":\"AA"),
            ("\"KeyVersion\":1,", ""),
            ("\"NexoBlob\":\"", "\"NexoBlob\":\"#"),
        ] {
            let spoilt = written.replace(from, to);
            let unreadable = recognise(spoilt.as_bytes());
            assert!(matches!(unreadable, Err(ReadError::Unreadable(_))), "{from}");
        }
        let headless = written.replace("\"MessageHeader\"", "\"Other\"");
        assert!(matches!(recognise(headless.as_bytes()), Err(ReadError::NoHeader(_))));
    }

    #[test]
    fn what_opens_to_a_wrong_message_says_what_is_wrong() {
        let mut spoilt = request();
        spoilt.body = spoilt.body.with("SaleData", "none");
        let secured = recognise(&write(&spoilt, &key(1), &NONCE)).unwrap().unwrap();
        let Err(SecuredError::Read(ReadError::Body { header, fault })) = secured.open(&key(1))
        else {
            panic!("read");
        };
        assert_eq!(*header, request().header);
        assert_eq!(fault.to_string(), "PaymentRequest/SaleData: unexpected value");
    }
}
