//! Derives DUKPT working keys for whoever wants to compare them with somebody else's.
//!
//! Reads lines `tdes|aes128|aes192|aes256 BASE-KEY KSN USE [VARIANT]` and writes for each the
//! working key, or `refused` for a counter that no reader uses. Keys and KSN are hexadecimal. Uses
//! are `pin`, `mac-request`, `mac-response`, `mac-both`, `data-request`, `data-response` and
//! `data-both`. The variant is for TDES the one of data, `data-request` (the default) or `pin`, for
//! AES the working key's cipher, by default that of the base key.
//!
//! `echo tdes 0123456789ABCDEFFEDCBA9876543210 FFFF9876543210E00008 pin |
//! cargo run --example dukpt_keys`

#![expect(clippy::print_stdout, reason = "an example prints")]

use anyhow::{Context, bail};
use std::io::{BufRead, stdin};
use tillgate::crypto::block_key::{Algorithm, BlockKey};
use tillgate::crypto::dukpt::{DukptError, Use, aes, tdes};
use tillgate::payment::key_set::DataVariant;

fn main() -> anyhow::Result<()> {
    for line in stdin().lock().lines() {
        let line = line?;
        match derived(&line).with_context(|| format!("in {line:?}"))? {
            Ok(key) => println!("{}", hex::encode_upper(key.expose())),
            Err(DukptError::ZeroCounter | DukptError::TooManyOnes) => println!("refused"),
            Err(fault) => bail!("{fault} in {line:?}"),
        }
    }
    Ok(())
}

fn derived(line: &str) -> anyhow::Result<Result<BlockKey, DukptError>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [cipher, base, ksn, purpose, ref variant @ ..] = words[..] else {
        bail!("too few words");
    };
    let algorithm = algorithm(cipher)?;
    let base = BlockKey::from_hex(algorithm, base)?;
    let ksn = hex::decode(ksn)?;
    let purpose = purpose_of(purpose)?;
    let variant = variant.first().copied();
    if algorithm == Algorithm::Tdes {
        let variant = match variant.unwrap_or("data-request") {
            "data-request" => DataVariant::DataRequest,
            "pin" => DataVariant::Pin,
            other => bail!("no variant {other}"),
        };
        let ksn = ksn.as_slice().try_into()?;
        let initial = tdes::initial_key(&base, ksn);
        return Ok(initial.and_then(|key| tdes::working_key(&key, ksn, purpose, variant)));
    }
    let target = variant.map_or(Ok(algorithm), self::algorithm)?;
    let id = *ksn.first_chunk().context("a KSN of AES has 12 bytes")?;
    let ksn = ksn.as_slice().try_into()?;
    let initial = aes::initial_key(&base, id);
    Ok(initial.and_then(|key| aes::working_key(&key, ksn, purpose, target)))
}

fn algorithm(word: &str) -> anyhow::Result<Algorithm> {
    Ok(match word {
        "tdes" => Algorithm::Tdes,
        "aes128" => Algorithm::Aes128,
        "aes192" => Algorithm::Aes192,
        "aes256" => Algorithm::Aes256,
        other => bail!("no cipher {other}"),
    })
}

fn purpose_of(word: &str) -> anyhow::Result<Use> {
    Ok(match word {
        "pin" => Use::Pin,
        "mac-request" => Use::MacRequest,
        "mac-response" => Use::MacResponse,
        "mac-both" => Use::MacBoth,
        "data-request" => Use::DataRequest,
        "data-response" => Use::DataResponse,
        "data-both" => Use::DataBoth,
        other => bail!("no use {other}"),
    })
}
