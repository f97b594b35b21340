//! What survives a restart: who the agent is, what it holds, and the newest point of the history it has seen. No material.
//!
//! | name | what |
//! |---|---|
//! | `identity.json` | the current slot: private key, certificate chain, roots, cluster |
//! | `next-key.pem` | the next slot: a key that has no certificate yet |
//! | `digest-keys.json` | this cluster's digest keys, newest first |
//! | `cache-keys` | what seals the cache of what pods may mount, unless a file has it |
//! | `registry.json` | the registry it belongs to, and the floor that forgotten bindings left |
//!
//! On a host these are files of the state directory ([`directory`]), beside a file for each binding. In Kubernetes they are keys of
//! the state Secret ([`secret`]), and the bindings are in a second one ([`held`]). Either way each is replaced whole, so the agent
//! survives being killed between any two steps.

pub(crate) mod cache_keys;
pub(crate) mod directory;
pub(crate) mod held;
pub(crate) mod identity;
pub(crate) mod keyring;
pub(crate) mod ledger;
pub(crate) mod object;
pub(crate) mod secret;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lockstep_core::exposure::Exposure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::kubernetes::RequestError;
use crate::lease::NotLeader;
pub(crate) use directory::StateDir;
use secret::StateSecret;

/// Why the state cannot be used.
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
    /// A private file that others have too.
    #[error("{} {exposure}", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Who has it.
        exposure: Exposure,
    },
    /// Not what the agent wrote. Says where, never what: it may hold a key.
    #[error("{what} is damaged ({place}): restore it, or remove it to begin anew with what it held")]
    Damaged {
        /// Which file, or which key of a Secret.
        what: String,
        /// Where in it.
        place: String,
    },
    /// Another agent runs with the same directory.
    #[error("another agent runs with state directory {}: stop it, or give this one its own --state-dir", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The API server did not do it. Says what, never what was sent.
    #[error("cannot {doing} {what}: {cause}")]
    Kubernetes {
        /// What was tried.
        doing: &'static str,
        /// On which Secret.
        what: String,
        /// Why not.
        cause: String,
    },
    /// Another agent leads: what this one wanted to write is of no use any more.
    #[error("{0}")]
    NotLeader(String),
}

/// Where the agent keeps what survives a restart; a copy costs nothing.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// Files below a directory.
    Directory(StateDir),
    /// Keys of a Secret.
    Secret(Arc<StateSecret>),
}

impl State {
    /// The bytes under `name`; `None` where there are none.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        match self {
            Self::Directory(dir) => directory::read_private(&dir.file(name)),
            Self::Secret(secret) => Ok(secret.read(name).await),
        }
    }

    /// Replaces the bytes under `name`.
    pub(crate) async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        match self {
            Self::Directory(dir) => dir.write(name, bytes),
            Self::Secret(secret) => secret.write(name, Some(bytes)).await,
        }
    }

    /// Removes what is under `name`, if anything is.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), StateError> {
        match self {
            Self::Directory(dir) => dir.remove(name),
            Self::Secret(secret) => secret.write(name, None).await,
        }
    }

    /// The JSON under `name`; `None` where there is none.
    pub(crate) async fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        self.read(name).await?.map(|bytes| from_json(&self.path(name), &bytes)).transpose()
    }

    /// Replaces the JSON under `name`.
    pub(crate) async fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StateError> {
        self.write(name, &to_json(&self.path(name), value)?).await
    }

    /// The same, where nothing can be awaited: on a thread that may block.
    pub(crate) fn write_json_blocking(&self, name: &str, value: &impl Serialize) -> Result<(), StateError> {
        match self {
            Self::Directory(dir) => dir.write(name, &to_json(&self.path(name), value)?),
            Self::Secret(_) => tokio::runtime::Handle::current().block_on(self.write_json(name, value)),
        }
    }

    /// What is under `name` is not what the agent wrote.
    pub(crate) fn damaged(&self, name: &str, place: impl Into<String>) -> StateError {
        damaged(self.path(name), place)
    }

    fn path(&self, name: &str) -> String {
        match self {
            Self::Directory(dir) => dir.file(name).display().to_string(),
            Self::Secret(secret) => format!("{name} of {}", secret.what()),
        }
    }
}

fn damaged(what: impl Into<String>, place: impl Into<String>) -> StateError {
    StateError::Damaged { what: what.into(), place: place.into() }
}

/// Reads JSON. serde_json's own text may quote what it saw, so only the place is told.
fn from_json<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(bytes).map_err(|e| damaged(what, format!("line {}, column {}", e.line(), e.column())))
}

fn to_json(what: &str, value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, StateError> {
    serde_json::to_vec_pretty(value).map(Zeroizing::new).map_err(|e| damaged(what, e.to_string()))
}

impl From<NotLeader> for StateError {
    fn from(error: NotLeader) -> Self {
        Self::NotLeader(error.to_string())
    }
}

/// For `map_err`.
fn refused(doing: &'static str, what: &str) -> impl FnOnce(RequestError) -> StateError {
    let what = what.to_owned();
    move |error| StateError::Kubernetes { doing, what, cause: error.to_string() }
}
