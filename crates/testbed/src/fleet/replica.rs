//! One server replica.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::fleet::{Fleet, TRUST_DOMAIN, write};
use crate::process::Spec;
use crate::{Process, bin, port};

/// A `lockstep-server` with its ports and its configuration.
pub struct Replica {
    name: String,
    process: Option<Process>,
    config: PathBuf,
    rest: SocketAddr,
    agents: SocketAddr,
    join: SocketAddr,
    metrics: SocketAddr,
    env: BTreeMap<String, OsString>,
}

/// Chooses its ports; nothing runs yet.
pub(super) fn plan(fleet: &Fleet, index: usize) -> Result<Replica> {
    let name = char::from(b'a' + u8::try_from(index)?).to_string();
    let address = || anyhow::Ok(SocketAddr::from(([127, 0, 0, 1], port::free()?)));
    Ok(Replica {
        config: fleet.folder().join(format!("server-{name}.yaml")),
        name,
        process: None,
        rest: address()?,
        agents: address()?,
        join: address()?,
        metrics: address()?,
        env: BTreeMap::new(),
    })
}

impl Replica {
    /// Writes its configuration.
    pub(super) fn configure(&self, fleet: &Fleet, advertise: &[(String, String)]) -> Result<()> {
        let path = |name: &str| fleet.folder().join(name).to_string_lossy().into_owned();
        let (agents, join): (Vec<_>, Vec<_>) = advertise.iter().cloned().unzip();
        let settings = &fleet.settings;
        // JSON is YAML: no second serializer is needed.
        let config = json!({
            "replica": self.name,
            "database": { "urlFile": path(&self.database_file()) },
            "trustDomain": TRUST_DOMAIN,
            "listen": { "rest": self.rest, "agents": self.agents, "join": self.join, "metrics": self.metrics },
            "advertise": { "names": ["localhost", "127.0.0.1"], "agents": agents, "join": join },
            "homeVault": { "addresses": [fleet.bao.addr()], "credentials": "home" },
            "credentials": [{ "name": "home", "tokenFile": path("vault.token"), "addresses": [fleet.bao.addr()] }],
            "watch": { "intervalMs": settings.watch_interval_ms, "requestsPerSecond": settings.requests_per_second },
            "agents": { "heartbeatMs": 2_000, "sweepMs": settings.sweep_ms, "verifyMs": settings.verify_ms },
            "rotation": { "concurrentRuns": settings.concurrent_runs },
            "tracing": { "otlpEndpoint": settings.otlp },
            "leaseMs": settings.lease_ms,
        });
        write(fleet.folder(), &self.database_file(), fleet.database.url())?;
        std::fs::write(&self.config, config.to_string()).with_context(|| format!("writing {}", self.config.display()))
    }

    /// The file with this replica's database URL, for tests that put a relay in between.
    pub fn database_file(&self) -> String {
        format!("database-{}.url", self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its configuration file.
    pub fn config_path(&self) -> &Path {
        &self.config
    }

    /// Has this in its environment from the next start on.
    pub fn set_env(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.to_owned(), value.into());
    }

    /// Has nothing more in its environment than at first, from the next start on.
    pub fn clear_env(&mut self) {
        self.env.clear();
    }

    /// Starts it.
    pub(super) fn start(&mut self, folder: &Path, log: &str) -> Result<()> {
        self.process = None;
        let config = self.config.to_string_lossy().into_owned();
        let spec = Spec::new(bin("lockstep-server")?).args(["run", "--config", &config]).env("LOCKSTEP_LOG", log);
        let spec = self.env.iter().fold(spec, |spec, (name, value)| spec.env(name, value));
        self.process = Some(Process::spawn(&format!("server-{}", self.name), spec, folder)?);
        Ok(())
    }

    /// Waits until it answers that it is ready.
    pub async fn ready(&self, limit: Duration) -> Result<()> {
        let url = format!("http://{}/readyz", self.metrics);
        self.process()?
            .until(&format!("server {} to be ready", self.name), limit, async || {
                reqwest::get(&url).await.and_then(reqwest::Response::error_for_status)
            })
            .await?;
        Ok(())
    }

    /// Its process.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("server {} was not started", self.name))
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_running)
    }

    /// The value of a metric with its labels, as Prometheus would scrape it.
    pub async fn metric(&self, series: &str) -> Result<Option<f64>> {
        let text = self.metrics().await?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().with_context(|| format!("the value of {series}"))).transpose()
    }

    /// All metrics.
    pub async fn metrics(&self) -> Result<String> {
        Ok(reqwest::get(format!("http://{}/metrics", self.metrics)).await?.text().await?)
    }

    /// REST.
    pub fn rest_url(&self) -> String {
        format!("https://{}", self.rest)
    }

    /// For agents.
    pub fn agents_url(&self) -> String {
        format!("https://{}", self.agents)
    }

    /// Where agents are served.
    pub fn agents_address(&self) -> SocketAddr {
        self.agents
    }

    /// For joining agents.
    pub fn join_url(&self) -> String {
        format!("https://{}", self.join)
    }

    /// Where Prometheus scrapes it.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    /// For Prometheus.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }
}
