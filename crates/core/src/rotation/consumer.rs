//! Who uses what is rotated, and whether they have it.

use std::collections::BTreeMap;

use super::confirm::{Absent, Confirm, When};
use crate::cluster::ClusterState;
use crate::version::VersionNumber;

/// How many are named where somebody is missing; the rest is counted.
const NAMED_MAX: usize = 10;

/// One binding in one cluster that draws from the rotated secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// How the cluster stands.
    pub state: ClusterState,
    /// Whether its agent is connected.
    pub is_online: bool,
    /// The version of the secret that it has, as far as it confirmed any.
    pub has: Option<VersionNumber>,
    /// The version that it should have.
    pub wants: Option<VersionNumber>,
    /// Whether the workloads that restart with it have finished, of the revision that it has.
    pub is_healthy: bool,
    /// Why it does not have it, or is not healthy.
    pub cause: Option<String>,
}

impl Consumer {
    /// Whether the policy waits for it.
    fn counts(&self, confirm: &Confirm) -> bool {
        let waits = |absent: Absent| absent == Absent::Wait;
        match self.state {
            ClusterState::Revoked | ClusterState::Removing => waits(confirm.revoked),
            ClusterState::Paused => waits(confirm.paused),
            ClusterState::Pending | ClusterState::Active => self.is_online || waits(confirm.offline),
        }
    }

    fn confirms(&self, confirm: &Confirm, target: VersionNumber) -> bool {
        let healthy = match confirm.when {
            When::Applied => true,
            When::Healthy => self.is_healthy,
        };
        self.has.is_some_and(|has| has >= target) && healthy
    }

    /// As in `fra-1 (binding checkout-db: the cluster's agent is not connected)`.
    fn named(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{} (binding {}: {cause})", self.cluster, self.binding),
            None => format!("{} (binding {})", self.cluster, self.binding),
        }
    }
}

/// Those who have not confirmed the version and are waited for.
pub(super) fn missing<'a>(
    consumers: &'a [Consumer],
    confirm: &'a Confirm,
    target: VersionNumber,
) -> impl Iterator<Item = &'a Consumer> {
    consumers.iter().filter(move |one| one.counts(confirm) && !one.confirms(confirm, target))
}

/// Those who hold another version than they should: what they hold must live on.
pub(super) fn behind<'a>(consumers: &'a [Consumer], confirm: &'a Confirm) -> impl Iterator<Item = &'a Consumer> {
    consumers.iter().filter(move |one| one.counts(confirm) && one.has.is_some() && one.has != one.wants)
}

/// The clusters among them, in one sentence's part: the first few with why.
pub(super) fn names<'a>(consumers: impl Iterator<Item = &'a Consumer>) -> String {
    let mut by_cluster: BTreeMap<&str, &Consumer> = BTreeMap::new();
    for one in consumers {
        by_cluster.entry(&one.cluster).or_insert(one);
    }
    let mut names: Vec<String> = by_cluster.values().take(NAMED_MAX).map(|one| one.named()).collect();
    if by_cluster.len() > NAMED_MAX {
        names.push(format!("{} more", by_cluster.len() - NAMED_MAX));
    }
    names.join(", ")
}
