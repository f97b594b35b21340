//! Roles for callers that an OIDC issuer vouches for.

use serde::{Deserialize, Serialize};

use super::Access;
use crate::name::IssuerName;

/// The most subjects that one assignment may have.
pub const SUBJECTS_MAX: usize = 64;
/// The longest user or group.
pub const SUBJECT_MAX_BYTES: usize = 512;

/// A role at a scope, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// What they may do.
    pub access: Access,
    /// Who.
    pub subjects: Vec<Subject>,
}

/// Some callers of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The issuer's name in the server's configuration.
    pub issuer: IssuerName,
    /// Which of its callers.
    pub who: Who,
}

/// Which callers of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who {
    /// Everybody whose token names this group.
    Group(String),
    /// The one whose token names this user.
    User(String),
}
