//! The formats of PIN blocks (ISO 9564-1).

/// How a PIN is laid out in the block that is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PinFormat {
    /// 64 bits, with the card number.
    Iso0,
    /// 64 bits, without the card number.
    Iso1,
    /// As format 0, filled up with random digits.
    Iso3,
    /// 128 bits, for AES, with the card number.
    Iso4,
}

impl PinFormat {
    /// Every format there is.
    pub const ALL: [Self; 4] = [Self::Iso0, Self::Iso1, Self::Iso3, Self::Iso4];

    /// The stored and shown spelling, for example `iso0`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso0 => "iso0",
            Self::Iso1 => "iso1",
            Self::Iso3 => "iso3",
            Self::Iso4 => "iso4",
        }
    }

    /// The format of this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether the block is bound to the card's number. Such a block must never become one that is
    /// not (ISO 9564-1, PCI PIN).
    #[must_use]
    pub fn has_pan(self) -> bool {
        self != Self::Iso1
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_len(self) -> usize {
        if self == Self::Iso4 { 16 } else { 8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in PinFormat::ALL {
            assert_eq!(PinFormat::from_name(format.name()), Some(format));
        }
        assert_eq!(PinFormat::from_name("iso2"), None);
        assert!(!PinFormat::Iso1.has_pan() && PinFormat::Iso4.has_pan());
    }
}
