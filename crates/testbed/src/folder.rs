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
        Self::below(&env::temp_dir(), name)
    }

    /// The same where other users get to, also if the user's own place for temporary files is closed to them (a `TMPDIR` of mode 0700).
    pub(crate) fn passable(name: &str) -> Result<Self> {
        let places = [env::temp_dir(), PathBuf::from("/var/tmp")];
        let place = places.iter().find(|place| others_pass(place)).unwrap_or(&places[0]);
        Self::below(place, name)
    }

    fn below(place: &Path, name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("lockstep-{name}-"))
            // Others may pass through: Postgres runs as another user when the owner is root.
            .permissions(std::fs::Permissions::from_mode(0o711))
            .tempdir_in(place)
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

/// Whether any user may pass through every folder of `path`.
fn others_pass(path: &Path) -> bool {
    let is_open = |folder: &Path| folder.metadata().is_ok_and(|m| m.permissions().mode() & 0o001 != 0);
    path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).all(is_open)
}

/// Whether folders outlive their owner.
pub(crate) fn kept() -> bool {
    env::var_os("LOCKSTEP_KEEP").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_on_the_way_keeps_others_out() {
        let outer = tempfile::tempdir().expect("a folder");
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).expect("a folder");
        let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        open(&inner, 0o711);
        open(outer.path(), 0o700);
        assert!(!others_pass(&inner));
        open(outer.path(), 0o711);
        assert_eq!(others_pass(&inner), others_pass(outer.path()));
    }
}
