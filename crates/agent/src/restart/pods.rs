//! Since when the pods of a workload run, which tells whether they have the changed content: it is read when a pod starts.
//!
//! Asked only of a workload whose annotation does not tell. In doubt pods count as old: a restart too many is better than old content.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Changed;
use super::kind::Kind;
use super::object::{Metadata, Object};
use super::rollout::Rollout;

/// What a pod's template is known by.
const TEMPLATE_LABELS: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

/// When a workload's pods were made, by the API server's clock, in whole seconds. Those that are ending do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pods {
    /// The oldest of the present template; `None`: there is none yet, and what is made now has the new content.
    oldest: Option<DateTime<Utc>>,
    /// The newest of the present template.
    newest: Option<DateTime<Utc>>,
    /// The oldest of other templates.
    former: Option<DateTime<Utc>>,
}

/// Whether pods have some content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// All that stay have it.
    New,
    /// Those that do not are just being replaced, by their owner's own rollout.
    Coming,
    /// Some lack it.
    Old,
}

impl Pods {
    /// Of all pods that a workload's selector selects.
    pub(super) fn of<'a>(kind: Kind, object: &Object, pods: impl Iterator<Item = &'a Metadata>) -> Self {
        let mut by_template: BTreeMap<&str, (DateTime<Utc>, DateTime<Utc>)> = BTreeMap::new();
        for pod in pods.filter(|pod| pod.deletion_timestamp.is_none()) {
            let template = TEMPLATE_LABELS.iter().find_map(|label| pod.labels.get(*label)).map_or("", String::as_str);
            let made = pod.creation_timestamp.unwrap_or_default();
            let (oldest, newest) = by_template.entry(template).or_insert((made, made));
            (*oldest, *newest) = (made.min(*oldest), made.max(*newest));
        }
        // A StatefulSet says which template is the present one. Elsewhere it is that of the newest pod: only while a rollout goes
        // on there are two, and then new pods are made of the present one. Of two that are as new the one with the older pods.
        let present = match kind {
            Kind::StatefulSet if !object.status.update_revision.is_empty() => object.status.update_revision.as_str(),
            _ => by_template
                .iter()
                .max_by_key(|(_, (oldest, newest))| (*newest, std::cmp::Reverse(*oldest)))
                .map_or("", |(k, _)| k),
        };
        let ours = by_template.get(present).copied();
        let former = by_template.iter().filter(|(template, _)| **template != present).map(|(_, (oldest, _))| *oldest).min();
        Self { oldest: ours.map(|(oldest, _)| oldest), newest: ours.map(|(_, newest)| newest), former }
    }

    /// Whether they have the changed content. `now`, `stuck_after`: a rollout that makes no new pod for so long is not waited for.
    pub(super) fn content(&self, changed: &Changed, rollout: &Rollout, now: DateTime<Utc>, stuck_after: Duration) -> Content {
        let is_old = |made: Option<DateTime<Utc>>| made.is_some_and(|made| made < changed.at);
        let goes_on = |newest: DateTime<Utc>| (now - newest).to_std().is_ok_and(|age| age <= stuck_after) || now < newest;
        match rollout {
            _ if is_old(self.oldest) => Content::Old,
            _ if !is_old(self.former) => Content::New,
            // What is left of another template stays so by its owner's will: a partition.
            Rollout::Done => Content::New,
            Rollout::Moving(_) if self.newest.is_none_or(goes_on) => Content::Coming,
            Rollout::Moving(_) | Rollout::Failed(_) => Content::Old,
        }
    }
}
