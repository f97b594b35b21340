//! The folder in which a part works.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// A temporary folder that goes with its owner, unless `LOCKSTEP_KEEP` is set: then it stays, for reading its logs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Removes the folder when dropped; none when it is to be kept.
    _guard: Option<TempDir>,
}

impl Folder {
    /// Makes a folder whose name begins with `lockstep-<name>-`.
    pub fn new(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("lockstep-{name}-"))
            // Others may pass through: Postgres runs as another user when the owner is root.
            .permissions(std::fs::Permissions::from_mode(0o711))
            .tempdir()
            .with_context(|| format!("making a temporary folder for {name}"))?;
        let path = folder.path().to_path_buf();
        if kept() {
            eprintln!("testbed: {name} works in {} (kept)", path.display());
            let path = folder.keep();
            return Ok(Self { path, _guard: None });
        }
        Ok(Self { path, _guard: Some(folder) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether folders outlive their owner.
pub(crate) fn kept() -> bool {
    env::var_os("LOCKSTEP_KEEP").is_some_and(|value| !value.is_empty())
}
