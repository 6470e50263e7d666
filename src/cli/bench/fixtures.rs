//! The merchant and its card readers, as the load plays them.

use super::gateway::{Enrolled, ReaderLine};
use super::registry::kind;
use crate::clock::{Clock, Entropy};
use crate::crypto::oauth::authorize;
use crate::crypto::oauth_header::Header;
use crate::crypto::reader_keys::InitialKey;
use crate::crypto::sign::status_control;
use crate::payment::SECOND;
use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::ids::{EndpointId, KeySetId, MerchantId, ReaderId};
use crate::payment::key_set::Cipher;
use crate::payment::ksn::Ksn;
use crate::payment::money::{Amount, Currency};
use crate::payment::reader::{Reader, ReaderState};
use crate::sandbox::reader::{
    Presentation, Swipe, TEST_CARDHOLDER, TEST_EXPIRY, TEST_PAN, read_card,
};
use anyhow::Context;
use std::io::Write;
use std::net::SocketAddr;
use zeroize::Zeroizing;

/// The sandbox approves it.
const AMOUNT: &str = "10.42";
const CURRENCY: &str = "RUB";

/// The mobile app of a merchant: it signs, for one gateway.
pub(super) struct MobileApp {
    host: String,
    login: String,
    control_key: String,
    endpoint: i64,
    clock: Clock,
    pub entropy: Entropy,
}

impl MobileApp {
    pub(super) fn new(address: SocketAddr, enrolled: &Enrolled, entropy: &Entropy) -> Self {
        Self {
            host: address.to_string(),
            login: enrolled.login.clone(),
            control_key: enrolled.control_key.clone(),
            endpoint: enrolled.endpoint,
            clock: Clock::system(),
            entropy: entropy.clone(),
        }
    }

    /// Appends a whole signed request for a sale of a card at this reader.
    pub(super) fn write_sale(
        &self,
        client_orderid: &str,
        callback_url: Option<&str>,
        reader: &mut VirtualReader,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let path = format!("/mapi/v1/sale/{}", self.endpoint);
        self.write_signed(&path, client_orderid, callback_url, reader, out)
    }

    /// Appends the same request for the door that does nothing with it.
    pub(super) fn write_bare(
        &self,
        reader: &mut VirtualReader,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let callback_url = Some("http://127.0.0.1:40000/callback");
        self.write_signed("/bare", "bench-bare", callback_url, reader, out)
    }

    fn write_signed(
        &self,
        path: &str,
        client_orderid: &str,
        callback_url: Option<&str>,
        reader: &mut VirtualReader,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let swipe = reader.read_card(self)?;
        let form = [
            ("client_orderid", client_orderid),
            ("order_desc", "A bench, sold to somebody"),
            ("amount", AMOUNT),
            ("currency", CURRENCY),
            ("first_name", "John"),
            ("last_name", "Smith"),
            ("address1", "no-address"),
            ("city", "Moscow"),
            ("zip_code", "123000"),
            ("country", "RU"),
            ("phone", "+79990000000"),
            ("email", "john.smith@example.com"),
            ("ipaddress", "127.0.0.1"),
            ("phone-id", reader.phone_id.as_str()),
            ("encrypted-type", swipe.encrypted_type),
            ("encrypted-data", swipe.encrypted_data.as_str()),
            ("server_callback_url", callback_url.unwrap_or_default()),
        ];
        let form = if callback_url.is_some() { &form[..] } else { &form[..form.len() - 1] };
        let stamp = u64::try_from(self.clock.now() / SECOND)?;
        let header = Header::unsigned(&self.login, &self.entropy.uuid(), stamp);
        let url = format!("http://{}{path}", self.host);
        let authorization = authorize(&header, &self.control_key, "POST", &url, form)?;
        self.write(path, Some(&authorization), form, out)
    }

    /// Appends a whole question for an order's status.
    pub(super) fn write_status(
        &self,
        client_orderid: &str,
        order: i64,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let order = order.to_string();
        let control = status_control(&self.login, client_orderid, &order, &self.control_key);
        let form = [
            ("login", self.login.as_str()),
            ("client_orderid", client_orderid),
            ("orderid", order.as_str()),
            ("control", control.as_str()),
        ];
        self.write(&format!("/api/v2/status/{}", self.endpoint), None, &form, out)
    }

    fn write(
        &self,
        path: &str,
        authorization: Option<&str>,
        form: &[(&str, &str)],
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let body = form_urlencoded::Serializer::new(String::with_capacity(2048))
            .extend_pairs(form)
            .finish();
        write!(out, "POST {path} HTTP/1.1\r\nHost: {}\r\n", self.host)?;
        if let Some(authorization) = authorization {
            write!(out, "Authorization: {authorization}\r\n")?;
        }
        write!(
            out,
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        Ok(())
    }
}

/// A reader with the one card that is ever held to it.
pub(super) struct VirtualReader {
    reader: Reader,
    key: InitialKey,
    counter: u32,
    phone_id: String,
    pan: Pan,
    expiry: Expiry,
    amount: Amount,
}

impl VirtualReader {
    pub(super) fn new(line: &ReaderLine) -> anyhow::Result<Self> {
        let cipher = Cipher::from_names(&line.cipher, line.variant.as_deref());
        let cipher = cipher.context("the reader's cipher is not known")?;
        let key = Zeroizing::new(hex::decode(&line.initial_key)?);
        let key = InitialKey::from_slice(cipher, &key).context("the reader's key is no key")?;
        let currency = Currency::from_alpha(CURRENCY).context("there are no roubles")?;
        let initial_ksn = Ksn::from_hex(&line.initial_ksn).context("the KSN is no KSN")?;
        let reader = Reader {
            id: ReaderId(0),
            serial: line.serial.clone(),
            kind: kind(cipher),
            merchant: MerchantId(0),
            endpoint: Some(EndpointId(0)),
            group: None,
            key_set: KeySetId(0),
            cipher,
            key_set_prefix: Vec::new(),
            initial_ksn,
            injected_at: None,
            state: ReaderState::Active,
            last_counter: 0,
        };
        Ok(Self {
            phone_id: format!("phone-of-{}", line.serial),
            reader,
            key,
            counter: 0,
            pan: Pan::parse(TEST_PAN)?,
            expiry: Expiry::from_yymm(TEST_EXPIRY).context("the test card has no expiry")?,
            amount: Amount::parse(AMOUNT, currency)?,
        })
    }

    fn read_card(&mut self, app: &MobileApp) -> anyhow::Result<Swipe> {
        let next = self.reader.cipher.next_counter(self.counter);
        self.counter = next.context("the reader has used up its counter")?;
        let card = Presentation {
            pan: &self.pan,
            expiry: self.expiry,
            cardholder: TEST_CARDHOLDER,
            entry_mode: EntryMode::Swipe,
            pin: None,
        };
        let (now, entropy) = (app.clock.now(), &app.entropy);
        let amount = self.amount;
        Ok(read_card(&self.reader, &self.key, self.counter, &card, amount, now, entropy)?)
    }
}
