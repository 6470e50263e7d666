//! Hosts beyond the public ones to which callbacks may go: for development.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;
use url::Host;

/// Hosts and networks that may be called although they are not public, on any port.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AllowList(Arc<[Allowed]>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Allowed {
    /// A name, wherever it leads.
    Name(String),
    /// All addresses that begin with these bits.
    Network { begins: IpAddr, bits: u32 },
}

/// An entry that names neither a host nor a network. Its text is a sentence.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no host and no network, such as localhost, ::1 or 10.1.0.0/16")]
pub struct NotAllowable(String);

impl AllowList {
    /// Reads entries: names, addresses, or networks as `ADDRESS/BITS`.
    ///
    /// # Errors
    /// The first entry that is none of these.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, NotAllowable> {
        let read = |entry: &T| {
            entry.as_ref().parse().map_err(|()| NotAllowable(entry.as_ref().to_owned()))
        };
        entries.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// This machine.
    #[must_use]
    pub fn loopback() -> Self {
        let network = |begins: IpAddr, bits| Allowed::Network { begins, bits };
        let (v4, v6) = ([127, 0, 0, 0].into(), Ipv6Addr::LOCALHOST.into());
        let name = Allowed::Name("localhost".to_owned());
        Self(Arc::new([name, network(v4, 8), network(v6, 128)]))
    }

    /// This list and another.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&*other.0).cloned().collect())
    }

    /// Whether the host of an address stands here, by its name or within a network.
    pub(super) fn has_host<T: AsRef<str>>(&self, host: &Host<T>) -> bool {
        match host {
            Host::Domain(name) => self.has_name(name.as_ref()),
            Host::Ipv4(ip) => self.has_address((*ip).into()),
            Host::Ipv6(ip) => self.has_address((*ip).into()),
        }
    }

    /// Whether this name stands here.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.0.iter().any(|one| matches!(one, Allowed::Name(own) if own.eq_ignore_ascii_case(name)))
    }

    /// Whether this address lies in a network that stands here.
    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|one| match one {
            Allowed::Network { begins, bits } => front(ip, *bits) == Some(*begins),
            Allowed::Name(_) => false,
        })
    }
}

impl FromStr for Allowed {
    type Err = ();

    fn from_str(entry: &str) -> Result<Self, ()> {
        if let Ok(begins) = entry.parse::<IpAddr>() {
            let begins = begins.to_canonical();
            return Ok(Self::Network { begins, bits: bits_of(begins) });
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let (begins, bits) = (address.parse().map_err(drop)?, bits.parse().map_err(drop)?);
            // One with a bit set behind its length may be meant in two ways.
            return match front(begins, bits) == Some(begins) {
                true => Ok(Self::Network { begins, bits }),
                false => Err(()),
            };
        }
        // What URLs allow in a name beyond these would be a pattern, and none is meant.
        let plain = |name: &str| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match Host::parse(entry) {
            Ok(Host::Domain(name)) if plain(&name) => {
                Ok(Self::Name(name.trim_end_matches('.').to_owned()))
            }
            _ => Err(()),
        }
    }
}

fn bits_of(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The address with all but its first `bits` cleared; `None` if it has fewer.
fn front(ip: IpAddr, bits: u32) -> Option<IpAddr> {
    let cleared = bits_of(ip).checked_sub(bits)?;
    Some(match ip {
        IpAddr::V4(ip) => {
            let kept = u32::MAX.checked_shl(cleared).unwrap_or_default();
            IpAddr::from((ip.to_bits() & kept).to_be_bytes())
        }
        IpAddr::V6(ip) => {
            let kept = u128::MAX.checked_shl(cleared).unwrap_or_default();
            IpAddr::from((ip.to_bits() & kept).to_be_bytes())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(entries).unwrap()
    }

    fn has(list: &AllowList, ip: &str) -> bool {
        list.has_address(ip.parse().unwrap())
    }

    #[test]
    fn a_network_ends_where_its_bits_say() {
        let list = list(&["10.1.2.0/23", "fd12::/16", "::1", "192.0.2.7"]);
        for inside in
            ["10.1.2.0", "10.1.3.255", "::ffff:10.1.2.9", "fd12:ff::1", "::1", "192.0.2.7"]
        {
            assert!(has(&list, inside), "{inside}");
        }
        for outside in ["10.1.1.255", "10.1.4.0", "fd13::", "::2", "::", "192.0.2.6", "0.0.0.1"] {
            assert!(!has(&list, outside), "{outside}");
        }
    }

    #[test]
    fn the_widest_networks_hold_all_of_their_kind() {
        let list = list(&["0.0.0.0/0"]);
        assert!(has(&list, "255.255.255.255") && !has(&list, "::1"));
    }

    #[test]
    fn a_name_is_meant_in_any_case_and_alone() {
        let list = list(&["Receiver.test", "localhost."]);
        assert!(list.has_name("receiver.TEST.") && list.has_name("localhost"));
        for other in ["a.receiver.test", "receiver.test.example.com", "receiver", ""] {
            assert!(!list.has_name(other), "{other}");
        }
        assert!(!has(&list, "127.0.0.1"), "the name's address is not meant");
    }

    #[test]
    fn what_is_no_host_and_no_network_is_refused_by_name() {
        for wrong in [
            "",
            "*",
            "localhost:80",
            "http://localhost",
            "127.0.0.1:80",
            "[::1]",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "fd00::/129",
            "10.0.0.0/8/8",
            "a b",
        ] {
            let refused = AllowList::parse(&["::1", wrong]);
            assert_eq!(refused, Err(NotAllowable(wrong.to_owned())), "{wrong:?}");
        }
    }
}
