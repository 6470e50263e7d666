//! Who receives a callback: what the workers' bound per host goes by.

use std::sync::Arc;
use url::Url;

/// The host and port of a callback's address. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Receiver(Arc<str>);

impl Receiver {
    /// The receiver at an address. What is no address is its own receiver: nothing is sent there.
    pub(super) fn at(address: &str) -> Self {
        let Ok(url) = Url::parse(address) else {
            return Self(address.into());
        };
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        Self(format!("{host}:{port}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_query_case_and_the_written_default_port_make_no_other_receiver() {
        let shop = Receiver::at("https://shop.example.com/cb?x=1");
        assert_eq!(shop, Receiver::at("https://SHOP.example.com:443/other"));
        assert_ne!(shop, Receiver::at("https://shop.example.com:8443/cb?x=1"));
        assert_ne!(shop, Receiver::at("https://other.example.com/cb?x=1"));
    }
}
