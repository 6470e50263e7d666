//! Planted mistakes, each named rightly. The texts are spelt out and hashed here, by no code of
//! the diagnosis.

use super::formula::signed_amount;
use super::search::Known;
use super::sent::Sent;
use super::{Case, Command, Diagnosis, Finding, PreviousKey, diagnose, right_control};
use crate::crypto::sign::{amend_control, callback_control, status_control};
use crate::payment::money::{Amount, Currency};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};

const KEY: &str = "5F0C3A9E-1B2D-4C6F-8A7B-0D1E2F3A4B5C";
const OLD: &str = "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9";

const STATUS: &str = "login=shop&client_orderid=902B4FF5&orderid=6877";
const RETURN: &str =
    "login=shop&client_orderid=902B4FF5&orderid=6877&amount=10.42&currency=RUB&comment=late";
const CALLBACK: &str = "https://shop.example/cb?till=7&status=approved&merchant_order=902B4FF5\
                        &client_orderid=902B4FF5&orderid=6877&type=sale&amount=10.42";

fn sha1(text: impl AsRef<[u8]>) -> String {
    hex::encode(Sha1::digest(text.as_ref()))
}

/// A form with a control.
fn explained(command: Command, form: &str, control: &str) -> Diagnosis {
    let control: String = form_urlencoded::byte_serialize(control.as_bytes()).collect();
    let text = format!("{form}&control={control}");
    let found = diagnose(&Case { text: &text, ..case(command) });
    assert_tells_no_secret(command, &text, &found);
    found
}

fn case(command: Command) -> Case<'static> {
    Case {
        command,
        text: "",
        computed: None,
        login: Some("shop"),
        key: KEY,
        previous: Some(PreviousKey { key: OLD, is_good: false }),
        endpoints: &[1111, 11],
    }
}

fn assert_tells_no_secret(command: Command, text: &str, found: &Diagnosis) {
    let told = format!("{found:?}").to_lowercase();
    for key in [KEY, OLD] {
        assert!(!told.contains(&key.to_lowercase()), "a key is told: {told}");
        assert!(!told.contains(&key.to_lowercase().replace('-', "")), "a key is told: {told}");
        assert!(!told.contains(&key[2..8].to_lowercase()), "part of a key is told: {told}");
    }
    let right = right_control(&Case { text, ..case(command) });
    if let Some(right) = right.filter(|_| found.finding != Finding::AllIsWell) {
        assert!(!told.contains(right.as_str()), "the right control is told: {told}");
    }
}

#[track_caller]
fn assert_named(command: Command, form: &str, control: &str, expected: Finding) {
    let found = explained(command, form, control);
    assert_eq!(found.finding, expected, "{} {form}: {found:?}", command.name());
}

#[test]
fn what_the_gateway_takes_is_not_blamed() {
    let five = Amount::from_minor(1042, Currency::from_alpha("RUB").unwrap());
    let status = status_control("shop", "902B4FF5", "6877", KEY);
    let amend = amend_control("shop", "902B4FF5", "6877", five, KEY);
    let short = "login=shop&client_orderid=902B4FF5";
    let padded = "login=+shop&client_orderid=902B4FF5+&orderid=6877";
    for (command, form, control) in [
        (Command::Status, STATUS, status.clone()),
        (Command::Status, STATUS, status.to_uppercase()),
        (Command::Status, short, status_control("shop", "902B4FF5", "", KEY)),
        (Command::Status, padded, status.clone()),
        (Command::Return, STATUS, status.clone()),
        (Command::Return, RETURN, amend.clone()),
        (Command::Capture, RETURN, amend),
        (Command::Void, RETURN, status),
        (Command::Callback, CALLBACK, callback_control("approved", "6877", "902B4FF5", KEY)),
    ] {
        assert_named(command, form, &control, Finding::AllIsWell);
    }
}

#[test]
fn a_control_that_is_no_sha_1_in_digits_is_named() {
    let right = sha1(format!("shop902B4FF56877{KEY}"));
    let digest = hex::decode(&right).unwrap();
    let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    for (control, expected) in [
        (KEY.to_owned(), Finding::ControlIsKey),
        (format!("shop902B4FF56877{KEY}"), Finding::ControlIsText),
        (STANDARD.encode(&digest), Finding::Base64),
        (STANDARD.encode(&right), Finding::Base64OfHex),
        (pairs.join("-"), Finding::HexSeparators),
        (format!("0x{right}"), Finding::HexPrefix),
        (format!("\"{right}\""), Finding::Quoted),
        (right[..20].to_owned(), Finding::ControlLength),
        (right[..39].to_owned(), Finding::ControlLength),
        ("d41d8cd98f00b204e9800998ecf8427e".to_owned(), Finding::Md5),
        (sha1("anything"), Finding::NothingFits),
    ] {
        assert_named(Command::Status, STATUS, &control, expected);
    }
}

#[test]
fn zeros_that_were_lost_are_named() {
    let forms = (0..200).map(|n| (n, sha1(format!("shop{n}{KEY}"))));
    let (n, right) = forms.into_iter().find(|(_, right)| right.starts_with('0')).unwrap();
    let form = format!("login=shop&client_orderid={n}");
    assert_named(Command::Status, &form, &right[1..], Finding::ZerosLost);
    let digest = hex::decode(&right).unwrap();
    let by_byte: Vec<_> = digest.iter().map(|byte| format!("{byte:x}")).collect();
    assert_named(Command::Status, &form, &by_byte.concat(), Finding::ZerosLost);
}

#[test]
fn a_key_that_is_not_the_right_one_is_named() {
    let bytes = hex::decode(KEY.replace('-', "")).unwrap();
    let text = "shop902B4FF56877";
    for (hashed, expected) in [
        (text.as_bytes().to_vec(), Finding::KeyMissing),
        (format!("{text}{OLD}").into_bytes(), Finding::PreviousKey),
        (format!("{text}{}", KEY.to_lowercase()).into_bytes(), Finding::KeyCase),
        (format!("{text}{KEY} ").into_bytes(), Finding::KeyBlanks),
        (format!("{text} {KEY}").into_bytes(), Finding::KeyBlanks),
        (format!("{text}{KEY}\n").into_bytes(), Finding::TrailingNewline),
        (format!("{text}{KEY}\r\n").into_bytes(), Finding::TrailingNewline),
        ([text.as_bytes(), &bytes].concat(), Finding::KeyDecoded),
        (format!("{text}{}", KEY.replace('-', "")).into_bytes(), Finding::KeyWithoutDashes),
        (format!("{text}\"{KEY}\"").into_bytes(), Finding::KeyQuoted),
        (format!("{text}B17F59B4-A7DC-41B4-8FF9-37D986B43D20").into_bytes(), Finding::KeyOfExample),
        (format!("{text}merchant_control").into_bytes(), Finding::KeyPlaceholder),
        (format!("{text}shop").into_bytes(), Finding::LoginAsKey),
        (format!("{text}5F0C3A9E-another-key").into_bytes(), Finding::NothingFits),
    ] {
        assert_named(Command::Status, STATUS, &sha1(hashed), expected);
    }
}

#[test]
fn an_amount_in_wrong_units_is_named() {
    for (amount, expected) in [
        ("1042", Finding::AllIsWell),
        ("10.42", Finding::AmountInHighestUnits),
        ("10,42", Finding::AmountComma),
        ("10.4200", Finding::AmountDecimals),
        ("10.420", Finding::AmountDecimals),
        ("10", Finding::AmountWithoutDecimals),
        ("10420", Finding::AmountExponent),
        ("104200", Finding::AmountExponent),
        ("000000001042", Finding::AmountPadded),
    ] {
        let control = sha1(format!("shop902B4FF56877{amount}RUB{KEY}"));
        assert_named(Command::Return, RETURN, &control, expected);
    }
    let yen = RETURN.replace("10.42&currency=RUB", "500&currency=JPY");
    let control = sha1(format!("shop902B4FF5687750000JPY{KEY}"));
    assert_named(Command::Return, &yen, &control, Finding::AmountExponent);
    let dinar = RETURN.replace("10.42&currency=RUB", "1.234&currency=KWD");
    let control = sha1(format!("shop902B4FF56877123KWD{KEY}"));
    assert_named(Command::Return, &dinar, &control, Finding::AmountExponent);
    let whole = RETURN.replace("10.42", "10");
    let control = sha1(format!("shop902B4FF5687710.00RUB{KEY}"));
    assert_named(Command::Return, &whole, &control, Finding::AmountInHighestUnits);
}

#[test]
fn a_field_too_few_or_too_many_and_another_formula_are_named() {
    for (command, form, hashed, expected) in [
        (Command::Status, STATUS, "902B4FF56877", Finding::LeftOut),
        (Command::Status, STATUS, "shop902B4FF5", Finding::LeftOut),
        (Command::Return, RETURN, "shop902B4FF568771042", Finding::LeftOut),
        (Command::Return, RETURN, "shop902B4FF56877", Finding::OtherFormula),
        (Command::Void, RETURN, "shop902B4FF568771042RUB", Finding::OtherFormula),
        (Command::Return, RETURN, "shop902B4FF568771042RUBlate", Finding::ExtraField),
        (Command::Callback, CALLBACK, "approved6877902B4FF510.42", Finding::ExtraField),
        (Command::Status, STATUS, "1111shop902B4FF56877", Finding::EndpointFirst),
        (Command::Status, STATUS, "11902B4FF56877", Finding::EndpointInsteadOfLogin),
        (Command::Return, RETURN, "1111902B4FF51042", Finding::SaleFormula),
        (Command::Return, RETURN, "shop902B4FF568771042643", Finding::CurrencyNumeric),
        (Command::Status, "login=shop&client_orderid=9", "shop9null", Finding::NullAsText),
        (Command::Status, STATUS, "SHOP902B4FF56877", Finding::ValueCase),
        (Command::Callback, CALLBACK, "APPROVED6877902B4FF5", Finding::ValueCase),
    ] {
        assert_named(command, form, &sha1(format!("{hashed}{KEY}")), expected);
    }
}

#[test]
fn another_order_is_named_and_told() {
    for (command, form, hashed) in [
        (Command::Status, STATUS, format!("902B4FF5shop6877{KEY}")),
        (Command::Status, STATUS, format!("{KEY}shop902B4FF56877")),
        (Command::Callback, CALLBACK, format!("approved902B4FF56877{KEY}")),
        (Command::Return, RETURN, format!("{KEY}RUB10426877902B4FF5shop")),
    ] {
        assert_named(command, form, &sha1(hashed), Finding::Order);
    }
    let found = explained(Command::Status, STATUS, &sha1(format!("6877shop902B4FF5{KEY}")));
    assert!(found.wrong.contains("orderid + login + client_orderid + control key"), "{found:?}");
    assert!(found.facts.iter().any(|fact| fact.contains("6877shop902B4FF55F***5C")), "{found:?}");
}

#[test]
fn separators_encodings_and_digests_are_named() {
    let parts = ["shop", "902B4FF5", "6877", KEY];
    for between in [":", "|", "&", "+", ";", " "] {
        let joined = sha1(parts.join(between));
        assert_named(Command::Status, STATUS, &joined, Finding::Separators);
    }
    let text = parts.concat();
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut marked = vec![0xFE, 0xFF];
    marked.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    let mut mac = Hmac::<Sha1>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(b"shop902B4FF56877");
    let mac = hex::encode(mac.finalize().into_bytes());
    for (control, expected) in [
        (sha1(format!("shop:902B4FF5:6877{KEY}")), Finding::Separators),
        (sha1(&wide), Finding::Utf16),
        (sha1(&marked), Finding::Utf16),
        (sha1(sha1(&text)), Finding::HashedTwice),
        (hex::encode(Sha256::digest(&text)), Finding::Sha256),
        (hex::encode(Sha512::digest(&text)), Finding::Sha512),
        (mac, Finding::HmacSha1),
        (
            sha1(format!("login=shop&client_orderid=902B4FF5&orderid=6877{KEY}")),
            Finding::NamesHashed,
        ),
    ] {
        assert_named(Command::Status, STATUS, &control, expected);
    }
}

#[test]
fn values_that_were_written_otherwise_are_named() {
    let name = |raw: &str| format!("login=shop&client_orderid={raw}");
    let hashed = |value: &[u8]| sha1([b"shop", value, KEY.as_bytes()].concat());
    for (raw, value, expected) in [
        ("a+b%2Fc", "a b/c".as_bytes(), Finding::AllIsWell),
        ("a+b%2Fc", b"a+b%2Fc", Finding::PercentEncoded),
        ("a+b%2Fc", b"a%20b%2Fc", Finding::PercentEncoded),
        ("a+b", b"a+b", Finding::PlusForBlank),
        ("a%2Bb", b"a b", Finding::DecodedTwice),
        ("+ab+", b" ab ", Finding::Untrimmed),
        ("caf%C3%A9", b"caf\xE9", Finding::Latin1),
        ("caf%C3%A9", b"caf?", Finding::NonAsciiLost),
        ("caf%C3%A9", "caf\u{C3}\u{A9}".as_bytes(), Finding::Utf8Twice),
        ("%D1%87%D0%B5%D0%BA", b"\xF7\xE5\xEA", Finding::Windows1251),
    ] {
        assert_named(Command::Status, &name(raw), &hashed(value), expected);
    }
}

#[test]
fn characters_that_a_key_loses_are_not_told() {
    let key = "ключ-5F0C3A9E-ключ";
    let text = format!("{STATUS}&control={}", sha1("shop902B4FF56877????-5F0C3A9E-????"));
    let found = diagnose(&Case { text: &text, key, ..case(Command::Status) });
    assert_eq!(found.finding, Finding::NothingFits);
}

#[test]
fn two_mistakes_at_once_are_found_and_both_told() {
    let key = KEY.to_lowercase();
    for (command, form, hashed, first, second) in [
        (Command::Return, RETURN, format!("shop902B4FF5687710.42RUB{key}"), "key-case", "amount"),
        (Command::Return, RETURN, format!("shop6877902B4FF510.42RUB{KEY}"), "amount", "order"),
        (Command::Status, STATUS, format!("902B4FF5:shop:6877:{KEY}"), "order", "separators"),
        (Command::Callback, CALLBACK, format!("approved902B4FF56877{KEY}\n"), "trailing", "order"),
        (Command::Return, RETURN, format!("shop902B4FF56877{KEY}\n"), "trailing", "formula"),
    ] {
        let found = explained(command, form, &sha1(&hashed));
        assert!(found.finding.name().starts_with(first), "{hashed}: {found:?}");
        let all = found.facts.last().unwrap();
        assert!(all.starts_with("mistakes at once") && all.contains(second), "{found:?}");
    }
    let digest = Sha1::digest(format!("shop902B4FF56877{key}"));
    assert_named(Command::Status, STATUS, &STANDARD.encode(digest), Finding::KeyCase);
}

#[test]
fn what_is_refused_before_the_control_is_told_first() {
    let any = sha1("any");
    for (command, form, expected) in [
        (Command::Status, "login=shop", Finding::MissingField),
        (Command::Return, "login=shop&client_orderid=1", Finding::MissingField),
        (Command::Status, "login=shop&client_orderid=1&login=shop", Finding::FieldTwice),
        (Command::Status, "login=shop&client_orderid=1%0A", Finding::ControlCharacters),
        (Command::Status, "login=other&client_orderid=1", Finding::LoginDiffers),
        (
            Command::Return,
            "login=shop&client_orderid=1&orderid=2&amount=5",
            Finding::AmountWithoutCurrency,
        ),
        (
            Command::Return,
            "login=shop&client_orderid=1&orderid=2&amount=5,0&currency=RUB",
            Finding::AmountNotRead,
        ),
        (Command::Status, "login=%4", Finding::NotAForm),
    ] {
        assert_named(command, form, &any, expected);
    }
    assert_eq!(diagnose(&case(Command::Status)).finding, Finding::NotAForm);
}

#[test]
fn of_a_callback_it_is_told_which_control_is_right() {
    let right = sha1(format!("approved6877902B4FF5{KEY}"));
    let other = sha1(format!("6877902B4FF5approved{KEY}"));
    let explain = |came: &str, computed: &str| {
        let text = format!("{CALLBACK}&control={came}");
        let computed = Some(computed);
        let found = diagnose(&Case { text: &text, computed, ..case(Command::Callback) });
        (found.finding, found.facts.join("\n"))
    };
    let (finding, facts) = explain(&right, &other);
    assert_eq!(finding, Finding::Order);
    assert!(facts.contains("that came is right") && facts.contains("computed is wrong"), "{facts}");
    assert!(!facts.contains(&right));
    let (finding, facts) = explain(&other, &right);
    assert_eq!(finding, Finding::Order);
    assert!(facts.contains("that came is wrong") && facts.contains("computed is right"), "{facts}");
    assert_eq!(explain(&right, &right).0, Finding::AllIsWell);
    assert_eq!(explain(&right, &right.to_uppercase()).0, Finding::UpperCase);
    let old = sha1(format!("approved6877902B4FF5{OLD}"));
    assert_eq!(explain(&right, &old).0, Finding::PreviousKey);
}

#[test]
fn the_previous_key_is_good_while_it_overlaps_but_never_signs_callbacks() {
    let previous = Some(PreviousKey { key: OLD, is_good: true });
    let text = format!("{STATUS}&control={}", sha1(format!("shop902B4FF56877{OLD}")));
    let found = diagnose(&Case { text: &text, previous, ..case(Command::Status) });
    assert_eq!(found.finding, Finding::AllIsWell);
    assert!(found.facts.iter().any(|fact| fact.contains("previous key")), "{found:?}");
    let text = format!("{CALLBACK}&control={}", sha1(format!("approved6877902B4FF5{OLD}")));
    let found = diagnose(&Case { text: &text, previous, ..case(Command::Callback) });
    assert_eq!(found.finding, Finding::PreviousKey);
}

#[test]
fn a_key_that_somebody_sent_is_not_told() {
    let form = format!("login=shop&client_orderid={KEY}&orderid={}", KEY.to_lowercase());
    let found = explained(Command::Status, &form, &sha1("any"));
    assert_eq!(found.finding, Finding::NothingFits);
}

#[test]
fn no_question_takes_more_than_some_thousand_digests() {
    let endpoints: Vec<i64> = (1..=20).collect();
    for (command, form) in
        [(Command::Status, STATUS), (Command::Return, RETURN), (Command::Callback, CALLBACK)]
    {
        let case = Case { endpoints: &endpoints, ..case(command) };
        let sent = Sent::read(form).unwrap();
        let amount = signed_amount(command, &sent).unwrap();
        let tried = Known { case: &case, sent: &sent, amount }.trials();
        assert!((1000..7000).contains(&tried), "{tried} for {}", command.name());
    }
}
