//! Postgres: one server for all tests of a process, and a database for each.

mod admin;
mod install;
mod server;
mod snapshot;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use reqwest::Url;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::Folder;
use install::Install;
pub(crate) use install::program;
use server::Server;

static SHARED: OnceCell<Postgres> = OnceCell::const_new();

/// A Postgres server, which ends when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    /// Connects as superuser to the database `postgres`.
    admin_url: String,
    /// None: the server that `DATABASE_URL` names, which is not ours to stop.
    server: Option<Server>,
    install: Install,
    /// Where snapshots of a server that is not ours go; those of ours are in its own folder.
    dumps: OnceLock<Folder>,
}

/// A database of a [`Postgres`]. It stays until the server goes, or [`Postgres::drop_database`].
#[derive(Debug, Clone)]
pub struct Database {
    name: String,
    url: String,
}

impl Postgres {
    /// Starts a server of one's own: needed by whoever stops or restarts it.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server with further settings, each `name=value` as in `postgresql.conf`. Without any, `fsync` is off.
    pub async fn start_with(settings: &[&str]) -> Result<Self> {
        Self::start_from(install::find()?, settings).await
    }

    /// As [`Postgres::start`], of the wheel in the cache also where another Postgres is on PATH.
    pub async fn start_fetched() -> Result<Self> {
        Self::start_from(install::fetched()?, &[]).await
    }

    /// The server that all tests of this process share: the one that `DATABASE_URL` names (whose user must be allowed to
    /// create databases), or one that is started now and ends with the process.
    pub async fn shared() -> Result<&'static Self> {
        SHARED
            .get_or_try_init(|| async {
                match install::external_url() {
                    Some(url) => Self::external(url).await,
                    None => Self::start().await,
                }
            })
            .await
    }

    async fn start_from(install: Install, settings: &[&str]) -> Result<Self> {
        let server = Server::start(&install, settings).await.context("starting Postgres")?;
        Ok(Self { admin_url: server.admin_url(), server: Some(server), install, dumps: OnceLock::new() })
    }

    async fn external(url: String) -> Result<Self> {
        admin::connect(&url).await.context("using the Postgres that DATABASE_URL names")?;
        Ok(Self { admin_url: url, server: None, install: install::find()?, dumps: OnceLock::new() })
    }

    /// The superuser's address, for the database `postgres`.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Makes an empty database with a name of its own.
    pub async fn create_database(&self) -> Result<Database> {
        let name = format!("lockstep_{}", Uuid::new_v4().simple());
        admin::execute(&self.admin_url, &format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        let url = url_of(&self.admin_url, &name)?;
        Ok(Database { name, url })
    }

    /// Makes a user who may log in, without a password yet.
    pub async fn create_user(&self, name: &str) -> Result<()> {
        admin::execute(&self.admin_url, &format!("CREATE ROLE {name} LOGIN")).await
    }

    /// Removes a database, also from under its clients.
    pub async fn drop_database(&self, database: Database) -> Result<()> {
        admin::execute(&self.admin_url, &format!("DROP DATABASE {} WITH (FORCE)", database.name)).await
    }

    /// Takes a snapshot of a database with pg_dump; the file goes with the server.
    pub async fn dump(&self, database: &Database) -> Result<PathBuf> {
        let file = self.dumps_folder()?.join(format!("{}.dump", Uuid::new_v4().simple()));
        let (install, database, path) = (self.install.clone(), database.clone(), file.clone());
        tokio::task::spawn_blocking(move || snapshot::dump(&install, &database, &path)).await??;
        Ok(file)
    }

    fn dumps_folder(&self) -> Result<&Path> {
        if let Some(server) = &self.server {
            return Ok(server.folder.path());
        }
        if self.dumps.get().is_none() {
            // Of two made at once the second is dropped.
            let _ = self.dumps.set(Folder::new("dumps")?);
        }
        self.dumps.get().map(Folder::path).context("no folder for snapshots")
    }

    /// Puts a snapshot in the place of a database, under the same name. Its clients are disconnected.
    pub async fn restore(&self, database: &Database, dump: &Path) -> Result<()> {
        snapshot::restore(&self.install, &self.admin_url, database, dump).await
    }

    /// Stops the server, disconnecting its clients. Its data and its port stay.
    pub async fn stop(&self) -> Result<()> {
        self.server()?.process.stop().await
    }

    /// Starts a stopped server, on the same port with the same data.
    pub async fn start_again(&self) -> Result<()> {
        self.server()?.start_again().await
    }

    /// Stops the server and starts it again.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// Freezes the postmaster: no new connection is answered. Backends go on; to make open connections hang, put a relay in between.
    pub fn pause(&self) -> Result<()> {
        self.server()?.process.get()?.pause()
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<()> {
        self.server()?.process.get()?.resume()
    }

    /// All that the server logged, also before it was started again.
    pub fn log(&self) -> String {
        let process = self.server.as_ref().and_then(|server| server.process.get().ok());
        process.map(|process| process.log()).unwrap_or_default()
    }

    /// Ends the server as `kill -9` does, so that it recovers when it is started again.
    pub fn kill(&self) -> Result<()> {
        self.server()?.process.kill9()
    }

    fn server(&self) -> Result<&Server> {
        self.server.as_ref().context(
            "this Postgres is the one that DATABASE_URL names and not ours to stop: use Postgres::start() instead of shared()",
        )
    }
}

impl Database {
    /// `postgres://user:password@host:port/name`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a user that can log in to it and nothing else, with a password that nobody knows. The user's name begins with `name` and is
    /// the server's only one: users are the server's, not a database's.
    pub async fn create_user(&self, name: &str) -> Result<String> {
        let user = format!("{name}_{}", &Uuid::new_v4().simple().to_string()[..8]);
        let password = Uuid::new_v4().simple();
        admin::execute(&self.url, &format!("CREATE USER \"{user}\" PASSWORD '{password}'")).await?;
        Ok(user)
    }

    /// Whether the server lets this user in with this password. Whatever else fails is an error.
    pub async fn lets_in(&self, user: &str, password: &str) -> Result<bool> {
        admin::lets_in(&self.url, user, password).await
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn url_of(admin_url: &str, database: &str) -> Result<String> {
    let mut url = Url::parse(admin_url).context("DATABASE_URL is no URL")?;
    url.set_path(database);
    Ok(url.into())
}
