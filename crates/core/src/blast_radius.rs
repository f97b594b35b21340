//! How far a write reaches: what becomes of the targets of each delivery that it moves, counted. Pure; the store says which deliveries those are.
//!
//! Known exactly is what the registry decides: which deliveries move, and the places that bindings name. What a cluster has is known by its
//! last confirmation. In which namespaces a label selector puts Secrets is known to agents only, and so is who uses them: there the last report
//! is counted, and a count that may be too low says so. Nothing is guessed.

mod count;
mod places;

use std::collections::BTreeSet;

use crate::binding::{Binding, DeletionPolicy, Delivered, Mode, Restart, Target};
use crate::choice::Choice;
use crate::id::ClusterId;
use crate::plan::{Want, Withheld};
use crate::version::VersionNumber;

pub use count::{Clusters, NAMED_MAX, Names, Part, Restarts};
use places::{Place, Places};

/// A delivery whose desired revision a write moves.
#[derive(Debug)]
pub struct Moved<'a> {
    /// Where.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub name: &'a str,
    /// Whether the caller may see this delivery: only then are its cluster and namespaces named.
    pub is_seen: bool,
    /// The binding as it would be.
    pub binding: &'a Binding,
    /// What it delivers until now; the same where the write is to something else.
    pub before: &'a Delivered,
    /// What the cluster would be to hold.
    pub want: Want,
    /// Whether it would be placed.
    pub is_placed: bool,
    /// Whether the planner's answer would be another.
    pub is_answered_anew: bool,
    /// What the cluster has by its last confirmation.
    pub held: Option<Held>,
}

/// What a cluster has of a delivery, as its agent last reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// In how many places.
    pub targets: u64,
    /// The version of each item, in the binding's order; `None`: its agent did not say.
    pub versions: Option<Vec<Option<VersionNumber>>>,
    /// How many workloads were to be restarted for the last change; `None`: nothing was reported.
    pub workloads: Option<u64>,
}

/// How far a write reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlastRadius {
    /// Clusters in which anything of the below happens.
    pub clusters: Clusters,
    /// Namespaces that bindings name in which it does.
    pub namespaces: Names,
    /// Targets that are not there and would be written.
    pub create: Part,
    /// Targets that are there and would be written anew, also where the same bytes come out.
    pub rewrite: Part,
    /// Targets that would be deleted, as deletion policies say and as far as the delete guard lets them.
    pub delete: Part,
    /// Targets that would stay as they are and be kept in step no more.
    pub keep: Part,
    /// What would be restarted after it.
    pub restarts: Restarts,
}

impl BlastRadius {
    /// Counts one more delivery.
    pub fn add(&mut self, moved: &Moved<'_>) {
        let observed = moved.binding.spec.delivered.mode == Mode::Observe;
        // What a cluster holds of a binding that observes is another's, and only compared with.
        let held = moved.held.as_ref().filter(|_| moved.before.mode != Mode::Observe);
        // Other content of what is not placed, before and after, moves nothing there.
        let gives_up = moved.is_answered_anew || moved.is_placed;
        match (&moved.want, held) {
            (Want::Remove(DeletionPolicy::Delete), Some(held)) if gives_up && !observed => {
                self.give_up(moved, held, DeletionPolicy::Delete);
            }
            (Want::Remove(_) | Want::Withhold(Withheld::Denied), Some(held)) if gives_up => {
                self.give_up(moved, held, DeletionPolicy::Retain);
            }
            (Want::Remove(_) | Want::Withhold(Withheld::Denied), _) => {}
            // What has to be seen at its source first is written as soon as it was.
            (Want::Content(_) | Want::Withhold(Withheld::Nothing | Withheld::WentBack), held) => match held {
                Some(held) if observed => self.give_up(moved, held, DeletionPolicy::Retain),
                None if observed => {}
                held => self.write(moved, held),
            },
        }
    }

    /// All that is there is deleted or kept.
    fn give_up(&mut self, moved: &Moved<'_>, held: &Held, policy: DeletionPolicy) {
        let places = Places::of(&moved.before.target);
        // Where no number was reported, what the binding names counts.
        let targets = if held.targets > 0 { held.targets } else { places.count().max(1) };
        self.touch(moved, places.named());
        self.part(policy).add(moved, targets, &moved.before.target);
    }

    fn write(&mut self, moved: &Moved<'_>, held: Option<&Held>) {
        let (before, after) = (Places::of(&moved.before.target), Places::of(&moved.binding.spec.delivered.target));
        let (target, former) = (&moved.binding.spec.delivered.target, &moved.before.target);
        let there = |place: &&Place<'_>| held.is_some() && before.named().contains(*place);
        let rewritten = count(after.named().iter().filter(there));
        let created = after.count() - rewritten;
        // Of those that a label selects only the number is known, and only of what the cluster has.
        let selected = held.filter(|_| before.selects()).map_or(0, |held| held.targets.saturating_sub(before.count()));
        let stay = after.selects() && before.selects_as(&after);
        let in_doubt = after.selects() && (!stay || moved.is_answered_anew || held.is_none());

        self.touch(moved, after.named());
        self.create.add(moved, created, target);
        if in_doubt {
            self.create.may_be_more(moved);
        }
        let rewritten = rewritten + if stay { selected } else { 0 };
        self.rewrite.add(moved, rewritten, target);
        if rewritten > 0 {
            self.restart(moved, held);
        }

        if held.is_none() {
            return;
        }
        let left: BTreeSet<Place<'_>> = before.named().difference(after.named()).copied().collect();
        let (selected_leave, more_may_leave) = match (before.selects(), stay, before.is_same_object(&after)) {
            (false, _, _) => (0, false),
            (_, true, _) => (0, moved.is_answered_anew),
            (_, _, false) => (selected, false),
            _ if after.selects() => (0, true),
            // Some of them may be named now.
            _ => (selected.saturating_sub(created), created > 0),
        };
        self.touch(moved, &left);
        let part = self.part(moved.binding.spec.deletion_policy);
        part.add(moved, count(left.iter()) + selected_leave, former);
        if more_may_leave {
            part.may_be_more(moved);
        }
    }

    /// The agent restarts what had other content before, and once somebody turns restarts on, what is older than the content.
    fn restart(&mut self, moved: &Moved<'_>, held: Option<&Held>) {
        let (before, after) = (moved.before, &moved.binding.spec.delivered);
        let Some(held) = held.filter(|_| matches!(after.target, Target::Secret(_))) else { return };
        if before.restart == after.restart && !is_other_content(before, after) && !has_other_versions(&moved.want, held) {
            return;
        }
        match after.restart {
            Restart::None => return,
            Restart::Auto => self.restarts.auto += 1,
            Restart::Selected { .. } => self.restarts.selected += 1,
        }
        self.restarts.clusters.add(moved);
        match held.workloads {
            // Of another policy, which found others.
            Some(_) if before.restart != after.restart => self.restarts.unreported += 1,
            Some(workloads) => self.restarts.workloads += workloads,
            None => self.restarts.unreported += 1,
        }
    }

    fn part(&mut self, policy: DeletionPolicy) -> &mut Part {
        match policy {
            DeletionPolicy::Delete => &mut self.delete,
            DeletionPolicy::Retain => &mut self.keep,
        }
    }

    fn touch(&mut self, moved: &Moved<'_>, places: &BTreeSet<Place<'_>>) {
        self.clusters.add(moved);
        for namespace in places.iter().filter_map(|place| place.namespace) {
            self.namespaces.add(namespace.as_str(), moved.is_seen);
        }
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> u64 {
    things.count() as u64
}

/// Whether the bytes may come out otherwise.
fn is_other_content(before: &Delivered, after: &Delivered) -> bool {
    (&before.items, &before.templates, before.templates_only) != (&after.items, &after.templates, after.templates_only)
}

/// Whether the cluster is known to have other versions than it would get.
fn has_other_versions(want: &Want, held: &Held) -> bool {
    match (want, &held.versions) {
        (Want::Content(choices), Some(versions)) => !choices.iter().map(Choice::number).eq(versions.iter().copied()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
