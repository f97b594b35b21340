//! Sinks: where content goes in a cluster.
//!
//! A target says which sink it is for. [`Target`] is a closed set, so a new sink is a new arm in each `match` here and nothing
//! more: the compiler lists them.

pub(crate) mod directory;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::render::Rendered;
use lockstep_core::revision::Revision;
use thiserror::Error;

use crate::blocking::blocking;
use crate::state::keyring::{Digests, Keys};
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
}

impl Sinks {
    /// Their names.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.directory.iter().map(|_| "directory").collect()
    }

    /// Writes content whole, over whatever `owner` had there. What is another's is refused.
    pub(crate) async fn apply(
        &self,
        target: &Target,
        owner: Owner,
        stamp: &Stamp,
        content: &Arc<Rendered>,
        keys: &Keys,
    ) -> Result<Targets, SinkError> {
        match target {
            Target::Directory { name } => {
                let (sink, name, stamp, content, keys) =
                    (self.directory()?, name.clone(), stamp.clone(), content.clone(), keys.clone());
                blocking(move || sink.apply(&name, owner, &stamp, &content, &keys)).await?;
                Ok(Targets { applied: 1, total: 1 })
            }
            Target::Secret { .. } => Err(NO_SECRETS),
        }
    }

    /// Looks what is there.
    pub(crate) async fn observe(&self, target: &Target, owner: Owner, keys: &Keys) -> Result<Observed, SinkError> {
        match target {
            Target::Directory { name } => {
                let (sink, name, keys) = (self.directory()?, name.clone(), keys.clone());
                blocking(move || sink.observe(&name, owner, &keys)).await
            }
            Target::Secret { .. } => Err(NO_SECRETS),
        }
    }

    /// Removes what `owner` has there, but for the places that `except` has too. What is another's is refused; what is gone
    /// already is fine.
    pub(crate) async fn remove(
        &self,
        target: &Target,
        owner: Owner,
        keys: &Keys,
        except: Option<&Target>,
    ) -> Result<(), SinkError> {
        match target {
            Target::Directory { .. } if except == Some(target) => Ok(()),
            Target::Directory { name } => {
                let (sink, name, keys) = (self.directory()?, name.clone(), keys.clone());
                blocking(move || sink.remove(&name, owner, &keys)).await
            }
            Target::Secret { .. } => Err(NO_SECRETS),
        }
    }

    fn directory(&self) -> Result<Arc<Directory>, SinkError> {
        self.directory.clone().ok_or(NO_DIRECTORIES)
    }
}

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
