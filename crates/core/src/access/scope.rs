//! Where a role counts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::label::Labels;
use crate::name::ProjectName;
use crate::selector::Selector;

/// Where a role counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Everywhere.
    Everything,
    /// What belongs to one project.
    Project(ProjectName),
    /// Clusters with these labels, and what is delivered to them.
    Clusters(Selector),
}

/// What a request concerns.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The control plane as a whole: what is no single project's or cluster's.
    Everything,
    /// What everybody who has a role may know, because bindings are written with it: which clusters and sources there are.
    Shared,
    /// What belongs to this project.
    Project(&'a ProjectName),
    /// A cluster with these labels.
    Cluster(&'a Labels),
}

impl Scope {
    /// Whether a role at this scope counts there.
    pub fn covers(&self, place: Place<'_>) -> bool {
        match (self, place) {
            (Self::Everything, _) | (_, Place::Shared) => true,
            (Self::Project(ours), Place::Project(asked)) => ours == asked,
            (Self::Clusters(selector), Place::Cluster(labels)) => selector.matches(labels),
            (Self::Project(_) | Self::Clusters(_), _) => false,
        }
    }

    /// Whether all of the other scope is within this one. Of two selectors that differ nobody says so: which clusters they select changes.
    pub fn contains(&self, other: &Self) -> bool {
        *self == Self::Everything || self == other
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Project(project) => write!(f, "project {project}"),
            Self::Clusters(selector) => write!(f, "clusters with {selector}"),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Shared => f.write_str("anything"),
            Self::Project(project) => write!(f, "project {project}"),
            Self::Cluster(labels) => {
                f.write_str("clusters with its labels")?;
                let mut labels = labels.iter().peekable();
                if labels.peek().is_none() {
                    return f.write_str(" (it has none)");
                }
                let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, " ({})", labels.join(","))
            }
        }
    }
}
