//! `lockstep-agent node`, as a DaemonSet runs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::process::Spec;
use lockstep_testbed::{Folder, Process, bin, port, wait};

use crate::csi_driver::Driver;

/// How long it may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);

/// One, on one node.
pub struct NodeAgent {
    /// Its process.
    pub process: Process,
    folder: Folder,
    metrics_port: u16,
}

impl NodeAgent {
    /// Starts one that asks these agents (`https://HOST:PORT`, with commas between them), and waits until the driver finds it.
    pub async fn start(agents: &str, ca_file: &Path, token_file: &Path, more: &[&str]) -> Result<Self> {
        Self::start_in(Folder::new("node")?, agents, ca_file, token_file, more).await
    }

    /// The same where something may have been left behind.
    pub async fn start_in(folder: Folder, agents: &str, ca_file: &Path, token_file: &Path, more: &[&str]) -> Result<Self> {
        let metrics_port = port::free()?;
        let spec = Spec::new(bin("lockstep-agent")?)
            .args(["node", "--agent", agents])
            .args(["--metrics-listen".to_owned(), format!("127.0.0.1:{metrics_port}")])
            .args([Path::new("--agent-ca-file"), ca_file, Path::new("--token-file"), token_file])
            .args([Path::new("--providers-dir"), folder.path()])
            .args(more.iter().copied())
            .env("LOCKSTEP_LOG", "trace");
        let process = Process::spawn("lockstep-agent-node", spec, folder.path())?;
        let node = Self { process, folder, metrics_port };
        wait::until("the node agent to listen", START_LIMIT, async || {
            ensure!(node.process.is_running(), "it ended: {}", node.log()?);
            Ok(node.driver().version().await?)
        })
        .await?;
        Ok(node)
    }

    /// The folder of providers' sockets.
    pub fn providers_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A driver on its node.
    pub fn driver(&self) -> Driver {
        Driver::of(self.folder.path())
    }

    /// All that it has logged.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(self.folder.path().join("lockstep-agent-node.log")).context("reading the node agent's log")
    }

    /// What it answers at `/metrics`, `/healthz` or `/readyz`: HTTP's code and the text.
    pub async fn probe(&self, path: &str) -> Result<(u16, String)> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.metrics_port)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The value of a series that counts.
    pub async fn metric(&self, series: &str) -> Result<u64> {
        let (_, text) = self.probe("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {series}"))?.parse()?)
    }
}
