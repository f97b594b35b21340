//! Projects: a team's bindings, grants, rotations and roles belong to one.

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;

/// A project's manifest.
pub type Project = Manifest<ProjectSpec, ProjectStatus>;

/// What is wanted of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectSpec {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How a project is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectStatus {
    /// How many bindings it has.
    pub bindings: u64,
    /// How many grants it has.
    pub grants: u64,
}
