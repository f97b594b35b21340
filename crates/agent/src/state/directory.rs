//! The agent's state directory: who it is, what it holds, and the newest point of the history it has seen. No material.
//!
//! | file | what |
//! |---|---|
//! | `lock` | held while an agent runs |
//! | `identity.json` | the current slot: private key, certificate chain, roots, cluster |
//! | `next-key.pem` | the next slot: a key that has no certificate yet |
//! | `digest-keys.json` | this cluster's digest keys, newest first |
//! | `registry.json` | the registry it belongs to, and the floor that forgotten bindings left |
//! | `held/<binding id>.json` | one binding, and the history's head that came with it |
//!
//! Every file is replaced whole (see [`crate::durable`]), so the agent survives being killed between any two steps.

pub(crate) mod identity;
pub(crate) mod keyring;
pub(crate) mod ledger;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::durable;

/// The most bytes a state file may have.
const STATE_FILE_MAX_BYTES: u64 = 1 << 20;

/// Why the state directory cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A private file that everybody may read.
    #[error("{} can be read by everybody (mode {mode:o}): run chmod 600 on it, and join anew if somebody may have read it", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what the agent wrote. Says where, never what: the file may hold a key.
    #[error("{} is damaged ({place}): restore it, or remove it to begin anew with what it held", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        place: String,
    },
    /// Another agent runs with the same directory.
    #[error("another agent runs with state directory {}: stop it, or give this one its own --state-dir", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
}

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
}

/// Reads a private file; `None` where there is none. Refuses one that everybody may read.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(io_error("read", path))?,
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 && metadata.is_file() {
        return Err(StateError::Exposed { path: path.to_owned(), mode });
    }
    if metadata.len() > STATE_FILE_MAX_BYTES {
        return Err(StateError::Damaged { path: path.to_owned(), place: format!("{} bytes", metadata.len()) });
    }
    fs::read(path).map(|bytes| Some(Zeroizing::new(bytes))).map_err(io_error("read", path))
}

/// Reads a private JSON file; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let Some(bytes) = read_private(path)? else { return Ok(None) };
    // serde_json's own text may quote what it saw.
    serde_json::from_slice(&bytes).map(Some).map_err(|e| damaged(path, format!("line {}, column {}", e.line(), e.column())))
}

/// Replaces a JSON file.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), StateError> {
    let bytes = serde_json::to_vec_pretty(value).map(Zeroizing::new).map_err(|e| damaged(path, e.to_string()))?;
    durable::replace(path, &bytes).map_err(io_error("write", path))
}

/// For `map_err`.
pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { doing, path, source }
}

/// A file that is not what the agent wrote.
pub(crate) fn damaged(path: &Path, place: impl Into<String>) -> StateError {
    StateError::Damaged { path: path.to_owned(), place: place.into() }
}

#[cfg(test)]
mod tests {
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
