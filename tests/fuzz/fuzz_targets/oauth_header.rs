#![no_main]

use libfuzzer_sys::fuzz_target;
use tillgate::crypto::oauth::{base_string, signed_params};
use tillgate::crypto::oauth_header::Header;

fuzz_target!(|text: &str| {
    if let Ok(header) = Header::parse(text) {
        if let Ok(params) = signed_params(&[("a", "b")], &header) {
            let _ = base_string("POST", "http://127.0.0.1/", &params);
        }
    }
});
