//! A PIN on its way from a reader to the acquirer: out of the reader's key, into the zone's,
//! without ever being seen.

use super::block_key::BlockKey;
use super::pin_block::{EncryptedPin, PinError, translate};
use super::reader::SealedPin;
use super::reader_keys::{InitialKey, OpeningError};
use crate::payment::card::Pan;
use crate::payment::money::Amount;
use crate::payment::pin_format::PinFormat;

/// What gateway and acquirer have agreed on for PIN blocks between them.
pub struct PinZone {
    format: PinFormat,
    key: BlockKey,
}

/// A reader's PIN block, and all that it is bound to.
#[derive(Clone, Copy)]
pub struct ReaderPin<'a> {
    pub sealed: &'a SealedPin,
    /// The initial key of the reader.
    pub key: &'a InitialKey,
    /// The PIN formats that are taken from its key set.
    pub allowed: &'a [PinFormat],
    pub serial: &'a str,
    pub amount: Amount,
    pub pan: &'a Pan,
}

/// Why a PIN does not reach the acquirer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinRefused {
    #[error("the PIN block is of format {}, which is not allowed here", .0.name())]
    Format(PinFormat),
    /// Told alike whatever is wrong inside, so that nobody learns digits from the difference.
    #[error("the PIN block does not open: wrong key, or another card's")]
    NotAPin,
    #[error("no acquirer here takes an online PIN")]
    NoZone,
    #[error("the reader's PIN key: {0}")]
    Key(#[from] OpeningError),
}

impl PinZone {
    /// `None` when the format is not for keys of this cipher.
    #[must_use]
    pub fn new(format: PinFormat, key: BlockKey) -> Option<Self> {
        (format.block_len() == key.algorithm().block_len()).then_some(Self { format, key })
    }

    /// How the acquirer wants PIN blocks.
    #[must_use]
    pub fn format(&self) -> PinFormat {
        self.format
    }

    /// The key of the zone.
    #[must_use]
    pub fn key(&self) -> &BlockKey {
        &self.key
    }

    /// Translates a reader's block for the acquirer. The block itself says of what format it is;
    /// the random bytes must be fresh.
    ///
    /// # Errors
    /// `PinRefused`, which carries nothing of the PIN.
    pub fn take(&self, pin: ReaderPin<'_>, random: [u8; 16]) -> Result<EncryptedPin, PinRefused> {
        let (block, key) = pin.key.pin_block(pin.sealed, pin.serial, pin.amount)?;
        let formats = || PinFormat::ALL.into_iter().filter(|format| pin.fits(*format));
        for format in formats() {
            match translate(&block, (format, &key), (self.format, &self.key), pin.pan, random) {
                Ok(block) if pin.allowed.contains(&format) => {
                    return EncryptedPin::new(self.format, &block).map_err(|_| PinRefused::NotAPin);
                }
                Ok(_) | Err(PinError::Forbidden) => return Err(PinRefused::Format(format)),
                Err(_) => {}
            }
        }
        Err(PinRefused::NotAPin)
    }
}

impl ReaderPin<'_> {
    fn fits(self, format: PinFormat) -> bool {
        self.key.cipher().carries(format)
    }
}

#[cfg(test)]
mod tests {
    use super::super::block_key::Algorithm;
    use super::super::pin_block::{encrypt_pin, pin_is};
    use super::super::reader_keys::{BaseKey, PinEntry};
    use super::*;
    use crate::payment::key_set::{AesLength, Cipher, DataVariant};
    use crate::payment::ksn::Ksn;
    use crate::payment::money::Currency;

    const TDES: Cipher = Cipher::TdesDukpt(DataVariant::DataRequest);
    const AES: Cipher = Cipher::AesDukpt(AesLength::Aes128);

    fn zone(format: PinFormat) -> PinZone {
        let algorithm = if format == PinFormat::Iso4 { Algorithm::Aes128 } else { Algorithm::Tdes };
        let key = BlockKey::from_slice(algorithm, b"key of the zone!").unwrap();
        PinZone::new(format, key).unwrap()
    }

    fn pan() -> Pan {
        Pan::parse("4444555566661111").unwrap()
    }

    fn amount() -> Amount {
        Amount::from_minor(1042, Currency::from_alpha("RUB").unwrap()).unwrap()
    }

    struct Pad {
        key: InitialKey,
        ksn: Ksn,
    }

    impl Pad {
        fn of(cipher: Cipher) -> Self {
            let base = BaseKey::from_slice(cipher, &[7; 32][..cipher.base_key_len()]).unwrap();
            let prefix = [1, 2, 3, 4];
            let prefix = &prefix[..cipher.prefix_len().0];
            let ksn = Ksn::of_device(cipher, prefix, 5).unwrap().with_counter(cipher, 9).unwrap();
            Self { key: base.initial_key("1", ksn).unwrap(), ksn }
        }

        fn seal(&self, format: PinFormat) -> SealedPin {
            let entry = PinEntry { pin: "1234", format, pan: &pan() };
            let block = self.key.seal_pin(entry, self.ksn, "1", amount(), [5; 16]);
            SealedPin { block: block.unwrap(), ksn: self.ksn }
        }

        fn take(
            &self,
            sealed: &SealedPin,
            allowed: &[PinFormat],
            to: PinFormat,
        ) -> Result<EncryptedPin, PinRefused> {
            let (key, pan) = (&self.key, &pan());
            let pin = ReaderPin { sealed, key, allowed, serial: "1", amount: amount(), pan };
            zone(to).take(pin, [3; 16])
        }
    }

    fn holds(pin: &EncryptedPin, expected: &str) -> bool {
        pin_is(pin.block(), pin.format(), zone(pin.format()).key(), &pan(), expected).unwrap()
    }

    #[test]
    fn a_pin_reaches_the_acquirer_from_every_pad_in_every_allowed_format() {
        for (cipher, format, to) in [
            (TDES, PinFormat::Iso0, PinFormat::Iso0),
            (TDES, PinFormat::Iso1, PinFormat::Iso0),
            (TDES, PinFormat::Iso3, PinFormat::Iso4),
            (AES, PinFormat::Iso4, PinFormat::Iso0),
            (Cipher::AesGcm, PinFormat::Iso0, PinFormat::Iso0),
        ] {
            let pad = Pad::of(cipher);
            let taken = pad.take(&pad.seal(format), &[format], to).unwrap();
            assert_eq!(taken.format(), to);
            assert!(holds(&taken, "1234") && !holds(&taken, "1235"), "{cipher:?} {format:?}");
        }
    }

    #[test]
    fn a_format_that_is_not_allowed_is_refused_by_its_name() {
        let pad = Pad::of(TDES);
        let refused = pad.take(&pad.seal(PinFormat::Iso1), &[PinFormat::Iso0], PinFormat::Iso0);
        assert_eq!(refused.unwrap_err(), PinRefused::Format(PinFormat::Iso1));
        let none = pad.take(&pad.seal(PinFormat::Iso0), &[], PinFormat::Iso0);
        assert_eq!(none.unwrap_err(), PinRefused::Format(PinFormat::Iso0));
        let unbound = pad.take(&pad.seal(PinFormat::Iso0), &PinFormat::ALL, PinFormat::Iso1);
        assert_eq!(unbound.unwrap_err(), PinRefused::Format(PinFormat::Iso0));
    }

    #[test]
    fn what_is_no_pin_block_is_refused_in_one_way() {
        for cipher in [TDES, AES, Cipher::AesGcm] {
            let pad = Pad::of(cipher);
            let format = PinFormat::ALL.into_iter().find(|format| cipher.carries(*format)).unwrap();
            let mut sealed = pad.seal(format);
            sealed.block[0] ^= 0x40;
            let refused = pad.take(&sealed, &PinFormat::ALL, PinFormat::Iso0).unwrap_err();
            assert!(matches!(refused, PinRefused::NotAPin | PinRefused::Key(_)), "{refused}");
            let other =
                encrypt_pin("1234", PinFormat::Iso0, zone(PinFormat::Iso0).key(), &pan(), [0; 16]);
            let other = SealedPin { block: other.unwrap(), ksn: pad.ksn };
            assert!(pad.take(&other, &PinFormat::ALL, PinFormat::Iso0).is_err());
        }
    }

    #[test]
    fn a_zone_has_a_key_for_its_format() {
        let key = || BlockKey::tdes([1; 16]);
        assert!(PinZone::new(PinFormat::Iso0, key()).is_some());
        assert!(PinZone::new(PinFormat::Iso4, key()).is_none());
    }
}
