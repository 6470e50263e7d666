//! The port to addresses that strangers gave us, and the rules that every way to them keeps: no
//! private networks, the documented ports only.

use async_trait::async_trait;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// MAPI 7: the only ports that callbacks may go to.
const HTTP_PORTS: [u16; 2] = [80, 8080];
const HTTPS_PORTS: [u16; 2] = [443, 8443];

/// The way to the receivers of callbacks.
#[async_trait]
pub trait Egress: Send + Sync {
    /// The rules it goes by.
    fn rules(&self) -> EgressRules;

    /// Makes one call and answers what came back, whatever its status.
    ///
    /// # Errors
    /// A sentence for the log: not allowed, unreachable, or late. The receiver may have been
    /// reached all the same.
    async fn send(&self, call: Call) -> Result<Reply, String>;
}

/// What is sent to a receiver: a GET, or a POST of JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub address: Url,
    pub headers: Vec<(&'static str, String)>,
    /// The JSON text to POST.
    pub body: Option<String>,
}

/// What a receiver answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub status: u16,
    /// The network address that was dialled.
    pub address: Option<SocketAddr>,
    /// The header `Retry-After`, as it stood there.
    pub retry_after: Option<String>,
    /// The front of the body, at most [`ANSWER_MAX`] bytes.
    pub answer: Vec<u8>,
}

/// How many bytes are kept of what a receiver answers.
pub const ANSWER_MAX: usize = 1024;

/// Which addresses may be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EgressRules {
    /// Loopback and private networks too, and any port: for development only.
    pub allow_private: bool,
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
    pub fn admit(self, address: &str) -> Result<Url, EgressError> {
        let url = Url::parse(address).map_err(|_| EgressError::NotAnAddress)?;
        self.admit_url(&url)?;
        Ok(url)
    }

    /// As [`EgressRules::admit`], for an address that was read before.
    ///
    /// # Errors
    /// The first rule that the address breaks.
    pub fn admit_url(self, url: &Url) -> Result<(), EgressError> {
        let ports = match url.scheme() {
            "http" => HTTP_PORTS,
            "https" => HTTPS_PORTS,
            _ => return Err(EgressError::NotAnAddress),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressError::Credentials);
        }
        let host = url.host().ok_or(EgressError::NotAnAddress)?;
        if self.allow_private {
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
}

fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let private = |suffix: &str| name == suffix[1..] || name.ends_with(suffix);
    name.contains('.') && ![".localhost", ".local", ".internal"].into_iter().any(private)
}

pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// Only global unicast counts, and not the prefixes that carry an IPv4 address inside.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let global = (0x2000..=0x3fff).contains(&first);
    let carries_v4 = first == 0x2002 || (first == 0x2001 && second == 0);
    let documentation = first == 0x2001 && second == 0x0db8;
    global && !carries_v4 && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: EgressRules = EgressRules { allow_private: false };

    #[test]
    fn public_addresses_on_the_documented_ports_pass() {
        for address in [
            "http://shop.example.com/cb?x=1",
            "https://shop.example.com:8443/cb",
            "http://93.184.216.34:8080/",
            "https://[2606:2800:220:1::1]/",
        ] {
            assert!(STRICT.admit(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn private_addresses_in_any_spelling_are_refused() {
        for address in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://api.localhost/",
            "http://metadata.internal/",
            "http://intranet/",
            "http://10.1.2.3/",
            "http://100.64.0.1/",
            "http://169.254.169.254/",
            "http://172.31.0.1/",
            "http://192.168.1.1/",
            "http://198.18.0.1/",
            "http://0.0.0.0/",
            "http://224.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fe80::1]/",
            "http://[fc00::1]/",
            "http://[2002:7f00:1::]/",
        ] {
            assert_eq!(STRICT.admit(address), Err(EgressError::PrivateHost), "{address}");
        }
    }

    #[test]
    fn other_schemes_ports_and_credentials_are_refused() {
        assert_eq!(STRICT.admit("ftp://shop.example.com/"), Err(EgressError::NotAnAddress));
        assert_eq!(STRICT.admit("shop.example.com"), Err(EgressError::NotAnAddress));
        assert_eq!(STRICT.admit("http://a:b@shop.example.com/"), Err(EgressError::Credentials));
        assert_eq!(STRICT.admit("http://shop.example.com:22/"), Err(EgressError::Port));
        assert_eq!(STRICT.admit("https://shop.example.com:80/"), Err(EgressError::Port));
    }

    #[test]
    fn development_may_call_loopback_on_any_port() {
        let rules = EgressRules { allow_private: true };
        assert!(rules.admit("http://127.0.0.1:34567/cb").is_ok());
        assert!(rules.admit("file:///etc/passwd").is_err());
    }
}
