//! Who may do what where: roles at scopes. What nobody gave is refused.

mod assignment;
mod reach;
mod role;
mod scope;

pub use assignment::{Assignment, SUBJECT_MAX_BYTES, SUBJECTS_MAX, Subject, Who};
pub use reach::Reach;
pub use role::{Action, Role, UnknownRole};
pub use scope::{Place, Scope};

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A role at a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// What may be done.
    pub role: Role,
    /// Where.
    pub scope: Scope,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.role, self.scope)
    }
}

/// All that a caller was given. Nothing of it takes anything away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(Vec<Access>);

/// What a caller lacks, and who could give it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this needs the role {roles}{}: ask an administrator for it", .place.as_ref().map_or_else(String::new, |place| format!(" of {place}")))]
pub struct Forbidden {
    roles: String,
    /// `None`: anywhere.
    place: Option<String>,
}

impl From<Vec<Access>> for Permissions {
    fn from(access: Vec<Access>) -> Self {
        Self(access)
    }
}

impl Permissions {
    /// Each role at its scope.
    pub fn iter(&self) -> impl Iterator<Item = &Access> {
        self.0.iter()
    }

    /// Whether this may be done there.
    pub fn allow(&self, action: Action, place: Place<'_>) -> bool {
        self.0.iter().any(|access| access.role.may(action) && access.scope.covers(place))
    }

    /// That this may be done there, or what is missing.
    pub fn require(&self, action: Action, place: Place<'_>) -> Result<(), Forbidden> {
        if self.allow(action, place) { Ok(()) } else { Err(Forbidden { roles: action.roles(), place: Some(place.to_string()) }) }
    }

    /// That this may be done anywhere at all: whoever may not need not be let near the place.
    pub fn require_anywhere(&self, action: Action) -> Result<(), Forbidden> {
        if self.0.iter().any(|access| access.role.may(action)) {
            return Ok(());
        }
        Err(Forbidden { roles: action.roles(), place: None })
    }

    /// Whether this may be done in all of that scope.
    pub fn allow_all_of(&self, action: Action, scope: &Scope) -> bool {
        self.0.iter().any(|access| access.role.may(action) && access.scope.contains(scope))
    }

    /// That roles at this scope may be given to others and taken from them.
    pub fn require_giving(&self, scope: &Scope) -> Result<(), Forbidden> {
        let action = Action::Administer;
        if self.allow_all_of(action, scope) {
            Ok(())
        } else {
            Err(Forbidden { roles: action.roles(), place: Some(scope.to_string()) })
        }
    }

    /// Where this may be done, for lists.
    pub fn reach(&self, action: Action) -> Reach {
        Reach::of(self.0.iter().filter(|access| access.role.may(action)).map(|access| &access.scope))
    }
}

#[cfg(test)]
mod tests;
