//! An answer, and what its status means.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::cause::Cause;
use crate::error::{LoginFault, VaultError};
use crate::request::{Operation, Request};

/// A refusal's sentence of Vault's, and ours for it.
const REFUSALS: &[(&str, &str)] = &[
    ("unknown role", "there is no such PKI role: create it, or correct the configured name"),
    ("not valid for this role", "the PKI role does not allow one of the names: extend its allowed_uri_sans or domains"),
    ("not allowed by this role", "the PKI role does not allow one of the names or addresses: extend its allowed domains"),
    ("csr contains no data", "the signing request is not one"),
    ("certificate request could not be parsed", "the signing request cannot be parsed"),
    ("cannot satisfy request, as TTL would result in notAfter", "the certificate would outlive its issuer: rotate the CA"),
    ("unable to find", "the PKI engine has no issuer: generate or import one"),
    ("no default issuer", "the PKI engine has no issuer: generate or import one"),
    ("certificate with serial", "there is no certificate with this serial: the engine keeps none, or has tidied it away"),
    ("no static role found", "there is no such static role: create it, or correct the rotation's role"),
    ("upgrading from non-versioned", "the KV engine is being upgraded: try again in a moment"),
    ("waiting for the primary", "the KV engine is being upgraded: try again in a moment"),
];

/// An answer of a node, of any status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// Which node.
    pub(crate) address: String,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// 404 with Vault's own empty list of errors: it looked, and there is nothing. A 404 of a proxy, or for want of a mount, is
    /// another thing, and nothing may be concluded from it.
    pub(crate) fn is_nothing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.errors().is_some_and(|errors| errors.is_empty())
    }

    /// Whether Vault's own errors hold this text.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.errors().is_some_and(|errors| errors.iter().any(|error| error.contains(text)))
    }

    /// Whether another node may do better.
    pub(crate) fn is_for_another_node(&self, request: &Request) -> bool {
        match self.status.as_u16() {
            200 => false,
            // sys/health tells a node's state by its status: look for the active one.
            _ if request.operation == Operation::Health => true,
            // A proxy says 503 also after it had passed the request on: then it may have been acted on.
            503 if request.operation.acts_each_time() => self.errors().is_some(),
            307 | 472 | 473 | 503 => true,
            500 => self.says("local node not active"),
            502 | 504 => request.is_read(),
            _ => false,
        }
    }

    /// Whether the token itself was refused, rather than what it may do. Vault says `invalid token`; OpenBao the bare words, where a
    /// policy's refusal comes as a list with one entry ("1 error occurred: …", measured with 2.7).
    pub(crate) fn is_token_rejected(&self) -> bool {
        self.status == StatusCode::FORBIDDEN
            && self.errors().is_some_and(|errors| {
                errors.iter().any(|error| error.contains("invalid token")) || errors == ["permission denied"]
            })
    }

    /// The error that a status other than 2xx means.
    pub(crate) fn failure(&self, request: &Request) -> VaultError {
        let what = request.what();
        match self.status.as_u16() {
            400 => VaultError::Refused { why: self.refusal(), what },
            403 if self.is_token_rejected() => VaultError::Unauthenticated(LoginFault::TokenRejected),
            401 | 403 => VaultError::Forbidden { what },
            404 if self.says("no handler for route") => VaultError::NoMount { what },
            404 if self.is_nothing() => VaultError::NotFound { what },
            404 if self.says("unsupported path") => VaultError::Unsupported { what },
            404 => {
                VaultError::Protocol { what, why: "a 404 that is not Vault's word for nothing; is this a KV version 2 engine?" }
            }
            405 => VaultError::Unsupported { what },
            429 => VaultError::Throttled { retry_after: self.retry_after },
            472 | 473 | 300..=399 => VaultError::Standby,
            500 if self.says("local node not active") => VaultError::Standby,
            500 if request.operation == Operation::RotateRole && self.errors().is_some() => VaultError::Database { what },
            501 => VaultError::Uninitialised,
            503 if self.says("sealed") => VaultError::Sealed,
            status => VaultError::Unavailable {
                address: self.address.clone(),
                cause: Cause::Status { status, retry_after: self.retry_after },
            },
        }
    }

    fn refusal(&self) -> &'static str {
        REFUSALS
            .iter()
            .find(|(theirs, _)| self.says(theirs))
            .map_or("status 400, with a reason that may quote material and is not shown: see the Vault's log", |(_, ours)| ours)
    }

    fn errors(&self) -> Option<Vec<String>> {
        serde_json::from_slice::<Errors>(&self.body).ok().map(|errors| errors.errors)
    }

    /// Reads the body as JSON. serde's own error is dropped: it quotes what it saw.
    pub(crate) fn parse<'a, T: Deserialize<'a>>(&'a self, request: &Request) -> Result<T, VaultError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| VaultError::Protocol { what: request.what(), why: "the body does not have the documented shape" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_done_twice_goes_to_another_node_only_where_this_one_says_that_it_did_nothing() {
        let goes = |operation, body: &str| {
            let body = Zeroizing::new(body.as_bytes().to_vec());
            let answer =
                Answer { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None, body, address: "vault.test".to_owned() };
            answer.is_for_another_node(&Request::post(operation, "kv/data/db".to_owned(), None))
        };
        let (sealed, proxys) = (r#"{"errors":["Vault is sealed"]}"#, "upstream connect error or disconnect/reset");
        for operation in [Operation::Write, Operation::RotateRole, Operation::Issue] {
            assert!(goes(operation, sealed) && !goes(operation, proxys), "{operation:?}");
        }
        assert!(goes(Operation::Login, sealed) && goes(Operation::Login, proxys));
    }
}
