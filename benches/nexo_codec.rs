//! What it costs to read and write a message of nexo Retailer: the answer to an approved payment,
//! with its two receipts.
//!
//! `round`: read, and write what was read. `bare`: only what nobody could leave out, a walk over the
//! events of the XML with each attribute, or the JSON as a `serde_json::Value`. The quotient of the
//! two is the figure.
//!
//! `cargo bench --bench nexo_codec`

#![expect(clippy::unwrap_used, reason = "a bench may fail")]

use criterion::{Criterion, criterion_group, criterion_main};
use quick_xml::events::Event;
use std::hint::black_box;
use tillgate::doors::nexo::wire::{json, xml};

const XML: &str = include_str!("../tests/nexo/examples/payment-response-approved.xml");
const JSON: &str = include_str!("../tests/nexo/examples/payment-response-approved.json");

fn in_xml(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("xml");
    group.bench_function("round", |bench| {
        bench.iter(|| xml::write(&xml::read(black_box(XML.as_bytes())).unwrap()));
    });
    group.bench_function("bare", |bench| bench.iter(|| walk(black_box(XML))));
    group.finish();
}

/// Bytes of all attributes and texts.
fn walk(text: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut bytes = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) => {
                for attribute in start.attributes() {
                    bytes += attribute.unwrap().value.len();
                }
            }
            Event::Text(text) => bytes += text.len(),
            Event::Eof => return bytes,
            _ => {}
        }
    }
}

fn in_json(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json");
    group.bench_function("round", |bench| {
        bench.iter(|| json::write(&json::read(black_box(JSON.as_bytes())).unwrap()));
    });
    group.bench_function("bare", |bench| {
        bench.iter(|| serde_json::from_str::<serde_json::Value>(black_box(JSON)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, in_xml, in_json);
criterion_main!(benches);
