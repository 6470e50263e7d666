//! The URLs under which a client may have signed its request.

/// Every spelling of the request's URL that a signature may have been made over (MAPI 2.2).
///
/// `base_urls` are the configured public addresses, for example `https://gate.example.com:8443`;
/// `path` is the path of the request line, a query is cut off. Scheme and host are lower-cased and
/// a default port is dropped. A base with another port counts twice, as RFC 5849 has it and as the
/// SDK has it, which signs the host alone. A base without `://` is passed over.
#[must_use]
pub fn candidate_urls(base_urls: &[impl AsRef<str>], path: &str) -> Vec<String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut urls = Vec::with_capacity(base_urls.len() * 2);
    for base in base_urls {
        let Some(parts) = Base::read(base.as_ref()) else {
            continue;
        };
        for port in [parts.port.as_deref(), None] {
            let url = parts.url(port, path);
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    urls
}

struct Base<'a> {
    scheme: String,
    host: String,
    /// Only a port that is not the scheme's own.
    port: Option<String>,
    /// A path in front of every request's path; usually empty.
    prefix: &'a str,
}

impl<'a> Base<'a> {
    fn read(base: &'a str) -> Option<Self> {
        let (scheme, rest) = base.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, prefix) = rest.split_at_checked(end)?;
        let (host, port) = split_port(authority);
        if host.is_empty() {
            return None;
        }
        let default = match scheme.as_str() {
            "http" => "80",
            "https" => "443",
            _ => "",
        };
        Some(Self {
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| *port != default && !port.is_empty()).map(str::to_owned),
            prefix: prefix.trim_end_matches('/'),
            scheme,
        })
    }

    fn url(&self, port: Option<&str>, path: &str) -> String {
        let colon = if port.is_some() { ":" } else { "" };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let (scheme, host, prefix) = (&self.scheme, &self.host, self.prefix);
        format!("{scheme}://{host}{colon}{}{prefix}{slash}{path}", port.unwrap_or_default())
    }
}

/// Parts `host:port`; the colons inside the brackets of an IPv6 address are the host's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_port_is_tried_with_and_without() {
        let urls =
            candidate_urls(&["HTTPS://Gate.Example.com:8443/"], "/paynet/mapi/v1/Sale/1?x=1");
        assert_eq!(
            urls,
            [
                "https://gate.example.com:8443/paynet/mapi/v1/Sale/1",
                "https://gate.example.com/paynet/mapi/v1/Sale/1",
            ]
        );
    }

    #[test]
    fn the_default_port_is_always_dropped_and_nothing_comes_twice() {
        let bases = ["https://a.b:443", "https://a.b", "http://a.b:80", "http://a.b:"];
        assert_eq!(candidate_urls(&bases, "/x"), ["https://a.b/x", "http://a.b/x"]);
    }

    #[test]
    fn addresses_of_ip_version_6_keep_their_colons() {
        let urls = candidate_urls(&["http://[::1]:8080", "http://[::1]"], "/x");
        assert_eq!(urls, ["http://[::1]:8080/x", "http://[::1]/x"]);
    }

    #[test]
    fn a_base_may_have_a_path_and_a_bad_base_gives_nothing() {
        assert_eq!(candidate_urls(&["http://a/paynet/"], "x"), ["http://a/paynet/x"]);
        assert!(candidate_urls(&["gate.example.com", "", "http://"], "/x").is_empty());
    }
}
