//! Volumes of pods: what an agent serves, and node agents that ask it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Agent;
use super::site::AGENT_NAMESPACE;
use crate::process::Spec;
use crate::{Process, bin, port, wait};

/// As the chart names them for a release of the chart's name.
const NODE_ACCOUNT: &str = "lockstep-agent-node";
const CONFIG_MAP: &str = "lockstep-agent-volumes";
const CA_SECRET: &str = "lockstep-agent-volumes-ca";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A `lockstep-agent node`.
pub struct NodeAgent {
    process: Process,
    /// The folder with its socket, for a driver.
    pub providers: PathBuf,
    metrics: SocketAddr,
}

impl Agent {
    pub(super) fn volumes_arguments(&self, spec: Spec, replica: usize, peer: usize) -> Spec {
        let Some(volumes) = self.volumes else { return spec };
        let at = |replica: usize| volumes[replica % volumes.len()];
        spec.args(["--node-listen", &at(replica).to_string(), "--node-server-name", "localhost"])
            .args(["--node-service-account", NODE_ACCOUNT, "--node-ca-secret", CA_SECRET, "--node-ca-config-map", CONFIG_MAP])
            .args(["--peer", &format!("https://localhost:{}", at(peer).port())])
            .arg("--peer-token-file")
            .arg(self.peer_token())
            .arg("--cache-dir")
            .arg(self.cache(replica))
    }

    /// The cache's folder of a replica, the first one being 0.
    pub fn cache(&self, replica: usize) -> PathBuf {
        self.folder.join(format!("cache-{replica}"))
    }

    /// Gives its replicas the token that they show each other.
    pub async fn project_peer_token(&self) -> Result<()> {
        write(&self.peer_token(), &self.service_account_token(&["lockstep"]).await?)
    }

    /// Takes it away again.
    pub fn withdraw_peer_token(&self) -> Result<()> {
        Ok(fs::remove_file(self.peer_token())?)
    }

    fn peer_token(&self) -> PathBuf {
        self.folder.join("peer.token")
    }

    /// Starts a node agent on a node of that name, which there must be, with what its pod would have: a token of its service account that is
    /// bound to it, and the published CA.
    pub async fn start_node(&self, node: &str) -> Result<NodeAgent> {
        self.start_node_logging(node, "debug").await
    }

    /// The same, with what it logs.
    pub async fn start_node_logging(&self, node: &str, log: &str) -> Result<NodeAgent> {
        let volumes = self.volumes.context("the agent serves no volumes")?;
        let kubernetes = self.kubernetes()?;
        let folder = self.folder.join(format!("node-{node}"));
        let providers = folder.join("providers");
        fs::create_dir_all(&providers)?;
        let pod = kubernetes.create_pod(AGENT_NAMESPACE, &format!("{NODE_ACCOUNT}-{node}"), NODE_ACCOUNT, node).await?;
        let token = kubernetes.pod_token(&pod, &["lockstep"]).await?;
        write(&folder.join("token"), &token)?;
        let path = format!("/api/v1/namespaces/{AGENT_NAMESPACE}/configmaps/{CONFIG_MAP}");
        let published =
            wait::until("the agent to publish its CA", START_LIMIT, async || kubernetes.request("GET", &path, None).await);
        let published = published.await?["data"]["ca.crt"].as_str().context("the ConfigMap has no ca.crt")?.to_owned();
        write(&folder.join("ca.crt"), &published)?;
        let metrics = SocketAddr::from(([127, 0, 0, 1], port::free()?));
        let spec = Spec::new(bin("lockstep-agent")?)
            .arg("node")
            .arg("--providers-dir")
            .arg(&providers)
            .args(["--agent", &volumes.map(|at| format!("https://localhost:{}", at.port())).join(",")])
            .arg("--agent-ca-file")
            .arg(folder.join("ca.crt"))
            .arg("--token-file")
            .arg(folder.join("token"))
            .args(["--metrics-listen", &metrics.to_string()])
            .env("LOCKSTEP_LOG", log);
        let process = Process::spawn("node", spec, &folder)?;
        let socket = providers.join("lockstep.sock");
        wait::until("the node agent to listen", START_LIMIT, async || {
            anyhow::ensure!(socket.exists(), "{} is not there: {}", socket.display(), process.log_tail());
            anyhow::Ok(())
        })
        .await?;
        Ok(NodeAgent { process, providers, metrics })
    }
}

impl NodeAgent {
    /// What it logs.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All metrics.
    pub async fn metrics(&self) -> Result<String> {
        Ok(reqwest::get(format!("http://{}/metrics", self.metrics)).await?.text().await?)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    super::write(path.parent().context("a path without a folder")?, &path.file_name().unwrap_or_default().to_string_lossy(), text)
}
