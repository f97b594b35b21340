//! Why a token is refused.

use jsonwebtoken::Algorithm;

use super::jwt::TOKEN_MAX_BYTES;
use super::provider::Failure;

/// How much of a claim is quoted.
const QUOTED_CHARS_MAX: usize = 200;

/// Why a token is refused. Nothing of the token is in it but `iss` and `aud`, cut to a length that fits in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No token is so large.
    #[error("the token is larger than {TOKEN_MAX_BYTES} bytes")]
    TooLarge,
    /// It is no JWT that could be signed by anybody.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// What it must say is not there.
    #[error("the token has no claim {claim}")]
    MissingClaim {
        /// Which.
        claim: String,
    },
    /// What it says is of another kind.
    #[error("the token's claim {claim} is not {wanted}")]
    BadClaim {
        /// Which.
        claim: String,
        /// Such as "a string".
        wanted: &'static str,
    },
    /// Nobody configured its issuer.
    #[error("tokens of the issuer {iss:?} are not accepted here: the server's configuration lists those that are (`oidc`)")]
    UnknownIssuer {
        /// Whom it names.
        iss: String,
    },
    /// It is for somebody else, who could have passed it on.
    #[error("the token is for {aud:?}: ask {issuer} for one for {wanted:?}")]
    WrongAudience {
        /// The configured name of its issuer.
        issuer: String,
        /// For whom it is.
        aud: Vec<String>,
        /// For whom it must be.
        wanted: String,
    },
    /// Its time is over.
    #[error("the token has expired: get a new one from {issuer}")]
    Expired {
        /// The configured name of its issuer.
        issuer: String,
    },
    /// Its time has not come.
    #[error("the token is not valid yet: compare the clocks of this server and of {issuer}")]
    NotYetValid {
        /// The configured name of its issuer.
        issuer: String,
    },
    /// It is signed with what the configuration does not list; or not at all.
    #[error("the token's signature is of a kind that is not accepted of {issuer}: its `algorithms` are {allowed:?}")]
    AlgorithmNotAllowed {
        /// The configured name of its issuer.
        issuer: String,
        /// What is.
        allowed: Vec<Algorithm>,
    },
    /// The key that it names signs with another algorithm.
    #[error("the token's signature is of another kind than the key that it names")]
    KeyMismatch,
    /// It does not say with which of several keys it is signed.
    #[error("the token names no key (`kid`), and {issuer} has several")]
    NoKeyNamed {
        /// The configured name of its issuer.
        issuer: String,
    },
    /// Its issuer has no such key.
    #[error("the token is signed with a key that {issuer} does not publish")]
    UnknownKey {
        /// The configured name of its issuer.
        issuer: String,
    },
    /// It is not as its issuer signed it.
    #[error("the token's signature is not one of {issuer}")]
    BadSignature {
        /// The configured name of its issuer.
        issuer: String,
    },
    /// Its key is not known, and its issuer cannot be asked for it now. This is no fault of the caller.
    #[error("the token may be good, but {issuer} cannot be asked for its keys: {why}")]
    Unavailable {
        /// The configured name of its issuer.
        issuer: String,
        /// Why not.
        why: Failure,
    },
}

impl Refused {
    /// Whether the token may be good: the fault is the issuer's, or on the way to it.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// As much of a claim as may be quoted.
pub(super) fn quoted(claim: &str) -> String {
    claim.chars().take(QUOTED_CHARS_MAX).collect()
}
