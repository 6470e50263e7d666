//! Why OAuth refuses a request (MAPI 2.2).

/// Why a request's OAuth parameters cannot be used. None of this is told to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OAuthFault {
    #[error("the Authorization header is longer than 4096 bytes")]
    TooLong,
    #[error("the Authorization header has more than 16 parameters")]
    TooManyParams,
    #[error("the scheme of the Authorization header is not OAuth")]
    NotOAuth,
    #[error("the Authorization header is not a list of name=\"value\" parted by commas")]
    Malformed,
    #[error("a value in the Authorization header is not percent-encoded UTF-8")]
    BadEncoding,
    #[error("a parameter stands twice in the Authorization header")]
    Repeated,
    #[error("the Authorization header has no {0}")]
    Missing(&'static str),
    #[error("oauth_timestamp is not a plain number of seconds")]
    BadTimestamp,
    #[error("oauth_version is not 1.0")]
    BadVersion,
    #[error("oauth_signature is not base64")]
    BadSignatureText,
    #[error("an oauth_ parameter of the body differs from the header's")]
    BodyDiffers,
}
