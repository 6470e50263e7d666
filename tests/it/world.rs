//! The world of a scenario: the whole program on a fresh database with a clock that stands
//! still, and the people around it: a merchant's app, a virtual reader, a receiver of callbacks.
//!
//! Workers run only when [`World::settle`] steps them. When a scenario ends, the world checks
//! what must hold after every scenario: nothing is left to do, and no card, PIN or control key was
//! written in the clear, to the database or to a log.

use crate::database::{Database, Engine, engines};
use crate::leavings::{assert_nothing_left, capture_log, next_card};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tillgate::acquirer::Acquirer;
use tillgate::app::{App, Start};
use tillgate::cli::{ReadyLine, enrol_sandbox};
use tillgate::clock::{Clock, Entropy};
use tillgate::crypto::oauth::authorize;
use tillgate::crypto::oauth_header::Header;
use tillgate::crypto::seal::SealingKey;
use tillgate::crypto::sign::{amend_control, status_control};
use tillgate::gateway::{AllowList, Delivery, Gateway, KeyStore, Work};
use tillgate::payment::ids::{EndpointId, OrderId};
use tillgate::payment::ledger::Movement;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::{HOUR, Millis, SECOND};
use tillgate::sandbox::host::SandboxHost;
use tillgate::settings::Settings;

/// 2026-11-21 12:00:00 UTC: when every scenario begins.
pub const NOON: Millis = 1_795_262_400_000;

/// The card of those who make a message by hand. A swipe that names no card has [`World::pan`].
pub const PAN: &str = "4444555566661111";

/// The fields of a form.
pub type Fields = Vec<(String, String)>;

/// Runs a scenario on each database.
pub async fn scenario(story: impl AsyncFn(&World)) {
    for engine in engines() {
        let world = World::start(engine).await;
        story(&world).await;
        world.end().await;
    }
}

pub struct World {
    pub database: Database,
    pub clock: Clock,
    pub ready: ReadyLine,
    pub http: reqwest::Client,
    /// One of the known cards, of which no scenario may leave any.
    pub pan: &'static str,
    app: App,
    entropy: Entropy,
}

/// An HTTP answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let header =
            |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
        Self {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(header).collect(),
            body: response.text().await.unwrap(),
        }
    }

    /// The value of a pair; panics when the answer has none, showing the answer.
    pub fn get(&self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub fn find(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        let found = pairs.find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim_end_matches('\n').to_owned())
    }

    /// `type`, `error-code` and `error-message` in one line.
    pub fn refusal(&self) -> String {
        format!("{} {} {}", self.get("type"), self.get("error-code"), self.get("error-message"))
    }

    pub fn order(&self) -> String {
        assert_eq!(self.get("type"), "async-response", "{self:?}");
        self.get("paynet-order-id")
    }
}

/// What stands in the place of the program's own.
#[derive(Default)]
struct Others {
    key_store: Option<Arc<dyn KeyStore>>,
    acquirer: Option<Arc<dyn Acquirer>>,
}

impl World {
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| ()).await
    }

    /// Starts with other settings than those of `dev`.
    pub async fn start_with(engine: Engine, change: impl Fn(&mut Settings)) -> Self {
        Self::start_as(engine, change, Others::default()).await
    }

    /// Starts with base keys in a key store other than the program's own.
    pub async fn start_on(engine: Engine, key_store: Arc<dyn KeyStore>) -> Self {
        let others = Others { key_store: Some(key_store), ..Others::default() };
        Self::start_as(engine, |_| (), others).await
    }

    /// Starts with an acquirer other than the sandbox's host.
    pub async fn start_before(engine: Engine, acquirer: Arc<dyn Acquirer>) -> Self {
        let others = Others { acquirer: Some(acquirer), ..Others::default() };
        Self::start_as(engine, |_| (), others).await
    }

    async fn start_as(engine: Engine, change: impl Fn(&mut Settings), others: Others) -> Self {
        let database = Database::create(engine).await;
        let clock = Clock::manual(NOON);
        let (app, ready) = open(&database, &clock, Entropy::seeded(7), change, others).await;
        let (http, entropy) = (client(), Entropy::seeded(42));
        Self { database, clock, ready, http, pan: next_card(), app, entropy }
    }

    /// Stops the program and starts it again on the same database.
    pub async fn restart(self) -> Self {
        self.app.stop().await;
        let (app, ready) =
            open(&self.database, &self.clock, Entropy::seeded(8), |_| (), Others::default()).await;
        Self { ready, app, ..self }
    }

    /// The same, but it ends as in a crash.
    pub async fn crash(self) -> Self {
        self.app.crash().await;
        let (app, ready) =
            open(&self.database, &self.clock, Entropy::seeded(8), |_| (), Others::default()).await;
        Self { ready, app, ..self }
    }

    /// Another instance on the same database, where a database can be shared.
    pub async fn another_instance(&self) -> App {
        open(&self.database, &self.clock, Entropy::seeded(9), |_| (), Others::default()).await.0
    }

    pub fn gateway(&self) -> &Arc<Gateway> {
        self.app.gateway()
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    pub fn host(&self) -> &SandboxHost {
        self.app.host().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready.base_url)
    }

    pub fn reader(&self) -> &str {
        &self.ready.readers[0].serial
    }

    /// Takes every step and delivers every callback that is due, until nothing is.
    pub async fn settle(&self) {
        loop {
            let jobs = self.claim_jobs().await;
            let notices = self.claim_notices().await;
            if jobs.is_empty() && notices.is_empty() {
                return;
            }
            for job in jobs {
                self.gateway().take_step(job).await.unwrap();
            }
            for notice in notices {
                let attempted = self.gateway().attempt(notice).await.unwrap();
                self.gateway().record_attempt(attempted).await.unwrap();
            }
        }
    }

    /// Takes the due steps, as a worker does: those handed over first, then the database's.
    pub async fn claim_jobs(&self) -> Vec<Work> {
        let mut jobs = self.gateway().jobs().take(100);
        jobs.extend(self.gateway().claim_jobs(100).await.unwrap());
        jobs
    }

    async fn claim_notices(&self) -> Vec<Delivery> {
        let mut notices = self.gateway().callbacks().take(100);
        notices.extend(self.gateway().claim_notices(100).await.unwrap());
        notices
    }

    /// Lets time pass, then does what has fallen due.
    pub async fn pass(&self, time: Millis) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// Holds a card to the virtual reader; `more` are further fields of the request.
    pub async fn swipe(&self, amount: &str, more: serde_json::Value) -> String {
        self.swipe_at(self.reader(), amount, more).await
    }

    pub async fn swipe_at(&self, reader: &str, amount: &str, more: serde_json::Value) -> String {
        let mut request =
            serde_json::json!({ "amount": amount, "currency": "RUB", "pan": self.pan });
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        let url = self.url(&format!("/sandbox/readers/{reader}/swipe"));
        let answer = Answer::of(self.http.post(url).json(&request)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let swiped: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        swiped["encrypted_data"].as_str().unwrap().to_owned()
    }

    /// A sale's form as the shipped SDK fills it in, with a fresh swipe.
    pub async fn sale_form(&self, client_orderid: &str, amount: &str) -> Fields {
        let encrypted_data = self.swipe(amount, serde_json::json!({})).await;
        form_with(client_orderid, amount, &encrypted_data)
    }

    /// Sends a signed sale.
    pub async fn sale(&self, form: &Fields) -> Answer {
        self.post_signed("/mapi/v1/sale/1111", form).await
    }

    /// Makes a sale of this amount, and answers its order id.
    pub async fn sell(&self, client_orderid: &str, amount: &str) -> String {
        let form = self.sale_form(client_orderid, amount).await;
        self.sale(&form).await.order()
    }

    pub fn authorization(&self, url: &str, form: &Fields) -> String {
        let stamp = (self.clock.now() / SECOND).unsigned_abs();
        let header = Header::unsigned(&self.ready.login, &self.entropy.uuid(), stamp);
        authorize(&header, &self.ready.control_key, "POST", url, form).unwrap()
    }

    pub async fn post_signed(&self, path: &str, form: &Fields) -> Answer {
        let authorization = self.authorization(&self.url(path), form);
        self.post_with(path, form, &authorization).await
    }

    pub async fn post_with(&self, path: &str, form: &Fields, authorization: &str) -> Answer {
        let request = self.http.post(self.url(path)).header("Authorization", authorization);
        Answer::of(request.form(form)).await
    }

    pub async fn post(&self, path: &str, form: &Fields) -> Answer {
        Answer::of(self.http.post(self.url(path)).form(form)).await
    }

    /// The form of a status question.
    pub fn status_form(&self, client_orderid: &str, order: &str) -> Fields {
        let ReadyLine { login, control_key, .. } = &self.ready;
        let control = status_control(login, client_orderid, order, control_key);
        let mut form = vec![
            ("login".to_owned(), login.clone()),
            ("client_orderid".to_owned(), client_orderid.to_owned()),
            ("control".to_owned(), control),
        ];
        if !order.is_empty() {
            form.push(("orderid".to_owned(), order.to_owned()));
        }
        form
    }

    pub async fn status(&self, client_orderid: &str, order: &str) -> Answer {
        self.post("/api/v2/status/1111", &self.status_form(client_orderid, order)).await
    }

    /// Holds this amount, and answers the order's id; not yet authorised.
    /// The status of the order of this name.
    pub async fn status_of(&self, client_orderid: &str) -> String {
        let endpoint = EndpointId(1111);
        let order = self.app.store().order_by_name(endpoint, client_orderid).await.unwrap();
        order.unwrap().status.name().to_owned()
    }

    pub async fn hold(&self, client_orderid: &str, amount: &str) -> String {
        let form = self.sale_form(client_orderid, amount).await;
        self.post_signed("/mapi/v1/preauth/1111", &form).await.order()
    }

    /// The form of a capture, a return or a void, signed as each wants it.
    pub fn amend_form(
        &self,
        command: &str,
        client_orderid: &str,
        order: &str,
        amount: Option<&str>,
    ) -> Fields {
        let ReadyLine { login, control_key, .. } = &self.ready;
        let rub = Currency::from_alpha("RUB").unwrap();
        let signed = amount.filter(|_| command != "void");
        let signed = signed.map(|amount| Amount::parse(amount, rub).unwrap());
        let control = amend_control(login, client_orderid, order, signed, control_key);
        let mut form = vec![
            ("login".to_owned(), login.clone()),
            ("client_orderid".to_owned(), client_orderid.to_owned()),
            ("orderid".to_owned(), order.to_owned()),
            ("comment".to_owned(), "changed my mind".to_owned()),
            ("control".to_owned(), control),
        ];
        if let Some(amount) = amount {
            form.push(("amount".to_owned(), amount.to_owned()));
            form.push(("currency".to_owned(), "RUB".to_owned()));
        }
        form
    }

    /// Sends a capture, a return or a void; of all, or of this amount.
    pub async fn amend(
        &self,
        command: &str,
        client_orderid: &str,
        order: &str,
        amount: Option<&str>,
    ) -> Answer {
        let form = self.amend_form(command, client_orderid, order, amount);
        self.post(&format!("/api/v2/{command}/1111"), &form).await
    }

    /// `transaction-type`, `status`, `order-stage` and `amount` of the latest transaction.
    pub async fn latest(&self, client_orderid: &str, order: &str) -> String {
        let answer = self.status(client_orderid, order).await;
        let told = ["transaction-type", "status", "order-stage", "amount"];
        told.map(|name| answer.get(name)).join(" ")
    }

    /// What the ledger has moved, by movement, in minor units.
    pub async fn balances(&self) -> BTreeMap<&'static str, i64> {
        let sums = self.database.numbers(
            "SELECT movement, CAST(SUM(amount_minor) AS BIGINT) FROM ledger GROUP BY movement",
        );
        let name = |name: String| Movement::from_name(&name).unwrap().name();
        sums.await.into_iter().map(|(movement, sum)| (name(movement), sum)).collect()
    }

    /// What an account got less what it gave, in minor units.
    pub async fn account(&self, name: &str) -> i64 {
        let got = "SELECT credit, CAST(SUM(amount_minor) AS BIGINT) FROM ledger GROUP BY credit";
        let gave = "SELECT debit, CAST(SUM(amount_minor) AS BIGINT) FROM ledger GROUP BY debit";
        let of = |rows: Vec<(String, i64)>| {
            rows.into_iter().find(|(known, _)| known == name).map_or(0, |(_, sum)| sum)
        };
        of(self.database.numbers(got).await) - of(self.database.numbers(gave).await)
    }

    /// The callbacks that the built-in inbox received, oldest first: their queries.
    pub async fn callbacks(&self) -> Vec<BTreeMap<String, String>> {
        let answer = Answer::of(self.http.get(self.url("/sandbox/callbacks"))).await;
        let list: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
        list.into_iter().map(|one| serde_json::from_value(one["query"].clone()).unwrap()).collect()
    }

    /// Checks what must hold after every scenario, and removes the database.
    pub async fn end(self) {
        // Whatever is still on its way has its time: leases, ladders, retries.
        for _ in 0..40 {
            self.pass(24 * HOUR).await;
        }
        assert_eq!(self.database.count("jobs").await, 0, "an order is not final");
        let open = "SELECT category, COUNT(*) FROM terminal_services WHERE response IS NULL \
                    GROUP BY category";
        assert_eq!(self.database.numbers(open).await, [], "a terminal's service has no end");
        let Self { database, app, ready, .. } = self;
        app.stop().await;
        assert_nothing_left(&database.dump().await, &ready.control_key);
        database.remove().await;
    }
}

/// A sale's form as the shipped SDK fills it in.
pub fn form_with(client_orderid: &str, amount: &str, encrypted_data: &str) -> Fields {
    let phone = "F5769D0E-DD15-459B-AED1-E1F9F05A2495";
    [
        ("currency", "RUB"),
        ("client_orderid", client_orderid),
        ("amount", amount),
        ("encrypted-data", encrypted_data),
        ("encrypted-type", "sim"),
        ("phone-id", phone),
        ("order_desc", "no-description"),
        ("phone", phone),
        ("email", "v-0.2.32-4"),
        ("address1", "no-address"),
        ("ipaddress", "127.0.0.1"),
        ("zip_code", "123000"),
        ("city", "Moscow"),
        ("country", "RU"),
        ("sdk-version", "0.2.32-4"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The order id as the program's own type.
pub fn order_id(text: &str) -> OrderId {
    OrderId(text.parse().unwrap())
}

/// A copy of the form with one field changed, or taken away.
pub fn with(form: &Fields, name: &str, value: Option<&str>) -> Fields {
    let mut changed: Fields = form.iter().filter(|(known, _)| known != name).cloned().collect();
    changed.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    changed
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

async fn open(
    database: &Database,
    clock: &Clock,
    entropy: Entropy,
    change: impl Fn(&mut Settings),
    others: Others,
) -> (App, ReadyLine) {
    capture_log();
    let key = SealingKey::from_bytes([9; 32]);
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut settings = Settings::for_dev(listen, database.location.clone(), key);
    // A name that no name server knows.
    let nowhere = AllowList::parse(&["nothing.invalid"]).unwrap();
    settings.callback_allow = settings.callback_allow.and(&nowhere);
    change(&mut settings);
    let start = Start {
        clock: clock.clone(),
        entropy: entropy.clone(),
        workers: false,
        sandbox_login: Some("sandbox".to_owned()),
        acquirer: others.acquirer,
        key_store: others.key_store,
    };
    let app = App::start(settings, start).await.unwrap();
    let base_url = format!("http://{}", app.address());
    let ready = enrol_sandbox(app.gateway(), &entropy, &base_url).await.unwrap();
    (app, ready)
}

#[expect(clippy::disallowed_methods, reason = "the clients of the scenarios")]
fn client() -> reqwest::Client {
    let redirects = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(redirects).build().unwrap()
}
