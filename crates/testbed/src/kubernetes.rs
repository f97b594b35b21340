//! Kubernetes: a real API server on etcd, and on demand what makes workloads roll out. There is no kubelet: nothing runs.

mod control_plane;
mod files;
mod install;
mod object;
mod pods;
mod request;
mod secrets;
mod workloads;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Certificate, Client};
use tokio::sync::OnceCell;

use crate::process::Slot;
use crate::{Folder, Process, http, port};
use files::Files;
pub(crate) use install::{APISERVER, CONTROLLER_MANAGER, ETCD, KWOK, program};
pub use pods::Pod;
pub use secrets::{SecretData, SecretSeen};

/// How long the API server may take until it is ready; 4 s when the machine is idle.
const START_LIMIT: Duration = Duration::from_mins(2);
/// What tokens are for when they are asked for without an audience. A token of this audience can call the API server, so
/// it is one that must never be sent to Vault.
pub const API_AUDIENCE: &str = "https://kubernetes.default.svc";

static SHARED: OnceCell<Kubernetes> = OnceCell::const_new();

/// A cluster's control plane; ends when this is dropped. It takes about 310 MB of memory.
#[derive(Debug)]
pub struct Kubernetes {
    /// Controller manager and kwok, once they are started. Fields are dropped in order: clients before servers, and the
    /// folder last.
    workloads: Vec<Process>,
    apiserver: Slot,
    _etcd: Process,
    client: Client,
    port: u16,
    etcd_port: u16,
    addr: String,
    kubeconfig: PathBuf,
    files: Files,
    folder: Folder,
}

impl Kubernetes {
    /// Starts etcd and the API server, and waits until it is ready.
    pub async fn start() -> Result<Self> {
        let folder = Folder::new("kubernetes")?;
        let files = Files::write(folder.path())?;
        let (port, etcd_port) = (port::free()?, port::free()?);
        let etcd = control_plane::etcd(etcd_port, port::free()?, folder.path())?;
        let addr = format!("https://127.0.0.1:{port}");
        files.write_kubeconfig(&files.kubeconfig(), &addr, &files.admin_token)?;
        let ca = Certificate::from_pem(files.ca_pem.as_bytes())?;
        let cluster = Self {
            workloads: Vec::new(),
            apiserver: Slot::new("the API server"),
            _etcd: Process::spawn("etcd", etcd, folder.path())?,
            client: http::client().tls_certs_only([ca]).build()?,
            port,
            etcd_port,
            addr,
            kubeconfig: files.kubeconfig(),
            files,
            folder,
        };
        cluster.start_api_again().await.context("starting Kubernetes")?;
        Ok(cluster)
    }

    /// A cluster that all tests of this process share, without workloads. Everybody takes namespaces of his own.
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// Stops the API server. Its data and its port stay.
    pub async fn stop_api(&self) -> Result<()> {
        self.apiserver.stop().await
    }

    /// Starts a stopped API server, and waits until it is ready.
    pub async fn start_api_again(&self) -> Result<()> {
        if self.apiserver.get().is_ok() {
            bail!("the API server at {} runs already", self.addr);
        }
        let (folder, files) = (self.folder.path(), &self.files);
        let spec = control_plane::apiserver(self.port, self.etcd_port, &self.addr, files, folder)?;
        let process = self.apiserver.put(Process::spawn("kube-apiserver", spec, folder)?);
        process.until("be ready", START_LIMIT, async || self.request("GET", "/readyz", None).await).await?;
        Ok(())
    }

    /// Freezes the API server: connections stay open and nothing answers.
    pub fn pause_api(&self) -> Result<()> {
        self.apiserver.get()?.pause()
    }

    /// Lets a paused API server go on.
    pub fn resume_api(&self) -> Result<()> {
        self.apiserver.get()?.resume()
    }

    /// `https://127.0.0.1:<port>`.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// The port of [`Kubernetes::addr`], for a relay's target.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The certificate that the API server's own is signed by, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.files.ca_pem
    }

    /// The folder with etcd's data and all logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The bearer token of a member of `system:masters`.
    pub fn admin_token(&self) -> &str {
        &self.files.admin_token
    }

    /// Who issues service account tokens: the API server's own address, where its discovery document and keys are (for
    /// whoever has the ClusterRole `system:service-account-issuer-discovery`).
    pub fn service_account_issuer(&self) -> &str {
        &self.addr
    }

    /// The public key that checks service account tokens, in PEM.
    pub fn service_account_key_pem(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.files.service_account_public_key())?)
    }

    /// The key that signs service account tokens, in PEM: for a token as the API server never issues one, such as one that has ended.
    pub fn service_account_signing_key_pem(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.files.service_account_key())?)
    }

    /// All that the API server logged, also before it was started again.
    pub fn log(&self) -> String {
        self.apiserver.get().map(|process| process.log()).unwrap_or_default()
    }
}
