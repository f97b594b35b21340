//! OpenBao: a server as an operator would run it (sealed at start, configuration file, audit device), not a `-dev` one.

mod audit;
mod config;
mod database;
mod engines;
mod install;
mod issuers;
mod kv;
mod kv1;
mod request;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::process::{Slot, Spec};
use crate::{Folder, Process, Refused, http, port};
use install::Install;
pub(crate) use install::program;

const START_LIMIT: Duration = Duration::from_mins(1);

static SHARED: OnceCell<OpenBao> = OnceCell::const_new();

/// An OpenBao server, initialised and unsealed; ends when this is dropped.
#[derive(Debug)]
pub struct OpenBao {
    /// Before `folder`, as fields are dropped in order.
    process: Slot,
    install: Install,
    port: u16,
    addr: String,
    client: Client,
    /// Unseals the server: the one share of its key.
    key: String,
    root_token: String,
    audit_log: PathBuf,
    folder: Folder,
}

impl OpenBao {
    /// Starts, initialises and unseals a server.
    pub async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// As [`OpenBao::start`], with something appended to the configuration file: another audit device, another listener.
    pub async fn start_with(extra_config: &str) -> Result<Self> {
        let mut server = Self::prepare(extra_config)?;
        server.start_sealed().await.context("starting OpenBao")?;
        server.initialise().await.context("initialising OpenBao")?;
        server.unseal().await?;
        if server.install.is_vault {
            server.enable_audit_by_api().await?;
        }
        Ok(server)
    }

    /// A server that all tests of this process share. Nobody seals or stops it, and everybody takes mounts of his own.
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    fn prepare(extra_config: &str) -> Result<Self> {
        let install = install::find()?;
        let folder = Folder::new("openbao")?;
        let port = port::free()?;
        fs::create_dir(folder.path().join("storage"))?;
        let config = config::render(&install, port, port::free()?, folder.path(), extra_config);
        fs::write(folder.path().join("openbao.hcl"), config)?;
        Ok(Self {
            process: Slot::new("OpenBao"),
            install,
            port,
            addr: format!("http://127.0.0.1:{port}"),
            client: http::client().build()?,
            key: String::new(),
            root_token: String::new(),
            audit_log: folder.path().join("audit.log"),
            folder,
        })
    }

    async fn initialise(&mut self) -> Result<()> {
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let answer = self.request("PUT", "sys/init", Some(shares)).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("OpenBao told no key or token");
        self.key = text(&answer["keys_base64"][0])?;
        self.root_token = text(&answer["root_token"])?;
        Ok(())
    }

    async fn enable_audit_by_api(&self) -> Result<()> {
        let device = json!({ "type": "file", "options": { "file_path": self.audit_log } });
        self.request("PUT", "sys/audit/main", Some(device)).await.map(drop)
    }

    /// Unseals the server and waits until it answers requests.
    pub async fn unseal(&self) -> Result<()> {
        let key = json!({ "key": self.key });
        self.request("PUT", "sys/unseal", Some(key)).await.context("unsealing OpenBao")?;
        let active = async || {
            self.request("GET", "sys/health", None).await?;
            self.request("GET", "auth/token/lookup-self", None).await
        };
        self.process.get()?.until("be active", START_LIMIT, active).await.map(drop)
    }

    /// Seals the server: it answers 503 until it is unsealed.
    pub async fn seal(&self) -> Result<()> {
        self.request("PUT", "sys/seal", None).await.context("sealing OpenBao")?;
        let sealed = async || self.health().await.is_ok_and(|status| status == StatusCode::SERVICE_UNAVAILABLE);
        self.process.get()?.until("be sealed", START_LIMIT, sealed).await
    }

    /// Stops the server. Its storage, audit log and port stay.
    pub async fn stop(&self) -> Result<()> {
        self.process.stop().await
    }

    /// Ends the server as `kill -9` does. Its storage, audit log and port stay.
    pub fn kill(&self) -> Result<()> {
        self.process.kill9()
    }

    /// Freezes the server: connections stay open and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.process.get()?.pause()
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<()> {
        self.process.get()?.resume()
    }

    /// Starts a stopped server, on the same port, and unseals it.
    pub async fn start_again(&self) -> Result<()> {
        self.start_sealed().await.context("starting OpenBao again")?;
        self.unseal().await
    }

    /// Starts a stopped server, on the same port, and leaves it sealed.
    pub async fn start_sealed(&self) -> Result<()> {
        if self.process.get().is_ok() {
            bail!("OpenBao at {} runs already", self.addr);
        }
        let process = self.process.put(Process::spawn("openbao", self.spec(), self.folder.path())?);
        process.until("answer", START_LIMIT, async || self.health().await).await?;
        Ok(())
    }

    fn spec(&self) -> Spec {
        let spec = Spec::new(&self.install.program)
            .args(["server", "-config"])
            .arg(self.folder.path().join("openbao.hcl"))
            .orphaned_folder(self.folder.path());
        // The owner's environment may be set up for another server, and some of these variables override the configuration.
        let foreign = env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("VAULT_") || name.starts_with("BAO_")
        });
        foreign.fold(spec, Spec::env_remove)
    }

    /// What `sys/health` answers: 200 active, 429 standby, 501 not initialised, 503 sealed.
    pub async fn health(&self) -> Result<StatusCode> {
        match self.request_as("", "GET", "sys/health", None).await {
            Ok(_) => Ok(StatusCode::OK),
            Err(error) => match error.downcast_ref::<Refused>() {
                Some(refused) => Ok(refused.status),
                None => Err(error),
            },
        }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// The port of [`OpenBao::addr`], for a relay's target.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The token that may do everything.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// The file that the audit device writes, one JSON object a line.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// All that the server logged, also before it was started again.
    pub fn log(&self) -> String {
        self.process.get().map(|process| process.log()).unwrap_or_default()
    }
}
