//! What a node agent asks for, and the answers.

use std::fmt;
use std::sync::Arc;

use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use thiserror::Error;

/// The pod that mounts, as its token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) service_account: &'a str,
}

/// By what something is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A binding's name.
    Binding(String),
    /// A secret's path, as Vault's API has it or as people write it.
    Path(String),
}

/// As people name it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding(name) => write!(f, "binding {name:?}"),
            Self::Path(path) => write!(f, "path {path:?}"),
        }
    }
}

/// One object of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wanted {
    pub(crate) source: Source,
    /// Of a binding: the content's key. Of a path: the secret's. `None`: all.
    pub(crate) key: Option<String>,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Found {
    /// The same for the same content; shows nothing of it.
    pub(crate) version: String,
    /// A binding's, shared with what is held: nothing of it is copied before it is known that there is room.
    pub(super) content: Arc<Rendered>,
    /// The names that were asked for, each with the content's key.
    pub(super) keys: Vec<(String, String)>,
    /// Nobody could be asked whether it is the newest.
    pub(crate) is_stale: bool,
}

impl Found {
    /// By the names that were asked for.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Material)> {
        self.keys.iter().filter_map(|(asked, key)| Some((asked.as_str(), self.content.get(key)?)))
    }

    /// What it holds in bytes, with its names.
    pub(crate) fn bytes(&self) -> usize {
        self.entries().map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// Why it is not given. The sentences are shown in the pod's events.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotGiven {
    /// There is none, or it is not for this pod: the two are not told apart.
    #[error("{0}")]
    Denied(String),
    /// There is no such key in it.
    #[error("{0}")]
    NoSuchKey(String),
    /// Several have it, and not the same.
    #[error("{0}")]
    Ambiguous(String),
    /// It is not at hand, and may be soon.
    #[error("{0}")]
    NotAtHand(String),
}
