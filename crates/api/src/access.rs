//! Roles at scopes.

use lockstep_core::access::{Access as Checked, Role, Scope as CheckedScope};
use serde::{Deserialize, Serialize};

use crate::field::Mistakes;
use crate::selector::Selector;

/// A role at a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Access {
    /// `viewer`, `operator`, `admin` or `auditor`.
    pub role: String,
    /// Where it counts.
    pub scope: Scope,
}

/// Where a role counts: exactly one of the three.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scope {
    /// `true`: everywhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everything: bool,
    /// A project's name: what belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Clusters with these labels, and what is delivered to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Selector>,
}

impl Access {
    /// The checked role at its scope; mistakes are noted below `field`, which is empty for the body itself.
    pub fn check(&self, field: &str, mistakes: &mut Mistakes) -> Option<Checked> {
        let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        let role = mistakes.parse::<Role>(below("role"), &self.role);
        let scope = self.scope.check(&below("scope"), mistakes);
        Some(Checked { role: role?, scope: scope? })
    }
}

impl Scope {
    fn check(&self, field: &str, mistakes: &mut Mistakes) -> Option<CheckedScope> {
        match (self.everything, &self.project, &self.clusters) {
            (true, None, None) => Some(CheckedScope::Everything),
            (false, Some(project), None) => mistakes.parse(format!("{field}.project"), project).map(CheckedScope::Project),
            (false, None, Some(clusters)) => clusters.check(&format!("{field}.clusters"), mistakes).map(CheckedScope::Clusters),
            _ => {
                mistakes.add(field, "exactly one of everything: true, project and clusters is needed");
                None
            }
        }
    }
}

impl From<&Checked> for Access {
    fn from(checked: &Checked) -> Self {
        let mut scope = Scope::default();
        match &checked.scope {
            CheckedScope::Everything => scope.everything = true,
            CheckedScope::Project(project) => scope.project = Some(project.to_string()),
            CheckedScope::Clusters(selector) => scope.clusters = Some(selector.into()),
        }
        Self { role: checked.role.to_string(), scope }
    }
}
