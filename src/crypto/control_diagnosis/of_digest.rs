//! Another digest than SHA-1. MD5 is told by its length: the program has no MD5.

use super::Finding;
use super::recipe::{Digest, Recipe};
use super::search::{Known, Mistake};

/// The other digests of a recipe's text.
pub(super) fn mistakes(recipe: &Recipe, _known: &Known<'_>) -> Vec<Mistake> {
    let mistake = |(finding, digest, name): (Finding, Digest, &str)| Mistake {
        finding,
        wrong: format!("the control is made with {name}"),
        change: "make it with plain SHA-1 over values and key, once".to_owned(),
        recipe: Recipe { digest, ..recipe.clone() },
    };
    [
        (Finding::Sha256, Digest::Sha256, "SHA-256"),
        (Finding::Sha512, Digest::Sha512, "SHA-512"),
        (Finding::HmacSha1, Digest::HmacSha1, "HMAC-SHA1 under the control key"),
        (Finding::HmacSha256, Digest::HmacSha256, "HMAC-SHA256 under the control key"),
        (Finding::HashedTwice, Digest::Sha1Twice, "SHA-1 of the digits of a SHA-1"),
    ]
    .map(mistake)
    .into()
}
