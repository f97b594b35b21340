//! The server's configuration: a YAML file. Nothing secret is in it, only the names of files that are.

mod credentials;
mod oidc;
mod private;
#[cfg(test)]
mod set_by_chart;

pub use credentials::{AppRole, CertificateLogin, CredentialSet, TokenLogin};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use lockstep_core::name::CredentialsName;
use lockstep_core::spiffe::TrustDomain;
use serde::Deserialize;

pub use oidc::OidcIssuer;
pub(crate) use oidc::secure_url;

/// All of it.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// This replica's name, in leases, sessions and metrics. Must differ between replicas; given with `--replica`, it wins over the file's.
    #[serde(default)]
    pub replica: String,
    /// The registry.
    pub database: Database,
    /// The SPIFFE trust domain of all certificates.
    pub trust_domain: String,
    /// Where it listens.
    pub listen: Listen,
    /// Where agents and operators reach the replicas, as told to a new agent.
    pub advertise: Advertise,
    /// The PKI, the digests' root key and the history mark.
    pub home_vault: HomeVault,
    /// Credential sets, which sources name.
    pub credentials: Vec<CredentialSet>,
    /// Whose tokens callers may show instead of one of ours.
    #[serde(default)]
    pub oidc: Vec<OidcIssuer>,
    /// Watching sources.
    #[serde(default)]
    pub watch: Watch,
    /// Talking to agents.
    #[serde(default)]
    pub agents: Agents,
    /// Talking to callers.
    #[serde(default)]
    pub rest: Rest,
    /// Rotating.
    #[serde(default)]
    pub rotation: Rotating,
    /// Exporting traces.
    #[serde(default)]
    pub tracing: Tracing,
    /// How long a lease lives without being renewed.
    #[serde(default = "lease_ms")]
    pub lease_ms: u64,
}

/// The registry.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// A file that holds the URL, which may hold a password.
    pub url_file: PathBuf,
    /// The most connections this replica opens, beside the one for LISTEN. Two of them are for deliveries alone.
    #[serde(default = "connections")]
    pub connections: u32,
}

/// Where it listens.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// REST over TLS.
    pub rest: SocketAddr,
    /// Agents over mutual TLS.
    pub agents: SocketAddr,
    /// Joining agents over server-authenticated TLS.
    pub join: SocketAddr,
    /// `/metrics`, `/healthz`, `/readyz`, without TLS.
    pub metrics: SocketAddr,
}

/// Where the replicas are reached.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Advertise {
    /// DNS names and IP addresses for the server's certificate.
    pub names: Vec<String>,
    /// `https://host:port` of every replica's agent listener, or of what balances them.
    pub agents: Vec<String>,
    /// The same of the join listener.
    pub join: Vec<String>,
}

/// The home Vault.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HomeVault {
    /// Its nodes.
    pub addresses: Vec<String>,
    /// Vault namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// A PEM file of certificates to trust.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The credential set to use.
    pub credentials: CredentialsName,
    /// A KV v2 mount for the digests' root key and the history mark.
    #[serde(default = "kv_mount")]
    pub kv_mount: String,
    /// The PKI mount.
    #[serde(default = "pki_mount")]
    pub pki_mount: String,
    /// The PKI role for agents' certificates.
    #[serde(default = "agent_role")]
    pub agent_role: String,
    /// The PKI role for the replicas' certificates.
    #[serde(default = "server_role")]
    pub server_role: String,
    /// How often the issuers of the PKI mount are looked at.
    #[serde(default = "issuers_interval_ms")]
    pub issuers_interval_ms: u64,
}

/// Watching sources.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Watch {
    /// How often every bound secret is looked at, if the budget allows.
    pub interval_ms: u64,
    /// Requests of the watcher to one source, at most. Data reads follow versions and are not part of it.
    pub requests_per_second: u32,
    /// Secrets on one page of a SCAN.
    pub scan_page: usize,
}

/// Talking to agents.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Agents {
    /// Both sides send a heartbeat at least this often and give up after three times as long.
    pub heartbeat_ms: u32,
    /// Deliveries sent to one agent before its answers are awaited.
    pub in_flight: u32,
    /// How often an agent compares what it holds with what is there.
    pub verify_ms: u32,
    /// How often every connected cluster is compared anew, whatever was notified.
    pub sweep_ms: u64,
    /// The most streams on this replica.
    pub streams: usize,
    /// The share of what a cluster holds, in percent, that may be deleted there at once without being confirmed; one always may.
    pub delete_guard_percent: u8,
    /// How long an expired certificate may still be renewed.
    pub renewal_grace_days: u32,
    /// How long a certificate lives.
    pub certificate_hours: u32,
    /// Refused uses of join tokens and renewals from one address; after more, it is not listened to for a while.
    pub join_refusals_per_minute: u32,
    /// The same from all addresses together, on one replica.
    pub join_refusals_per_minute_overall: u32,
    /// Within which time agents ask for certificates of an issuer that has just begun to sign: not all at once.
    pub rotation_spread_seconds: u32,
}

/// Talking to callers.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rest {
    /// Requests with a token that is not valid, from one address, before they are answered with 429.
    pub failed_logins_per_minute: u32,
    /// The same from all addresses together, on one replica.
    pub failed_logins_per_minute_overall: u32,
}

/// Rotating.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rotating {
    /// Runs under way at once, over all replicas. Those that are held, or wait for clusters, do not count.
    pub concurrent_runs: u32,
}

/// Exporting traces.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// `http://host:port` or `https://host:port` of an OTLP receiver that speaks gRPC; none: nothing is exported.
    pub otlp_endpoint: Option<String>,
    /// A PEM file of certificates to trust there.
    pub ca_file: Option<PathBuf>,
}

impl Default for Rotating {
    fn default() -> Self {
        Self { concurrent_runs: 16 }
    }
}

impl Default for Rest {
    fn default() -> Self {
        Self { failed_logins_per_minute: 30, failed_logins_per_minute_overall: 600 }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self { interval_ms: 5_000, requests_per_second: 10, scan_page: 1_000 }
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            heartbeat_ms: 10_000,
            in_flight: 32,
            verify_ms: 30_000,
            sweep_ms: 15_000,
            streams: 5_000,
            delete_guard_percent: 20,
            renewal_grace_days: 30,
            certificate_hours: 7 * 24,
            join_refusals_per_minute: 30,
            join_refusals_per_minute_overall: 600,
            rotation_spread_seconds: 300,
        }
    }
}

fn lease_ms() -> u64 {
    15_000
}
fn connections() -> u32 {
    16
}
fn kv_mount() -> String {
    "lockstep".to_owned()
}
fn pki_mount() -> String {
    "lockstep-pki".to_owned()
}
fn agent_role() -> String {
    "agent".to_owned()
}
fn server_role() -> String {
    "server".to_owned()
}
fn issuers_interval_ms() -> u64 {
    15_000
}
impl Config {
    /// Reads and checks the file. `replica` is this replica's name, if it was given beside the file.
    pub fn read(path: &Path, replica: Option<String>) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading the configuration {}", path.display()))?;
        let mut config: Self =
            serde_saphyr::from_str(&text).map_err(|e| anyhow::anyhow!("the configuration {}: {e}", path.display()))?;
        if let Some(replica) = replica {
            config.replica = replica;
        }
        config.check().with_context(|| format!("the configuration {}", path.display()))?;
        private::check(&config)?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        self.trust_domain()?;
        ensure!(
            !self.replica.is_empty() && self.replica.len() <= 63,
            "replica: give this replica a name of 1 to 63 bytes, in the file, with --replica or in LOCKSTEP_REPLICA"
        );
        ensure!((4..=1_000).contains(&self.database.connections), "database.connections: use 4 to 1000");
        ensure!((1_000..=3_600_000).contains(&self.lease_ms), "leaseMs: use 1000 to 3600000");
        ensure!((100..=3_600_000).contains(&self.watch.interval_ms), "watch.intervalMs: use 100 to 3600000");
        ensure!(self.watch.requests_per_second > 0, "watch.requestsPerSecond: at least 1 is needed");
        ensure!((1..=10_000).contains(&self.watch.scan_page), "watch.scanPage: use 1 to 10000");
        ensure!((100..=600_000).contains(&self.agents.heartbeat_ms), "agents.heartbeatMs: use 100 to 600000");
        ensure!((100..=3_600_000).contains(&self.agents.sweep_ms), "agents.sweepMs: use 100 to 3600000");
        ensure!((100..=86_400_000).contains(&self.agents.verify_ms), "agents.verifyMs: use 100 to 86400000");
        ensure!(self.agents.streams > 0, "agents.streams: at least 1 is needed");
        ensure!(self.agents.delete_guard_percent <= 100, "agents.deleteGuardPercent: use 0 to 100");
        ensure!((1..=8_760).contains(&self.agents.certificate_hours), "agents.certificateHours: use 1 to 8760");
        ensure!(self.agents.renewal_grace_days <= 365, "agents.renewalGraceDays: use 0 to 365");
        for (name, failures) in [
            ("agents.joinRefusalsPerMinute", self.agents.join_refusals_per_minute),
            ("agents.joinRefusalsPerMinuteOverall", self.agents.join_refusals_per_minute_overall),
            ("rest.failedLoginsPerMinute", self.rest.failed_logins_per_minute),
            ("rest.failedLoginsPerMinuteOverall", self.rest.failed_logins_per_minute_overall),
        ] {
            ensure!((1..=1_000_000).contains(&failures), "{name}: use 1 to 1000000");
        }
        ensure!((500..=60_000).contains(&self.home_vault.issuers_interval_ms), "homeVault.issuersIntervalMs: use 500 to 60000");
        ensure!(self.agents.rotation_spread_seconds <= 86_400, "agents.rotationSpreadSeconds: use 0 to 86400");
        ensure!((1..=10_000).contains(&self.rotation.concurrent_runs), "rotation.concurrentRuns: use 1 to 10000");
        ensure!((1..=1_024).contains(&self.agents.in_flight), "agents.inFlight: use 1 to 1024");
        ensure!(!self.advertise.names.is_empty(), "advertise.names: at least one DNS name or IP address is needed");
        ensure!(
            self.credentials(&self.home_vault.credentials).is_some(),
            "homeVault.credentials: no credential set {}",
            self.home_vault.credentials
        );
        self.credentials.iter().try_for_each(CredentialSet::check)?;
        oidc::check(&self.oidc)
    }

    /// The trust domain, checked.
    pub fn trust_domain(&self) -> anyhow::Result<TrustDomain> {
        self.trust_domain.parse().context("trustDomain")
    }

    /// The credential set of that name.
    pub fn credentials(&self, name: &CredentialsName) -> Option<&CredentialSet> {
        self.credentials.iter().find(|c| c.name == *name)
    }

    /// How long one call to a source may take: no call may outlive the lease under which it was made.
    pub fn watch_call_limit(&self) -> Duration {
        lockstep_vault::DEFAULT_TIMEOUT.min(self.lease_life() / 2)
    }

    /// How long a lease lives.
    pub fn lease_life(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// The database URL.
    pub fn database_url(&self) -> anyhow::Result<String> {
        let path = &self.database.url_file;
        let text = std::fs::read_to_string(path).with_context(|| format!("reading the database URL from {}", path.display()))?;
        Ok(text.trim().to_owned())
    }
}
