//! What a key block says of its key: for what, in which direction, how far it may travel
//! (ASC X9.143, formerly TR-31, header fields). Nothing here is secret; all of it is authenticated.

use super::key_block::KeyBlockError;

pub use crate::payment::key_set::Exportability;

/// The characters before the optional blocks.
pub(super) const FIXED_LEN: usize = 16;
/// Optional blocks are counted by two digits, and one may be the padding's.
const OPTIONAL_MAX: usize = 98;
/// The block that fills the optional blocks up to a whole number of cipher blocks.
const PADDING: &str = "PB";
/// Characters of an optional block before its text: its name and its length.
const SHORT_FRONT: usize = 4;
/// The same with the long form of the length: `00`, its number of bytes, and four digits.
const LONG_FRONT: usize = 10;
/// The longest optional block of the short form.
const SHORT_MAX: usize = 0xFF;

/// What a key is for. Only uses of keys that this gateway, its readers and its hosts have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyUsage {
    /// `B0`, from which the initial keys of all readers of a set are derived.
    BaseDerivation,
    /// `B1`, the initial DUKPT key of one reader.
    InitialDukpt,
    /// `C0`, card verification values.
    CardVerification,
    /// `D0`, symmetric data encryption.
    Data,
    /// `E0`, the issuer's master key for chip cryptograms.
    ChipCryptograms,
    /// `K0`, encrypts or wraps keys.
    KeyEncryption,
    /// `K1`, protects key blocks.
    KeyBlockProtection,
    /// `M1`, MAC algorithm 1 of ISO 9797-1.
    Mac1,
    /// `M3`, MAC algorithm 3 of ISO 9797-1, the retail MAC.
    Mac3,
    /// `M6`, MAC algorithm 5 of ISO 9797-1, CMAC.
    Cmac,
    /// `P0`, encrypts PIN blocks.
    Pin,
    /// `V2`, verifies Visa's PIN verification values.
    PinVerification,
}

/// Which half of its use a key may be put to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ModeOfUse {
    /// `B`: encrypts and decrypts, wraps and unwraps.
    Both,
    /// `C`: generates and verifies.
    GenerateAndVerify,
    /// `D`: decrypts or unwraps only.
    Decrypt,
    /// `E`: encrypts or wraps only.
    Encrypt,
    /// `G`: generates only.
    Generate,
    /// `N`: whatever its use allows.
    Any,
    /// `V`: verifies only.
    Verify,
    /// `X`: derives other keys only.
    Derive,
}

/// The version of a key, two letters or digits; `00` where versions are not counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyVersion([u8; 2]);

/// One optional block: authenticated, kept, and not interpreted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OptionalBlock {
    id: String,
    text: String,
}

/// What is said of a key. Version of the block and algorithm are not among it: they follow from the
/// protection key and from the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyHeader {
    usage: KeyUsage,
    mode: ModeOfUse,
    version: KeyVersion,
    exportability: Exportability,
    optional: Vec<OptionalBlock>,
}

impl KeyUsage {
    const ALL: [(Self, &str); 12] = [
        (Self::BaseDerivation, "B0"),
        (Self::InitialDukpt, "B1"),
        (Self::CardVerification, "C0"),
        (Self::Data, "D0"),
        (Self::ChipCryptograms, "E0"),
        (Self::KeyEncryption, "K0"),
        (Self::KeyBlockProtection, "K1"),
        (Self::Mac1, "M1"),
        (Self::Mac3, "M3"),
        (Self::Cmac, "M6"),
        (Self::Pin, "P0"),
        (Self::PinVerification, "V2"),
    ];

    /// The two characters of the header.
    #[must_use]
    pub fn code(self) -> &'static str {
        Self::ALL.into_iter().find(|(usage, _)| *usage == self).map_or("", |(_, code)| code)
    }

    /// The usage with these two characters.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, own)| *own == code).map(|(usage, _)| usage)
    }

    /// The letters of the modes that make sense of this usage, beside `N`.
    fn modes(self) -> &'static str {
        match self {
            Self::BaseDerivation | Self::InitialDukpt | Self::ChipCryptograms => "X",
            Self::Data | Self::KeyEncryption | Self::KeyBlockProtection | Self::Pin => "BDE",
            Self::CardVerification
            | Self::Mac1
            | Self::Mac3
            | Self::Cmac
            | Self::PinVerification => "CGV",
        }
    }
}

impl ModeOfUse {
    const ALL: [(Self, char); 8] = [
        (Self::Both, 'B'),
        (Self::GenerateAndVerify, 'C'),
        (Self::Decrypt, 'D'),
        (Self::Encrypt, 'E'),
        (Self::Generate, 'G'),
        (Self::Any, 'N'),
        (Self::Verify, 'V'),
        (Self::Derive, 'X'),
    ];

    /// The letter of the header.
    #[must_use]
    pub fn letter(self) -> char {
        Self::ALL.into_iter().find(|(mode, _)| *mode == self).map_or('N', |(_, letter)| letter)
    }

    /// The mode with this letter.
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, own)| *own == letter).map(|(mode, _)| mode)
    }
}

impl KeyVersion {
    /// Versions of this key are not counted.
    pub const UNUSED: Self = Self(*b"00");

    /// Takes two ASCII letters or digits. What begins with `c` is a key's component, not a key, and
    /// is refused: components come by [`key_components`](super::key_components).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 2] = text.as_bytes().try_into().ok()?;
        let right = bytes.iter().all(u8::is_ascii_alphanumeric) && !bytes.starts_with(b"c");
        right.then_some(Self(bytes))
    }

    /// The two characters of the header.
    #[must_use]
    pub fn text(self) -> String {
        self.0.into_iter().map(char::from).collect()
    }
}

impl OptionalBlock {
    /// Takes a name of two letters or digits, other than `PB`, and a text of printable ASCII.
    #[must_use]
    pub fn new(id: &str, text: &str) -> Option<Self> {
        let named = id.len() == 2 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let right = named && id != PADDING && is_printable(text);
        right.then(|| Self { id: id.to_owned(), text: text.to_owned() })
    }

    /// The two characters of its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it carries, as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn write(&self) -> String {
        let short = self.text.len() + SHORT_FRONT;
        if short <= SHORT_MAX {
            format!("{}{short:02X}{}", self.id, self.text)
        } else {
            format!("{}0002{:04X}{}", self.id, self.text.len() + LONG_FRONT, self.text)
        }
    }
}

impl KeyHeader {
    /// Puts a header together; see [`with_optional`](Self::with_optional) for the rest of it.
    ///
    /// # Errors
    /// `KeyBlockError::Mode` if the usage knows no such mode.
    pub fn new(
        usage: KeyUsage,
        mode: ModeOfUse,
        version: KeyVersion,
        exportability: Exportability,
    ) -> Result<Self, KeyBlockError> {
        if mode != ModeOfUse::Any && !usage.modes().contains(mode.letter()) {
            return Err(KeyBlockError::Mode);
        }
        Ok(Self { usage, mode, version, exportability, optional: Vec::new() })
    }

    /// Adds optional blocks.
    ///
    /// # Errors
    /// `KeyBlockError::Optional` for two of one name, or more than 98.
    pub fn with_optional(mut self, blocks: Vec<OptionalBlock>) -> Result<Self, KeyBlockError> {
        self.optional.extend(blocks);
        let mut names: Vec<_> = self.optional.iter().map(OptionalBlock::id).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() != self.optional.len() || names.len() > OPTIONAL_MAX {
            return Err(KeyBlockError::Optional);
        }
        Ok(self)
    }

    /// What the key is for.
    #[must_use]
    pub fn usage(&self) -> KeyUsage {
        self.usage
    }

    /// Which half of its use it may be put to.
    #[must_use]
    pub fn mode(&self) -> ModeOfUse {
        self.mode
    }

    /// The key's version.
    #[must_use]
    pub fn version(&self) -> KeyVersion {
        self.version
    }

    /// How far it may travel.
    #[must_use]
    pub fn exportability(&self) -> Exportability {
        self.exportability
    }

    /// The optional blocks in their order, without padding.
    #[must_use]
    pub fn optional(&self) -> &[OptionalBlock] {
        &self.optional
    }

    /// The text of an optional block, for example `KS`, the key serial number of a TDES DUKPT key;
    /// `IK`, the initial key's identifier for AES DUKPT; or `KC`, the key check value.
    #[must_use]
    pub fn optional_text(&self, id: &str) -> Option<&str> {
        self.optional.iter().find(|block| block.id == id).map(OptionalBlock::text)
    }

    /// Writes usage to exportability, with the key's algorithm letter among them.
    fn write_fields(&self, algorithm: char) -> String {
        let (mode, export) = (self.mode.letter(), self.exportability.letter());
        format!("{}{algorithm}{mode}{}{export}", self.usage.code(), self.version.text())
    }

    /// Writes the whole header of a block: `front` is its version letter, `rest` the characters
    /// after the header, `unit` the characters that the optional blocks must fill whole.
    pub(super) fn write(&self, front: char, algorithm: char, rest: usize, unit: usize) -> String {
        let mut optional: String = self.optional.iter().map(OptionalBlock::write).collect();
        let mut count = self.optional.len();
        if !optional.len().is_multiple_of(unit) {
            let whole = (optional.len() + SHORT_FRONT).next_multiple_of(unit);
            let length = whole - optional.len();
            let padding = "0".repeat(length - SHORT_FRONT);
            optional = format!("{optional}{PADDING}{length:02X}{padding}");
            count += 1;
        }
        let length = FIXED_LEN + optional.len() + rest;
        let fields = self.write_fields(algorithm);
        format!("{front}{length:04}{fields}{count:02}00{optional}")
    }

    /// Reads the header of a block whose first five characters were read; answers with it the
    /// letter of the key's algorithm and the number of characters it takes. The text is ASCII.
    pub(super) fn read(text: &str, unit: usize) -> Result<(Self, char, usize), KeyBlockError> {
        let field = |start, end| text.get(start..end).ok_or(KeyBlockError::Length);
        let letter = |place| field(place, place + 1).map(|text| text.chars().next().unwrap_or(' '));
        let usage = KeyUsage::from_code(field(5, 7)?).ok_or(KeyBlockError::Usage)?;
        let algorithm = letter(7)?;
        let mode = ModeOfUse::from_letter(letter(8)?).ok_or(KeyBlockError::Mode)?;
        let version = KeyVersion::parse(field(9, 11)?).ok_or(KeyBlockError::KeyVersion)?;
        let export = Exportability::from_letter(letter(11)?);
        let export = export.ok_or(KeyBlockError::Exportability)?;
        let count = number(field(12, 14)?, 10).ok_or(KeyBlockError::Optional)?;
        if field(14, 16)? != "00" {
            return Err(KeyBlockError::Reserved);
        }
        let rest = text.get(FIXED_LEN..).unwrap_or_default();
        let (blocks, after) = read_optional(rest, count).ok_or(KeyBlockError::Optional)?;
        let taken = rest.len() - after.len();
        if !taken.is_multiple_of(unit) {
            return Err(KeyBlockError::Optional);
        }
        let header = Self::new(usage, mode, version, export)?.with_optional(blocks)?;
        Ok((header, algorithm, FIXED_LEN + taken))
    }
}

/// Reads so many optional blocks; answers them without padding, and what follows.
fn read_optional(text: &str, count: usize) -> Option<(Vec<OptionalBlock>, &str)> {
    let mut blocks = Vec::new();
    let mut rest = text;
    for place in 1..=count {
        let (id, block, after) = read_block(rest)?;
        rest = after;
        match id {
            // The standard wants the padding last; whatever it consists of, it says nothing.
            PADDING if place == count => {}
            _ => blocks.push(OptionalBlock::new(id, block)?),
        }
    }
    Some((blocks, rest))
}

/// Splits the first optional block off: its name, its text, and what follows.
fn read_block(text: &str) -> Option<(&str, &str, &str)> {
    let id = text.get(..2)?;
    let (front, length) = match text.get(2..4)? {
        // The long form: as many bytes of length as need no more than the limit on the whole text.
        "00" if text.get(4..6)? == "02" => (LONG_FRONT, number(text.get(6..10)?, 16)?),
        "00" => return None,
        short => (SHORT_FRONT, number(short, 16)?),
    };
    Some((id, text.get(front..length)?, text.get(length..)?))
}

/// A number written in digits of this base, with capital letters, and nothing else.
pub(super) fn number(text: &str, base: u32) -> Option<usize> {
    let digits = text.chars().all(|c| c.is_digit(base) && !c.is_ascii_lowercase());
    digits.then(|| usize::from_str_radix(text, base).ok()).flatten()
}

/// Whether a text is printable ASCII throughout.
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
