//! Roles, and what each may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a caller may do within a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Sees what is.
    Viewer,
    /// Also writes a project's bindings, and pauses, resumes and relabels clusters.
    Operator,
    /// Does everything, and gives roles to others.
    Admin,
    /// Sees what is, and who did what.
    Auditor,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sees what is.
    Read,
    /// Sees who did what.
    Audit,
    /// Daily work.
    Operate,
    /// Changes what others rely on.
    Administer,
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a role: viewer, operator, admin or auditor")]
pub struct UnknownRole(String);

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Admin, Self::Auditor];

    /// The word as shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// Whether it may do this.
    pub const fn may(self, action: Action) -> bool {
        match action {
            Action::Read => true,
            Action::Audit => matches!(self, Self::Auditor | Self::Admin),
            Action::Operate => matches!(self, Self::Operator | Self::Admin),
            Action::Administer => matches!(self, Self::Admin),
        }
    }
}

impl Action {
    /// The roles that may do it, for people.
    pub(super) fn roles(self) -> String {
        let roles: Vec<&str> = Role::ALL.into_iter().filter(|role| role.may(self)).map(Role::as_str).collect();
        roles.join(" or ")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.chars().take(64).collect()))
    }
}
