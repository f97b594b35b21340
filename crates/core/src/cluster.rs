//! Clusters and the states of their life.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::ClusterId;
use crate::label::Labels;

/// Where a cluster is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClusterState {
    /// Registered; no agent has joined yet.
    Pending,
    /// Its agent has joined.
    Active,
    /// Nothing is sent until it is resumed.
    Paused,
    /// Its certificates are refused.
    Revoked,
    /// Its placements are being taken back; the row goes when the agent acked, or at once if it never joined.
    Removing,
}

/// A word that is no cluster state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a cluster state: Pending, Active, Paused, Revoked or Removing")]
pub struct UnknownClusterState(String);

impl ClusterState {
    /// The word as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Paused => "Paused",
            Self::Revoked => "Revoked",
            Self::Removing => "Removing",
        }
    }
}

impl fmt::Display for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClusterState {
    type Err = UnknownClusterState;
    fn from_str(text: &str) -> Result<Self, UnknownClusterState> {
        [Self::Pending, Self::Active, Self::Paused, Self::Revoked, Self::Removing]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| UnknownClusterState(text.to_owned()))
    }
}

/// What the planner needs to know of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its id.
    pub id: ClusterId,
    /// Its labels.
    pub labels: Labels,
    /// Its state.
    pub state: ClusterState,
}
