//! Sinks: where content goes in a cluster.
//!
//! A target says which sink it is for. [`Target`] is a closed set, so a new sink is a new arm in each `match` here and nothing
//! more: the compiler lists them.

pub(crate) mod directory;
mod mark;
pub(crate) mod secret;
pub(crate) mod touched;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::name::Namespace;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::render::Rendered;
use lockstep_core::revision::Revision;
use thiserror::Error;

use crate::blocking::blocking;
use crate::lease::NotLeader;
use crate::state::keyring::{Digests, Keys};
use directory::Directory;
use secret::{Changed, Comparison, Destination, Secrets};
use touched::Touched;

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The registry that delivered it.
    pub(crate) registry: RegistryId,
    /// For this binding.
    pub(crate) binding: BindingId,
}

/// Where content goes: a target, and which namespaces it may use of those that it selects by label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) target: &'a Target,
    pub(crate) allowed: &'a AllowedNamespaces,
}

/// What was delivered: the version of the content that a mark stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The change it comes from.
    pub(crate) revision: Revision,
    /// Of the content.
    pub(crate) digest: Digest,
}

/// What is really in a target.
#[derive(Debug)]
pub(crate) enum Observed {
    /// Nothing.
    Absent,
    /// Something that does not carry this owner's mark.
    Foreign,
    /// As it should be, but for places that the target has only now.
    Incomplete,
    /// The target has no place at all now.
    Nowhere,
    /// It is this owner's, but not in the shape that the sink writes.
    Altered,
    /// It is this owner's: the digests of the content as a reader sees it, and what its mark says.
    Content(Digests, Stamp),
}

/// How many places a target has, and in how many of them the content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Targets {
    /// Where it is.
    pub(crate) applied: u32,
    /// Where it should be.
    pub(crate) total: u32,
}

/// Why a sink did not do it. No error holds a value.
#[derive(Debug, Error)]
pub(crate) enum SinkError {
    /// Somebody else has what would be written or removed.
    #[error("{0}")]
    Conflict(String),
    /// The API server refused, or did not answer.
    #[error("{0}")]
    Kubernetes(String),
    /// What is there is newer.
    #[error("revision {asked} is older than {there}, which is there already: nothing was changed")]
    Newer {
        /// What is there.
        there: Revision,
        /// What was to be written.
        asked: Revision,
    },
    /// Another replica of this agent writes now.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// The agent has no such sink.
    #[error("{0}")]
    NoSuchSink(&'static str),
    /// A mark cannot be made.
    #[error("digest key {0} is not known to this agent: nothing was changed")]
    UnknownKey(String),
    /// The system refused.
    #[error("cannot {doing} {}: {source}; {}", path.display(), advice(source))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// The sinks of this agent.
#[derive(Debug)]
pub(crate) struct Sinks {
    /// A directory below a root for each target.
    pub(crate) directory: Option<Arc<Directory>>,
    /// Kubernetes Secrets.
    pub(crate) secrets: Option<Secrets>,
    /// Bindings whose targets a sink saw changing.
    pub(crate) touched: Arc<Touched>,
}

impl Sinks {
    /// Where the content of `binding` replaced other content, and when last.
    pub(crate) fn changes(&self, binding: BindingId) -> Vec<(Namespace, Changed)> {
        self.secrets.as_ref().map(|secrets| secrets.changes(binding)).unwrap_or_default()
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let directory = self.directory.iter().map(|_| "directory");
        directory.chain(self.secrets.iter().map(|_| "secret")).collect()
    }

    /// Writes content whole, over whatever `owner` had there. What is another's is refused.
    pub(crate) async fn apply(
        &self,
        place: Place<'_>,
        owner: Owner,
        stamp: &Stamp,
        content: &Arc<Rendered>,
        keys: &Keys,
    ) -> Result<Targets, SinkError> {
        match place.target {
            Target::Directory { name } => {
                let (sink, name, stamp, content, keys) =
                    (self.directory()?, name.clone(), stamp.clone(), content.clone(), keys.clone());
                blocking(move || sink.apply(&name, owner, &stamp, &content, &keys)).await?;
                Ok(Targets { applied: 1, total: 1 })
            }
            Target::Secret(target) => {
                self.secrets()?.apply(Destination { target, allowed: place.allowed }, owner, stamp, content, keys).await
            }
        }
    }

    /// Looks what is there. `digest`: of what should be.
    pub(crate) async fn observe(
        &self,
        place: Place<'_>,
        owner: Owner,
        digest: &Digest,
        keys: &Keys,
    ) -> Result<Observed, SinkError> {
        match place.target {
            Target::Directory { name } => {
                let (sink, name, keys) = (self.directory()?, name.clone(), keys.clone());
                blocking(move || sink.observe(&name, owner, &keys)).await
            }
            Target::Secret(target) => {
                self.secrets()?.observe(Destination { target, allowed: place.allowed }, owner, digest, keys).await
            }
        }
    }

    /// Removes what `owner` has there, but for the places that `except` has too. What is another's is refused; what is gone
    /// already is fine. `digest`: of what should be there.
    pub(crate) async fn remove(
        &self,
        place: Place<'_>,
        owner: Owner,
        digest: &Digest,
        keys: &Keys,
        except: Option<Place<'_>>,
    ) -> Result<(), SinkError> {
        match place.target {
            target @ Target::Directory { .. } if except.is_some_and(|except| except.target == target) => Ok(()),
            Target::Directory { name } => {
                let (sink, name, keys) = (self.directory()?, name.clone(), keys.clone());
                blocking(move || sink.remove(&name, owner, &keys)).await
            }
            Target::Secret(target) => {
                let except = except.and_then(Place::destination);
                self.secrets()?.remove(Destination { target, allowed: place.allowed }, owner, digest, keys, except).await
            }
        }
    }

    /// Compares content with what is there, whoever's it is, and writes nothing.
    pub(crate) async fn compare(
        &self,
        place: Place<'_>,
        binding: BindingId,
        digest: &Digest,
        content: &Rendered,
    ) -> Result<Comparison, SinkError> {
        match place.destination() {
            Some(destination) => self.secrets()?.compare(destination, binding, digest, content).await,
            None => Err(ONLY_SECRETS),
        }
    }

    /// Whether nothing changed since content was compared.
    pub(crate) async fn is_compared(&self, place: Place<'_>, binding: BindingId, digest: &Digest) -> Result<bool, SinkError> {
        match place.destination() {
            Some(destination) => self.secrets()?.is_compared(destination, binding, digest).await,
            None => Ok(true),
        }
    }

    /// Nobody looks after what `binding` has any more.
    pub(crate) fn leave(&self, binding: BindingId) {
        if let Some(secrets) = &self.secrets {
            secrets.leave(binding);
        }
    }

    /// Where content of `binding` was found changed and by whom, if a sink can tell.
    pub(crate) fn changed_by(&self, binding: BindingId) -> Option<(String, String)> {
        self.secrets.as_ref()?.changed_by(binding)
    }

    fn directory(&self) -> Result<Arc<Directory>, SinkError> {
        self.directory.clone().ok_or(NO_DIRECTORIES)
    }

    fn secrets(&self) -> Result<&Secrets, SinkError> {
        self.secrets.as_ref().ok_or(NO_SECRETS)
    }
}

impl<'a> Place<'a> {
    fn destination(self) -> Option<Destination<'a>> {
        match self.target {
            Target::Secret(target) => Some(Destination { target, allowed: self.allowed }),
            Target::Directory { .. } => None,
        }
    }
}

impl Observed {
    /// Of all places of a target together.
    fn together(all: Vec<Self>) -> Self {
        let mut sum = Self::Nowhere;
        for one in all {
            sum = sum.and(one);
        }
        sum
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nowhere, other) | (other, Self::Nowhere) => other,
            (Self::Absent, Self::Absent) => Self::Absent,
            // What content can bring back comes before what only a person can.
            (Self::Altered | Self::Absent, _) | (_, Self::Altered | Self::Absent) => Self::Altered,
            (Self::Foreign, _) | (_, Self::Foreign) => Self::Foreign,
            (Self::Incomplete, _) | (_, Self::Incomplete) => Self::Incomplete,
            (Self::Content(one, old), Self::Content(other, new)) if one == other => {
                Self::Content(one, if old.revision <= new.revision { old } else { new })
            }
            (Self::Content(..), Self::Content(..)) => Self::Altered,
        }
    }
}

const ONLY_SECRETS: SinkError = SinkError::NoSuchSink(
    "only a Secret can be compared without being written: give the binding a Secret target, or mode: Deliver",
);
const NO_SECRETS: SinkError = SinkError::NoSuchSink(
    "this agent does not run in Kubernetes, so it cannot write a Secret: give the binding a directory target, or run an agent with --kubernetes",
);
const NO_DIRECTORIES: SinkError = SinkError::NoSuchSink(
    "this agent was given no --directory-root, so it cannot write a directory: give it one, or give the binding a Secret target",
);

/// What a person can do about a refusal of the system.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free some space, it is tried again",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up: raise it or free some space, it is tried again",
        io::ErrorKind::PermissionDenied => "let the agent's user write there",
        io::ErrorKind::ReadOnlyFilesystem => "mount the directory root writable",
        io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => {
            "make sure that --directory-root is a directory and stays there"
        }
        _ => "see the agent's log and the state of the disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        for (kind, part) in [
            (io::ErrorKind::StorageFull, "free some space"),
            (io::ErrorKind::PermissionDenied, "let the agent's user"),
            (io::ErrorKind::ReadOnlyFilesystem, "writable"),
            (io::ErrorKind::InvalidData, "log"),
        ] {
            let error = SinkError::Io { doing: "write", path: "/x".into(), source: kind.into() };
            assert!(error.to_string().starts_with("cannot write /x: ") && error.to_string().contains(part), "{error}");
        }
    }
}
