//! What can go wrong with a Vault, told so that an operator knows what to do next.
//!
//! No text in here comes from an answer's body or from the error of a library that has seen one: an answer is mapped by its status,
//! and by known sentences of Vault's to fixed sentences of ours. Paths, addresses and file names may appear; tokens and material
//! cannot.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::cause::Cause;

/// Why a version's data cannot be read though its metadata is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Soft-deleted: it can be undeleted.
    Deleted,
    /// Destroyed: the data exist no more.
    Destroyed,
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Deleted => "deleted",
            Self::Destroyed => "destroyed",
        })
    }
}

/// Why there is no login.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginFault {
    /// A credentials file cannot be read.
    #[error("{file} cannot be read ({kind}): create it, readable for this process", file = file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// A credentials file holds nothing usable.
    #[error("{file} holds no usable text: write the one-line credential into it", file = file.display())]
    Content {
        /// Which file.
        file: PathBuf,
    },
    /// Vault does not know the token, or it expired.
    #[error("the token is unknown or expired: replace the token file, or check the role's token lifetime")]
    TokenRejected,
    /// A certificate and its key cannot be used.
    #[error("{file} and its key are no PEM certificate with its private key: write them anew", file = file.display())]
    Certificate {
        /// The certificate's file.
        file: PathBuf,
    },
    /// Vault refused the login.
    #[error("the {method} login at auth/{mount} was refused: check {advice}")]
    LoginRefused {
        /// Such as `AppRole`.
        method: &'static str,
        /// The configured mount.
        mount: String,
        /// What to look at.
        advice: &'static str,
    },
    /// The login's mount is not there (Vault answers 403 or 404), or closed to us.
    #[error("there is no {method} login at auth/{mount}: correct the credential set's mount, or enable {method} there")]
    NoMount {
        /// Such as `AppRole`.
        method: &'static str,
        /// The configured mount.
        mount: String,
    },
}

/// What went wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VaultError {
    /// 503, all nodes: sealed.
    #[error("the Vault is sealed: unseal it; what was delivered stays")]
    Sealed,
    /// No node is active.
    #[error("no node of this Vault is active: wait for an election, or check the cluster")]
    Standby,
    /// 501: never initialised.
    #[error("the Vault is not initialised: check the source's address")]
    Uninitialised,
    /// 403: the policy does not allow it. A Vault does not tell strangers which mounts it has: of one that is not there it says the same.
    #[error(
        "the Vault's policy forbids the {what}, or the mount does not exist: extend the policy of the source's credentials, or correct \
         the binding's or policy's mount"
    )]
    Forbidden {
        /// The operation and path.
        what: String,
    },
    /// There is no valid login.
    #[error("no login at the Vault: {0}")]
    Unauthenticated(LoginFault),
    /// 404 without a body: no such secret, version or role.
    #[error("the Vault has nothing for the {what}")]
    NotFound {
        /// The operation and path.
        what: String,
    },
    /// 404 for want of a mount: says nothing about the secret.
    #[error("there is no engine for the {what}: check mount and namespace of the source, and whether the engine is enabled")]
    NoMount {
        /// The operation and path.
        what: String,
    },
    /// 404 with a body.
    #[error("this version is {0} in the Vault")]
    Gone(Gone),
    /// The server has no such operation.
    #[error("this server has no {what}")]
    Unsupported {
        /// The operation and path.
        what: String,
    },
    /// 400: the request was understood and refused.
    #[error("the Vault refused the {what}: {why}")]
    Refused {
        /// The operation and path.
        what: String,
        /// One of this crate's sentences.
        why: &'static str,
    },
    /// 400: a check-and-set lost. Somebody else wrote first.
    #[error("the {what} was not made: somebody else has written there since it was read")]
    Cas {
        /// The operation and path.
        what: String,
    },
    /// 429: a quota.
    #[error("a quota of the Vault is used up: lower the source's request budget, or raise the quota")]
    Throttled {
        /// For how long the server asks not to be asked, where it says so (OpenBao only with
        /// `enable_rate_limit_response_headers` in `sys/quotas/config`).
        retry_after: Option<Duration>,
    },
    /// No node answered, or something in front of it answered for it.
    #[error("the Vault at {address} cannot be reached: {cause}")]
    Unavailable {
        /// The last node tried.
        address: String,
        /// What happened.
        cause: Cause,
    },
    /// 500 to a rotation, in Vault's own words: it is there, and the database did not do it. Whether a password was changed is not known.
    #[error(
        "the Vault answers, and the database behind it did not do the {what}: check that the Vault reaches it and may change the user's \
         password; the Vault's log says more"
    )]
    Database {
        /// The operation and path.
        what: String,
    },
    /// The call took longer than [`crate::Settings::timeout`].
    #[error("the Vault did not answer within {} ms: check its load, or raise the timeout", after.as_millis())]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// An answer over [`crate::Settings::body_max_bytes`].
    #[error(
        "the answer to the {what} has more than {limit_bytes} bytes: raise the limit, or keep fewer secrets or versions there"
    )]
    TooLarge {
        /// The operation and path.
        what: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// An answer that this crate does not understand.
    #[error("the Vault's answer to the {what} is not as expected: {why}")]
    Protocol {
        /// The operation and path.
        what: String,
        /// One of this crate's sentences.
        why: &'static str,
    },
    /// The settings cannot be used.
    #[error("the Vault's settings cannot be used: {why}")]
    Settings {
        /// What to correct.
        why: String,
    },
}

impl VaultError {
    /// For how long the server asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Unavailable { cause: Cause::Status { retry_after, .. }, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same call may succeed later with nobody having changed a setting, policy or secret.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Sealed
            | Self::Standby
            | Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::Database { .. }
            | Self::Timeout { .. } => true,
            Self::Uninitialised
            | Self::Forbidden { .. }
            | Self::Unauthenticated(_)
            | Self::NotFound { .. }
            | Self::NoMount { .. }
            | Self::Gone(_)
            | Self::Unsupported { .. }
            | Self::Refused { .. }
            | Self::Cas { .. }
            | Self::TooLarge { .. }
            | Self::Protocol { .. }
            | Self::Settings { .. } => false,
        }
    }

    /// The word for metrics.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Standby => "standby",
            Self::Uninitialised => "uninitialised",
            Self::Forbidden { .. } => "forbidden",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::NotFound { .. } | Self::NoMount { .. } => "not_found",
            Self::Gone(_) => "gone",
            Self::Unsupported { .. } => "unsupported",
            Self::Refused { .. } => "refused",
            Self::Cas { .. } => "cas",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Database { .. } => "database",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Protocol { .. } => "protocol",
            Self::Settings { .. } => "settings",
        }
    }
}
