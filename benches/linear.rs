//! Do the readers of hostile input take time in proportion to its length? For each, the cost per
//! byte of an input and of one ten times as long; the quotient should be near 1.
//!
//! `cargo bench --bench linear`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and may fail")]

use std::hint::black_box;
use std::time::Instant;
use tillgate::crypto::oauth::signed_params;
use tillgate::crypto::oauth_header::Header;
use tillgate::crypto::reader::Container;
use tillgate::crypto::tlv::parse_list;
use tillgate::doors::form::Form;

const ROUNDS: usize = 200;

fn main() {
    println!("{:28} {:>10} {:>10} {:>9}", "reader", "ns/B", "ns/B x10", "quotient");
    report(
        "form, one long field",
        |n| format!("a={}", "%41".repeat(n * 100)),
        |text| {
            black_box(Form::parse(text.as_bytes()).is_ok());
        },
    );
    report(
        "form, many fields",
        |n| "ab=cd&".repeat(n * 9),
        |text| {
            let form = Form::parse(text.as_bytes()).unwrap();
            black_box(form.check_all().is_ok());
        },
    );
    report(
        "TLV, many elements",
        |n| "5A0102".repeat(n * 12),
        |text| {
            black_box(parse_list(text.as_bytes()).is_ok());
        },
    );
    report(
        "container, hex",
        |n| format!("E9{}", "00".repeat(n * 700)),
        |text| {
            black_box(Container::parse(text).is_ok());
        },
    );
    report(
        "OAuth header",
        |n| format!("OAuth a=\"{}\"", "x".repeat(n * 380)),
        |text| {
            black_box(Header::parse(text).is_ok());
        },
    );
    report(
        "OAuth base string",
        |n| "é".repeat(n * 500),
        |text| {
            let header = Header::unsigned("login", "nonce", 1);
            black_box(signed_params(&[("a", text)], &header).is_ok());
        },
    );
}

fn report(name: &str, input: impl Fn(usize) -> String, read: impl Fn(&str)) {
    let [short, long] = [1, 10].map(|size| nanoseconds_per_byte(&input(size), &read));
    println!("{name:28} {short:10.2} {long:10.2} {:9.2}", long / short);
}

/// The fastest of many rounds: what is left when nobody else had the processor.
fn nanoseconds_per_byte(input: &str, read: &impl Fn(&str)) -> f64 {
    let fastest = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..20 {
                read(black_box(input));
            }
            started.elapsed()
        })
        .min();
    let bytes = u32::try_from(input.len() * 20).unwrap();
    fastest.unwrap().as_secs_f64() * 1e9 / f64::from(bytes)
}
