//! What of a list a caller sees.

use serde::Serialize;

use super::Scope;
use crate::name::ProjectName;
use crate::selector::Selector;

/// Where something may be done, by all of a caller's roles together. The store's `reached` says the same in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    everything: bool,
    projects: Vec<ProjectName>,
    clusters: Vec<Selector>,
}

impl Reach {
    /// No limit, for what the server does by itself.
    pub const EVERYTHING: Self = Self { everything: true, projects: Vec::new(), clusters: Vec::new() };

    /// These scopes together.
    pub(super) fn of<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Self {
        let mut reach = Self { everything: false, ..Self::EVERYTHING };
        for scope in scopes {
            match scope {
                Scope::Everything => reach.everything = true,
                Scope::Project(project) => reach.projects.push(project.clone()),
                Scope::Clusters(selector) => reach.clusters.push(selector.clone()),
            }
        }
        reach
    }
}
