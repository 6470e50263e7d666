//! Whether the KSN is the reader's, whole and the right way round, and its count a fresh one.

use super::facts::{own_set, told_set};
use super::{Case, Fault, Finding};
use crate::crypto::reader::ReaderMessage;
use crate::crypto::tlv::{Tag, Tlv};
use crate::payment::ksn::Ksn;
use std::iter::repeat_n;

/// Where KSNs stand, and what is sealed under the keys that they name.
pub(super) const TAGS: [Tag; 2] = [Tag(0xDF_AE64), Tag(0xDF_AE03)];
const SEALED: [Tag; 2] = [Tag(0xDF_AE63), Tag(0xDF_AE02)];
/// What most KSNs begin with, and what is left out when they are written in eight bytes.
const FILL: [u8; 2] = [0xFF, 0xFF];

fn is_own(case: &Case<'_>, bytes: &[u8]) -> bool {
    Ksn::from_slice(bytes).is_some_and(|ksn| case.reader.admit_ksn(ksn).is_ok())
}

/// A KSN all by itself.
pub(super) fn check_bare(case: &Case<'_>, bytes: &[u8]) -> Result<(), Fault> {
    match is_own(case, bytes) {
        true => Err(Fault::new(
            Finding::OnlyKsn,
            "this is the reader's KSN, not its message",
            "send the whole message, of which the KSN is a part",
        )),
        false => Ok(()),
    }
}

/// Looks at the tags as they stand, before anything is made of them.
pub(super) fn check_places(case: &Case<'_>, list: &[Tlv<'_>]) -> Result<(), Fault> {
    let sealed = list.iter().filter(|one| SEALED.contains(&one.tag));
    if let Some(swapped) = sealed.into_iter().find(|one| is_own(case, one.value)) {
        return Err(Fault::new(
            Finding::KsnSwapped,
            format!("the KSN stands in {}, where the sealed data belongs", swapped.tag),
            "let KSN and sealed data change places",
        ));
    }
    for one in list.iter().filter(|one| TAGS.contains(&one.tag)) {
        if Ksn::from_slice(one.value).is_none() {
            let length = one.value.len();
            let right = case.reader.cipher.ksn_len();
            let by_length = || {
                let wrong = format!("the KSN has {length} bytes, this reader's have {right}");
                let change = format!("send all {right} bytes: the key set's, the reader's, count");
                Fault::new(Finding::KsnLength, wrong, change)
            };
            return Err(misshapen(case, one.value).unwrap_or_else(by_length));
        }
    }
    Ok(())
}

/// Every KSN must be of this reader and its key set.
pub(super) fn check_device(case: &Case<'_>, message: &ReaderMessage) -> Result<(), Fault> {
    for ksn in message.ksns() {
        if case.reader.admit_ksn(ksn).is_err() {
            return Err(misshapen(case, ksn.as_bytes()).unwrap_or_else(|| foreign(case, ksn)));
        }
    }
    Ok(())
}

/// The reader's own KSN, written in another way.
fn misshapen(case: &Case<'_>, value: &[u8]) -> Option<Fault> {
    let own = |bytes: &[u8]| is_own(case, bytes);
    let filled = |bytes: &[u8]| own(&[&FILL, bytes].concat());
    let reversed: Vec<u8> = value.iter().rev().copied().collect();
    let turned: Vec<u8> = value.iter().map(|byte| byte.rotate_left(4)).collect();
    let text = hex::decode(value).unwrap_or_default();
    let (finding, wrong, change) = if value.iter().all(|byte| *byte == 0) {
        (
            Finding::KsnEmpty,
            "the KSN is all zeros",
            "send the KSN that the reader tells; it has a key, or has not been injected",
        )
    } else if own(&text) || filled(&text) {
        (
            Finding::KsnAsText,
            "the KSN is written in characters",
            "send its bytes: half as many as there are digits",
        )
    } else if filled(value) {
        (
            Finding::KsnWithoutPadding,
            "the KSN lacks the FFFF in front",
            "put FFFF in front, so that it has its whole length",
        )
    } else if cores(value).any(|core| own(core) || filled(core)) {
        (
            Finding::KsnPadding,
            "the KSN is filled up in the wrong way",
            "fill a short KSN up with FF in front, not with zeros and not behind",
        )
    } else if own(&reversed) {
        (
            Finding::KsnReversed,
            "the KSN's bytes stand in reverse order",
            "send the first byte first: the key set's, then the reader's, the counter last",
        )
    } else if own(&turned) {
        (
            Finding::KsnNibbles,
            "the two digits of each byte of the KSN have changed places",
            "send the high digit of each byte first",
        )
    } else {
        return None;
    };
    Some(Fault::new(finding, format!("{wrong}: {}", hex::encode_upper(value)), change))
}

/// What is left of the value when fill is taken away in front and behind.
fn cores(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_fill = |part: &[u8]| {
        let all = |fill| part.iter().copied().eq(repeat_n(fill, part.len()));
        all(0) || all(0xFF)
    };
    let ends = move |start: usize| (start + 6..=value.len()).map(move |end| (start, end));
    let cut = move |(start, end): (usize, usize)| {
        let (front, core, back) = (value.get(..start)?, value.get(start..end)?, value.get(end..)?);
        (core.len() < value.len() && is_fill(front) && is_fill(back)).then_some(core)
    };
    (0..value.len()).flat_map(ends).filter_map(cut)
}

/// A KSN of another device or of other keys.
fn foreign(case: &Case<'_>, ksn: Ksn) -> Fault {
    let reader = case.reader;
    let of = |known: &crate::payment::reader::Reader| {
        ksn.with_counter(known.cipher, 0) == Some(known.initial_ksn)
    };
    let whose = case.named.iter().find(|known| of(known));
    let whose = whose.map(|known| format!(", it is of the reader {}", known.serial));
    let whose = whose.unwrap_or_default();
    let serial = &reader.serial;
    if ksn.as_bytes().starts_with(&reader.key_set_prefix) {
        return Fault::new(
            Finding::OtherReader,
            format!("the KSN {ksn} is not of the reader {serial}{whose}"),
            format!("its own begins like {}; compare serial and key injection", reader.initial_ksn),
        );
    }
    if let Some(set) = case.others.iter().find(|set| ksn.as_bytes().starts_with(set.prefix)) {
        let other = told_set(set.id.0, set.prefix, set.base.check_value());
        return Fault::new(
            Finding::OtherKeySet,
            format!("the KSN {ksn} is of the key set {other}{whose}"),
            format!("register {serial} in that key set, or inject a key of {}", own_set(case)),
        );
    }
    let (length, right) = (ksn.as_bytes().len(), reader.cipher.ksn_len());
    if length != right {
        let wrong = format!("the KSN has {length} bytes, those of this reader have {right}");
        let change = "send the whole KSN; check that reader and key set use the same cipher";
        return Fault::new(Finding::KsnLength, wrong, change);
    }
    Fault::new(
        Finding::UnknownKeySet,
        format!("the KSN {ksn} is of no key set that is known here"),
        format!("add its key set, or inject a key of the reader's: {}", own_set(case)),
    )
}

/// For every count there must be a key.
pub(super) fn check_legal(case: &Case<'_>, message: &ReaderMessage) -> Result<(), Fault> {
    let cipher = case.reader.cipher;
    for counter in message.ksns().map(|ksn| ksn.counter(cipher)) {
        if counter == 0 {
            return Err(Fault::new(
                Finding::CounterZero,
                "the KSN's counter is zero, which stands for the initial key",
                "count up before the first message, and send the KSN of the key that was used",
            ));
        }
        if !cipher.is_legal_counter(counter) {
            let ones = counter.count_ones();
            return Err(Fault::new(
                Finding::CounterIllegal,
                format!("no reader uses the counter {counter:X}: it has {ones} one bits"),
                "skip such counters as the standard says; check the KSN's last bytes",
            ));
        }
    }
    Ok(())
}

/// The count must be above the last one that was taken, and not too far.
pub(super) fn check_fresh(case: &Case<'_>, message: &ReaderMessage) -> Result<(), Fault> {
    let (reader, last) = (case.reader, case.reader.last_counter);
    let (lowest, highest) = message.counters(reader.cipher);
    if i64::from(lowest) <= last {
        return Err(Fault::new(
            Finding::CounterReplayed,
            format!("the counter {lowest} is used up: {last} was taken already"),
            "send a new message of the reader; each is taken once, and in its turn",
        ));
    }
    match case.most_ahead {
        Some(limit) if i64::from(highest) - last > i64::from(limit) => Err(Fault::new(
            Finding::CounterJumped,
            format!("the counter {highest} is more than {limit} ahead of {last}"),
            "find out where its messages went; or raise the end point's counter_jump_most",
        )),
        _ => Ok(()),
    }
}
