//! A whole Lockstep on real parts: Postgres, OpenBao, server replicas and agents, each a process of its own.
//!
//! Everything is set up as an operator would: Vault through its API, clusters with `lockstep cluster register`, manifests with
//! `lockstep apply`. So whatever a test or the demo does, a user can.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::process::Spec;
use crate::{Database, Folder, OpenBao, Postgres, Process, bin, wait};

mod agent;
mod cli;
mod home;
mod look;
mod replica;
mod site;
mod volumes;

pub use agent::{Agent, Beside};
pub use cli::Output;
pub use look::STORY_LIMIT;
pub use replica::Replica;
pub use site::AGENT_NAMESPACE;
use site::Site;
pub use volumes::NodeAgent;

/// The mount of the watched secrets.
pub const KV: &str = "kv";
/// The trust domain of all certificates.
pub const TRUST_DOMAIN: &str = "lockstep.test";
/// The namespace of the Secrets that a fleet's clusters get.
pub const NAMESPACE: &str = "shop";
/// How long a process may take to serve.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Fleets of one process at the same time. Each is eight processes and more, and tests run in as many threads as there are cores.
pub const FLEETS_MAX: usize = 2;

static RUNNING: Semaphore = Semaphore::const_new(FLEETS_MAX);

/// How a fleet is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Server replicas.
    pub replicas: usize,
    /// Clusters `cluster-1`, `cluster-2`, …, each with an agent and the label `env=prod`.
    pub clusters: usize,
    /// How often the source is looked at.
    pub watch_interval_ms: u64,
    /// Requests to the source, at most.
    pub requests_per_second: u32,
    /// How long a lease lives.
    pub lease_ms: u64,
    /// Rotation runs under way at once.
    pub concurrent_runs: u32,
    /// How often the servers compare every connected cluster anew.
    pub sweep_ms: u64,
    /// How often agents compare what they hold with what is there.
    pub verify_ms: u64,
    /// What servers and agents log.
    pub log: String,
    /// Where agents write.
    pub sink: Sink,
    /// With [`Sink::Secret`]: the only Secrets that the agents may touch, by name; none: all of [`NAMESPACE`].
    pub strict: &'static [&'static str],
    /// With [`Sink::Secret`]: whether the agents serve volumes of pods, and keep them in a cache.
    pub volumes: bool,
    /// Where servers and agents export spans to, as `http://host:port`.
    pub otlp: Option<String>,
}

/// Where the agents of a fleet write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sink {
    /// Folders; there is no Kubernetes.
    #[default]
    Directory,
    /// Secrets in namespace [`NAMESPACE`] of a real kube-apiserver for each cluster. The agent has the rights that its chart gives it.
    Secret,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            replicas: 2,
            clusters: 5,
            watch_interval_ms: 500,
            requests_per_second: 50,
            lease_ms: 6_000,
            concurrent_runs: 16,
            sweep_ms: 5_000,
            verify_ms: 2_000,
            log: "info,lockstep=debug,lockstep_server=trace,lockstep_agent=trace,lockstep_store=trace,lockstep_vault=trace"
                .to_owned(),
            sink: Sink::default(),
            strict: &[],
            volumes: false,
            otlp: None,
        }
    }
}

impl Settings {
    /// One replica and one cluster, as a user has them who configures nothing: what is measured, and not what is tested.
    pub fn as_shipped(sink: Sink) -> Self {
        Self {
            replicas: 1,
            clusters: 1,
            watch_interval_ms: 5_000,
            requests_per_second: 10,
            lease_ms: 15_000,
            concurrent_runs: 16,
            sweep_ms: 15_000,
            verify_ms: 30_000,
            log: "info".to_owned(),
            sink,
            strict: &[],
            volumes: false,
            otlp: None,
        }
    }
}

/// A running Lockstep.
pub struct Fleet {
    /// The replicas, `a`, `b`, …; dropped before what they need.
    pub replicas: Vec<Replica>,
    /// The agents, in order of cluster.
    pub agents: Vec<Agent>,
    /// Its Vault: home and source.
    pub bao: OpenBao,
    /// Its registry.
    pub database: Database,
    /// Its Postgres, which it owns and may stop.
    pub postgres: Postgres,
    settings: Settings,
    folder: Folder,
    /// Last: the next fleet starts when all of this one has ended.
    _running: SemaphorePermit<'static>,
}

impl Fleet {
    /// Starts all of it, and waits until every agent is connected.
    pub async fn start(settings: Settings) -> Result<Self> {
        let mut fleet = Self::start_replicas(settings).await?;
        let sites = (0..fleet.settings.clusters).map(|_| Site::start(&fleet.settings));
        // Side by side: an API server takes seconds until it is ready.
        let sites = futures::future::try_join_all(sites).await?;
        for (index, site) in sites.into_iter().enumerate() {
            fleet.register(&format!("cluster-{}", index + 1), &["env=prod"], site).await?;
        }
        Ok(fleet)
    }

    /// Starts everything but clusters, and logs the CLI in.
    pub async fn start_replicas(settings: Settings) -> Result<Self> {
        let running = RUNNING.acquire().await.context("waiting for another fleet's end")?;
        let folder = Folder::new("fleet")?;
        let (postgres, bao) = tokio::try_join!(Postgres::start(), OpenBao::start())?;
        let database = postgres.create_database().await?;
        let home = home::set_up(&bao).await.context("setting the home Vault up")?;
        bao.enable_kv(KV).await?;
        write(folder.path(), "root.pem", &home.root_pem)?;
        write(folder.path(), "vault.token", &home.token)?;
        write(folder.path(), "database.url", database.url())?;
        let mut fleet =
            Self { replicas: Vec::new(), agents: Vec::new(), bao, database, postgres, settings, folder, _running: running };
        for index in 0..fleet.settings.replicas {
            let plan = replica::plan(&fleet, index)?;
            fleet.replicas.push(plan);
        }
        let advertise = fleet.replicas.iter().map(|r| (r.agents_url(), r.join_url())).collect::<Vec<_>>();
        for replica in &fleet.replicas {
            replica.configure(&fleet, &advertise)?;
        }
        fleet.bootstrap().await?;
        for index in 0..fleet.replicas.len() {
            fleet.start_replica(index).await?;
        }
        fleet.use_replica(0).await?;
        Ok(fleet)
    }

    /// Starts one replica, or starts it again, and waits until it is ready.
    pub async fn start_replica(&mut self, index: usize) -> Result<()> {
        self.launch_replica(index)?;
        self.replicas[index].ready(START_LIMIT).await
    }

    /// Starts one replica, or starts it again, without waiting for anything.
    pub fn launch_replica(&mut self, index: usize) -> Result<()> {
        self.replicas[index].start(self.folder.path(), &self.settings.log)
    }

    /// Registers a cluster with the CLI, starts its agent, and waits until it is connected.
    pub async fn add_cluster(&mut self, name: &str, labels: &[&str]) -> Result<()> {
        let site = Site::start(&self.settings).await?;
        self.register(name, labels, site).await
    }

    async fn register(&mut self, name: &str, labels: &[&str], site: Site) -> Result<()> {
        let mut arguments = vec!["cluster", "register", name, "-o", "json"];
        for label in labels {
            arguments.extend(["--label", label]);
        }
        let registered: Value = self.cli(&arguments).await?.json()?;
        let mut agent = self.install_agent(name, &registered)?.at(site);
        agent.start()?;
        self.agents.push(agent);
        self.await_cluster(name, "Ready", START_LIMIT).await
    }

    /// An agent with a folder of its own that would join with `token`, an answer of `lockstep cluster token -o json`; not started.
    pub fn install_agent(&self, folder: &str, token: &Value) -> Result<Agent> {
        let text = |key: &str| token[key].as_str().map(str::to_owned).with_context(|| format!("the join token has no {key}"));
        let path = self.folder.path().join(folder);
        std::fs::create_dir(&path)?;
        write(&path, "join.token", &text("token")?)?;
        let servers = self.replicas.iter().map(Replica::agents_url).collect();
        let join = self.replicas.iter().map(Replica::join_url).collect();
        Agent::new(&text("cluster")?, path, servers, join, text("pin")?, &self.settings)
    }

    /// Waits for a condition of a cluster.
    pub async fn await_cluster(&self, name: &str, condition: &str, limit: Duration) -> Result<()> {
        wait::until(&format!("cluster {name} to be {condition}"), limit, async || {
            let cluster = self.cli(&["get", "cluster", name, "-o", "json"]).await?.json()?;
            let conditions = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is_met = conditions.iter().any(|c| c["type"] == condition && c["status"] == "True");
            anyhow::ensure!(is_met, "{}", cluster["status"]);
            anyhow::Ok(())
        })
        .await
    }

    /// Waits until every delivery has this status.
    pub async fn await_deliveries(&self, status: &str, count: usize, limit: Duration) -> Result<Vec<Value>> {
        wait::until(&format!("{count} deliveries to be {status}"), limit, async || {
            let deliveries = self.deliveries().await?;
            let all = deliveries.len() == count && deliveries.iter().all(|d| d["status"] == status);
            ensure!(all, "{}", Value::from(deliveries));
            anyhow::Ok(deliveries)
        })
        .await
    }

    /// All deliveries, as the API shows them.
    pub async fn deliveries(&self) -> Result<Vec<Value>> {
        let list = self.cli(&["get", "deliveries", "-o", "json"]).await?.json()?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Applies manifests, however far that reaches.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        let path = self.folder.path().join(format!("manifest-{}.yaml", uuid::Uuid::new_v4().simple()));
        std::fs::write(&path, manifests)?;
        self.cli(&["apply", "--yes", "-f", &path.to_string_lossy()]).await.map(drop)
    }

    /// A source `corp`, a project `shop`, and a grant of everything below `shop/` in `kv` to every `env=prod` cluster.
    pub fn basics(&self) -> String {
        format!(
            "apiVersion: lockstep.dev/v1\nkind: Project\nmetadata: {{name: shop}}\nspec: {{}}\n---\n\
             apiVersion: lockstep.dev/v1\nkind: Source\nmetadata: {{name: corp}}\nspec: {{addresses: [\"{}\"], credentials: home}}\n---\n\
             apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: shop-prod}}\nspec:\n  project: shop\n  \
             paths: [{{source: corp, mount: {KV}, globs: [\"shop/**\"]}}]\n  clusters: {{matchLabels: {{env: prod}}}}\n  \
             namespaces: [{NAMESPACE}]\n",
            self.bao.addr()
        )
    }

    /// A binding of `kv/shop/<name>` to a directory of the same name in every `env=prod` cluster.
    pub fn binding(name: &str) -> String {
        format!(
            "apiVersion: lockstep.dev/v1\nkind: Binding\nmetadata: {{name: {name}}}\nspec:\n  project: shop\n  \
             clusters: {{matchLabels: {{env: prod}}}}\n  items: [{{source: corp, mount: {KV}, path: shop/{name}}}]\n  \
             target: {{directory: {{name: {name}}}}}\n---\n"
        )
    }

    /// As [`Fleet::binding`], to a Secret of that name in [`NAMESPACE`].
    pub fn binding_to_secret(name: &str) -> String {
        Self::binding(name).replace("{directory: {", &format!("{{secret: {{namespaces: [{NAMESPACE}], "))
    }

    /// As [`Fleet::binding`], of another path and with more fields of its spec, such as `deletionPolicy: Delete`.
    pub fn bound(name: &str, path: &str, more: &str) -> String {
        let binding = Self::binding(name).replace(&format!("path: shop/{name}}}"), &format!("path: {path}}}"));
        binding.replace("\n---\n", &format!("\n  {more}\n---\n"))
    }

    /// Where its agents write.
    pub fn sink(&self) -> Sink {
        self.settings.sink
    }

    /// The folder with all configurations, states and logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The replica that holds the lease of this name.
    pub async fn lease_holder(&self, lease: &str) -> Result<usize> {
        for (index, replica) in self.replicas.iter().enumerate() {
            if replica.is_running() && replica.metric(&format!("lockstep_lease_held{{lease=\"{lease}\"}}")).await? == Some(1.0) {
                return Ok(index);
            }
        }
        anyhow::bail!("no replica says that it holds {lease}")
    }

    async fn bootstrap(&self) -> Result<()> {
        let config = self.replicas[0].config_path().to_string_lossy().into_owned();
        let token = self.token_file().to_string_lossy().into_owned();
        let spec = Spec::new(bin("lockstep-server")?).args(["bootstrap", "--config", &config, "--token-file", &token]);
        let process = Process::spawn("bootstrap", spec, self.folder.path())?;
        let status = process.wait_exit().await?;
        ensure!(status == 0, "the bootstrap failed: {}", process.log_tail());
        Ok(())
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("admin.token")
    }

    /// The token with which replicas read in Vault: it has the rights of the documented policy, and no others.
    pub fn vault_token(&self) -> Result<String> {
        std::fs::read_to_string(self.folder.path().join("vault.token")).context("reading the replicas' Vault token")
    }

    /// The root certificate that agents and callers trust.
    pub fn root_file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }
}

/// Writes a file that only its owner reads.
fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join(name);
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut f| f.write_all(text.as_bytes())).with_context(|| format!("writing {}", path.display()))
}
