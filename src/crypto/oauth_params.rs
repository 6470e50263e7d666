//! The list of `name="value"` in an OAuth header, taken apart (RFC 5849 3.5.1).

use super::oauth_fault::OAuthFault;
use super::percent::decoded;

/// The longest header that is read, in bytes.
const HEADER_MAX: usize = 4096;
/// The most parameters in a header, `realm` included.
const PARAMS_MAX: usize = 16;

/// All parameters but `realm`, decoded, each name once.
pub(super) fn read_params(header: &str) -> Result<Vec<(String, String)>, OAuthFault> {
    if header.len() > HEADER_MAX {
        return Err(OAuthFault::TooLong);
    }
    let mut rest = after_scheme(header)?;
    let mut params: Vec<(String, String)> = Vec::with_capacity(8);
    let mut realm_seen = false;
    for _ in 0..PARAMS_MAX {
        let (name, value, after) = next_param(rest).ok_or(OAuthFault::Malformed)?;
        if name.eq_ignore_ascii_case("realm") {
            if std::mem::replace(&mut realm_seen, true) {
                return Err(OAuthFault::Repeated);
            }
        } else {
            let name = decoded(name).ok_or(OAuthFault::BadEncoding)?.into_owned();
            if value_of(&params, &name).is_some() {
                return Err(OAuthFault::Repeated);
            }
            params.push((name, decoded(value).ok_or(OAuthFault::BadEncoding)?.into_owned()));
        }
        if after.is_empty() {
            return Ok(params);
        }
        rest = after.strip_prefix(',').ok_or(OAuthFault::Malformed)?;
    }
    Err(OAuthFault::TooManyParams)
}

/// Takes `name="value"` off the front; what comes back third starts with the comma or is empty.
fn next_param(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let name = name.trim();
    let rest = rest.trim_start().strip_prefix('"')?;
    let (value, after) = rest.split_at_checked(closing_quote(rest)?)?;
    let after = after.strip_prefix('"')?.trim_start();
    (!name.is_empty()).then_some((name, value, after))
}

/// Where the quoted text ends. A backslash hides the next byte: only a realm may have one.
fn closing_quote(text: &str) -> Option<usize> {
    let mut hidden = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !hidden;
        hidden = byte == b'\\' && !hidden;
        ends
    })
}

fn after_scheme(text: &str) -> Result<&str, OAuthFault> {
    let (scheme, rest) = text.trim().split_once([' ', '\t']).ok_or(OAuthFault::NotOAuth)?;
    scheme.eq_ignore_ascii_case("OAuth").then_some(rest).ok_or(OAuthFault::NotOAuth)
}

/// The value of the parameter with this name.
pub(super) fn value_of<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> OAuthFault {
        read_params(text).unwrap_err()
    }

    #[test]
    fn what_is_not_such_a_header_is_refused_by_its_fault() {
        assert_eq!(fault(""), OAuthFault::NotOAuth);
        assert_eq!(fault("Basic abc"), OAuthFault::NotOAuth);
        assert_eq!(fault(&format!("OAuth {}", "a".repeat(4096))), OAuthFault::TooLong);
        let many: Vec<_> = (0..17).map(|i| format!("p{i}=\"\"")).collect();
        assert_eq!(fault(&format!("OAuth {}", many.join(","))), OAuthFault::TooManyParams);
        for bad in ["OAuth x", "OAuth a=b", "OAuth a=\"b", "OAuth a=\"b\",", "OAuth a=\"b\" c=\"\""]
        {
            assert_eq!(fault(bad), OAuthFault::Malformed, "{bad}");
        }
        assert_eq!(fault("OAuth a=\"\",a=\"\""), OAuthFault::Repeated);
        assert_eq!(fault("OAuth realm=\"\",realm=\"\""), OAuthFault::Repeated);
        for bad in ["OAuth a=\"%\"", "OAuth a=\"%4\"", "OAuth a=\"%ff\"", "OAuth a=\"é\""] {
            assert_eq!(fault(bad), OAuthFault::BadEncoding, "{bad}");
        }
    }
}
