//! How the readers of a key set encrypt: cipher, variant, counter, PIN blocks; and how far its base
//! key may travel.

use super::pin_format::PinFormat;

/// Most one bits in a legal counter of TDES DUKPT (ANSI X9.24-1 annex A).
const TDES_ONES_MAX: u32 = 10;
/// Most one bits in a legal counter of AES DUKPT (ANSI X9.24-3 6.3).
const AES_ONES_MAX: u32 = 16;

/// The scheme by which each message of a reader has a key of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cipher {
    /// The `sim` profile: AES-256-GCM, bound to the amount (MAPI 4.8).
    AesGcm,
    /// TDES DUKPT (ANSI X9.24-1).
    TdesDukpt(DataVariant),
    /// AES DUKPT (ANSI X9.24-3) with keys of this length.
    AesDukpt(AesLength),
}

/// Which working key a TDES DUKPT reader encrypts card data with. Makers differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DataVariant {
    /// The data request variant of X9.24-1:2009.
    DataRequest,
    /// The older habit: the variant that is meant for PINs.
    Pin,
}

/// The length of an AES key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AesLength {
    Aes128,
    Aes192,
    Aes256,
}

/// How far a key may travel from where it is, by the letters of key blocks (ASC X9.143).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Exportability {
    /// `E`: under a key that is itself in a key block.
    Trusted,
    /// `N`: nowhere.
    No,
    /// `S`: also under other keys.
    Sensitive,
}

impl Exportability {
    /// The letter in a key block's header and in the database.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Trusted => 'E',
            Self::No => 'N',
            Self::Sensitive => 'S',
        }
    }

    /// The exportability with this letter.
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        let all = [Self::Trusted, Self::No, Self::Sensitive];
        all.into_iter().find(|own| own.letter() == letter)
    }

    /// As [`from_letter`](Self::from_letter), of a text that is that letter and no more.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        letters.next().filter(|_| letters.next().is_none()).and_then(Self::from_letter)
    }
}

impl Cipher {
    /// Every cipher there is.
    pub const ALL: [Self; 6] = [
        Self::AesGcm,
        Self::TdesDukpt(DataVariant::DataRequest),
        Self::TdesDukpt(DataVariant::Pin),
        Self::AesDukpt(AesLength::Aes128),
        Self::AesDukpt(AesLength::Aes192),
        Self::AesDukpt(AesLength::Aes256),
    ];

    /// The stored and shown spelling, without the variant.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AesGcm => "aes-gcm",
            Self::TdesDukpt(_) => "tdes-dukpt",
            Self::AesDukpt(AesLength::Aes128) => "aes128-dukpt",
            Self::AesDukpt(AesLength::Aes192) => "aes192-dukpt",
            Self::AesDukpt(AesLength::Aes256) => "aes256-dukpt",
        }
    }

    /// The variant of the key for card data; only TDES DUKPT has a choice.
    #[must_use]
    pub fn variant(self) -> Option<&'static str> {
        match self {
            Self::AesGcm => None,
            Self::TdesDukpt(DataVariant::Pin) => Some("pin"),
            Self::TdesDukpt(DataVariant::DataRequest) | Self::AesDukpt(_) => Some("data-request"),
        }
    }

    /// The cipher of this spelling. Where there is a choice, the standard's own variant is meant
    /// when none is named.
    #[must_use]
    pub fn from_names(name: &str, variant: Option<&str>) -> Option<Self> {
        let fits = |cipher: &Self| {
            cipher.name() == name && (variant.is_none() || cipher.variant() == variant)
        };
        Self::ALL.into_iter().find(fits)
    }

    /// Whether its PIN pads can send blocks of this format: a block as long as the cipher's own.
    /// The `sim` profile seals blocks of format 0.
    #[must_use]
    pub fn carries(self, format: PinFormat) -> bool {
        match self {
            Self::AesGcm => format == PinFormat::Iso0,
            Self::TdesDukpt(_) => format != PinFormat::Iso4,
            Self::AesDukpt(_) => format == PinFormat::Iso4,
        }
    }

    /// Bytes of a base derivation key.
    #[must_use]
    pub fn base_key_len(self) -> usize {
        match self {
            Self::TdesDukpt(_) | Self::AesDukpt(AesLength::Aes128) => 16,
            Self::AesDukpt(AesLength::Aes192) => 24,
            Self::AesGcm | Self::AesDukpt(AesLength::Aes256) => 32,
        }
    }

    /// Bytes of a KSN.
    #[must_use]
    pub fn ksn_len(self) -> usize {
        match self {
            Self::AesGcm | Self::TdesDukpt(_) => 10,
            Self::AesDukpt(_) => 12,
        }
    }

    /// How many bytes of the KSN may name the key set: the least and the most.
    #[must_use]
    pub fn prefix_len(self) -> (usize, usize) {
        match self {
            Self::AesGcm => (3, 3),
            Self::TdesDukpt(_) => (3, 5),
            Self::AesDukpt(_) => (4, 4),
        }
    }

    /// The bits of the KSN, counted from its end, that hold the counter.
    #[must_use]
    pub fn counter_mask(self) -> u32 {
        match self {
            Self::AesGcm => 0x00FF_FFFF,
            Self::TdesDukpt(_) => 0x001F_FFFF,
            Self::AesDukpt(_) => u32::MAX,
        }
    }

    /// The last counter that a reader may use; after it, the reader needs a new key.
    #[must_use]
    pub fn last_counter(self) -> u32 {
        match self {
            Self::AesGcm => 0x00FF_FFFF,
            Self::TdesDukpt(_) => 0x001F_F800,
            Self::AesDukpt(_) => 0xFFFF_0000,
        }
    }

    /// Whether a key exists for this counter. Zero stands for the initial key itself, and DUKPT
    /// skips counters with too many one bits, so that no derivation takes many steps.
    #[must_use]
    pub fn is_legal_counter(self, counter: u32) -> bool {
        counter != 0 && counter <= self.last_counter() && counter.count_ones() <= self.ones_max()
    }

    /// The next counter for which a key exists; `None` at the end of the key's life.
    #[must_use]
    pub fn next_counter(self, after: u32) -> Option<u32> {
        let mut next = after.checked_add(1)?;
        while next.count_ones() > self.ones_max() {
            // Carries the lowest one: no counter in between has fewer of them.
            next = next.checked_add(next & next.wrapping_neg())?;
        }
        Some(next).filter(|next| *next <= self.last_counter())
    }

    fn ones_max(self) -> u32 {
        match self {
            Self::AesGcm => u32::BITS,
            Self::TdesDukpt(_) => TDES_ONES_MAX,
            Self::AesDukpt(_) => AES_ONES_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TDES: Cipher = Cipher::TdesDukpt(DataVariant::DataRequest);
    const AES: Cipher = Cipher::AesDukpt(AesLength::Aes128);

    #[test]
    fn every_cipher_is_found_by_its_names() {
        for cipher in Cipher::ALL {
            assert_eq!(Cipher::from_names(cipher.name(), cipher.variant()), Some(cipher));
        }
        assert_eq!(Cipher::from_names("tdes-dukpt", None), Some(TDES));
        assert_eq!(Cipher::from_names("tdes-dukpt", Some("mac")), None);
        assert_eq!(Cipher::from_names("aes-gcm", Some("pin")), None);
    }

    #[test]
    fn counters_with_too_many_ones_are_skipped() {
        assert_eq!(TDES.next_counter(0), Some(1));
        assert_eq!(TDES.next_counter(0x0F), Some(0x10));
        assert_eq!(TDES.next_counter(0x3FF), Some(0x400));
        assert_eq!(TDES.next_counter(0x7FE), Some(0x800));
        assert!(!TDES.is_legal_counter(0x7FF));
        assert!(TDES.is_legal_counter(0x3FF));
        assert!(!TDES.is_legal_counter(0));
    }

    #[test]
    fn the_last_counter_is_the_end_of_a_key() {
        assert_eq!(TDES.next_counter(0x1F_F800), None);
        assert_eq!(TDES.next_counter(0x1F_F400), Some(0x1F_F800));
        assert_eq!(AES.next_counter(0xFFFF_0000), None);
        assert_eq!(AES.next_counter(0xFFFE_8000), Some(0xFFFF_0000));
        assert_eq!(Cipher::AesGcm.next_counter(0x00FF_FFFF), None);
        assert_eq!(Cipher::AesGcm.next_counter(0x00FF_FFFE), Some(0x00FF_FFFF));
    }

    proptest! {
        #[test]
        fn the_next_counter_is_the_nearest_legal_one(after in 0_u32..0x20_0000) {
            let nearest = (after + 1..=0x1F_F800).find(|counter| TDES.is_legal_counter(*counter));
            prop_assert_eq!(TDES.next_counter(after), nearest);
        }
    }
}
