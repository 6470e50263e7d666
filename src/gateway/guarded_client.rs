//! The HTTP client behind [`Egress`]: no redirects, no proxies, no name that leads to a private
//! network, and a limit on everything.

use super::egress::{
    ANSWER_READ, Call, EXCHANGED_MAX, Egress, EgressError, EgressRules, Exchange, Exchanged, Reply,
};
use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// MAPI 7: an attempt connects within 5 s and ends within 30 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a body may take behind its head, and how many bytes of it are worth a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
const BODY_MAX: usize = 64 * 1024;

/// The guarded client.
pub struct GuardedClient {
    client: reqwest::Client,
    rules: EgressRules,
}

impl GuardedClient {
    /// Builds the client.
    ///
    /// # Errors
    /// When the TLS set-up fails.
    pub fn new(rules: EgressRules) -> Result<Self, reqwest::Error> {
        Self::with_lookup(rules, Arc::new(SystemLookup))
    }

    fn with_lookup(
        rules: EgressRules,
        lookup: Arc<impl Lookup + 'static>,
    ) -> Result<Self, reqwest::Error> {
        #[expect(clippy::disallowed_methods, reason = "this is the guarded client")]
        let builder = reqwest::Client::builder();
        let client = builder
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            // As many as the workers have under way: a connection that is closed for want of room
            // in the pool must be opened again.
            .pool_max_idle_per_host(usize::MAX)
            .user_agent(concat!("tillgate/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(GuardedResolver { rules: rules.clone(), lookup }))
            .build()?;
        Ok(Self { client, rules })
    }
}

#[async_trait]
impl Egress for GuardedClient {
    fn rules(&self) -> &EgressRules {
        &self.rules
    }

    async fn send(&self, call: Call) -> Result<Reply, String> {
        self.rules.admit_url(&call.address).map_err(|error| error.to_string())?;
        let mut request = match call.body {
            Some(body) => {
                self.client.post(call.address).header(CONTENT_TYPE, "application/json").body(body)
            }
            None => self.client.get(call.address),
        };
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| describe(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok());
        Ok(Reply {
            status: response.status().as_u16(),
            address: response.remote_addr(),
            retry_after: retry_after.map(str::to_owned),
            answer: read_front(response).await,
        })
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, String> {
        self.rules.admit_url(&exchange.address).map_err(|error| error.to_string())?;
        let request = self.client.post(exchange.address).timeout(exchange.timeout);
        let request = request.header(CONTENT_TYPE, exchange.content_type).body(exchange.body);
        let mut response = request.send().await.map_err(|error| describe(&error))?;
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
            if body.len() + chunk.len() > EXCHANGED_MAX {
                return Err("the answer is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Exchanged { status, body })
    }
}

/// The front of a body. What the receiver says counts by its status alone, so that a body which is
/// long, slow or broken costs no more than this. A short one is read to its end, and its connection
/// used again.
async fn read_front(mut response: reqwest::Response) -> Vec<u8> {
    let mut front = Vec::new();
    let read = async {
        let mut seen = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            front.extend(chunk.iter().take(ANSWER_READ - front.len()));
            seen += chunk.len();
            if seen > BODY_MAX {
                break;
            }
        }
    };
    // Late or not, what was read is kept.
    let _ = tokio::time::timeout(BODY_TIMEOUT, read).await;
    front
}

/// What went wrong, with its innermost cause but without the address, whose query names people.
fn describe(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "the exchange broke off"
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if std::ptr::addr_eq(std::ptr::from_ref(error), std::ptr::from_ref(cause)) {
        return kind.to_owned();
    }
    format!("{kind}: {cause}")
}

/// Looks names up.
#[async_trait]
trait Lookup: Send + Sync {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// By the system's resolver.
struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Resolves names and drops the addresses that may not be dialled, so that a name which changes
/// its mind between check and call gains nothing.
struct GuardedResolver<L> {
    rules: EgressRules,
    lookup: Arc<L>,
}

impl<L: Lookup + 'static> Resolve for GuardedResolver<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, lookup) = (self.rules.clone(), Arc::clone(&self.lookup));
        Box::pin(async move {
            let mut found = lookup.addresses(name.as_str()).await?;
            if found.is_empty() {
                return Err("the name has no address".into());
            }
            found.retain(|address| rules.admit_dial(name.as_str(), address.ip()));
            if found.is_empty() {
                return Err(EgressError::PrivateHost.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
