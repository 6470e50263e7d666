//! From bytes to the reader's message: what is around it, and how it is laid out.

use super::facts::Facts;
use super::text::TEMPLATES;
use super::{Case, Fault, Finding, ksn, text};
use crate::crypto::reader::{MessageError, ReaderMessage};
use crate::crypto::tag_names::told;
use crate::crypto::tlv::{self, Tag, Tlv, TlvError};
use crate::payment::key_set::{AesLength, Cipher, DataVariant};
use crate::payment::ksn::Ksn;
use crate::payment::reader::ReaderKind;

/// Longer frames than this no device puts in front of its messages.
const HEADER_MAX: usize = 16;
/// The template of Spire and of the `sim` profile.
const E9: Tag = Tag(0xE9);
/// Tags that stand in a template only.
const INNER: [u32; 7] =
    [0xDF_AE63, 0xDF_AE64, 0xDF_AE65, 0xDF_AE66, 0xDF_AE60, 0xDF_AE02, 0xDF_AE03];
/// The first tag of a scanned code, which has no template.
const CODE_VERSION: Tag = Tag(0x9F01);
const SERIALS: [Tag; 2] = [Tag(0xDF_AE66), Tag(0x9F1E)];

/// The serial that a message names, and the KSNs with a counter of zero that its own may come
/// from: readers by these are worth looking up.
#[must_use]
pub fn names_in(text: &str) -> (Option<String>, Vec<Ksn>) {
    let Ok(bytes) = text::read(text) else { return (None, Vec::new()) };
    let layout = match tlv::read_first(&bytes) {
        Ok((template, _)) if template.tag == E9 => ReaderKind::Spire,
        Ok((first, _)) if first.tag == CODE_VERSION => ReaderKind::QrCode,
        _ => ReaderKind::Miura,
    };
    let Ok(message) = ReaderMessage::parse(layout, &hex::encode(&bytes)) else {
        return (None, Vec::new());
    };
    let ciphers = [
        Cipher::AesGcm,
        Cipher::TdesDukpt(DataVariant::DataRequest),
        Cipher::AesDukpt(AesLength::Aes128),
    ];
    let initial = |ksn: Ksn| {
        let fits = move |cipher: &Cipher| cipher.ksn_len() == ksn.as_bytes().len();
        ciphers.into_iter().filter(fits).filter_map(move |cipher| ksn.with_counter(cipher, 0))
    };
    let mut ksns: Vec<_> = message.ksns().flat_map(initial).collect();
    ksns.dedup();
    (Some(message.serial), ksns)
}

pub(super) fn read(
    case: &Case<'_>,
    bytes: &[u8],
    facts: &mut Facts,
) -> Result<ReaderMessage, Fault> {
    let claimed = ReaderKind::from_name(case.encrypted_type).ok_or_else(|| unsupported(case))?;
    ksn::check_bare(case, bytes)?;
    if claimed == ReaderKind::QrCode || is_code(bytes) {
        return read_code(case, bytes, facts);
    }
    let template = find_template(bytes)?;
    facts.is(format!("{} bytes, {}", bytes.len(), told(template.tag)));
    let list = template.children().map_err(|error| inner_length(template, error))?;
    check_type(case, claimed, template.tag)?;
    facts.tags("tag", list.iter().map(|one| (one.tag, one.value.len())));
    ksn::check_places(case, &list)?;
    ReaderMessage::parse(claimed, &hex::encode(bytes)).map_err(refused)
}

fn is_code(bytes: &[u8]) -> bool {
    tlv::read_first(bytes).is_ok_and(|(first, _)| first.tag == CODE_VERSION)
}

fn read_code(case: &Case<'_>, bytes: &[u8], facts: &mut Facts) -> Result<ReaderMessage, Fault> {
    let (own, serial) = (case.reader.kind.name(), case.reader.serial.as_str());
    let is_claimed = ReaderKind::from_name(case.encrypted_type) == Some(ReaderKind::QrCode);
    if !is_claimed || !case.reader.may_send(case.encrypted_type) || !is_code(bytes) {
        let laid_out = if is_code(bytes) { "is" } else { "is not" };
        return Err(Fault::new(
            if is_code(bytes) { Finding::WrongType } else { Finding::WrongTemplate },
            format!("the message {laid_out} that of a scanned code; {serial} is a {own} reader"),
            format!("send what {serial} gave, with encrypted-type={own}"),
        ));
    }
    let list = tlv::parse_list(bytes).map_err(|error| refused(error.into()))?;
    facts.is(format!("{} bytes, a scanned code", bytes.len()));
    facts.tags("tag", list.iter().map(|one| (one.tag, one.value.len())));
    ReaderMessage::parse(ReaderKind::QrCode, &hex::encode(bytes)).map_err(refused)
}

fn unsupported(case: &Case<'_>) -> Fault {
    let (claimed, own) = (case.encrypted_type, case.reader.kind.name());
    Fault::new(
        Finding::UnsupportedType,
        format!("encrypted-type {claimed:?} is none that exists: sim, spire, miura, mc-qrcode"),
        format!("send encrypted-type={own}, in small letters, nothing around it"),
    )
}

/// Type, template and reader must go together.
fn check_type(case: &Case<'_>, claimed: ReaderKind, template: Tag) -> Result<(), Fault> {
    let (reader, own) = (case.reader, case.reader.kind);
    let is_of = |kind: ReaderKind| (kind == ReaderKind::Miura) != (template == E9);
    let laid_out = if template == E9 { "Spire's or the sim profile's" } else { "Miura's" };
    let (name, serial) = (own.name(), reader.serial.as_str());
    match (reader.may_send(case.encrypted_type), is_of(claimed), is_of(own)) {
        (true, true, _) => Ok(()),
        (true, false, _) => Err(Fault::new(
            Finding::WrongTemplate,
            format!("the template {template} is {laid_out}, but {serial} is a {name} reader"),
            "send the message as this reader gave it, or name the reader that it came from",
        )),
        (false, _, true) => Err(Fault::new(
            Finding::WrongType,
            format!("{serial} is a {name} reader; encrypted-type says {}", case.encrypted_type),
            format!("send encrypted-type={name}"),
        )),
        (false, _, false) => Err(Fault::new(
            Finding::WrongTemplate,
            format!("the template {template} is {laid_out}, but {serial} is a {name} reader"),
            "name the reader that the message came from",
        )),
    }
}

fn is_template(tag: Tag) -> bool {
    TEMPLATES.contains(&tag.0)
}

/// The one template that the bytes should be.
fn find_template(bytes: &[u8]) -> Result<Tlv<'_>, Fault> {
    match tlv::read_first(bytes) {
        Ok((template, rest)) if is_template(template.tag) => match template.children() {
            Ok(_) if rest.is_empty() => Ok(template),
            Ok(_) => Err(behind(template, rest)),
            Err(error) => Err(whole_inside(bytes).unwrap_or_else(|| inner_length(template, error))),
        },
        Err(TlvError::Truncated)
            if bytes.first().is_some_and(|b| is_template(Tag((*b).into()))) =>
        {
            Err(whole_inside(bytes).unwrap_or_else(|| cut_off(bytes)))
        }
        first => Err(around(bytes).unwrap_or_else(|| no_template(bytes, first.ok()))),
    }
}

fn behind(template: Tlv<'_>, rest: &[u8]) -> Fault {
    let (tag, count) = (template.tag, rest.len());
    let again = tlv::read_first(rest).is_ok_and(|(second, _)| is_template(second.tag));
    if again {
        let change = "send one message in each request";
        return Fault::new(Finding::TwoMessages, "a second message follows the first", change);
    }
    let list = tlv::parse_list(rest).unwrap_or_default();
    if list.iter().any(|one| INNER.contains(&one.tag.0)) {
        let wrong = format!("the length of {tag} leaves out {count} bytes of its own values");
        let change = "let the length count all bytes that follow it";
        return Fault::new(Finding::TemplateLength, wrong, change);
    }
    let status = match rest {
        [.., 0x90, 0x00] => "; 9000 is a status word, no part of the message",
        _ => "",
    };
    let wrong = format!("{count} bytes follow the template {tag}{status}");
    Fault::new(Finding::ExtraBytes, wrong, "cut the message off where its template ends")
}

/// Whether the template's length alone is wrong: what follows it is a whole list.
fn whole_inside(bytes: &[u8]) -> Option<Fault> {
    let inside = after_header(bytes)?;
    let list = tlv::parse_list(inside).ok()?;
    SERIALS.iter().find(|tag| tlv::find(&list, **tag).is_some())?;
    let wrong = format!("the template's length is not {}, which all its values take", inside.len());
    let change = "let the template's length count all bytes that follow it";
    Some(Fault::new(Finding::TemplateLength, wrong, change))
}

/// What follows a tag of one byte and its length.
fn after_header(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [_, ..=0x7F, rest @ ..] | [_, 0x81, _, rest @ ..] | [_, 0x82, _, _, rest @ ..] => {
            Some(rest)
        }
        _ => None,
    }
}

fn cut_off(bytes: &[u8]) -> Fault {
    let told = match bytes {
        [_, length @ ..=0x7F, ..] | [_, 0x81, length, ..] => usize::from(*length),
        [_, 0x82, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    let there = after_header(bytes).map_or(0, <[u8]>::len);
    Fault::new(
        Finding::Truncated,
        format!("the template says {told} bytes, {there} are there: the end is missing"),
        "send the whole message; look for a column or a buffer that is too short",
    )
}

fn inner_length(template: Tlv<'_>, error: TlvError) -> Fault {
    let (mut rest, mut last) = (template.value, None);
    while let Ok((element, after)) = tlv::read_first(rest) {
        (rest, last) = (after, Some(element.tag));
    }
    let place = template.value.len() - rest.len();
    let after = last.map_or_else(String::new, |tag| format!(", after {}", told(tag)));
    Fault::new(
        Finding::InnerLength,
        format!("the values inside {} break off at byte {place}{after}: {error}", template.tag),
        "let each length be that of its value; look at the tag that begins there",
    )
}

/// A message with something in front of it.
fn around(bytes: &[u8]) -> Option<Fault> {
    let place = (1..=HEADER_MAX).find(|place| {
        let inside = bytes.get(*place..).unwrap_or_default();
        let Ok((template, _)) = tlv::read_first(inside) else { return false };
        let list = template.children().unwrap_or_default();
        is_template(template.tag) && SERIALS.iter().any(|tag| tlv::find(&list, *tag).is_some())
    })?;
    let (header, inside) = bytes.split_at_checked(place)?;
    let (_, trailer) = tlv::read_first(inside).ok()?;
    let (before, behind) = (header.len(), trailer.len());
    if trailer.is_empty() && is_length(header, inside.len()) {
        return Some(Fault::new(
            Finding::LengthHeader,
            format!("{before} bytes in front tell the length of the message"),
            "send the message without them: from its template on",
        ));
    }
    Some(Fault::new(
        Finding::VendorFrame,
        format!("the device's transport frame is around it: {before} bytes before, {behind} after"),
        "take the frame away: send the template alone, from its tag to its end",
    ))
}

fn is_length(header: &[u8], length: usize) -> bool {
    let number = |bytes: &mut dyn Iterator<Item = &u8>| {
        bytes.fold(0_usize, |sum, byte| sum.wrapping_shl(8) | usize::from(*byte))
    };
    let (big, little) = (number(&mut header.iter()), number(&mut header.iter().rev()));
    header.len() <= 4 && [big, little].contains(&length)
}

fn no_template(bytes: &[u8], first: Option<(Tlv<'_>, &[u8])>) -> Fault {
    let list = tlv::parse_list(bytes).unwrap_or_default();
    if list.iter().any(|one| INNER.contains(&one.tag.0) || SERIALS.contains(&one.tag)) {
        return Fault::new(
            Finding::MissingTemplate,
            "the values stand there without the template that goes around them",
            "put them into the template: E9 for Spire and sim, E0 to E5 for Miura",
        );
    }
    let unknown = first.filter(|(one, rest)| rest.is_empty() && one.children().is_ok());
    if let Some((template, _)) = unknown.filter(|(one, _)| !one.value.is_empty()) {
        let wrong = format!("the template is {}, which no reader here uses", template.tag);
        let change = "the templates are E9 for Spire and sim, E0, E1, E3, E4 and E5 for Miura";
        return Fault::new(Finding::UnknownTemplate, wrong, change);
    }
    Fault::new(
        Finding::NotTlv,
        format!("{} bytes that are neither a template nor a list of tags", bytes.len()),
        "send the reader's whole message, not the sealed value alone; look for lost bytes",
    )
}

/// Why a message whose tags can be read is refused all the same.
fn refused(error: MessageError) -> Fault {
    let wrong = error.to_string();
    let (finding, change) = match error {
        MessageError::Missing(tag) if ksn::TAGS.contains(&tag) || tag == Tag(0xDF64) => {
            (Finding::MissingKsn, "let the reader send the KSN with what it sealed".to_owned())
        }
        MessageError::Missing(tag) => (Finding::MissingTag, format!("add {}", told(tag))),
        MessageError::Repeated(tag) => (Finding::RepeatedTag, format!("send {} once", told(tag))),
        MessageError::BadKsn(_) => {
            (Finding::KsnLength, "send all 10 bytes (TDES, sim) or 12 (AES)".to_owned())
        }
        MessageError::BadEntryMode => {
            let change = "one character: 0 swiped, 1 chip failed, 2 inserted, 3 held to it";
            (Finding::EntryMode, change.to_owned())
        }
        MessageError::BadSerial(_) => {
            (Finding::SerialNotText, "write the serial in characters, without fill".to_owned())
        }
        MessageError::BadPinBlock(_) => {
            (Finding::BadPinBlock, "send the PIN block as it was sealed, or none".to_owned())
        }
        MessageError::BadTagList | MessageError::ValuesDiffer { .. } => {
            let change = "one value for each tag of the list, in its order, parted by 1C";
            (Finding::ValueList, change.to_owned())
        }
        MessageError::BadPairs => {
            (Finding::MissingKsn, "let each sealed value be followed by its KSN".to_owned())
        }
        MessageError::BadCode => {
            (Finding::BadCode, "send the text of the code as it was scanned, all of it".to_owned())
        }
        MessageError::BadVersion => {
            (Finding::BadCode, "send the codes of version 1, one character".to_owned())
        }
        MessageError::TooLong => (Finding::TooLong, "send one message".to_owned()),
        MessageError::NotHex => (Finding::NotHex, "send hexadecimal digits".to_owned()),
        MessageError::NotTlv(_) => (Finding::NotTlv, "send the whole message".to_owned()),
        MessageError::NotTheTemplate(..) => {
            (Finding::WrongTemplate, "send the message as the reader gave it".to_owned())
        }
        MessageError::Trailing(_) => (Finding::ExtraBytes, "cut them off".to_owned()),
    };
    Fault::new(finding, wrong, change)
}
