//! The merchant's app: signs sales, asks for their status. It knows the gateway's addresses, of
//! which any may be dead at any time.

use crate::gateway::{GatewayReady, ReaderLine};
use anyhow::Context;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tillgate::clock::{Clock, Entropy};
use tillgate::crypto::oauth::authorize;
use tillgate::crypto::oauth_header::Header;
use tillgate::crypto::reader_keys::InitialKey;
use tillgate::crypto::sign::status_control;
use tillgate::payment::SECOND;
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::ids::{KeySetId, MerchantId, ReaderId};
use tillgate::payment::key_set::Cipher;
use tillgate::payment::ksn::Ksn;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::reader::{Reader, ReaderKind, ReaderState};
use tillgate::sandbox::reader::{Presentation, TEST_CARDHOLDER, TEST_EXPIRY, TEST_PAN, read_card};

/// How long the app waits for an answer. Far more than the gateway may take.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The fields of a form.
pub type Fields = Vec<(String, String)>;

/// An HTTP answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    pub took: Duration,
    pairs: BTreeMap<String, String>,
}

impl Answer {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// The gateway's id of the order, if the sale was accepted.
    pub fn accepted(&self) -> Option<i64> {
        let accepted = self.status == 200 && self.get("type") == Some("async-response");
        accepted.then(|| self.get("paynet-order-id")?.parse().ok()).flatten()
    }

    /// Whether the gateway says, as it must, to come back later.
    pub fn says_later(&self) -> bool {
        self.status == 503 && self.retry_after.is_some()
    }
}

pub struct Merchant {
    http: reqwest::Client,
    addresses: Mutex<Vec<SocketAddr>>,
    login: String,
    control_key: String,
    endpoint: String,
    callback_url: String,
    clock: Clock,
    entropy: Entropy,
}

impl Merchant {
    pub fn new(ready: &GatewayReady, callback_url: String) -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "the merchant's own client, with limits")]
        let http = reqwest::Client::builder();
        Ok(Self {
            http: http.no_proxy().timeout(ANSWER_TIMEOUT).build()?,
            addresses: Mutex::new(Vec::new()),
            login: ready.login.clone(),
            control_key: ready.control_key.clone(),
            endpoint: ready.endpoint.clone(),
            callback_url,
            clock: Clock::system(),
            entropy: Entropy::system()?,
        })
    }

    /// Tells where gateways are to be found from now on.
    pub fn move_to(&self, addresses: Vec<SocketAddr>) {
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// One of the gateways, the same for the same number as long as none comes or goes.
    pub fn address(&self, number: usize) -> Option<SocketAddr> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.get(number.checked_rem(addresses.len())?).copied()
    }

    /// The form of a sale with a card held to this reader.
    pub fn sale_form(
        &self,
        reader: &mut VirtualReader,
        client_orderid: &str,
        amount: &str,
    ) -> anyhow::Result<Fields> {
        let encrypted_data = reader.hold_card(amount, &self.clock, &self.entropy)?;
        let form = [
            ("client_orderid", client_orderid),
            ("order_desc", "sold while things break"),
            ("amount", amount),
            ("currency", CURRENCY),
            ("address1", "no-address"),
            ("city", "Moscow"),
            ("zip_code", "123000"),
            ("country", "RU"),
            ("email", "john.smith@example.com"),
            ("ipaddress", "127.0.0.1"),
            ("phone-id", "00000000-0000-0000-0000-000000000001"),
            ("encrypted-type", "sim"),
            ("encrypted-data", &encrypted_data),
            ("server_callback_url", &self.callback_url),
        ];
        Ok(form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    /// Sends the sale with a fresh signature. An error means that no whole answer came.
    pub async fn sell(&self, to: SocketAddr, form: &Fields) -> anyhow::Result<Answer> {
        let url = format!("http://{to}/mapi/v1/sale/{}", self.endpoint);
        let stamp = u64::try_from(self.clock.now() / SECOND)?;
        let header = Header::unsigned(&self.login, &self.entropy.uuid(), stamp);
        let authorization = authorize(&header, &self.control_key, "POST", &url, form)?;
        answer(self.http.post(url).header("Authorization", authorization).form(form)).await
    }

    /// Asks where an order stands.
    pub async fn status(&self, to: SocketAddr, name: &str, order: i64) -> anyhow::Result<Answer> {
        let order = order.to_string();
        let control = status_control(&self.login, name, &order, &self.control_key);
        let form = [
            ("login", self.login.as_str()),
            ("client_orderid", name),
            ("orderid", &order),
            ("control", &control),
        ];
        let url = format!("http://{to}/api/v2/status/{}", self.endpoint);
        answer(self.http.post(url).form(&form)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let sent = Instant::now();
    let response = request.send().await?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let body = response.text().await?;
    let pairs = form_urlencoded::parse(body.as_bytes());
    let pairs =
        pairs.map(|(name, value)| (name.into_owned(), value.trim_end_matches('\n').to_owned()));
    Ok(Answer { status, retry_after, took: sent.elapsed(), pairs: pairs.collect() })
}

const CURRENCY: &str = "RUB";

/// A card reader, with the one card that is ever held to it.
pub struct VirtualReader {
    reader: Reader,
    key: InitialKey,
    counter: u32,
}

impl VirtualReader {
    pub fn new(line: &ReaderLine) -> anyhow::Result<Self> {
        let reader = Reader {
            id: ReaderId(0),
            serial: line.serial.clone(),
            kind: ReaderKind::Sim,
            merchant: MerchantId(0),
            endpoint: None,
            group: None,
            key_set: KeySetId(0),
            cipher: Cipher::AesGcm,
            key_set_prefix: Vec::new(),
            initial_ksn: Ksn::from_hex(&line.initial_ksn).context("the line names no KSN")?,
            injected_at: None,
            state: ReaderState::Active,
            last_counter: 0,
        };
        let key = InitialKey::from_slice(Cipher::AesGcm, &line.initial_key)
            .context("the line names no key")?;
        Ok(Self { reader, key, counter: 0 })
    }

    /// A name for the sale of the next card, which no other sale has.
    pub fn next_name(&self) -> String {
        format!("sale-{}-{}", self.reader.serial, self.counter + 1)
    }

    /// The reader's message, for `encrypted-data`.
    fn hold_card(
        &mut self,
        amount: &str,
        clock: &Clock,
        entropy: &Entropy,
    ) -> anyhow::Result<String> {
        self.counter += 1;
        let currency = Currency::from_alpha(CURRENCY).context("there are no roubles")?;
        let amount = Amount::parse(amount, currency)?;
        let pan = Pan::parse(TEST_PAN)?;
        let card = Presentation {
            pan: &pan,
            expiry: Expiry::from_yymm(TEST_EXPIRY).context("the test card has no expiry")?,
            cardholder: TEST_CARDHOLDER,
            entry_mode: EntryMode::Swipe,
            pin: None,
        };
        let (key, counter, now) = (&self.key, self.counter, clock.now());
        let swipe = read_card(&self.reader, key, counter, &card, amount, now, entropy)?;
        Ok(swipe.encrypted_data)
    }
}
