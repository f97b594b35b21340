//! Counts, with a few names.

use std::collections::BTreeSet;

use super::Moved;
use crate::binding::Target;
use crate::id::ClusterId;

/// The most names beside one count.
pub const NAMED_MAX: usize = 10;

/// Distinct clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clusters {
    ids: BTreeSet<ClusterId>,
    named: BTreeSet<String>,
}

impl Clusters {
    pub(super) fn add(&mut self, moved: &Moved<'_>) {
        self.ids.insert(moved.cluster);
        // It may have been counted by a delivery that the caller may not see.
        if moved.is_seen && !self.named.contains(moved.name) {
            name(&mut self.named, moved.name);
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    /// The first by name that the caller may see, [`NAMED_MAX`] at most.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(String::as_str)
    }
}

/// Distinct names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    all: BTreeSet<String>,
    named: BTreeSet<String>,
}

impl Names {
    pub(super) fn add(&mut self, text: &str, is_seen: bool) {
        if !self.all.contains(text) {
            self.all.insert(text.to_owned());
        }
        if is_seen && !self.named.contains(text) {
            name(&mut self.named, text);
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.all.len() as u64
    }

    /// The first that the caller may see, [`NAMED_MAX`] at most.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(String::as_str)
    }
}

fn name(named: &mut BTreeSet<String>, text: &str) {
    named.insert(text.to_owned());
    if named.len() > NAMED_MAX {
        named.pop_last();
    }
}

/// Targets that share a fate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// How many, by what bindings name and by the last reports.
    pub targets: u64,
    /// How many of them are directories.
    pub directories: u64,
    /// How many of them are namespaces whose pods may mount it; the others are Secrets.
    pub mountable: u64,
    /// Whether there may be more: namespaces are selected by label, and only agents know which.
    pub at_least: bool,
    /// Where.
    pub clusters: Clusters,
}

impl Part {
    /// There are others, of which only agents know how many.
    pub(super) fn may_be_more(&mut self, moved: &Moved<'_>) {
        self.at_least = true;
        self.clusters.add(moved);
    }

    pub(super) fn add(&mut self, moved: &Moved<'_>, targets: u64, target: &Target) {
        if targets > 0 {
            self.targets += targets;
            match target {
                Target::Directory { .. } => self.directories += targets,
                Target::Csi(_) => self.mountable += targets,
                Target::Secret(_) => {}
            }
            self.clusters.add(moved);
        }
    }
}

/// Restarts that would follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restarts {
    /// Where.
    pub clusters: Clusters,
    /// Deliveries with policy `Auto`: whatever uses their Secrets.
    pub auto: u64,
    /// Deliveries with policy `Selected`.
    pub selected: u64,
    /// Workloads that these deliveries restarted, or were to, at their last change, where that was reported. One that uses two of them counts
    /// twice.
    pub workloads: u64,
    /// Deliveries of which nothing was reported that would tell how many workloads these are.
    pub unreported: u64,
}
