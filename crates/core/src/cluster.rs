//! Clusters and the states of their life.

mod service_account;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{ClusterId, InstanceId};
use crate::label::Labels;
use crate::name::ClusterName;

pub use service_account::{KEYS_MAX, ServiceAccountIssuer, TEXT_MAX_BYTES, private_parameter};

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

/// Of a revoked cluster: whether its agent is to remove what was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purge {
    /// Nobody asked: what the cluster holds stays.
    NotAsked,
    /// A person asked; the agent has not confirmed yet.
    Asked,
    /// The agent confirmed.
    Done,
}

/// A word that says nothing of a purge.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} says nothing of a purge: NotAsked, Asked or Done")]
pub struct UnknownPurge(String);

impl Purge {
    /// The word as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "NotAsked",
            Self::Asked => "Asked",
            Self::Done => "Done",
        }
    }
}

impl FromStr for Purge {
    type Err = UnknownPurge;
    fn from_str(text: &str) -> Result<Self, UnknownPurge> {
        [Self::NotAsked, Self::Asked, Self::Done]
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| UnknownPurge(text.to_owned()))
    }
}

/// What decides whether an agent may have a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Where the cluster is in its life.
    pub state: ClusterState,
    /// Whether its agent is to remove what was delivered.
    pub purge: Purge,
    /// The agent installation whose certificates are accepted.
    pub instance: Option<InstanceId>,
}

/// What an agent's certificate is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admittance {
    /// A stream like any other.
    Full,
    /// A stream on which it is asked to remove what was delivered, and nothing else.
    Purging,
    /// Nothing: the cluster was revoked.
    Revoked,
    /// Nothing: another installation is the cluster's, or none is until one joins.
    Replaced,
}

impl Life {
    /// What a certificate of this installation is good for. The same question when it connects, while it is connected, and when it renews.
    pub fn admittance(&self, instance: InstanceId) -> Admittance {
        let is_its_own = self.instance == Some(instance);
        match (self.state, self.purge) {
            (ClusterState::Revoked, Purge::Asked) if is_its_own => Admittance::Purging,
            (ClusterState::Revoked, _) => Admittance::Revoked,
            (ClusterState::Pending | ClusterState::Active | ClusterState::Paused | ClusterState::Removing, _) => {
                if is_its_own {
                    Admittance::Full
                } else {
                    Admittance::Replaced
                }
            }
        }
    }
}

/// What the planner needs to know of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its id.
    pub id: ClusterId,
    /// Its name.
    pub name: ClusterName,
    /// Its labels.
    pub labels: Labels,
    /// Its state.
    pub state: ClusterState,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_the_installation_of_a_cluster_that_is_not_revoked_is_let_in_and_to_purge_only_where_a_person_asked() {
        use ClusterState::{Active, Paused, Pending, Removing, Revoked};
        let (own, other) = (InstanceId::from(Uuid::from_u128(1)), InstanceId::from(Uuid::from_u128(2)));
        for state in [Pending, Active, Paused, Removing] {
            for purge in [Purge::NotAsked, Purge::Asked, Purge::Done] {
                let life = |instance| Life { state, purge, instance };
                assert_eq!(life(Some(own)).admittance(own), Admittance::Full, "{state} {purge:?}");
                assert_eq!(life(Some(other)).admittance(own), Admittance::Replaced, "{state} {purge:?}");
                assert_eq!(life(None).admittance(own), Admittance::Replaced, "{state} {purge:?}");
            }
        }
        for (purge, instance, want) in [
            (Purge::NotAsked, Some(own), Admittance::Revoked),
            (Purge::Asked, Some(own), Admittance::Purging),
            (Purge::Asked, Some(other), Admittance::Revoked),
            (Purge::Asked, None, Admittance::Revoked),
            (Purge::Done, Some(own), Admittance::Revoked),
        ] {
            assert_eq!(Life { state: Revoked, purge, instance }.admittance(own), want, "{purge:?} {instance:?}");
        }
    }
}
