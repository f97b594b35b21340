//! Sinks: where content goes in a cluster.
//!
//! A target says which sink it is for. [`Target`] is a closed set, so a new sink is a new arm in each `match` here and nothing
//! more: the compiler lists them. This agent has the directory sink.

pub(crate) mod directory;

use std::io;
use std::path::PathBuf;

use lockstep_core::binding::Target;
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::render::Rendered;
use lockstep_core::revision::Revision;
use thiserror::Error;

use crate::state::keyring::KeyRing;
use directory::Directory;

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The registry that delivered it.
    pub(crate) registry: RegistryId,
    /// For this binding.
    pub(crate) binding: BindingId,
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
    /// It is this owner's, but not in the shape that the sink writes.
    Altered,
    /// It is this owner's: the content as a reader sees it, and what its mark says.
    Content(Rendered, Stamp),
}

/// Why a sink did not do it. No error holds a value.
#[derive(Debug, Error)]
pub(crate) enum SinkError {
    /// Somebody else has what would be written or removed.
    #[error("{0}")]
    Conflict(String),
    /// The agent has no such sink.
    #[error(
        "this agent has no Kubernetes sink, so it cannot write a Secret: give the binding a directory target, or run an agent that has one"
    )]
    NoSecretSink,
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
    pub(crate) directory: Directory,
}

impl Sinks {
    /// Their names, as `Hello` tells them.
    pub(crate) const NAMES: [&str; 1] = ["directory"];

    /// Writes content whole, over whatever `owner` had there. What is another's is refused.
    pub(crate) fn apply(
        &self,
        target: &Target,
        owner: Owner,
        stamp: &Stamp,
        content: &Rendered,
        ring: &KeyRing,
    ) -> Result<(), SinkError> {
        match target {
            Target::Directory { name } => self.directory.apply(name, owner, stamp, content, ring),
            Target::Secret { .. } => Err(SinkError::NoSecretSink),
        }
    }

    /// Looks what is there.
    pub(crate) fn observe(&self, target: &Target, owner: Owner, ring: &KeyRing) -> Result<Observed, SinkError> {
        match target {
            Target::Directory { name } => self.directory.observe(name, owner, ring),
            Target::Secret { .. } => Err(SinkError::NoSecretSink),
        }
    }

    /// Removes what `owner` has there. What is another's is refused; what is gone already is fine.
    pub(crate) fn remove(&self, target: &Target, owner: Owner, ring: &KeyRing) -> Result<(), SinkError> {
        match target {
            Target::Directory { name } => self.directory.remove(name, owner, ring),
            Target::Secret { .. } => Err(SinkError::NoSecretSink),
        }
    }
}

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
