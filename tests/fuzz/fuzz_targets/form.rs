#![no_main]

use libfuzzer_sys::fuzz_target;
use tillgate::doors::form::Form;
use tillgate::doors::mapi::{SaleForm, StatusForm};

fuzz_target!(|body: &[u8]| {
    if let Ok(form) = Form::parse(body) {
        let _ = SaleForm::read(&form, true);
        let _ = StatusForm::read(&form);
    }
});
