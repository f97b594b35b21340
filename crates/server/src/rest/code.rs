//! The words that programs match on. They never change their meaning; a new one may come at any time.

use axum::http::StatusCode;

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// A query parameter is unknown or has no such value.
    InvalidQuery,
    /// A request header says nothing that can be understood.
    InvalidHeader,
    /// The body is not JSON.
    InvalidJson,
    /// No caller, or an unknown one.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// Nothing of that name.
    NotFound,
    /// The API has no such path.
    NoSuchPath,
    /// The path has no such method.
    MethodNotAllowed,
    /// Something of that name is there already.
    AlreadyExists,
    /// Something else still needs it.
    InUse,
    /// Another binding delivers to the same key of the same Secret.
    KeyTaken,
    /// It is in a state in which this cannot be done.
    WrongState,
    /// It is not as the caller last saw it.
    Conflict,
    /// The body is too large.
    BodyTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is JSON, and not what is expected here; every mistake is listed.
    InvalidManifest,
    /// Too many tokens that were not valid.
    TooManyFailures,
    /// A fault of the server's.
    Internal,
    /// Too many requests at once.
    Busy,
    /// It took too long.
    Timeout,
    /// Postgres cannot be reached.
    RegistryUnavailable,
    /// An OIDC issuer cannot be asked for its keys.
    IssuerUnavailable,
    /// A source cannot be asked for what is to be written.
    SourceUnavailable,
    /// A loop of this replica is stuck.
    Stuck,
}

impl Code {
    /// All of them, for the documentation.
    pub(crate) const ALL: [Self; 24] = [
        Self::InvalidQuery,
        Self::InvalidHeader,
        Self::InvalidJson,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::AlreadyExists,
        Self::InUse,
        Self::KeyTaken,
        Self::WrongState,
        Self::Conflict,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidManifest,
        Self::TooManyFailures,
        Self::Internal,
        Self::Busy,
        Self::Timeout,
        Self::RegistryUnavailable,
        Self::IssuerUnavailable,
        Self::SourceUnavailable,
        Self::Stuck,
    ];

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidQuery => ("invalid-query", StatusCode::BAD_REQUEST, "A query parameter is not valid"),
            Self::InvalidHeader => ("invalid-header", StatusCode::BAD_REQUEST, "A request header is not valid"),
            Self::InvalidJson => ("invalid-json", StatusCode::BAD_REQUEST, "The body is not JSON"),
            Self::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED, "The caller is not known"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The caller may not do this"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "It does not exist"),
            Self::NoSuchPath => ("no-such-path", StatusCode::NOT_FOUND, "The API has no such path"),
            Self::MethodNotAllowed => ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "The path has no such method"),
            Self::AlreadyExists => ("already-exists", StatusCode::CONFLICT, "It exists already"),
            Self::InUse => ("in-use", StatusCode::CONFLICT, "It is still used"),
            Self::KeyTaken => ("key-taken", StatusCode::CONFLICT, "Another binding delivers to this key"),
            Self::WrongState => ("wrong-state", StatusCode::CONFLICT, "Its state does not allow this"),
            Self::Conflict => ("conflict", StatusCode::PRECONDITION_FAILED, "It is not as the caller last saw it"),
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not declared as JSON")
            }
            Self::InvalidManifest => ("invalid-manifest", StatusCode::UNPROCESSABLE_ENTITY, "The body is not valid"),
            Self::TooManyFailures => {
                ("too-many-failures", StatusCode::TOO_MANY_REQUESTS, "Too many tokens from here were not valid")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "The server failed"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once"),
            Self::Timeout => ("timeout", StatusCode::SERVICE_UNAVAILABLE, "It took too long"),
            Self::RegistryUnavailable => {
                ("registry-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The registry cannot be reached")
            }
            Self::IssuerUnavailable => {
                ("issuer-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The token's issuer cannot be asked")
            }
            Self::SourceUnavailable => {
                ("source-unavailable", StatusCode::SERVICE_UNAVAILABLE, "A source cannot be asked for what is to be written")
            }
            Self::Stuck => ("stuck", StatusCode::SERVICE_UNAVAILABLE, "A loop of this replica is stuck"),
        }
    }

    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status it comes with.
    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }

    /// The same sentence for every problem of this code.
    pub(crate) const fn title(self) -> &'static str {
        self.row().2
    }

    /// After how many seconds the same request may succeed, where time heals it.
    pub(crate) const fn retry_after_s(self) -> Option<u16> {
        match self {
            Self::Busy => Some(1),
            Self::TooManyFailures => Some(60),
            Self::Timeout | Self::RegistryUnavailable | Self::IssuerUnavailable | Self::SourceUnavailable => Some(5),
            _ => None,
        }
    }

    /// The `limit` label of the limit that was hit, if it is one.
    pub(crate) const fn limit(self) -> Option<&'static str> {
        match self {
            Self::BodyTooLarge => Some("rest_body"),
            Self::Busy => Some("rest_concurrency"),
            Self::Timeout => Some("rest_time"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_is_kebab_case_and_means_one_thing() {
        let words: BTreeSet<&str> = Code::ALL.into_iter().map(Code::as_str).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(words.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')), "{words:?}");
        assert!(Code::ALL.into_iter().all(|c| c.status().is_client_error() || c.status().is_server_error()));
    }
}
