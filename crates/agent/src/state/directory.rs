//! State on a host: files of a directory, and a file for each binding in `held/`. Every file is replaced whole (see
//! [`crate::durable`]). `lock` is held while an agent runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};

use lockstep_core::exposure;
use nix::unistd::geteuid;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{StateError, damaged, from_json, to_json};
use crate::durable;

/// The most bytes a state file may have.
const STATE_FILE_MAX_BYTES: u64 = 1 << 20;

/// The state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    path: PathBuf,
}

/// Held while an agent runs; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct StateLock {
    _file: File,
}

impl StateDir {
    /// The directory at `path`, made if it is not there.
    pub(crate) fn ensure(path: &Path) -> Result<Self, StateError> {
        durable::ensure_directory(path).map_err(io_error("create", path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The directory at `path`, for reading.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Keeps other agents out.
    pub(crate) fn lock(&self) -> Result<StateLock, StateError> {
        let path = self.file("lock");
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(durable::FILE_MODE).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(StateLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateError::Locked { path: self.path.clone() }),
            Err(TryLockError::Error(source)) => Err(StateError::Io { doing: "lock", path, source }),
        }
    }

    /// A file of the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.file(name);
        durable::replace(&path, bytes).map_err(io_error("write", &path))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.file(name);
        durable::remove(&path).map_err(io_error("remove", &path))
    }
}

/// Reads a private file; `None` where there is none. Refuses one that others have too.
pub(super) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(io_error("read", path))?,
    };
    if metadata.is_file() {
        let judged = exposure::judge(metadata.mode(), metadata.uid(), geteuid().as_raw());
        judged.map_err(|exposure| StateError::Exposed { path: path.to_owned(), exposure })?;
    }
    if metadata.len() > STATE_FILE_MAX_BYTES {
        return Err(damaged(path.display().to_string(), format!("{} bytes", metadata.len())));
    }
    fs::read(path).map(|bytes| Some(Zeroizing::new(bytes))).map_err(io_error("read", path))
}

/// Reads a private JSON file; `None` where there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    read_private(path)?.map(|bytes| from_json(&path.display().to_string(), &bytes)).transpose()
}

/// Replaces a JSON file.
pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), StateError> {
    let bytes = to_json(&path.display().to_string(), value)?;
    durable::replace(path, &bytes).map_err(io_error("write", path))
}

/// For `map_err`.
pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_agent_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::ensure(&dir.path().join("deep/state")).unwrap();
        let mode = fs::metadata(&state.path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, durable::DIRECTORY_MODE);
        let first = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(StateError::Locked { .. })));
        drop(first);
        state.lock().unwrap();
    }

    #[test]
    fn a_private_file_that_everybody_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        for (mode, ok) in [(0o600, true), (0o660, true), (0o604, false), (0o644, false)] {
            fs::write(&path, "1").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_json::<u8>(&path).is_ok(), ok, "{mode:o}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_and_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        durable::replace(&path, br#""canary""#).unwrap();
        let text = read_json::<u8>(&path).unwrap_err().to_string();
        assert!(text.contains("x.json") && text.contains("column") && !text.contains("canary"), "{text}");
    }
}
