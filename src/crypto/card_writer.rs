//! The virtual reader's side of card data: the plaintext that [`card_data`](super::card_data)
//! reads (MAPI 4.8).

use super::bcd::{bcd, date_bytes, days_in};
use super::card_fields::{AMOUNT, CURRENCY, EXPIRY, NAME, SEQUENCE, TRACK2};
use super::tlv::Tag;
use super::tlv_write::write;
use crate::payment::card::{Brand, Expiry, Pan};
use crate::payment::money::Amount;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The largest amount that the twelve digits of 9F02 hold, in minor units.
const AMOUNT_MAX: i64 = 999_999_999_999;

/// A plastic card, as it is printed and encoded.
pub struct PlasticCard<'a> {
    pub pan: &'a Pan,
    pub expiry: Expiry,
    /// The name on track 1, for example `TEST/CARD`.
    pub cardholder: &'a str,
    /// A card with a chip says so in the service code of its stripe.
    pub has_chip: bool,
}

/// One run of a chip: what makes its data different from the last run's.
#[derive(Clone, Copy, Debug)]
pub struct ChipRun {
    amount: Amount,
    date: (i32, u32, u32),
    counter: u16,
    unpredictable: [u8; 4],
}

impl ChipRun {
    /// `date` is (year, month, day); `counter` is the chip's transaction counter (9F36);
    /// `unpredictable` are the reader's random bytes (9F37). `None` if the amount has more than
    /// the twelve digits that a chip can sign.
    #[must_use]
    pub fn new(
        amount: Amount,
        date: (i32, u32, u32),
        counter: u16,
        unpredictable: [u8; 4],
    ) -> Option<Self> {
        let fits = amount.minor() <= AMOUNT_MAX;
        fits.then_some(Self { amount, date, counter, unpredictable })
    }
}

/// Track 2 in characters, as a stripe has it.
#[must_use]
pub fn track2_characters(card: &PlasticCard<'_>) -> Zeroizing<Vec<u8>> {
    let code = service_code(card.has_chip);
    let yymm = card.expiry.yymm();
    characters(&[";", card.pan.expose_digits(), "=", &yymm, code, "0000000000?"])
}

/// Track 1 in characters, as a stripe has it.
#[must_use]
pub fn track1_characters(card: &PlasticCard<'_>) -> Zeroizing<Vec<u8>> {
    let code = service_code(card.has_chip);
    let (digits, yymm) = (card.pan.expose_digits(), card.expiry.yymm());
    characters(&["%B", digits, "^", card.cardholder, "^", &yymm, code, "0000000000?"])
}

/// The track-2 equivalent in digits of four bits, as a chip has it in tag 57.
#[must_use]
pub fn track2_equivalent(card: &PlasticCard<'_>) -> Zeroizing<Vec<u8>> {
    track2(card, service_code(true))
}

/// What a chip gives beside its track, tag by tag, in the clear: nothing of it is sensitive.
#[must_use]
pub fn chip_tags(card: &PlasticCard<'_>, run: &ChipRun) -> Vec<(Tag, Vec<u8>)> {
    let (year, month) = (card.expiry.year(), card.expiry.month());
    let last_day = date_bytes(year, month, days_in(year, month));
    let mut tags = vec![(NAME, card.cardholder.as_bytes().to_vec()), (EXPIRY, last_day.to_vec())];
    each_chip_tag(card.pan.brand(), run, |tag, value| tags.push((tag, value.to_vec())));
    tags
}

fn characters(parts: &[&str]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(128));
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn service_code(has_chip: bool) -> &'static str {
    if has_chip { "201" } else { "101" }
}

/// The plaintext for a stripe (`chip` is `None`) or for a chip or contactless card.
#[must_use]
pub fn write_clear_card(card: &PlasticCard<'_>, chip: Option<&ChipRun>) -> Zeroizing<Vec<u8>> {
    // Room for everything: growing would leave unwiped copies of the number behind.
    let mut out = Zeroizing::new(Vec::with_capacity(512));
    let has_chip = card.has_chip || chip.is_some();
    write(TRACK2, &track2(card, service_code(has_chip)), &mut out);
    write(NAME, card.cardholder.as_bytes(), &mut out);
    let (year, month) = (card.expiry.year(), card.expiry.month());
    let last_day = date_bytes(year, month, days_in(year, month));
    write(EXPIRY, &last_day, &mut out);
    if let Some(run) = chip {
        each_chip_tag(card.pan.brand(), run, |tag, value| write(tag, value, &mut out));
    }
    out
}

fn each_chip_tag(brand: Brand, run: &ChipRun, mut put: impl FnMut(Tag, &[u8])) {
    let (year, month, day) = run.date;
    let minor = run.amount.minor().unsigned_abs();
    put(SEQUENCE, &[0x01]);
    put(Tag(0x82), &[0x39, 0x00]);
    put(Tag(0x84), application(brand));
    put(Tag(0x95), &[0x00, 0x00, 0x00, 0x80, 0x00]);
    put(Tag(0x9A), &date_bytes(year, month, day));
    put(Tag(0x9C), &[0x00]);
    put(AMOUNT, &bcd::<6>(minor));
    put(CURRENCY, &bcd::<2>(run.amount.currency().numeric().into()));
    put(Tag(0x9F10), &[0x06, 0x01, 0x0A, 0x03, 0xA0, 0x00, 0x00]);
    put(Tag(0x9F1A), &[0x06, 0x43]);
    put(Tag(0x9F26), &cryptogram(run, minor));
    // An ARQC: the chip asks to go online.
    put(Tag(0x9F27), &[0x80]);
    put(Tag(0x9F33), &[0xE0, 0xF0, 0xC8]);
    put(Tag(0x9F34), &[0x1E, 0x03, 0x00]);
    put(Tag(0x9F36), &run.counter.to_be_bytes());
    put(Tag(0x9F37), &run.unpredictable);
}

/// Eight bytes that look like a cryptogram and change with every run; no issuer checks them.
fn cryptogram(run: &ChipRun, minor: u64) -> Vec<u8> {
    let mut hash = Sha256::new_with_prefix(run.counter.to_be_bytes());
    hash.update(run.unpredictable);
    hash.update(minor.to_be_bytes());
    hash.finalize().into_iter().take(8).collect()
}

/// Number, `D`, expiry, service code, ten zeros; padded with an `F` to whole bytes.
fn track2(card: &PlasticCard<'_>, service_code: &str) -> Zeroizing<Vec<u8>> {
    let yymm = card.expiry.yymm();
    let digits = [card.pan.expose_digits(), "D", &yymm, service_code, "0000000000", "F"];
    let mut bytes = Zeroizing::new(Vec::with_capacity(20));
    let mut high = None;
    for nibble in digits.iter().flat_map(|part| part.chars()).filter_map(|c| c.to_digit(16)) {
        let nibble = nibble.to_le_bytes()[0];
        match high.take() {
            Some(high) => bytes.push(high << 4 | nibble),
            None => high = Some(nibble),
        }
    }
    bytes
}

/// The application identifier of the brand's credit application.
fn application(brand: Brand) -> &'static [u8] {
    match brand {
        Brand::Mastercard => &[0xA0, 0, 0, 0, 0x04, 0x10, 0x10],
        Brand::Maestro => &[0xA0, 0, 0, 0, 0x04, 0x30, 0x60],
        Brand::Mir => &[0xA0, 0, 0, 0x06, 0x58, 0x10, 0x10],
        Brand::Amex => &[0xA0, 0, 0, 0, 0x25, 0x01],
        Brand::UnionPay => &[0xA0, 0, 0, 0x03, 0x33, 0x01, 0x01, 0x02],
        Brand::Jcb => &[0xA0, 0, 0, 0, 0x65, 0x10, 0x10],
        Brand::Visa | Brand::Unknown => &[0xA0, 0, 0, 0, 0x03, 0x10, 0x10],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::card_checks::check_inside;
    use crate::crypto::card_data::ClearCard;
    use crate::payment::card::EntryMode;
    use crate::payment::money::Currency;

    fn written(digits: &str, yymm: &str, has_chip: bool, chip: Option<&ChipRun>) -> Vec<u8> {
        let pan = Pan::parse(digits).unwrap();
        let expiry = Expiry::from_yymm(yymm).unwrap();
        let card = PlasticCard { pan: &pan, expiry, cardholder: "TEST/CARD", has_chip };
        write_clear_card(&card, chip).to_vec()
    }

    fn amount(minor: i64, code: &str) -> Amount {
        Amount::from_minor(minor, Currency::from_alpha(code).unwrap()).unwrap()
    }

    #[test]
    fn the_golden_swipe_is_written() {
        let golden = "57114444555566661111D291220100000000005F2009544553542F434152445F2403291231";
        let bytes = written("4444555566661111", "2912", true, None);
        assert_eq!(hex::encode_upper(bytes), golden);
    }

    #[test]
    fn a_stripe_of_any_length_is_read_back() {
        for digits in ["4444555566661111", "378282246310005", "6304000000000000000"] {
            let card = ClearCard::parse(&written(digits, "2802", false, None)).unwrap();
            assert_eq!(card.pan.expose_digits(), digits);
            assert_eq!(card.expiry.yymm(), "2802");
            assert_eq!(card.service_code.as_deref(), Some("101"));
        }
        let bytes = hex::encode_upper(written("4444555566661111", "2802", false, None));
        assert!(bytes.ends_with("5F2403280229"));
    }

    #[test]
    fn a_chip_signs_for_amount_and_currency() {
        let total = amount(123_456_789_012, "AMD");
        let run = ChipRun::new(total, (2026, 3, 9), 0x0102, [1, 2, 3, 4]).unwrap();
        let bytes = written("2201382000000013", "2912", false, Some(&run));
        let card = ClearCard::parse(&bytes).unwrap();
        assert_eq!(card.currency_inside, Some(51));
        let noon = chrono::NaiveDate::from_ymd_opt(2026, 3, 9).unwrap().and_hms_opt(12, 0, 0);
        let now = noon.unwrap().and_utc().timestamp_millis();
        assert_eq!(check_inside(&card, EntryMode::Chip, total, now), Ok(()));
        assert_eq!((card.sequence, card.service_code.as_deref()), (Some(1), Some("201")));
        let value = |tag| card.emv.iter().find(|(own, _)| own.0 == tag).unwrap().1.as_slice();
        assert_eq!(value(0x9A), [0x26, 0x03, 0x09]);
        assert_eq!(value(0x9F36), [1, 2]);
        assert_eq!(value(0x9F37), [1, 2, 3, 4]);
        assert_eq!(card.emv.len(), 16);
    }

    #[test]
    fn an_amount_of_more_than_twelve_digits_is_not_signed() {
        let run = |minor| ChipRun::new(amount(minor, "RUB"), (2026, 1, 1), 0, [0; 4]);
        assert!(run(AMOUNT_MAX).is_some());
        assert!(run(AMOUNT_MAX + 1).is_none());
    }
}
