//! Key blocks and PIN blocks on the command line, for holding them against other programs: reads a
//! command a line, and answers each with a line that begins with `ok` or `refused`.
//!
//! ```text
//! wrap VERSION KBPK HEADER KEY              ok BLOCK
//! unwrap KBPK BLOCK                         ok HEADER KEY
//! pin-encrypt FORMAT KEY PAN PIN            ok BLOCK
//! pin-check FORMAT KEY PAN PIN BLOCK        ok true
//! ```
//!
//! Keys and PIN blocks are hexadecimal. A HEADER is usage, algorithm, mode, version and
//! exportability, and its optional blocks: `B1TX00N,KS=FFFF0102628D11000000`. It shows clear keys,
//! and is for test keys only.

use anyhow::{Context, bail, ensure};
use std::io::{BufRead, Write};
use tillgate::clock::Entropy;
use tillgate::crypto::block_key::{Algorithm, BlockKey};
use tillgate::crypto::key_block::{
    Exportability, KeyHeader, KeyUsage, KeyVersion, ModeOfUse, OptionalBlock, unwrap, wrap,
};
use tillgate::crypto::pin_block::{encrypt_pin, pin_is};
use tillgate::payment::card::Pan;
use tillgate::payment::pin_format::PinFormat;

fn main() -> anyhow::Result<()> {
    let dice = Entropy::system()?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<_> = line.split_whitespace().collect();
        match answer(&words, &dice) {
            Ok(answer) => writeln!(out, "ok {answer}")?,
            Err(refusal) => writeln!(out, "refused {refusal}")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn answer(words: &[&str], dice: &Entropy) -> anyhow::Result<String> {
    match *words {
        ["wrap", version, kbpk, header, key] => {
            ensure!(["B", "D"].contains(&version), "version {version} is not written");
            let letter = header.chars().nth(2).context("a header has seven letters")?;
            let kbpk = key_of(version == "B", kbpk)?;
            let key = key_of(letter == 'T', key)?;
            Ok(wrap(&kbpk, &read_header(header)?, &key, dice.bytes())?)
        }
        ["unwrap", kbpk, block] => {
            let (header, key) = unwrap(&key_of(block.starts_with('B'), kbpk)?, block)?;
            Ok(format!("{} {}", shown(&header, &key), hex::encode_upper(key.expose())))
        }
        ["pin-encrypt", format, key, pan, pin] => {
            let (format, key, pan) = pin_words(format, key, pan)?;
            Ok(hex::encode_upper(encrypt_pin(pin, format, &key, &pan, dice.bytes())?))
        }
        ["pin-check", format, key, pan, pin, block] => {
            let (format, key, pan) = pin_words(format, key, pan)?;
            let block = hex::decode(block).context("the block is not hexadecimal")?;
            Ok(pin_is(&block, format, &key, &pan, pin)?.to_string())
        }
        _ => bail!("no such command"),
    }
}

fn key_of(is_tdes: bool, text: &str) -> anyhow::Result<BlockKey> {
    let algorithm = match (is_tdes, text.len()) {
        (true, _) => Algorithm::Tdes,
        (false, 32) => Algorithm::Aes128,
        (false, 48) => Algorithm::Aes192,
        (false, _) => Algorithm::Aes256,
    };
    BlockKey::from_hex(algorithm, text).ok().context("not a key of its algorithm")
}

fn pin_words(format: &str, key: &str, pan: &str) -> anyhow::Result<(PinFormat, BlockKey, Pan)> {
    let format = PinFormat::from_name(format).context("no such format")?;
    Ok((format, key_of(format != PinFormat::Iso4, key)?, Pan::parse(pan)?))
}

fn read_header(text: &str) -> anyhow::Result<KeyHeader> {
    let mut parts = text.split(',');
    let fields = parts.next().filter(|fields| fields.is_ascii() && fields.len() == 7);
    let fields = fields.context("a header has seven letters")?;
    let letter = |place| fields.chars().nth(place).unwrap_or_default();
    let header = KeyHeader::new(
        KeyUsage::from_code(&fields[..2]).context("no such usage")?,
        ModeOfUse::from_letter(letter(3)).context("no such mode")?,
        KeyVersion::parse(&fields[4..6]).context("no such version")?,
        Exportability::from_letter(letter(6)).context("no such exportability")?,
    )?;
    let blocks = parts.map(|part| {
        let (id, text) = part.split_once('=')?;
        OptionalBlock::new(id, text)
    });
    let blocks = blocks.collect::<Option<Vec<_>>>().context("not an optional block")?;
    Ok(header.with_optional(blocks)?)
}

fn shown(header: &KeyHeader, key: &BlockKey) -> String {
    let algorithm = if key.algorithm() == Algorithm::Tdes { 'T' } else { 'A' };
    let fields = [
        header.usage().code().to_owned(),
        format!("{algorithm}{}", header.mode().letter()),
        header.version().text(),
        header.exportability().letter().to_string(),
    ];
    let blocks = header.optional().iter();
    let blocks = blocks.map(|block| format!(",{}={}", block.id(), block.text()));
    fields.into_iter().chain(blocks).collect()
}
