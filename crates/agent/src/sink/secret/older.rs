//! Older contents of immutable targets: each is a Secret of its own, and stays for a while and until nobody refers to it. The while is for
//! those who cannot be known: a custom resource may name a Secret too.

mod age;
mod users;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::binding::SecretTarget;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use serde::Deserialize;

use super::Shared;
use super::failure::Failure;
use super::field::MANAGED_LABEL;
use super::location::{Location, is_hashed_name};
use super::mark;
use super::object::ObjectMeta;
use crate::sink::{Owner, SinkError};
use crate::state::keyring::Keys;
use age::left_to_keep;

pub(super) use age::Hashed;

/// How often it is asked who refers to the older ones of one binding.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How many objects a page of a list has.
const PAGE: u32 = 100;
/// The most pages of one list. What has more keeps its older Secrets.
const PAGES_MAX: usize = 1000;

/// When each binding's older Secrets are to be looked at again.
#[derive(Debug)]
pub(super) struct Older {
    /// How long one is kept at least once there is a newer one.
    keep: Duration,
    due: Mutex<HashMap<BindingId, Due>>,
}

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
    metadata: Dated,
}

#[derive(Deserialize)]
struct Dated {
    #[serde(rename = "creationTimestamp")]
    created: Option<DateTime<Utc>>,
    #[serde(flatten)]
    rest: ObjectMeta,
}

impl Older {
    pub(super) fn kept(keep: Duration) -> Self {
        Self { keep, due: Mutex::default() }
    }

    /// A new content came, so there is one older content more.
    pub(super) fn came(&self, binding: BindingId) {
        self.lock().remove(&binding);
    }

    fn is_due(&self, binding: BindingId, now: Duration) -> bool {
        self.lock().get(&binding).is_none_or(|due| !due.is_done && due.at <= now)
    }

    /// `again`: after how long it makes sense to look again; `None`: there is nothing more to remove.
    fn looked(&self, binding: BindingId, now: Duration, again: Option<Duration>) {
        let at = now + again.unwrap_or_default().max(LOOK_INTERVAL);
        self.lock().insert(binding, Due { at, is_done: again.is_none() });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BindingId, Due>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Removes the older Secrets of an immutable target that were kept for long enough and that nobody refers to any more, now and then.
    /// `present`: what it has now.
    pub(super) async fn tidy(&self, owner: Owner, target: &SecretTarget, present: &[Location], keys: &Keys) {
        let now = self.clock.uptime();
        if !target.immutable || !self.older.is_due(owner.binding, now) {
            return;
        }
        let mut again: Option<Duration> = None;
        for Location { namespace, .. } in present {
            let left = self.tidy_in(owner, target, namespace, present, keys).await.unwrap_or_else(|error| {
                tracing::info!(binding = %owner.binding, cause = %error, "older immutable Secrets are kept");
                Some(LOOK_INTERVAL)
            });
            again = again.into_iter().chain(left).min();
        }
        self.older.looked(owner.binding, now, again);
    }

    async fn tidy_in(
        &self,
        owner: Owner,
        target: &SecretTarget,
        namespace: &Namespace,
        present: &[Location],
        keys: &Keys,
    ) -> Result<Option<Duration>, SinkError> {
        let all = self.hashed(owner, target, namespace, keys).await?;
        let (mut old, mut again) = (Vec::new(), None);
        for hashed in all.iter().filter(|hashed| !present.contains(&hashed.location)) {
            let left = left_to_keep(hashed, &all, self.older.keep, self.clock.now());
            if left.is_zero() {
                old.push(hashed.location.clone());
            } else {
                again = again.into_iter().chain([left]).min();
            }
        }
        let used = self.mentioned(namespace, &old).await?;
        for location in old.iter().filter(|location| !used.contains(&location.name)) {
            self.remove_at(owner, location, keys).await?;
        }
        Ok(if used.is_empty() { again } else { Some(LOOK_INTERVAL) })
    }

    /// The Secrets of an immutable target in a namespace, whichever content they have: known by the mark, and by a name as the sink
    /// gives it.
    pub(super) async fn hashed(
        &self,
        owner: Owner,
        target: &SecretTarget,
        namespace: &Namespace,
        keys: &Keys,
    ) -> Result<Vec<Hashed>, SinkError> {
        let at = Location { namespace: namespace.clone(), name: format!("{}-…", target.name) };
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let path = page(
                &format!("/api/v1/namespaces/{namespace}/secrets"),
                &format!("&labelSelector={MANAGED_LABEL}%3Dtrue"),
                next.as_deref(),
            );
            let list: SecretList = match self.api.list(&path).await {
                Ok(list) => list,
                Err(failure) if failure.is_forbidden() && self.api.lacks_namespace(namespace).await => return Ok(found),
                Err(failure) => return Err(failure.explain_removal("list", &at)),
            };
            for Item { metadata: Dated { created, rest } } in list.items {
                let location = Location { namespace: namespace.clone(), name: rest.name };
                if !is_hashed_name(target, &location.name) {
                    continue;
                }
                let marks = mark::valid_marks(&rest.annotations, &location, owner.registry, keys);
                if let Some(mark) = marks.get(&owner.binding) {
                    found.push(Hashed { location, revision: mark.revision, created });
                }
            }
            next = list.metadata.next.filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
        Err(Failure::Strange.explain("find", "list", &at))
    }
}

fn page(path: &str, query: &str, next: Option<&str>) -> String {
    // A token is what the API server made, in the alphabet of URLs.
    let next = next.map(|token| format!("&continue={token}")).unwrap_or_default();
    format!("{path}?limit={PAGE}{query}{next}")
}
