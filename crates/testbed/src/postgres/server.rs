//! A Postgres server of our own.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;

use super::admin;
use super::install::{self, Install};
use crate::process::{Slot, Spec};
use crate::{Folder, Process, port};

const START_LIMIT: Duration = Duration::from_mins(1);
/// What Postgres says while backends of a server that was killed have not ended.
const STILL_IN_USE: &str = "pre-existing shared memory block";
pub(super) const SUPERUSER: &str = "postgres";
/// Not a secret: the server listens on loopback and holds what tests put there. It is there so that a role whose password
/// was rotated is refused with the old one.
const PASSWORD: &str = "lockstep";

/// What differs from Postgres' own settings. Nothing here needs to outlive the machine, so nothing is synced to disk.
const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=300",
    "timezone=UTC",
    "log_line_prefix=%m [%p] %q%a@%d ",
];

#[derive(Debug)]
pub(super) struct Server {
    /// Before `folder`, as fields are dropped in order.
    pub(super) process: Slot,
    /// `setting=value`, given on the command line.
    settings: Vec<String>,
    programs: PathBuf,
    port: u16,
    pub(super) folder: Folder,
}

impl Server {
    pub(super) async fn start(install: &Install, settings: &[&str]) -> Result<Self> {
        let folder = Folder::passable("postgres")?;
        if let Some(user) = install::user() {
            install::give(folder.path(), user)?;
        }
        let server = Self {
            process: Slot::new("Postgres"),
            settings: SETTINGS.iter().chain(settings).map(ToString::to_string).collect(),
            programs: install.for_server(folder.path())?,
            port: port::free()?,
            folder,
        };
        server.init()?;
        server.start_again().await?;
        Ok(server)
    }

    pub(super) fn admin_url(&self) -> String {
        format!("postgres://{SUPERUSER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn init(&self) -> Result<()> {
        let password = self.folder.path().join("password");
        fs::write(&password, PASSWORD)?;
        let mut command = Command::new(self.programs.join("initdb"));
        command.current_dir(self.folder.path()).arg("--pgdata").arg(self.data()).arg("--pwfile").arg(&password).args([
            "--username",
            SUPERUSER,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        if let Some((user, group)) = install::user() {
            install::give(&password, (user, group))?;
            command.uid(user).gid(group);
        }
        let output = command.output().with_context(|| format!("running {command:?}"))?;
        if !output.status.success() {
            bail!("initdb ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    pub(super) async fn start_again(&self) -> Result<()> {
        if self.process.get().is_ok() {
            bail!("Postgres on port {} runs already", self.port);
        }
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let process = self.process.put(Process::spawn("postgres", self.spec(), self.folder.path())?);
            let url = self.admin_url();
            let started = process.until("answer", START_LIMIT, async || admin::connect(&url).await).await;
            match started {
                // A server that was killed leaves its backends behind for a moment. Whoever looks after a real one starts it again, too.
                Err(_) if Instant::now() < deadline && process.log_tail().contains(STILL_IN_USE) => {}
                started => return started.map(drop),
            }
        }
    }

    fn spec(&self) -> Spec {
        let settings = self.settings.iter().flat_map(|setting| ["-c", setting]);
        Spec::new(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .args(settings)
            .user(install::user())
            // Fast shutdown: SIGTERM would wait until every client has gone.
            .stop_signal(Signal::SIGINT)
            .orphaned_folder(self.folder.path())
    }
}
