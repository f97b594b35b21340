//! What the parts of one replica share.

use std::sync::Arc;

use lockstep_core::fingerprint::FingerprintKey;
use lockstep_store::PgPool;
use lockstep_telemetry::traces::Traces;

use crate::authority::Authority;
use crate::cluster_readers::ClusterReaders;
use crate::config::Config;
use crate::logging::Logs;
use crate::material_cache::MaterialCache;
use crate::metrics::Metrics;
use crate::oidc::Issuers;
use crate::readiness::Readiness;
use crate::sources::Sources;

/// One replica's shared parts. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// The registry.
    pub pool: PgPool,
    /// Signs agents' certificates and knows the roots.
    pub authority: Arc<Authority>,
    /// Clients of sources, by name.
    pub sources: Arc<Sources>,
    /// Logins as the clusters that read for themselves.
    pub readers: Arc<ClusterReaders>,
    /// Tells what KV version 1 holds from what it held.
    pub fingerprints: FingerprintKey,
    /// What was read from them, for a short while.
    pub materials: MaterialCache,
    /// Whose tokens callers may show beside ours.
    pub issuers: Arc<Issuers>,
    /// What is logged.
    pub logs: Arc<Logs>,
    /// Where spans are left.
    pub traces: Traces,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether this replica can serve.
    pub readiness: Arc<Readiness>,
}
