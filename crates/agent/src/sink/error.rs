//! Why a sink did not do it.

use std::io;
use std::path::PathBuf;

use lockstep_core::revision::Revision;
use thiserror::Error;

use crate::lease::NotLeader;

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

pub(super) const ONLY_SECRETS: SinkError = SinkError::NoSuchSink(
    "only a Secret can be compared without being written: give the binding a Secret target, or mode: Deliver",
);
pub(super) const NO_SECRETS: SinkError = SinkError::NoSuchSink(
    "this agent does not run in Kubernetes, so it cannot write a Secret: give the binding a directory target, or run an agent with --kubernetes",
);
pub(super) const NO_NODES: SinkError = SinkError::NoSuchSink(
    "this agent serves no volumes: run it with --kubernetes and --node-listen (in its chart: csi.enabled), or give the binding another target",
);
pub(super) const NO_DIRECTORIES: SinkError = SinkError::NoSuchSink(
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
