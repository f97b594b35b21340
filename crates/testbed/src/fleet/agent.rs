//! One cluster's agent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::site::{AGENT_NAMESPACE, Site};
use super::{NAMESPACE, Settings, Sink};
use crate::kubernetes::SecretData;
use crate::process::Spec;
use crate::{Kubernetes, Process, bin, port};

/// What its replicas are called.
const REPLICAS: [&str; 4] = ["first", "second", "third", "fourth"];

/// A `lockstep-agent` with its folders.
pub struct Agent {
    name: String,
    pub(super) folder: PathBuf,
    servers: Vec<String>,
    join: Vec<String>,
    pin: String,
    log: String,
    otlp: Option<String>,
    metrics: SocketAddr,
    identity_tokens: Vec<PathBuf>,
    /// Where its replicas serve volumes, if they do.
    pub(super) volumes: Option<[SocketAddr; 3]>,
    process: Option<Process>,
    /// Dropped after the process.
    site: Site,
}

/// A further replica of it.
pub struct Beside {
    /// Its process.
    pub process: Process,
    metrics: SocketAddr,
}

impl Beside {
    /// What it answers at `/readyz`: HTTP's code and the text.
    pub async fn readiness(&self) -> Result<(u16, String)> {
        let answer = reqwest::get(format!("http://{}/readyz", self.metrics)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

impl Agent {
    pub(super) fn new(
        name: &str,
        folder: PathBuf,
        servers: Vec<String>,
        join: Vec<String>,
        pin: String,
        settings: &Settings,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            folder,
            servers,
            join,
            pin,
            log: settings.log.clone(),
            otlp: settings.otlp.clone(),
            metrics: local()?,
            identity_tokens: Vec::new(),
            volumes: if settings.volumes { Some([local()?, local()?, local()?]) } else { None },
            process: None,
            site: Site::Folder,
        })
    }

    /// The same, there.
    pub(super) fn at(self, site: Site) -> Self {
        Self { site, ..self }
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it, or starts it again.
    pub fn start(&mut self) -> Result<()> {
        self.process = None;
        let spec = self.spec(&self.name, self.metrics)?;
        let spec = self.volumes_arguments(spec, 0, 1);
        self.process = Some(Process::spawn("agent", spec, &self.folder)?);
        Ok(())
    }

    /// Starts a second replica beside it, in the same cluster, with the same rights and the same Lease.
    pub fn start_second(&self) -> Result<Process> {
        Ok(self.start_beside(1, 0)?.process)
    }

    /// Starts a further replica, the first one being 0. It looks for the one that works where `peer` serves; the fourth one serves where the first did.
    pub fn start_beside(&self, replica: usize, peer: usize) -> Result<Beside> {
        let metrics = local()?;
        let which = REPLICAS.get(replica).with_context(|| format!("there is no name for replica {replica}"))?;
        let spec = self.spec(&format!("{}-{which}", self.name), metrics)?;
        let spec = self.volumes_arguments(spec, replica, peer);
        let process = Process::spawn(&format!("agent-{which}"), spec, &self.folder)?;
        Ok(Beside { process, metrics })
    }

    fn spec(&self, pod: &str, metrics: SocketAddr) -> Result<Spec> {
        let path = |name: &str| self.folder.join(name);
        let spec = Spec::new(bin("lockstep-agent")?).arg("run");
        let spec = match &self.site {
            Site::Folder => spec.arg("--state-dir").arg(path("state")).arg("--directory-root").arg(path("targets")),
            Site::Cluster(cluster) => spec
                .args(["--kubernetes", "--namespace", AGENT_NAMESPACE, "--pod-name", pod, "--secret-access", cluster.access])
                .arg("--kubeconfig")
                .arg(&cluster.kubeconfig),
        };
        let spec = self.identity_tokens.iter().fold(spec, |spec, file| spec.arg("--identity-token-file").arg(file));
        let spec = self.otlp.iter().fold(spec, |spec, endpoint| spec.args(["--otlp-endpoint", endpoint]));
        Ok(spec
            .args(["--server", &self.servers.join(","), "--join", &self.join.join(",")])
            .arg("--token-file")
            .arg(path("join.token"))
            .args(["--pin", &self.pin, "--cluster", &self.name])
            .args(["--metrics-listen", &metrics.to_string()])
            .env("LOCKSTEP_LOG", &self.log))
    }

    /// Dials these from the next start on.
    pub fn dial(&mut self, servers: Vec<String>) {
        self.servers = servers;
    }

    /// Pins another root from the next start on.
    pub fn pin(&mut self, pin: String) {
        self.pin = pin;
    }

    /// Gives it a file of this name with a token of its service account for this audience, from the next start on. Called again, the token is exchanged
    /// in place, as the kubelet does it.
    pub async fn project_token(&mut self, name: &str, audience: &str) -> Result<()> {
        let token = self.service_account_token(&[audience]).await?;
        self.project(name, &token)
    }

    /// The same with any text.
    pub fn project(&mut self, name: &str, token: &str) -> Result<()> {
        let file = self.folder.join(format!("identity-{name}"));
        let fresh = self.folder.join(format!("identity-{name}.new"));
        std::fs::write(&fresh, token)?;
        std::fs::rename(&fresh, &file)?;
        if !self.identity_tokens.contains(&file) {
            self.identity_tokens.push(file);
        }
        Ok(())
    }

    /// Joins with a token of its service account for this audience, in the place of a join token.
    pub async fn join_by_service_account(&self, audience: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.join("join.token"), self.service_account_token(&[audience]).await?)?)
    }

    /// Where Prometheus scrapes it.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    /// All metrics.
    pub async fn metrics(&self) -> Result<String> {
        Ok(reqwest::get(format!("http://{}/metrics", self.metrics)).await?.text().await?)
    }

    /// Requests by which its Secret sink would have written anything since it was started, by its own count.
    pub async fn secret_writes(&self) -> Result<usize> {
        let metrics = self.metrics().await?;
        let writes = |line: &&str| ["create", "patch", "delete"].iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")));
        let of_sink = metrics.lines().filter(|line| line.starts_with("lockstep_agent_kubernetes_requests_total{"));
        of_sink.filter(writes).filter_map(|line| line.rsplit(' ').next()).map(|n| Ok(n.parse::<usize>()?)).sum()
    }

    /// Another token of its service account, which has the chart's rights. No audience means the API server's own.
    pub async fn service_account_token(&self, audiences: &[&str]) -> Result<String> {
        let kubernetes = self.kubernetes()?;
        let path =
            format!("/api/v1/namespaces/{AGENT_NAMESPACE}/serviceaccounts?labelSelector=app.kubernetes.io/name%3Dlockstep-agent");
        let accounts = kubernetes.request("GET", &path, None).await?;
        let account = accounts["items"][0]["metadata"]["name"].as_str().context("the chart made no ServiceAccount")?;
        kubernetes.token(AGENT_NAMESPACE, account, audiences).await
    }

    /// Its process.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("agent {} was not started", self.name))
    }

    /// What it keeps about itself.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The folder that its targets are in.
    pub fn targets(&self) -> PathBuf {
        self.folder.join("targets")
    }

    /// Where it writes.
    pub fn sink(&self) -> Sink {
        match self.site {
            Site::Folder => Sink::Directory,
            Site::Cluster(_) => Sink::Secret,
        }
    }

    /// The cluster it is in.
    pub fn kubernetes(&self) -> Result<&Kubernetes> {
        match &self.site {
            Site::Cluster(cluster) => Ok(&cluster.kubernetes),
            Site::Folder => anyhow::bail!("agent {} is in no Kubernetes", self.name),
        }
    }

    /// The same, to start more of it.
    pub fn kubernetes_mut(&mut self) -> Result<&mut Kubernetes> {
        match &mut self.site {
            Site::Cluster(cluster) => Ok(&mut cluster.kubernetes),
            Site::Folder => anyhow::bail!("agent {} is in no Kubernetes", self.name),
        }
    }

    /// What is in one target now, be it a folder, or a Secret of [`NAMESPACE`]. `None` while it does not exist.
    pub async fn content(&self, target: &str) -> Result<Option<SecretData>> {
        match &self.site {
            Site::Folder => Ok(self.read(target)),
            Site::Cluster(cluster) => cluster.kubernetes.secret(NAMESPACE, target).await,
        }
    }

    /// What is in one target now, read as any program would: file name and bytes. `None` while it does not exist.
    pub fn read(&self, target: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let entries = std::fs::read_dir(self.targets().join(target)).ok()?;
        let mut content = BTreeMap::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with("..") {
                content.insert(name, std::fs::read(entry.path()).ok()?);
            }
        }
        Some(content)
    }
}

/// A free address of this machine.
fn local() -> Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], port::free()?)))
}
