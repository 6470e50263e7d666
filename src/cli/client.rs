//! The merchant's side of the mPOS API, for the commands that play it.

use super::clock::clock_of_sandbox;
use crate::clock::{Clock, Entropy};
use crate::crypto::oauth::authorize;
use crate::crypto::oauth_header::Header;
use crate::crypto::sign::{amend_control, status_control};
use crate::payment::SECOND;
use crate::payment::money::Amount;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client that goes straight to the address, whatever proxies the environment names, and nowhere
/// else, whatever is answered: tokens and card holders' data are for whom they were sent to.
pub(super) fn http_client() -> anyhow::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "the merchant's own client, with limits")]
    let builder = reqwest::Client::builder();
    Ok(builder.no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build()?)
}

/// The pairs of an answer.
pub(super) type Pairs = BTreeMap<String, String>;

/// Who the merchant is, for commands that play it.
#[derive(clap::Args)]
pub(super) struct MerchantArguments {
    /// Where the gateway listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The end point's id
    #[arg(long)]
    pub endpoint: String,
    /// The merchant's login
    #[arg(long)]
    pub login: String,
    /// The merchant's control key
    #[arg(long, env = "TILLGATE_CONTROL_KEY", hide_env_values = true)]
    pub control_key: String,
}

impl MerchantArguments {
    /// The merchant, ready to send.
    pub(super) async fn client(self) -> anyhow::Result<MerchantClient> {
        let http = http_client()?;
        Ok(MerchantClient {
            // The time stamp of a signature must be near the time of the one who checks it.
            clock: clock_of_sandbox(&http, &self.url).await,
            http,
            base_url: self.url,
            endpoint: self.endpoint,
            login: self.login,
            control_key: self.control_key,
            entropy: Entropy::system()?,
        })
    }
}

/// A merchant with its credentials.
pub(super) struct MerchantClient {
    pub http: reqwest::Client,
    pub base_url: String,
    pub endpoint: String,
    pub login: String,
    pub control_key: String,
    pub clock: Clock,
    pub entropy: Entropy,
}

impl MerchantClient {
    /// Sends a form with an OAuth signature; answers the pairs of the answer.
    pub(super) async fn post_signed(
        &self,
        command: &str,
        form: &[(&str, &str)],
    ) -> anyhow::Result<Pairs> {
        let url = self.url(command);
        let stamp = u64::try_from(self.clock.now() / SECOND).unwrap_or_default();
        let header = Header::unsigned(&self.login, &self.entropy.uuid(), stamp);
        let authorization = authorize(&header, &self.control_key, "POST", &url, form)?;
        let request = self.http.post(&url).header("Authorization", authorization).form(form);
        read_pairs(&url, request).await
    }

    /// Sends a capture, a return or a void with its control; answers the pairs of the answer.
    pub(super) async fn amend(
        &self,
        command: &str,
        client_orderid: &str,
        order: &str,
        amount: Option<Amount>,
    ) -> anyhow::Result<Pairs> {
        let url = self.url(&format!("/api/v2/{command}"));
        let signed = amount.filter(|_| command != "void");
        let control = amend_control(&self.login, client_orderid, order, signed, &self.control_key);
        let decimal = amount.map(|amount| amount.to_string());
        let mut form = vec![
            ("login", self.login.as_str()),
            ("client_orderid", client_orderid),
            ("orderid", order),
            ("comment", "from the command line"),
            ("control", control.as_str()),
        ];
        if let (Some(amount), Some(decimal)) = (amount, &decimal) {
            form.push(("amount", decimal));
            form.push(("currency", amount.currency().alpha()));
        }
        read_pairs(&url, self.http.post(&url).form(&form)).await
    }

    /// Asks for the status of an order.
    pub(super) async fn status(&self, client_orderid: &str, order: &str) -> anyhow::Result<Pairs> {
        let url = self.url("/api/v2/status");
        let control = status_control(&self.login, client_orderid, order, &self.control_key);
        let form = [
            ("login", self.login.as_str()),
            ("client_orderid", client_orderid),
            ("orderid", order),
            ("control", control.as_str()),
        ];
        read_pairs(&url, self.http.post(&url).form(&form)).await
    }

    fn url(&self, command: &str) -> String {
        format!("{}{command}/{}", self.base_url.trim_end_matches('/'), self.endpoint)
    }
}

async fn read_pairs(url: &str, request: reqwest::RequestBuilder) -> anyhow::Result<Pairs> {
    let answer = request.send().await.with_context(|| {
        format!("{url} does not answer; is `tillgate dev` running, and on this port?")
    })?;
    let status = answer.status();
    if status == reqwest::StatusCode::FORBIDDEN {
        bail!("{url} answered 403: login, control key or end point are not what the server knows");
    }
    let reason = answer.headers().get("error-message").and_then(|value| value.to_str().ok());
    let reason = reason.unwrap_or_default().to_owned();
    let body = answer.text().await?;
    if !status.is_success() {
        bail!("{url} answered {status} {reason}");
    }
    let pairs = form_urlencoded::parse(body.as_bytes());
    Ok(pairs.map(|(name, value)| (name.into_owned(), value.trim().to_owned())).collect())
}
