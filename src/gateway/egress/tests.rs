//! Addresses that may be called, and hostile ones in every spelling.

use super::EgressError::{Credentials, NotAnAddress, Port, PrivateHost};
use super::*;

/// Public hosts alone.
fn strict() -> EgressRules {
    EgressRules::default()
}

#[test]
fn public_addresses_on_the_documented_ports_pass() {
    for address in [
        "http://shop.example.com/cb?x=1",
        "https://shop.example.com:8443/cb",
        "http://shop.example.com.:8080/cb",
        "https://shop.example.com/cb?path=a\\b",
        "https://магазин.example.com/",
        "http://93.184.216.34:8080/",
        "https://[2606:2800:220:1::1]/",
    ] {
        assert!(strict().admit(address).is_ok(), "{address}");
    }
}

/// This machine and these, too.
fn development(hosts: &[&str]) -> EgressRules {
    EgressRules { allowed: AllowList::loopback().and(&AllowList::parse(hosts).unwrap()) }
}

#[test]
fn what_is_allowed_for_development_may_be_called_on_any_port() {
    let rules = development(&["app", "10.1.0.0/16", "fd00:1::/32"]);
    for address in [
        "http://127.0.0.1:34567/cb",
        "https://localhost:3000/",
        "http://[::1]:3000/",
        "http://2130706433:3000/",
        "http://[::ffff:127.0.0.1]:3000/",
        "http://APP.:3000/",
        "http://10.1.255.1:22/",
        "https://[fd00:1::7]:9443/",
        "https://shop.example.com:8443/cb",
    ] {
        assert_eq!(rules.admit(address).err(), None, "{address}");
    }
}

#[test]
fn what_is_allowed_for_development_opens_nothing_else() {
    let rules = development(&["app", "10.1.0.0/16"]);
    for (address, rule) in [
        ("http://10.2.0.1/", PrivateHost),
        ("http://169.254.169.254/latest/meta-data/", PrivateHost),
        ("http://[fe80::1]/", PrivateHost),
        ("http://app.internal/", PrivateHost),
        ("http://db:8080/", PrivateHost),
        ("http://shop.example.com:3000/", Port),
        ("http://93.184.216.34:3000/", Port),
        ("file:///etc/passwd", NotAnAddress),
        ("http://a:b@127.0.0.1/", Credentials),
        ("http://127.0.0.1\\cb", NotAnAddress),
    ] {
        assert_eq!(rules.admit(address), Err(rule), "{address}");
    }
}

/// What each list of hostile addresses breaks.
const HOSTILE: [(EgressError, &[&str]); 8] = [
    (PrivateHost, SPECIAL_NETWORKS),
    (PrivateHost, SPELLINGS_OF_INNER_IPV4),
    (PrivateHost, IPV6),
    (PrivateHost, INNER_NAMES),
    (PrivateHost, SPELLINGS_OF_LOCALHOST),
    (NotAnAddress, NO_ADDRESSES),
    (Credentials, WITH_CREDENTIALS),
    (Port, OTHER_PORTS),
];

#[test]
fn hostile_addresses_are_refused_however_they_are_spelt() {
    for (rule, addresses) in HOSTILE {
        for address in addresses {
            assert_eq!(strict().admit(address), Err(rule), "{address:?}");
        }
    }
}

#[test]
fn the_lists_of_hostile_addresses_are_long_and_name_none_twice() {
    let all: Vec<_> = HOSTILE.iter().flat_map(|(_, addresses)| *addresses).collect();
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(all.len(), distinct.len());
    assert!(all.len() >= 60, "{}", all.len());
}

/// One of each special network of IPv4, and the metadata of clouds.
const SPECIAL_NETWORKS: &[&str] = &[
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://10.1.2.3/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://127.0.0.1/",
    "https://127.255.255.254/",
    "http://168.63.129.16/machine?comp=goalstate",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://169.254.0.23/",
    "http://172.16.0.1/",
    "http://172.31.0.1/",
    "http://192.0.0.8/",
    "http://192.0.0.192/latest/",
    "http://192.0.2.1/",
    "http://192.31.196.1/",
    "http://192.52.193.1/",
    "http://192.88.99.1/",
    "http://192.168.1.1/",
    "http://192.175.48.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
];

const SPELLINGS_OF_INNER_IPV4: &[&str] = &[
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x/",
    "http://127.0.0.1./",
    "http://0xA9.0376.43518/",
    "http://0251.0xfe.0xa9fe/",
    "http://2852039166/",
    "http://%31%32%37.0.0.1/",
    "http://127%2E0%2E0%2E1/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏/",
    "http:/127.0.0.1/",
    "http:127.0.0.1/",
    "http:///127.0.0.1/",
    "http://@127.0.0.1/",
    "http://127.0.0.1#@shop.example.com/",
    "http://127.0.0.1?@shop.example.com/",
    "HTTP://127.0.0.1/",
];

const IPV6: &[&str] = &[
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::8.8.8.8]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[100::1]/",
    "http://[100:0:0:1::1]/",
    "http://[2001::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:1::1]/",
    "http://[2001:2::1]/",
    "http://[2001:3::1]/",
    "http://[2001:4:112::1]/",
    "http://[2001:10::1]/",
    "http://[2001:20::1]/",
    "http://[2001:30::1]/",
    "http://[2001:db8::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a00:1::1]/",
    "http://[2606:2800:220:1:0:5efe:10.0.0.1]/",
    "http://[2606:2800:220:1:200:5efe:10.0.0.1]/",
    "http://[2620:4f:8000::1]/",
    "http://[3ffe::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fd20:ce::254]/",
    "http://[fe80::1]/",
    "http://[fe80::a9fe:a9fe]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[ff0e::1]/",
];

const INNER_NAMES: &[&str] = &[
    "http://intranet/",
    "http://metadata/",
    "http://kubernetes.default.svc/",
    "http://db.cluster.local/",
    "http://printer.local./",
    "http://metadata.internal/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://metadata.google.internal./",
    "http://instance-data.ec2.internal/",
    "http://router.home.arpa/",
    "http://1.0.0.127.in-addr.arpa/",
    "http://wiki.corp/",
    "http://nas.lan/",
    "http://box.home/",
    "http://wiki.intranet/",
    "http://db.private/",
    "http://shop.test/",
    "http://nothing.invalid/",
    "http://shop.onion/",
    "http://shop.alt/",
    "http://./",
    "http://../",
    "http://.com/",
    "http://shop..example.com/",
    "http://shop.example.com../",
    "http:///${client_orderid}.example.com/?c=${control}",
];

const SPELLINGS_OF_LOCALHOST: &[&str] = &[
    "http://localhost/",
    "http://localhost./",
    "http://localhost../",
    "http://.localhost/",
    "http://LOCALHOST/",
    "http://api.localhost/",
    "http://localhost.localdomain/",
    "http://%6c%6fcalhost/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://localhoſt/",
    "http://local\u{AD}host/",
    "http://api.loc\u{200B}alhost/",
    "http://api｡localhost/",
];

const NO_ADDRESSES: &[&str] = &[
    "",
    "shop.example.com",
    "//shop.example.com/",
    "/cb",
    "http://",
    "http:///",
    "https://?x=1",
    "http://:80/",
    "file:///etc/passwd",
    "ftp://shop.example.com/",
    "gopher://shop.example.com:80/",
    "dict://shop.example.com:80/",
    "ldap://shop.example.com/",
    "ws://shop.example.com/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "http+unix://%2Frun%2Fsocket/",
    "http://256.256.256.256/",
    "http://1.2.3.4.5/",
    "http://0x7f.0.0.0x100/",
    "http://127.0.0.1.0x/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://[v1.fe80::1]/",
    "http://shop.example.com:99999/",
    "http://shop.example.com:80:80/",
    "http://shop example.com/",
    "http://shop%20example.com/",
    "http://shop.example.com%00.local/",
    "http://shop.example.com%2F.local/",
    "http://xn--zzzzzzzzz-.com/",
    "http://127.0.\n0.1/",
    "http://shop.example.com/\r\nX-Injected: 1",
    "http://shop.example.com/?a=\r\nb",
    "http://shop.example.com/\0",
    "ht\ttp://shop.example.com/",
    "http://shop.example.com\u{85}/",
    "http:\\\\shop.example.com\\",
    "http://shop.example.com\\@127.0.0.1/",
    "http://127.0.0.1\\@shop.example.com/",
];

const WITH_CREDENTIALS: &[&str] = &[
    "http://a:b@shop.example.com/",
    "http://a@shop.example.com/",
    "http://:b@shop.example.com/",
    "http://shop.example.com@127.0.0.1/",
    "http://shop.example.com:80@169.254.169.254/",
    "http://a@b@shop.example.com/",
    "http://127.0.0.1%23@shop.example.com/",
];

const OTHER_PORTS: &[&str] = &[
    "http://shop.example.com:22/",
    "http://shop.example.com:25/",
    "http://shop.example.com:443/",
    "http://shop.example.com:6379/",
    "http://shop.example.com:0/",
    "https://shop.example.com:80/",
    "https://shop.example.com:8080/",
    "http://127.0.0.1:8081/",
    "http://[::1]:2375/",
];
