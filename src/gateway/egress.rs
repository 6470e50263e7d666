//! The port to addresses that strangers gave us, and the rules that every way to them keeps: no
//! private networks, the documented ports only.

use super::allow_list::AllowList;
use super::public_hosts::{is_public, is_public_name};
use async_trait::async_trait;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use url::{Host, Url};

/// MAPI 7: the only ports that callbacks may go to.
const HTTP_PORTS: [u16; 2] = [80, 8080];
const HTTPS_PORTS: [u16; 2] = [443, 8443];

/// The way to the receivers of callbacks.
#[async_trait]
pub trait Egress: Send + Sync {
    /// The rules it goes by.
    fn rules(&self) -> &EgressRules;

    /// Makes one call and answers what came back, whatever its status.
    ///
    /// # Errors
    /// A sentence for the log: not allowed, unreachable, or late. The receiver may have been
    /// reached all the same.
    async fn send(&self, call: Call) -> Result<Reply, String>;

    /// Posts one message to a point of sale and reads its answer.
    ///
    /// # Errors
    /// As [`Egress::send`].
    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, String>;
}

/// A message for a point of sale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    pub address: Url,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// What a point of sale answered: at most [`EXCHANGED_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchanged {
    pub status: u16,
    pub body: Vec<u8>,
}

/// The longest answer that is read of a point of sale.
pub const EXCHANGED_MAX: usize = 64 * 1024;

/// The header of Standard Webhooks that holds signatures, separated by blanks.
pub(super) const SIGNATURE_HEADER: &str = "webhook-signature";

/// What is sent to a receiver: a GET, or a POST of JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub address: Url,
    pub headers: Vec<(&'static str, String)>,
    /// The JSON text to POST.
    pub body: Option<String>,
}

impl Call {
    /// The signatures that it carries (Standard Webhooks), each without its version.
    pub(super) fn signatures(&self) -> impl Iterator<Item = &str> {
        let all = self.headers.iter().filter(|(name, _)| *name == SIGNATURE_HEADER);
        let each = all.flat_map(|(_, value)| value.split(' '));
        each.map(|one| one.split_once(',').map_or(one, |(_, signature)| signature))
    }
}

/// What a receiver answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub status: u16,
    /// The network address that was dialled.
    pub address: Option<SocketAddr>,
    /// The header `Retry-After`, as it stood there.
    pub retry_after: Option<String>,
    /// The front of the body, at most [`ANSWER_READ`] bytes.
    pub answer: Vec<u8>,
}

/// How many bytes are kept of what a receiver answers, and how many are read: behind the cut it
/// must be seen whether a secret begins in front of it.
pub const ANSWER_MAX: usize = 1024;
pub const ANSWER_READ: usize = ANSWER_MAX + 256;

/// Which addresses may be called: public hosts on the documented ports.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EgressRules {
    /// And these on any port: for development only.
    pub allowed: AllowList,
}

/// Why an address may not be called. The sentence is shown to the merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EgressError {
    #[error("not a valid http or https address")]
    NotAnAddress,
    #[error("must not carry a user name or password")]
    Credentials,
    #[error("the port must be 80 or 8080 for http, 443 or 8443 for https")]
    Port,
    #[error("the host is not a public one")]
    PrivateHost,
}

impl EgressRules {
    /// Checks the spelling of an address. What a name resolves to is checked when it is dialled.
    ///
    /// # Errors
    /// The first rule that the address breaks.
    pub fn admit(&self, address: &str) -> Result<Url, EgressError> {
        if !is_plain(address) {
            return Err(EgressError::NotAnAddress);
        }
        let url = Url::parse(address).map_err(|_| EgressError::NotAnAddress)?;
        self.admit_url(&url)?;
        Ok(url)
    }

    /// As [`EgressRules::admit`], for an address that was read before.
    ///
    /// # Errors
    /// The first rule that the address breaks.
    pub fn admit_url(&self, url: &Url) -> Result<(), EgressError> {
        let ports = match url.scheme() {
            "http" => HTTP_PORTS,
            "https" => HTTPS_PORTS,
            _ => return Err(EgressError::NotAnAddress),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressError::Credentials);
        }
        let host = url.host().ok_or(EgressError::NotAnAddress)?;
        if self.allowed.has_host(&host) {
            return Ok(());
        }
        if !url.port_or_known_default().is_some_and(|port| ports.contains(&port)) {
            return Err(EgressError::Port);
        }
        let public = match host {
            Host::Ipv4(ip) => is_public(IpAddr::V4(ip)),
            Host::Ipv6(ip) => is_public(IpAddr::V6(ip)),
            Host::Domain(name) => is_public_name(name),
        };
        if public { Ok(()) } else { Err(EgressError::PrivateHost) }
    }

    /// Whether an address may be dialled to which a name has led.
    pub(super) fn admit_dial(&self, name: &str, ip: IpAddr) -> bool {
        is_public(ip) || self.allowed.has_name(name) || self.allowed.has_address(ip)
    }
}

/// Whether everybody reads the same host in it: some drop control characters, some take a backslash
/// for a slash.
fn is_plain(address: &str) -> bool {
    let front = address.split(['?', '#']).next().unwrap_or_default();
    !address.contains(char::is_control) && !front.contains('\\')
}

#[cfg(test)]
mod tests;
