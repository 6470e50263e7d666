//! Which networks and names are public: where anybody's shop may be. All else is the inside of
//! somebody's house, ours above all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks where no shop is, and how many bits name each: IANA's registry of special purposes,
/// and one address that only looks public.
const SPECIAL_V4: [([u8; 4], u32); 19] = [
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // shared by a carrier's customers; a cloud's metadata
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // a cloud's host, as its guests see it
    ([169, 254, 0, 0], 16),   // link-local; most clouds' metadata
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments; a cloud's metadata
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 31, 196, 0], 24),  // AS112, where questions end that nobody should ask
    ([192, 52, 193, 0], 24),  // multicast tunnels
    ([192, 88, 99, 0], 24),   // 6to4 relays
    ([192, 168, 0, 0], 16),   // private
    ([192, 175, 48, 0], 24),  // AS112
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// The same within IPv6's global unicast, by the first 48 bits of an address.
const SPECIAL_V6: [(u128, u32); 6] = [
    (0x2001_0000_0000, 23), // protocol assignments: Teredo, benchmarks, ORCHID and others
    (0x2001_0db8_0000, 32), // documentation
    (0x2002_0000_0000, 16), // 6to4, which carries IPv4
    (0x2620_004f_8000, 48), // AS112
    (0x3ffe_0000_0000, 16), // 6bone, given back
    (0x3fff_0000_0000, 20), // documentation
];

/// Names end so that no registry gave out: of one's own machine, one's own network, another
/// network than the Internet, or none. What is below `arpa` is no shop either.
const PRIVATE_ENDS: [&str; 15] = [
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "svc",
    "test",
];

/// By DNS.
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;

/// Whether a name, in lower case, may be one of the Internet. What it leads to is another question.
pub(super) fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let Some((_, end)) = name.rsplit_once('.') else {
        return false;
    };
    name.len() <= NAME_MAX && name.split('.').all(is_label) && !PRIVATE_ENDS.contains(&end)
}

fn is_label(label: &str) -> bool {
    let plain = |one: u8| matches!(one, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(plain)
}

/// Whether an address is one of the Internet.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let within = |(network, length): &([u8; 4], u32)| {
        let differing = ip.to_bits() ^ Ipv4Addr::from(*network).to_bits();
        differing.leading_zeros() >= *length
    };
    !SPECIAL_V4.iter().any(within)
}

/// Only global unicast counts, which leaves out loopback, mapped and translated IPv4, and all
/// local scopes; and no address that ends in an IPv4 one for ISATAP.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let bits = ip.to_bits();
    let within = |(network, length): &(u128, u32)| ((bits >> 80) ^ network) >> (48 - length) == 0;
    let is_global_unicast = bits >> 125 == 1;
    // It stands before the last 32 bits, but for the one that says "unique".
    let is_isatap = (bits >> 32) & 0xfdff_ffff == 0x5efe;
    is_global_unicast && !is_isatap && !SPECIAL_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_public(addresses: &[&str]) -> Vec<bool> {
        addresses.iter().map(|address| is_public(address.parse().unwrap())).collect()
    }

    #[test]
    fn a_network_ends_where_the_registry_says() {
        // Of each pair the first is the last of a special network, or its first, the second next to
        // it.
        for [special, public] in [
            ["0.255.255.255", "1.0.0.0"],
            ["10.255.255.255", "11.0.0.0"],
            ["100.64.0.0", "100.63.255.255"],
            ["100.127.255.255", "100.128.0.0"],
            ["127.0.0.0", "126.255.255.255"],
            ["168.63.129.16", "168.63.129.17"],
            ["172.31.255.255", "172.32.0.0"],
            ["192.0.0.255", "192.0.1.0"],
            ["198.19.255.255", "198.20.0.0"],
            ["224.0.0.0", "223.255.255.255"],
            ["1fff:ffff::", "2000::"],
            ["2001:1ff:ffff::", "2001:200::"],
            ["2001:db8:ffff::", "2001:db9::"],
            ["2002:ffff::", "2003::"],
            ["2620:4f:8000::", "2620:4f:8001::"],
            ["3fff:fff::", "3fff:1000::"],
            ["4000::", "3fff:ffff::"],
            ["2600::5efe:a00:1", "2600::5eff:a00:1"],
        ] {
            assert_eq!(are_public(&[special, public]), [false, true], "{special} {public}");
        }
    }

    #[test]
    fn a_name_is_made_of_labels_and_its_end_is_nobodys_own() {
        for public in ["shop.example.com", "shop.example.com.", "a.b", "test.com", "_x.local.net"] {
            assert!(is_public_name(public), "{public}");
        }
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = format!("{}com", "abc.".repeat(63));
        let private =
            ["", ".", "shop", "shop.", "a..b", ".com", "shop.com..", "a.local", "${a}.com"];
        for private in private.into_iter().chain([long_label.as_str(), long_name.as_str()]) {
            assert!(!is_public_name(private), "{private}");
        }
    }
}
