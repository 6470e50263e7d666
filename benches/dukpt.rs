//! What a reader's message costs: a data key is derived from the initial key, and 80 bytes are
//! decrypted under it. Beside it the ciphers alone: the same number of key schedules and blocks,
//! which no derivation can do without.
//!
//! `cargo bench --bench dukpt`

#![expect(clippy::unwrap_used, reason = "a bench may fail")]

use ::aes::{Aes128, Aes128Enc};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockCipherEncrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use criterion::{Criterion, criterion_group, criterion_main};
use des::{Des, TdesEde2};
use std::hint::black_box;
use tillgate::crypto::block_key::{Algorithm, BlockKey};
use tillgate::crypto::dukpt::{Use, aes, tdes};
use tillgate::payment::key_set::DataVariant;

/// A counter with half the one bits that a value may have.
const TDES_COUNTER: u32 = 0x0A_0A04;
const AES_COUNTER: u32 = 0x0842_1249;

fn tdes_message(criterion: &mut Criterion) {
    let base = BlockKey::from_slice(Algorithm::Tdes, &[7; 16]).unwrap();
    let ksn = [0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xAA, 0x0A, 0x04];
    let initial = tdes::initial_key(&base, ksn).unwrap();
    let mut data = [0; 80];
    let mut group = criterion.benchmark_group("tdes");
    group.bench_function("message", |bench| {
        bench.iter(|| {
            let variant = DataVariant::DataRequest;
            let key = tdes::working_key(&initial, black_box(ksn), Use::DataRequest, variant);
            key.unwrap().decrypt(&mut data).unwrap();
        });
    });
    group.bench_function("ciphers", |bench| {
        bench.iter(|| {
            // Each half needs a key of its own for each one bit, and the data key both blocks.
            let mut block = Array::from([0; 8]);
            for _ in 0..2 * TDES_COUNTER.count_ones() {
                Des::new(&block.clone()).encrypt_block(&mut block);
            }
            let variant = TdesEde2::new(black_box(&Array::from([7; 16])));
            variant.encrypt_block(&mut block);
            variant.encrypt_block(&mut block);
            let (blocks, _) = Array::slice_as_chunks_mut(&mut data);
            let key = black_box([7; 16]);
            cbc::Decryptor::<TdesEde2>::new(&key.into(), &block).decrypt_blocks(blocks);
        });
    });
    group.finish();
}

fn aes_message(criterion: &mut Criterion) {
    let base = BlockKey::from_slice(Algorithm::Aes128, &[7; 16]).unwrap();
    let initial = aes::initial_key(&base, [0xA5; 8]).unwrap();
    let ksn = [0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0x08, 0x42, 0x12, 0x49];
    let mut data = [0; 80];
    let mut group = criterion.benchmark_group("aes128");
    group.bench_function("message", |bench| {
        bench.iter(|| {
            let key =
                aes::working_key(&initial, black_box(ksn), Use::DataRequest, Algorithm::Aes128);
            key.unwrap().decrypt(&mut data).unwrap();
        });
    });
    group.bench_function("ciphers", |bench| {
        bench.iter(|| {
            // A key for each one bit, and the working key.
            let mut block = Array::from([0; 16]);
            for _ in 0..=AES_COUNTER.count_ones() {
                Aes128Enc::new(&block.clone()).encrypt_block(&mut block);
            }
            let (blocks, _) = Array::slice_as_chunks_mut(&mut data);
            let key = black_box([7; 16]);
            cbc::Decryptor::<Aes128>::new(&key.into(), &block).decrypt_blocks(blocks);
        });
    });
    group.finish();
}

criterion_group!(benches, tdes_message, aes_message);
criterion_main!(benches);
