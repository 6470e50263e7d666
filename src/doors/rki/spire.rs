//! What a Spire reader is configured with.
//!
//! Where the documents name a key without a value, the values are those with which the virtual
//! readers run: always online, the signature or the plaintext PIN of the card, no floor limit.

use crate::crypto::reader::AS_TEXT;
use crate::payment::merchant::Endpoint;
use crate::payment::reader::Reader;
use serde::Serialize;
use utoipa::ToSchema;

/// The sealed track and its KSN, the reader's serial and the masked number; then what a card says
/// for itself and signs.
const GO_ONLINE: [u32; 27] = [
    0xDF63, 0xDF64, 0x9F1E, 0x5A, 0x5F20, 0x5F24, 0x5F34, 0x5F2A, 0x50, 0x82, 0x84, 0x8E, 0x95,
    0x9A, 0x9C, 0x9F02, 0x9F06, 0x9F10, 0x9F1A, 0x9F26, 0x9F27, 0x9F33, 0x9F34, 0x9F35, 0x9F36,
    0x9F37, 0x9F39,
];
/// ISO 3166.
const GERMANY: u16 = 276;
/// What a chip says last, and the reader's serial.
const COMPLETE: [u32; 9] = [0x9F1E, 0x8A, 0x95, 0x9B, 0x9F10, 0x9F26, 0x9F27, 0x9F36, 0x9F5B];

/// The answer to `spire-config`. Tags are in upper-case hexadecimal digits, as are all keys that
/// end with `_hex`; amounts are in minor units, times in seconds.
#[derive(Serialize, ToSchema)]
pub struct SpireConfig {
    complete_transaction_tags: Vec<String>,
    /// What the reader puts into `encrypted-data` of a chip.
    go_online_tags: Vec<String>,
    /// Those of them that are text, not hexadecimal digits.
    ascii_tags: Vec<String>,
    /// Above it a card is not held to the reader but inserted.
    contactless_threshold_amount: i64,
    /// Empty: there is no update.
    update_filename: String,
    update_size: u32,
    update_crc32_hex: String,
    update_content_hex: String,
    #[schema(example = "20000001")]
    terminal_serial_number: String,
    /// EMV 9F35: attended, online only.
    terminal_type: &'static str,
    /// ISO 3166, four digits.
    terminal_country_code: String,
    terminal_capabilities_hex: &'static str,
    terminal_additional_capabilities_hex: &'static str,
    /// ISO 4217, four digits.
    #[schema(example = "0643")]
    terminal_currency_code: String,
    terminal_currency_exponent: u32,
    merchant_category_code: &'static str,
    merchant_name_and_location: String,
    transaction_category_code: &'static str,
    /// For the card to come.
    timeout1: u32,
    /// For the PIN.
    timeout2: u32,
    /// For the issuer's answer.
    timeout3: u32,
    /// Empty: no operator types a PIN.
    operator_pin: &'static str,
    merchant_language: &'static str,
    swipe_constraint_checks: u32,
    acquirer_identifier: &'static str,
    tac_default_hex: &'static str,
    tac_denial_hex: &'static str,
    tac_online_hex: &'static str,
    terminal_risk_management_data_hex: &'static str,
    force_online: bool,
    target_percentage_used_in_random_selection: u32,
    max_target_percentage_used_in_random_selection: u32,
    threshold_value_used_in_random_selection: i64,
    floor_limit: i64,
    tdol_hex: &'static str,
    ddol_hex: &'static str,
    constraint_checks: u32,
    additional_constraint_checks_hex: &'static str,
    process_type: u32,
    pos_entry_mode_code: &'static str,
    wait_reboot_on_update: bool,
    application_version_number_hex: &'static str,
    /// Application identifier and version, with a colon between.
    #[schema(value_type = Vec<String>)]
    terminal_application_versions: [&'static str; 4],
    send_supplementary_on_terminate: bool,
    supplementary_terminate_tags_hex: String,
}

impl SpireConfig {
    /// The configuration of a reader at an end point.
    pub(super) fn of(reader: &Reader, endpoint: &Endpoint) -> Self {
        Self {
            terminal_serial_number: reader.serial.clone(),
            contactless_threshold_amount: endpoint.amount_limits_minor.1,
            terminal_country_code: country_of(endpoint),
            terminal_currency_code: format!("{:04}", endpoint.currency.numeric()),
            terminal_currency_exponent: endpoint.currency.exponent(),
            merchant_name_and_location: endpoint.descriptor.clone(),
            ..Self::of_any()
        }
    }

    /// What is the same everywhere.
    fn of_any() -> Self {
        Self {
            complete_transaction_tags: names(&COMPLETE),
            go_online_tags: names(&GO_ONLINE),
            ascii_tags: names(&AS_TEXT),
            contactless_threshold_amount: 0,
            update_filename: String::new(),
            update_size: 0,
            update_crc32_hex: String::new(),
            update_content_hex: String::new(),
            terminal_serial_number: String::new(),
            terminal_type: "21",
            terminal_country_code: String::new(),
            terminal_capabilities_hex: "E0F0C8",
            terminal_additional_capabilities_hex: "6000F0A001",
            terminal_currency_code: String::new(),
            terminal_currency_exponent: 0,
            merchant_category_code: "5999",
            merchant_name_and_location: String::new(),
            transaction_category_code: "R",
            timeout1: 60,
            timeout2: 60,
            timeout3: 120,
            operator_pin: "",
            merchant_language: "en",
            swipe_constraint_checks: 0,
            acquirer_identifier: "00000000001",
            tac_default_hex: "DC4000A800",
            tac_denial_hex: "0010000000",
            tac_online_hex: "DC4004F800",
            terminal_risk_management_data_hex: "6C00000000000000",
            force_online: true,
            target_percentage_used_in_random_selection: 99,
            max_target_percentage_used_in_random_selection: 99,
            threshold_value_used_in_random_selection: 0,
            floor_limit: 0,
            tdol_hex: "9F02065F2A029A039C0195059F3704",
            ddol_hex: "9F3704",
            constraint_checks: 0,
            additional_constraint_checks_hex: "0000",
            process_type: 1,
            pos_entry_mode_code: "051",
            wait_reboot_on_update: true,
            application_version_number_hex: "008C",
            terminal_application_versions: [
                "A0000000031010:008C",
                "A0000000041010:0002",
                "A0000000043060:0002",
                "A0000006581010:0100",
            ],
            send_supplementary_on_terminate: true,
            supplementary_terminate_tags_hex: names(&COMPLETE).concat(),
        }
    }
}

fn names(tags: &[u32]) -> Vec<String> {
    tags.iter().map(|tag| format!("{tag:02X}")).collect()
}

/// Most currencies have the number of their country. The euro's has none.
fn country_of(endpoint: &Endpoint) -> String {
    let currency = endpoint.currency;
    let number = if currency.alpha() == "EUR" { GERMANY } else { currency.numeric() };
    format!("{number:04}")
}
