//! What all parts of a running agent share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_telemetry::traces::Traces;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cache::CacheError;
use crate::clock::Clock;
use crate::command::RunArguments;
use crate::holdings::Holdings;
use crate::join::JoinError;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::need::DriftMemory;
use crate::sink::SinkError;
use crate::state::identity::Identity;
use crate::state::{State, StateError};
use crate::tracer::Tracer;

/// Why an agent ends by itself.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Its state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The directory root cannot be used.
    #[error("the directory root cannot be used: {0}")]
    Root(String),
    /// It has no identity, and was not told how to get one.
    #[error("this agent has not joined a cluster yet: give it --join, --token-file and --pin, as they came with the join token")]
    NotJoined,
    /// The token file cannot be used.
    #[error("the token file {} cannot be used: {cause}", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Joining, or renewing an expired certificate, was refused for good.
    #[error("{0}")]
    Join(String),
    /// The cluster was revoked.
    #[error(
        "this cluster was revoked ({0}): what its server did not ask to remove stays as it is; `lockstep cluster rejoin` makes the cluster ready to be joined anew, without what this agent kept: with an empty --state-dir, or without its state Secrets"
    )]
    Revoked(String),
    /// There is no way to the API server of its cluster.
    #[error("cannot run in Kubernetes: {0}")]
    Kubernetes(String),
    /// Another agent of its cluster may lead by now.
    #[error("the cluster's lease was lost ({0}): what was delivered stays as it is; started again, this agent stands by")]
    LeaseLost(String),
    /// What pods may mount cannot be cached.
    #[error("what pods may mount cannot be cached: {0}")]
    Cache(String),
    /// Spans cannot be exported.
    #[error(transparent)]
    Traces(#[from] lockstep_telemetry::traces::SettingsError),
    /// Metrics cannot be served.
    #[error("cannot serve metrics: {0}")]
    Metrics(String),
    /// Node agents cannot be served.
    #[error("cannot serve volumes to node agents: {0}")]
    Volumes(String),
}

/// What an agent finds around it.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// What it counts.
    pub(crate) metrics: Metrics,
    /// Cancelled when it is asked to end.
    pub(crate) stop: CancellationToken,
    /// 0 to 1: when, within its window, this agent renews.
    pub(crate) renewal_jitter: f64,
    /// Of the cluster's Lease: of two agents the server takes the one with the higher term.
    pub(crate) lease_term: u64,
    /// Whether this agent still is the one of its cluster that writes.
    pub(crate) leadership: Leadership,
    /// Where spans are left.
    pub(crate) traces: Traces,
}

/// A running agent, which has joined.
pub(crate) struct Agent {
    /// What it was told: where servers are.
    pub(crate) arguments: RunArguments,
    /// What survives a restart.
    pub(crate) state: State,
    /// What it finds around it.
    pub(crate) surroundings: Surroundings,
    holdings: Arc<Holdings>,
    drift: Mutex<DriftMemory>,
    identity: Mutex<Arc<Identity>>,
    /// When a server wants the certificate renewed, whatever its age: another issuer signs now.
    renew_at: watch::Sender<Option<Instant>>,
    is_linked: watch::Sender<bool>,
}

impl Agent {
    /// An agent of that identity with those holdings.
    pub(crate) fn new(
        arguments: RunArguments,
        state: State,
        surroundings: Surroundings,
        identity: Identity,
        holdings: Holdings,
    ) -> Self {
        surroundings.metrics.certificate_expiry.set(identity.leaf.not_after.timestamp());
        Self {
            arguments,
            state,
            surroundings,
            holdings: Arc::new(holdings),
            drift: Mutex::default(),
            identity: Mutex::new(Arc::new(identity)),
            renew_at: watch::Sender::default(),
            is_linked: watch::Sender::default(),
        }
    }

    /// The current slot. Every connection asks anew, so a renewed certificate is used from the next one on.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses `identity` from now on.
    pub(crate) fn set_identity(&self, identity: Identity) {
        self.surroundings.metrics.certificate_expiry.set(identity.leaf.not_after.timestamp());
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }

    /// A server wants the certificate renewed by then. Asked twice, the first time counts.
    pub(crate) fn renew_after(&self, wait: Duration) {
        self.renew_at.send_if_modified(|at| {
            let is_news = at.is_none();
            at.get_or_insert(Instant::now() + wait);
            is_news
        });
    }

    /// When a server wants it renewed.
    pub(crate) fn renewal_wanted(&self) -> watch::Receiver<Option<Instant>> {
        self.renew_at.subscribe()
    }

    /// It was renewed.
    pub(crate) fn renewed(&self) {
        self.renew_at.send_replace(None);
    }

    /// What is remembered about drift.
    pub(crate) fn with_drift<T>(&self, work: impl FnOnce(&mut DriftMemory) -> T) -> T {
        work(&mut self.drift.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells in traces what was applied here.
    pub(crate) fn tracer(&self) -> Tracer {
        let Surroundings { traces, clock, .. } = &self.surroundings;
        Tracer { traces: traces.clone(), clock: clock.clone(), cluster: self.identity().cluster_name.clone() }
    }

    /// What this cluster holds.
    pub(crate) fn holdings(&self) -> &Arc<Holdings> {
        &self.holdings
    }

    /// Whether there is a link, also to a server that holds this cluster.
    pub(crate) fn linked(&self) -> watch::Receiver<bool> {
        self.is_linked.subscribe()
    }

    /// There is a link now, or none any more: what that means for what is cached.
    pub(crate) async fn set_linked(&self, is_linked: bool, is_held: bool) {
        self.surroundings.metrics.connected.set(i64::from(is_linked));
        self.is_linked.send_replace(is_linked);
        // To a cluster that is held nothing new is sent.
        self.holdings.set_linked(is_linked && !is_held).await;
    }

    /// Counts the bindings anew that have content.
    pub(crate) async fn count_bindings(&self) {
        let held = self.holdings.held_count().await;
        self.surroundings.metrics.bindings.set(i64::try_from(held).unwrap_or(i64::MAX));
    }
}

impl From<JoinError> for AgentError {
    fn from(error: JoinError) -> Self {
        Self::Join(error.to_string())
    }
}

impl From<CacheError> for AgentError {
    fn from(error: CacheError) -> Self {
        Self::Cache(error.to_string())
    }
}

impl From<SinkError> for AgentError {
    fn from(error: SinkError) -> Self {
        Self::Root(error.to_string())
    }
}
