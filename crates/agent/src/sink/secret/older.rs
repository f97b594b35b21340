//! Older contents of immutable targets: each is a Secret of its own, and stays until nobody refers to it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::binding::SecretTarget;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use serde::Deserialize;

use super::Shared;
use super::failure::Failure;
use super::field::MANAGED_LABEL;
use super::location::{Location, is_hashed_name};
use super::mark;
use super::mentions::{self, Mentions};
use super::object::ObjectMeta;
use crate::sink::{Owner, SinkError};
use crate::state::keyring::Keys;

/// How often it is asked who refers to the older ones of one binding.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How many objects a page of a list has.
const PAGE: u32 = 100;
/// The most pages of one list. What has more keeps its older Secrets.
const PAGES_MAX: usize = 1000;
/// Who may refer to a Secret, in a namespace.
const USERS: [&str; 6] = [
    "/api/v1/namespaces/{}/pods",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/statefulsets",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/apis/batch/v1/namespaces/{}/jobs",
    "/apis/batch/v1/namespaces/{}/cronjobs",
];

/// When each binding's older Secrets are to be looked at again.
#[derive(Debug, Default)]
pub(super) struct Older(Mutex<HashMap<BindingId, Due>>);

#[derive(Debug, Clone, Copy, Default)]
struct Due {
    at: Duration,
    /// Whether there were none, and none came since.
    is_done: bool,
}

#[derive(Deserialize)]
struct SecretList {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Item>,
}

#[derive(Deserialize, Default)]
struct ListMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ObjectMeta,
}

impl Older {
    /// A new content came, so there is one older content more.
    pub(super) fn came(&self, binding: BindingId) {
        self.lock().remove(&binding);
    }

    fn is_due(&self, binding: BindingId, now: Duration) -> bool {
        self.lock().get(&binding).is_none_or(|due| !due.is_done && due.at <= now)
    }

    fn looked(&self, binding: BindingId, now: Duration, is_done: bool) {
        self.lock().insert(binding, Due { at: now + LOOK_INTERVAL, is_done });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BindingId, Due>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Removes the older Secrets of an immutable target that nobody refers to any more, now and then. `present`: what it has now.
    pub(super) async fn tidy(&self, owner: Owner, target: &SecretTarget, present: &[Location], keys: &Keys) {
        let now = self.clock.uptime();
        if !target.immutable || !self.older.is_due(owner.binding, now) {
            return;
        }
        let mut left = 0;
        for Location { namespace, .. } in present {
            match self.tidy_in(owner, target, namespace, present, keys).await {
                Ok(kept) => left += kept,
                Err(error) => {
                    left += 1;
                    tracing::debug!(binding = %owner.binding, cause = %error, "older immutable Secrets are kept");
                }
            }
        }
        self.older.looked(owner.binding, now, left == 0);
    }

    async fn tidy_in(
        &self,
        owner: Owner,
        target: &SecretTarget,
        namespace: &Namespace,
        present: &[Location],
        keys: &Keys,
    ) -> Result<usize, SinkError> {
        let mut older = self.hashed(owner, target, namespace, keys).await?;
        older.retain(|location| !present.contains(location));
        let kept = self.mentioned(namespace, &older).await?;
        for location in older.iter().filter(|location| !kept.contains(&location.name)) {
            self.remove_at(owner, location, keys).await?;
        }
        Ok(kept.len())
    }

    /// The Secrets of an immutable target in a namespace, whichever content they have: known by the mark, and by a name as the sink
    /// gives it.
    pub(super) async fn hashed(
        &self,
        owner: Owner,
        target: &SecretTarget,
        namespace: &Namespace,
        keys: &Keys,
    ) -> Result<Vec<Location>, SinkError> {
        let at = Location { namespace: namespace.clone(), name: format!("{}-…", target.name) };
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let path = page(
                &format!("/api/v1/namespaces/{namespace}/secrets"),
                &format!("&labelSelector={MANAGED_LABEL}%3Dtrue"),
                next.as_deref(),
            );
            let list: SecretList = self.api.list(&path).await.map_err(|failure| failure.explain("find", "list", &at))?;
            for Item { metadata } in list.items {
                let location = Location { namespace: namespace.clone(), name: metadata.name };
                let is_ours =
                    || mark::valid_marks(&metadata.annotations, &location, owner.registry, keys).contains_key(&owner.binding);
                if is_hashed_name(target, &location.name) && is_ours() {
                    found.push(location);
                }
            }
            next = list.metadata.next.filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
        Err(Failure::Strange.explain("find", "list", &at))
    }

    /// Which of these a pod, or what makes pods, refers to.
    pub(super) async fn mentioned(&self, namespace: &Namespace, locations: &[Location]) -> Result<BTreeSet<String>, SinkError> {
        let names: BTreeSet<String> = locations.iter().map(|location| location.name.clone()).collect();
        let mut mentions = Mentions::of(names);
        let Some(at) = locations.first() else { return Ok(BTreeSet::new()) };
        for users in USERS {
            let path = users.replace("{}", namespace.as_str());
            let mut next = None;
            for turn in 0.. {
                if turn == PAGES_MAX {
                    return Err(Failure::Strange.explain("find who uses", "list", at));
                }
                let body = self.api.page(&page(&path, "", next.as_deref())).await;
                let body = body.map_err(|failure| failure.explain_users("find who uses", users, at))?;
                next =
                    mentions::read(&body, &mut mentions).map_err(|()| Failure::Strange.explain("find who uses", "list", at))?;
                if next.is_none() || mentions.has_all() {
                    break;
                }
            }
        }
        Ok(mentions.found())
    }
}

fn page(path: &str, query: &str, next: Option<&str>) -> String {
    // A token is what the API server made, in the alphabet of URLs.
    let next = next.map(|token| format!("&continue={token}")).unwrap_or_default();
    format!("{path}?limit={PAGE}{query}{next}")
}
