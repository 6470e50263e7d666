//! What it costs to open a reader's message, beside the cipher work that nobody could leave out.
//!
//! `message`: read the container, derive the reader's initial key and the message's own key,
//! decrypt, read the track and the card, hold it against the request. `ciphers`: only the runs of
//! DES or AES that this takes, each with its key schedule. The quotient of the two is the figure.
//!
//! `cargo bench --bench dukpt`

#![expect(clippy::unwrap_used, reason = "a bench may fail")]

use aes::Aes128;
use cbc::cipher::array::Array;
use cbc::cipher::{BlockCipherEncrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use criterion::{Criterion, criterion_group, criterion_main};
use des::{Des, TdesEde2};
use std::hint::black_box;
use tillgate::crypto::card_checks::check_inside;
use tillgate::crypto::card_data::ClearCard;
use tillgate::crypto::card_writer::{PlasticCard, track1_characters, track2_characters};
use tillgate::crypto::reader::{Container, ReaderMessage};
use tillgate::crypto::reader_keys::BaseKey;
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::key_set::{AesLength, Cipher, DataVariant};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::reader::ReaderKind;

/// Counters with half the one bits that a legal one may have.
const TDES_COUNTER: u32 = 0x0A_0A04;
const AES_COUNTER: u32 = 0x0842_1249;
/// Bytes of ciphertext: both tracks of a stripe, filled up.
const CIPHERTEXT: usize = 80;
const SERIAL: &str = "20000001";
/// The card is good, and the chip's date is not looked at.
const NOW: i64 = 1_760_000_000_000;

/// A stripe's message, and what opens it.
struct Message {
    base: BaseKey,
    ksn: Ksn,
    text: String,
    amount: Amount,
}

impl Message {
    fn of(cipher: Cipher, counter: u32) -> Self {
        let base = BaseKey::from_slice(cipher, &[7; 16]).unwrap();
        let prefix = &[1, 2, 3, 4][..cipher.prefix_len().0];
        let ksn = Ksn::of_device(cipher, prefix, 5).unwrap();
        let ksn = ksn.with_counter(cipher, counter).unwrap();
        let amount = Amount::from_minor(1042, Currency::from_alpha("RUB").unwrap()).unwrap();
        let pan = Pan::parse("4444555566661111").unwrap();
        let expiry = Expiry::from_yymm("4012").unwrap();
        let card = PlasticCard { pan: &pan, expiry, cardholder: "T", has_chip: false };
        let mut tracks = track1_characters(&card).to_vec();
        tracks.extend_from_slice(&track2_characters(&card));
        tracks.resize(CIPHERTEXT, 0);
        let key = base.initial_key(SERIAL, ksn).unwrap();
        let ciphertext = key.seal(&tracks, [0; 12], ksn, SERIAL, amount).unwrap();
        let serial = SERIAL.to_owned();
        let entry_mode = EntryMode::Swipe;
        let text = Container { ciphertext, ksn, entry_mode, serial, pin: None }.write();
        Self { base, ksn, text, amount }
    }

    fn open(&self) {
        let message = ReaderMessage::parse(ReaderKind::Spire, black_box(&self.text)).unwrap();
        let key = self.base.initial_key(&message.serial, self.ksn).unwrap();
        let clear = key.open(&message, self.amount).unwrap();
        let card = ClearCard::parse(&clear).unwrap();
        check_inside(&card, message.entry_mode, self.amount, NOW).unwrap();
    }
}

fn tdes(criterion: &mut Criterion) {
    let message = Message::of(Cipher::TdesDukpt(DataVariant::DataRequest), TDES_COUNTER);
    let mut group = criterion.benchmark_group("tdes");
    group.bench_function("message", |bench| bench.iter(|| message.open()));
    group.bench_function("ciphers", |bench| bench.iter(tdes_ciphers));
    group.finish();
}

fn tdes_ciphers() {
    let mut block = Array::from([0; 8]);
    // The initial key: each half under a key of its own.
    for byte in [7, 8] {
        TdesEde2::new(black_box(&Array::from([byte; 16]))).encrypt_block(&mut block);
    }
    // Each half needs a key of its own for each one bit.
    for _ in 0..2 * TDES_COUNTER.count_ones() {
        Des::new(&block.clone()).encrypt_block(&mut block);
    }
    let variant = TdesEde2::new(black_box(&Array::from([7; 16])));
    variant.encrypt_block(&mut block);
    variant.encrypt_block(&mut block);
    let mut data = [0; CIPHERTEXT];
    let (blocks, _) = Array::slice_as_chunks_mut(&mut data);
    let key = black_box([7; 16]);
    cbc::Decryptor::<TdesEde2>::new(&key.into(), &block).decrypt_blocks(blocks);
    black_box(data);
}

fn aes128(criterion: &mut Criterion) {
    let message = Message::of(Cipher::AesDukpt(AesLength::Aes128), AES_COUNTER);
    let mut group = criterion.benchmark_group("aes128");
    group.bench_function("message", |bench| bench.iter(|| message.open()));
    group.bench_function("ciphers", |bench| bench.iter(aes_ciphers));
    group.finish();
}

fn aes_ciphers() {
    let mut block = Array::from([0; 16]);
    // The initial key, a key for each one bit, and the working key.
    for _ in 0..AES_COUNTER.count_ones() + 2 {
        Aes128::new(&block.clone()).encrypt_block(&mut block);
    }
    let mut data = [0; CIPHERTEXT];
    let (blocks, _) = Array::slice_as_chunks_mut(&mut data);
    cbc::Decryptor::<Aes128>::new(&block, &Array::from([0; 16])).decrypt_blocks(blocks);
    black_box(data);
}

criterion_group!(benches, tdes, aes128);
criterion_main!(benches);
