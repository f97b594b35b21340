//! The HTTP client with which parts are driven.

use std::sync::Once;
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{ClientBuilder, Method, RequestBuilder, StatusCode};
use serde_json::Value;

const REQUEST_LIMIT: Duration = Duration::from_secs(30);

static PROVIDER: Once = Once::new();

/// Makes aws-lc-rs the process's rustls provider. reqwest is built without one, and panics when none is installed.
pub(crate) fn install_crypto_provider() {
    PROVIDER.call_once(|| {
        // An error means that the process has chosen a provider already, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}

/// A client for one part on loopback.
pub(crate) fn client() -> ClientBuilder {
    install_crypto_provider();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(REQUEST_LIMIT)
        // A kept connection belongs to the runtime it was made on; a part shared by all tests of a process meets many.
        .pool_max_idle_per_host(0)
}

/// An answer other than 2xx. Find it in an [`anyhow::Error`] with `downcast_ref`.
#[derive(Debug, thiserror::Error)]
#[error("{server} answered {status} to {method} {path}: {body}")]
pub struct Refused {
    /// Who answered.
    pub server: &'static str,
    /// The answer's status.
    pub status: StatusCode,
    /// The request's method.
    pub method: Method,
    /// The request's path.
    pub path: String,
    /// The answer's body. A deleted version of a secret answers 404 *with* one.
    pub body: Value,
}

/// Sends a request; returns the answer's body, `Value::Null` when it has none. What else is in the arguments is for errors.
pub(crate) async fn send(server: &'static str, method: Method, path: &str, request: RequestBuilder) -> Result<Value> {
    let answer = request.send().await.with_context(|| format!("requesting {method} {path} of {server}"))?;
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("reading {server}'s answer to {method} {path}"))?;
    // Not all answers are JSON: certificates come as PEM, and `readyz` says "ok".
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    if status.is_success() {
        return Ok(body);
    }
    Err(Refused { server, status, method, path: path.to_owned(), body }.into())
}
