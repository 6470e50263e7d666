//! What the common tags of readers and chips are called (EMV Book 3 annex A, MAPI 4).

use super::tlv::Tag;

const NAMES: &[(u32, &str)] = &[
    (0x42, "issuer identification number"),
    (0x4F, "application identifier"),
    (0x50, "application label"),
    (0x56, "track 1 data"),
    (0x57, "track 2 equivalent data"),
    (0x5A, "card number"),
    (0x5F20, "cardholder name"),
    (0x5F24, "expiry date"),
    (0x5F25, "effective date"),
    (0x5F28, "issuer country"),
    (0x5F2A, "transaction currency"),
    (0x5F2D, "language preference"),
    (0x5F30, "service code"),
    (0x5F34, "card sequence number"),
    (0x5F36, "currency exponent"),
    (0x82, "application interchange profile"),
    (0x84, "dedicated file name"),
    (0x8A, "authorisation response code"),
    (0x8E, "cardholder verification list"),
    (0x91, "issuer authentication data"),
    (0x95, "terminal verification results"),
    (0x99, "PIN data"),
    (0x9A, "transaction date"),
    (0x9B, "transaction status information"),
    (0x9C, "transaction type"),
    (0x9F02, "amount"),
    (0x9F03, "other amount"),
    (0x9F06, "terminal's application identifier"),
    (0x9F07, "application usage control"),
    (0x9F09, "terminal's application version"),
    (0x9F0D, "issuer action code, default"),
    (0x9F0E, "issuer action code, denial"),
    (0x9F0F, "issuer action code, online"),
    (0x9F10, "issuer application data"),
    (0x9F11, "issuer code table"),
    (0x9F12, "preferred name"),
    (0x9F1A, "terminal's country"),
    (0x9F1E, "interface device's serial number"),
    (0x9F1F, "track 1 discretionary data"),
    (0x9F20, "track 2 discretionary data"),
    (0x9F21, "transaction time"),
    (0x9F26, "application cryptogram"),
    (0x9F27, "cryptogram information data"),
    (0x9F33, "terminal capabilities"),
    (0x9F34, "cardholder verification results"),
    (0x9F35, "terminal type"),
    (0x9F36, "application transaction counter"),
    (0x9F37, "unpredictable number"),
    (0x9F39, "entry mode"),
    (0x9F40, "additional terminal capabilities"),
    (0x9F41, "transaction sequence counter"),
    (0x9F53, "transaction category"),
    (0x9F5B, "issuer script results"),
    (0x9F66, "terminal transaction qualifiers"),
    (0x9F6B, "track 2 data of a contactless card"),
    (0x9F6C, "card transaction qualifiers"),
    (0x9F6E, "form factor"),
    (0xDF30, "contactless indicator"),
    (0xDF63, "sealed track"),
    (0xDF64, "KSN of the sealed track"),
    (0xE0, "Miura template: card data"),
    (0xE1, "Miura template: card data"),
    (0xE3, "Miura template: the chip approved"),
    (0xE4, "Miura template: the chip goes online"),
    (0xE5, "Miura template: the chip declined"),
    (0xE9, "template of Spire and of the sim profile"),
    (0xDF_AE02, "sealed track data"),
    (0xDF_AE03, "KSN of the sealed track data"),
    (0xDF_AE04, "sealed PIN block"),
    (0xDF_AE05, "KSN of the PIN block"),
    (0xDF_AE5A, "masked card number"),
    (0xDF_AE60, "list of tags"),
    (0xDF_AE61, "values of the listed tags"),
    (0xDF_AE63, "sealed card data"),
    (0xDF_AE64, "KSN of the sealed card data"),
    (0xDF_AE65, "entry mode"),
    (0xDF_AE66, "reader's serial number"),
    (0xDF_AE71, "sealed PIN block"),
    (0xDF_AE72, "KSN of the PIN block"),
];

/// The name of a tag, if it is a common one.
#[must_use]
pub fn name_of(tag: Tag) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == tag.0).map(|(_, name)| *name)
}

/// The tag with its name, for people.
#[must_use]
pub fn told(tag: Tag) -> String {
    match name_of(tag) {
        Some(name) => format!("{tag} ({name})"),
        None => format!("{tag} (unknown here)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_is_named_twice_and_unknown_ones_are_told_as_such() {
        for (place, (tag, name)) in NAMES.iter().enumerate() {
            let first = NAMES.iter().position(|(other, _)| other == tag);
            assert_eq!(first, Some(place), "{name}");
        }
        assert_eq!(told(Tag(0x9F02)), "9F02 (amount)");
        assert_eq!(told(Tag(0x9F7F)), "9F7F (unknown here)");
    }
}
