//! What can be found, each mistake by a name that stays.

use crate::crypto::findings::findings;

findings! {
    /// What was found in a reader's message.
    Finding;

    /// Nothing is wrong.
    AllIsWell = "all-is-well",

    Empty = "empty",
    TooLong = "too-long",
    NotHex = "not-hex",
    OddLength = "odd-length",
    Base64 = "base64",
    /// Spaces or line ends among the digits.
    Whitespace = "whitespace",
    /// Colons, dashes or commas among the digits.
    Separators = "separators",
    /// `0x` or `\x` in front.
    HexPrefix = "hex-prefix",
    Quoted = "quoted",
    /// The name of the field is part of the value.
    FieldName = "field-name",
    /// A whole JSON document instead of one of its values.
    WholeJson = "whole-json",
    PercentEncoded = "percent-encoded",
    /// Digits that stand for digits.
    DoubleHex = "double-hex",

    UnsupportedType = "unsupported-type",
    /// The message is the reader's, the claimed type is not.
    WrongType = "wrong-type",
    /// The type is the reader's, the message is laid out like another maker's.
    WrongTemplate = "wrong-template",
    UnknownTemplate = "unknown-template",
    MissingTemplate = "missing-template",
    /// The device's own transport frame is around the message.
    VendorFrame = "vendor-frame",
    LengthHeader = "length-header",
    Truncated = "truncated",
    ExtraBytes = "extra-bytes",
    TwoMessages = "two-messages",
    /// The template's length is not that of what is in it.
    TemplateLength = "template-length",
    /// A length inside the template does not fit.
    InnerLength = "inner-length",
    NotTlv = "not-tlv",
    OnlyKsn = "only-the-ksn",
    MissingTag = "missing-tag",
    RepeatedTag = "repeated-tag",
    ValueList = "value-list",
    EntryMode = "entry-mode",
    SerialNotText = "serial-not-text",
    BadCode = "bad-code",
    BadPinBlock = "bad-pin-block",
    NothingSealed = "nothing-sealed",

    ReaderNotRegistered = "reader-not-registered",
    /// The message names another reader's serial.
    OtherSerial = "other-serial",
    ReaderBlocked = "reader-blocked",
    ReaderLost = "reader-lost",
    ReaderUnassigned = "reader-unassigned",
    ReaderExhausted = "reader-exhausted",

    MissingKsn = "missing-ksn",
    KsnLength = "ksn-length",
    KsnAsText = "ksn-as-text",
    KsnWithoutPadding = "ksn-without-padding",
    KsnPadding = "ksn-padding",
    KsnReversed = "ksn-reversed",
    KsnNibbles = "ksn-nibbles-swapped",
    KsnEmpty = "ksn-empty",
    /// KSN and sealed data have changed places.
    KsnSwapped = "ksn-and-data-swapped",
    /// The KSN is another reader's.
    OtherReader = "other-reader",
    /// The KSN is of another key set that is known.
    OtherKeySet = "other-key-set",
    UnknownKeySet = "unknown-key-set",
    CounterZero = "counter-zero",
    CounterIllegal = "counter-illegal",
    CounterReplayed = "counter-replayed",
    CounterJumped = "counter-jumped",
    /// Sealed under the key of another count than the KSN tells.
    CounterOff = "counter-off",
    CounterByteOrder = "counter-byte-order",

    KeyPin = "key-pin",
    KeyMacRequest = "key-mac-request",
    KeyMacResponse = "key-mac-response",
    KeyMacBoth = "key-mac-both",
    KeyDataRequest = "key-data-request",
    KeyDataResponse = "key-data-response",
    KeyDataBoth = "key-data-both",
    /// The message's key without any variant.
    KeyWithoutVariant = "key-without-variant",
    /// The data variant without the encryption that is its last step.
    KeyVariantUnfinished = "key-variant-unfinished",
    InitialKeyUsed = "initial-key-used",
    BaseKeyUsed = "base-key-used",
    /// Sealed by AES where TDES belongs.
    AesInsteadOfTdes = "aes-instead-of-tdes",
    TdesInsteadOfAes = "tdes-instead-of-aes",
    SingleDes = "single-des",
    OtherKeyLength = "other-key-length",
    /// The base key of another key set that is known.
    OtherBaseKey = "other-base-key",
    TestBaseKey = "test-base-key",
    BaseKeyHalves = "base-key-halves-swapped",

    ModeEcb = "mode-ecb",
    IvKsn = "iv-ksn",
    IvNotZero = "iv-not-zero",
    Padding = "padding",
    NotEncrypted = "not-encrypted",
    /// The sealed bytes are written as text before they were put in.
    SealedAsText = "sealed-as-text",
    NotWholeBlocks = "not-whole-blocks",
    TooShort = "too-short",
    NonceAtEnd = "nonce-at-end",
    NoAssociatedData = "no-associated-data",
    KsnTextBound = "ksn-text-bound",
    AmountNeeded = "amount-needed",
    /// It opens, but there is no card in it.
    NoCardInside = "no-card-inside",
    /// No variant that is known opens it.
    DoesNotOpen = "does-not-open",

    MaskDiffers = "mask-differs",
    CardNumber = "card-number",
    CardData = "card-data",
    CardExpired = "card-expired",
    AmountDiffers = "amount-differs",
    AmountMissing = "amount-missing",
    CurrencyDiffers = "currency-differs",
    CurrencyMissing = "currency-missing",
    DateDiffers = "date-differs",
}

#[cfg(test)]
mod tests {
    use super::Finding;

    #[test]
    fn every_finding_has_a_name_of_its_own() {
        let mut names: Vec<_> = Finding::ALL.iter().map(|finding| finding.name()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        let plain =
            |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b"-46".contains(&b));
        assert!(names.iter().all(plain));
    }
}
