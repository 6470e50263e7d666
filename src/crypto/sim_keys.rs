//! Keys and cipher of the `sim` reader profile (MAPI 4.8). What other readers have in common with
//! it stands in [`reader_keys`](super::reader_keys).

use super::gcm::{Gcm, SEALED_MIN};
use super::key::{Key32, KeyTextError};
use super::mac::hmac_sha1;
use crate::payment::ksn::Ksn;
use crate::payment::money::Amount;
use zeroize::Zeroizing;

/// The base derivation key of one key set. It never leaves the server.
#[derive(Debug)]
pub struct SimBaseKey(Key32);

/// The key that is injected into one reader.
#[derive(Debug)]
pub struct SimKey(Key32);

/// Why sealed card data did not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    #[error("shorter than a nonce and a tag")]
    TooShort,
    #[error("not sealed with this key for this serial, KSN, amount and currency")]
    Refused,
}

impl SimBaseKey {
    /// Takes the raw key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Key32::from_bytes(bytes))
    }

    /// Reads 64 hex digits.
    ///
    /// # Errors
    /// `KeyTextError`, which never carries the text.
    pub fn from_hex(text: &str) -> Result<Self, KeyTextError> {
        Key32::from_hex(text).map(Self)
    }

    /// The initial key of the reader with this serial number.
    #[must_use]
    pub fn initial_key(&self, serial: &str) -> SimKey {
        SimKey(derived(&self.0, serial.as_bytes()))
    }
}

impl SimBaseKey {
    /// The clear bytes. Whoever calls this must not log or keep them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl SimKey {
    /// Takes the raw key, as the virtual reader stores it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Key32::from_bytes(bytes))
    }

    /// The clear bytes, for injection. Whoever calls this must not log or keep them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The key of the one message with this KSN.
    #[must_use]
    pub fn message_key(&self, ksn: Ksn) -> Key32 {
        derived(&self.0, ksn.as_bytes())
    }
}

/// The first 32 of the 40 bytes of two HMAC-SHA1 that differ in their leading byte.
fn derived(key: &Key32, label: &[u8]) -> Key32 {
    let first = Zeroizing::new(hmac_sha1(key.expose(), &[&[1], label]));
    let second = Zeroizing::new(hmac_sha1(key.expose(), &[&[2], label]));
    let mut bytes = Zeroizing::new([0; 32]);
    for (to, from) in bytes.iter_mut().zip(first.iter().chain(second.iter())) {
        *to = *from;
    }
    Key32::from_bytes(*bytes)
}

/// What the cipher binds the card data to: `KSN|serial|minor units|currency`.
#[must_use]
pub fn associated_data(ksn: Ksn, serial: &str, amount: Amount) -> Vec<u8> {
    let mut data = ksn.as_bytes().to_vec();
    let tail = format!("|{serial}|{}|{}", amount.minor(), amount.currency().alpha());
    data.extend_from_slice(tail.as_bytes());
    data
}

/// Opens what the reader with this serial sealed for an amount.
///
/// # Errors
/// `Refused` does not say what differs: key, serial, KSN, amount and currency look the same here.
pub fn open(
    ciphertext: &[u8],
    key: &SimKey,
    ksn: Ksn,
    serial: &str,
    amount: Amount,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if ciphertext.len() < SEALED_MIN {
        return Err(OpenError::TooShort);
    }
    let associated = associated_data(ksn, serial, amount);
    Gcm::new(&key.message_key(ksn)).open(ciphertext, &associated).ok_or(OpenError::Refused)
}

/// The virtual reader's side: the value of DFAE63 for this plaintext. The nonce must be fresh.
#[must_use]
pub fn seal(
    plaintext: &[u8],
    nonce: [u8; 12],
    key: &SimKey,
    ksn: Ksn,
    serial: &str,
    amount: Amount,
) -> Vec<u8> {
    let associated = associated_data(ksn, serial, amount);
    Gcm::new(&key.message_key(ksn)).seal(&[], plaintext, &associated, nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::reader::Container;
    use crate::payment::card::EntryMode;
    use crate::payment::key_set::Cipher;
    use crate::payment::money::Currency;

    const SERIAL: &str = "10000462";
    const PLAIN: &str =
        "57114444555566661111D291220100000000005F2009544553542F434152445F2403291231";
    const DATA: &str = "E964DFAE6341000102030405060708090A0BD6DCCBD6DA523CC24A394FBE12CBBA66503A6F\
        BD0AA3174656E14EA2877112F4B9FC021A4E1B01072B99327E65343D35D63B72934FDFAE640AFFFF0102628D11\
        00005EDFAE650130DFAE66083130303030343632";

    fn rub(minor: i64) -> Amount {
        Amount::from_minor(minor, Currency::from_alpha("RUB").unwrap()).unwrap()
    }

    fn ksn() -> Ksn {
        Ksn::from_hex("FFFF0102628D1100005E").unwrap()
    }

    fn initial_key() -> SimKey {
        SimBaseKey::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap()))
            .initial_key(SERIAL)
    }

    #[test]
    fn the_golden_keys_are_derived() {
        let key = initial_key();
        assert_eq!(
            hex::encode_upper(key.expose()),
            "B54416D38ABE4FD3BB012E739F023A3BC512233A73B0CFC55B68FCD142718D8F"
        );
        assert_eq!(
            hex::encode_upper(key.message_key(ksn()).expose()),
            "91A1A96F732FEEC78B16C4EE6251DC262CD6C13E0B3A5A72778447E8FCC9EB5E"
        );
        assert_eq!(format!("{key:?}"), "SimKey(Key32(..))");
    }

    #[test]
    fn the_golden_card_data_is_sealed_and_opened() {
        let associated = associated_data(ksn(), SERIAL, rub(1042));
        let expected = "FFFF0102628D1100005E7C31303030303436327C313034327C525542";
        assert_eq!(hex::encode_upper(associated), expected);
        let nonce = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let plain = hex::decode(PLAIN).unwrap();
        let container = Container {
            ciphertext: seal(&plain, nonce, &initial_key(), ksn(), SERIAL, rub(1042)),
            ksn: ksn(),
            entry_mode: EntryMode::Swipe,
            serial: SERIAL.to_owned(),
            pin: None,
        };
        assert_eq!(container.write(), DATA);
        assert_eq!(*open_it(&container, &initial_key(), rub(1042)).unwrap(), plain);
    }

    fn open_it(
        container: &Container,
        key: &SimKey,
        amount: Amount,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(&container.ciphertext, key, container.ksn, &container.serial, amount)
    }

    #[test]
    fn nothing_opens_for_another_amount_key_serial_or_count() {
        let golden = Container::parse(DATA).unwrap();
        let refused = |container: &Container, key: &SimKey, amount| {
            assert_eq!(open_it(container, key, amount).unwrap_err(), OpenError::Refused);
        };
        refused(&golden, &initial_key(), rub(1043));
        refused(&golden, &SimBaseKey::from_bytes([9; 32]).initial_key(SERIAL), rub(1042));
        let ksn = ksn().with_counter(Cipher::AesGcm, 95).unwrap();
        let counted = Container { ksn, ..golden.clone() };
        refused(&counted, &initial_key(), rub(1042));
        let renamed = Container { serial: "10000463".to_owned(), ..golden.clone() };
        refused(&renamed, &initial_key(), rub(1042));
        let short = Container { ciphertext: vec![0; 27], ..golden };
        assert_eq!(open_it(&short, &initial_key(), rub(1042)).unwrap_err(), OpenError::TooShort);
    }
}
