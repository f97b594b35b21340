//! The one place from which requests leave: over the nodes of one Vault, each exchange bounded, counted and timed.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Identity, Url};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::body::{self, BodyError};
use crate::cause::Cause;
use crate::credential_file::{self, Stamp};
use crate::error::{LoginFault, VaultError};
use crate::metrics::Metrics;
use crate::node::{self, Node, Trust};
use crate::request::{Operation, Request};
use crate::settings::Settings;
use crate::token::Token;

const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE_HEADER: HeaderName = HeaderName::from_static("x-vault-namespace");
// Vault refuses requests without it where its listener demands it (a guard against forged requests from browsers).
const REQUEST_HEADER: HeaderName = HeaderName::from_static("x-vault-request");

pub(crate) struct Transport {
    nodes: Vec<Node>,
    trust: Trust,
    /// The files of the certificate that is shown, as they were then.
    presented: Mutex<Option<[Stamp; 2]>>,
    /// The node that worked last.
    preferred: AtomicUsize,
    namespace: Option<HeaderValue>,
    body_max_bytes: usize,
    pub(crate) timeout: Duration,
    metrics: Metrics,
    pub(crate) source: String,
}

impl Transport {
    pub(crate) fn new(settings: &Settings, metrics: Metrics, source: &str) -> Result<Self, VaultError> {
        let namespace = settings.namespace.as_deref().map(HeaderValue::from_str).transpose();
        let (nodes, trust) = node::all(settings)?;
        Ok(Self {
            nodes,
            trust,
            presented: Mutex::default(),
            preferred: AtomicUsize::new(0),
            namespace: namespace
                .map_err(|_| VaultError::Settings { why: "the namespace has characters no header may have".into() })?,
            body_max_bytes: settings.body_max_bytes,
            timeout: settings.timeout,
            metrics,
            source: source.to_owned(),
        })
    }

    /// Shows this certificate from now on, if the files are not those that are shown already.
    pub(crate) async fn present(&self, certificate: &Path, key: &Path) -> Result<(), VaultError> {
        let mut presented = self.presented.lock().await;
        let stamps = [credential_file::stamp(certificate).await?, credential_file::stamp(key).await?];
        if *presented == Some(stamps) {
            return Ok(());
        }
        let mut pem = credential_file::read(key).await?;
        pem.push(b'\n');
        pem.extend_from_slice(&credential_file::read(certificate).await?);
        let unusable = |_| VaultError::Unauthenticated(LoginFault::Certificate { file: certificate.to_owned() });
        let identity = Identity::from_pem(&pem).map_err(unusable)?;
        self.nodes.iter().try_for_each(|node| node.present(&self.trust, &identity))?;
        *presented = Some(stamps);
        Ok(())
    }

    /// Sends to the node that worked last, then to the others, until one gives an answer that is its own. Of several failures an
    /// answer tells more than none.
    pub(crate) async fn send(&self, request: &Request, token: Option<&Token>, deadline: Instant) -> Result<Answer, VaultError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut told: Option<Result<Answer, VaultError>> = None;
        for step in 0..self.nodes.len() {
            let index = (first + step) % self.nodes.len();
            let is_last = step + 1 == self.nodes.len();
            let now = Instant::now();
            // A node that hangs must leave time for the others.
            let until = if is_last { deadline } else { now + deadline.saturating_duration_since(now) / 2 };
            match self.exchange(&self.nodes[index], request, token, until).await {
                Ok(answer) if !answer.is_for_another_node(request) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(answer) => told = Some(Ok(answer)),
                Err(Failed { error, was_sent }) => {
                    if was_sent && !request.is_read() {
                        self.preferred.store((index + 1) % self.nodes.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                    told = told.or(Some(Err(error)));
                }
            }
        }
        told.unwrap_or_else(|| Err(VaultError::Settings { why: "no address is given".into() }))
    }

    async fn exchange(&self, node: &Node, request: &Request, token: Option<&Token>, until: Instant) -> Result<Answer, Failed> {
        let began = Instant::now();
        let ended = tokio::time::timeout_at(until, self.attempt(node, request, token)).await;
        let ended = ended.unwrap_or(Err(Failed { error: VaultError::Timeout { after: self.timeout }, was_sent: true }));
        let outcome = match &ended {
            Ok(answer) => outcome(answer, request),
            Err(failed) => failed.error.outcome(),
        };
        self.metrics.request(&self.source, request.operation.as_str(), outcome, began.elapsed());
        ended
    }

    async fn attempt(&self, node: &Node, request: &Request, token: Option<&Token>) -> Result<Answer, Failed> {
        let mut builder = node.client().request(request.method.clone(), node.url(request)).headers(self.headers(token));
        if let Some(body) = &request.body {
            builder = builder.header(http::header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let lost = |error: &reqwest::Error| Failed {
            error: VaultError::Unavailable { address: node.address(), cause: Cause::of(error) },
            was_sent: !error.is_connect(),
        };
        let mut response = builder.send().await.map_err(|error| lost(&error))?;
        let retry_after = retry_after(response.headers());
        let body = body::read(&mut response, self.body_max_bytes).await.map_err(|error| match error {
            BodyError::TooLarge => {
                Failed { error: VaultError::TooLarge { what: request.what(), limit_bytes: self.body_max_bytes }, was_sent: true }
            }
            BodyError::Broken(error) => lost(&error),
        })?;
        Ok(Answer { status: response.status(), retry_after, body, address: node.address() })
    }

    fn headers(&self, token: Option<&Token>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_HEADER, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            headers.insert(NAMESPACE_HEADER, namespace.clone());
        }
        if let Some(token) = token {
            headers.insert(TOKEN_HEADER, token.header());
        }
        headers
    }
}

/// An exchange without an answer.
struct Failed {
    error: VaultError,
    /// Whether the node may have acted on it.
    was_sent: bool,
}

fn outcome(answer: &Answer, request: &Request) -> &'static str {
    if answer.is_success() || request.operation == Operation::Health { "ok" } else { answer.failure(request).outcome() }
}

/// Seconds only: Vault sends no date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

impl Node {
    fn url(&self, request: &Request) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Each segment is encoded by itself: no character of a path can become a separator.
            segments.pop_if_empty().push("v1").extend(request.path.split('/'));
        }
        url.set_query(request.query.as_deref());
        url
    }
}
