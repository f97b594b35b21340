//! Why a request failed, each as one sentence that says what to do.
//!
//! Everything below knows what the server answered; only this file decides what a person reads. Problems (RFC 9457) carry their own
//! advice in `detail` and are shown as they are.

use std::error::Error as StdError;
use std::io;

use lockstep_api::problem::Problem;
use reqwest::StatusCode;
use thiserror::Error;

use super::transport::REQUEST_TIMEOUT;

/// Why a request failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{server} refused the connection: is the server running there, and is the port right?")]
    Refused { server: String },
    #[error("cannot reach {server}: {reason}")]
    Unreachable { server: String, reason: String },
    #[error(
        "{server} shows a certificate that is not trusted ({reason}): name its authority with --certificate-authority FILE, or its host as the certificate does"
    )]
    Certificate { server: String, reason: String },
    #[error("{server} did not answer within {}s: try again, or look at the server's log", REQUEST_TIMEOUT.as_secs())]
    Timeout { server: String },
    #[error("{server} does not accept {}", origin.advice(server))]
    Unauthorized { server: String, origin: TokenOrigin },
    #[error("not allowed: {0}")]
    Forbidden(Box<Problem>),
    #[error("not found: {0}")]
    NotFound(Box<Problem>),
    #[error("conflict: {0}")]
    Conflict(Box<Problem>),
    #[error("{0}")]
    Other(Box<Problem>),
    #[error("{server} answered {status} and nothing this command understands: is it a Lockstep server?")]
    Strange { server: String, status: StatusCode },
}

/// Where the token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenOrigin {
    /// A context, or what a login was given.
    Login,
    /// `LOCKSTEP_TOKEN`.
    Environment,
}

impl TokenOrigin {
    fn advice(self, server: &str) -> String {
        match self {
            Self::Login => {
                format!("this token: log in again with `lockstep login --server {server} --token-file FILE`, or --sso")
            }
            Self::Environment => {
                "the token in LOCKSTEP_TOKEN: correct it, or unset it to use the one you logged in with".to_owned()
            }
        }
    }
}

impl Failure {
    /// Of a request that got no answer.
    pub(super) fn of_transport(server: &str, error: &reqwest::Error) -> Self {
        let server = server.to_owned();
        if let Some(tls) = find::<rustls::Error>(error) {
            return match tls {
                rustls::Error::InvalidCertificate(reason) => Self::Certificate { server, reason: reason.to_string() },
                other => Self::Unreachable { server, reason: format!("TLS failed: {other}") },
            };
        }
        if find::<io::Error>(error).is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            return Self::Refused { server };
        }
        if error.is_timeout() {
            return Self::Timeout { server };
        }
        Self::Unreachable { server, reason: innermost(error) }
    }

    /// Of an answer that is no success.
    pub(super) fn of_answer(server: &str, origin: TokenOrigin, status: StatusCode, body: &[u8]) -> Self {
        if status == StatusCode::UNAUTHORIZED {
            return Self::Unauthorized { server: server.to_owned(), origin };
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(body).map(Box::new) else {
            return Self::Strange { server: server.to_owned(), status };
        };
        match status {
            StatusCode::FORBIDDEN => Self::Forbidden(problem),
            StatusCode::NOT_FOUND => Self::NotFound(problem),
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Self::Conflict(problem),
            _ => Self::Other(problem),
        }
    }

    /// Whether the same request may succeed a moment later: the server restarts, or is too busy.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Other(problem) => problem.status == 429 || problem.status >= 500,
            Self::Strange { status, .. } => status.is_server_error(),
            _ => false,
        }
    }

    /// Whether every other request would fail in the same way.
    pub(crate) fn is_about_connection(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Unreachable { .. }
                | Self::Certificate { .. }
                | Self::Unauthorized { .. }
                | Self::Strange { .. }
        )
    }

    /// The sentence without the mistakes in a manifest.
    pub(crate) fn detail(&self) -> String {
        let text = self.to_string();
        text.lines().next().unwrap_or(&text).to_owned()
    }

    /// The mistakes in a manifest that the server found.
    pub(crate) fn mistakes(&self) -> &[lockstep_api::field::FieldError] {
        match self {
            Self::Forbidden(problem) | Self::NotFound(problem) | Self::Conflict(problem) | Self::Other(problem) => {
                &problem.errors
            }
            _ => &[],
        }
    }
}

/// The first cause of type `E`. An `io::Error` hides the error it wraps from `source`, so it is asked itself.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    if let Some(found) = error.downcast_ref::<E>() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|e| e as &(dyn StdError + 'static));
    wrapped.or_else(|| error.source()).and_then(find::<E>)
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Failure {
        Failure::of_answer("https://s:8443", TokenOrigin::Login, StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    fn problem(status: u16, detail: &str, errors: &str) -> String {
        format!(
            r#"{{"type":"urn:lockstep:problem:x","title":"X","status":{status},"code":"x","detail":"{detail}","errors":{errors}}}"#
        )
    }

    #[test]
    fn every_answer_becomes_a_sentence_that_says_what_to_do() {
        for (status, body, want) in [
            (401, String::new(), "lockstep login --server https://s:8443"),
            (403, problem(403, "ask an administrator", "[]"), "not allowed: ask an administrator"),
            (404, problem(404, "there is no binding x", "[]"), "not found: there is no binding x"),
            (412, problem(412, "somebody else wrote it", "[]"), "conflict: somebody else wrote it"),
            (409, problem(409, "in use", "[]"), "conflict: in use"),
            (422, problem(422, "bad", r#"[{"field":"spec.a","reason":"wrong"}]"#), "bad\n  spec.a: wrong"),
            (502, "<html>".to_owned(), "answered 502 Bad Gateway and nothing this command understands"),
        ] {
            let message = answer(status, &body).to_string();
            assert!(message.contains(want), "{status}: {message}");
        }
    }

    #[test]
    fn a_bad_token_of_the_environment_names_the_variable() {
        let failure = Failure::of_answer("https://s:8443", TokenOrigin::Environment, StatusCode::UNAUTHORIZED, b"");
        assert!(failure.to_string().starts_with("https://s:8443 does not accept the token in LOCKSTEP_TOKEN"), "{failure}");
    }

    #[test]
    fn only_what_may_pass_by_itself_is_temporary() {
        assert!(answer(503, &problem(503, "starting", "[]")).is_temporary());
        assert!(answer(502, "").is_temporary());
        assert!(!answer(404, &problem(404, "no", "[]")).is_temporary());
        assert!(!answer(401, "").is_temporary());
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let inner = rustls::Error::DecryptError;
        let outer = io::Error::other(inner);
        assert_eq!(find::<rustls::Error>(&outer), Some(&rustls::Error::DecryptError));
    }
}
