//! What can be found about a control, each mistake by a name that stays.

use crate::crypto::findings::findings;

findings! {
    /// What was found about a control.
    Finding;

    /// Nothing is wrong.
    AllIsWell = "all-is-well",

    TooLong = "too-long",
    /// Not pairs of names and values, percent-encoded.
    NotAForm = "not-a-form",
    MissingField = "missing-field",
    FieldTwice = "field-twice",
    /// A value has a line end or another control character.
    ControlCharacters = "control-characters",
    LoginUnknown = "login-unknown",
    /// The form names another login.
    LoginDiffers = "login-differs",
    AmountWithoutCurrency = "amount-without-currency",
    AmountNotRead = "amount-not-read",

    /// The key itself was sent as the control.
    ControlIsKey = "control-is-key",
    /// The text was sent, and not its digest.
    ControlIsText = "control-is-text",
    /// Compared letter by letter with lower-case digits.
    UpperCase = "upper-case",
    Base64 = "base64",
    /// Base64 of the hexadecimal digits.
    Base64OfHex = "base64-of-hex",
    /// Dashes, colons or blanks between the digits.
    HexSeparators = "hex-separators",
    HexPrefix = "hex-prefix",
    Quoted = "quoted",
    /// Leading zeros of bytes or of the whole number are lost.
    ZerosLost = "zeros-lost",
    ControlLength = "control-length",

    KeyMissing = "key-missing",
    PreviousKey = "previous-key",
    KeyCase = "key-case",
    KeyBlanks = "key-blanks",
    /// A line end is hashed after the key.
    TrailingNewline = "trailing-newline",
    /// The bytes that the key's digits stand for.
    KeyDecoded = "key-decoded",
    KeyWithoutDashes = "key-without-dashes",
    /// Quotes or brackets around the key.
    KeyQuoted = "key-quoted",
    /// The key of an example in public documents.
    KeyOfExample = "key-of-example",
    /// The name of the key instead of the key.
    KeyPlaceholder = "key-placeholder",
    LoginAsKey = "login-as-key",

    Untrimmed = "untrimmed",
    PlusForBlank = "plus-for-blank",
    PercentEncoded = "percent-encoded",
    DecodedTwice = "decoded-twice",
    ValueCase = "value-case",
    /// What was not sent is hashed as `null` or the like.
    NullAsText = "null-as-text",
    CurrencyNumeric = "currency-numeric",

    AmountInHighestUnits = "amount-in-highest-units",
    AmountComma = "amount-comma",
    /// More decimals than the currency has.
    AmountDecimals = "amount-decimals",
    /// The decimals are cut off.
    AmountWithoutDecimals = "amount-without-decimals",
    /// Another number of decimals was taken for minor units.
    AmountExponent = "amount-exponent",
    AmountPadded = "amount-padded",

    LeftOut = "left-out",
    ExtraField = "extra-field",
    OtherFormula = "other-formula",
    EndpointFirst = "endpoint-first",
    EndpointInsteadOfLogin = "endpoint-instead-of-login",
    /// The formula of sale forms.
    SaleFormula = "sale-formula",
    Order = "order",

    Separators = "separators",
    /// `name=value` instead of values.
    NamesHashed = "names-hashed",
    Utf16 = "utf-16",
    Latin1 = "latin-1",
    Windows1251 = "windows-1251",
    Utf8Twice = "utf-8-twice",
    NonAsciiLost = "non-ascii-lost",

    Md5 = "md5",
    Sha256 = "sha-256",
    Sha512 = "sha-512",
    HmacSha1 = "hmac-sha1",
    HmacSha256 = "hmac-sha256",
    HashedTwice = "hashed-twice",

    /// No mistake that is known makes this control.
    NothingFits = "nothing-fits",
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
        let plain = |name: &&str| {
            name.bytes().all(|b| b.is_ascii_lowercase() || b"-0123456789".contains(&b))
        };
        assert!(names.iter().all(plain));
    }
}
