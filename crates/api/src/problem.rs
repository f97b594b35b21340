//! Errors on the wire: RFC 9457 problems.

use serde::{Deserialize, Serialize};

use crate::field::FieldError;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong and what to do. Programs match on `code`, which never changes its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:lockstep:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs, such as `invalid-manifest`.
    pub code: String,
    /// What happened this time and what to do next.
    pub detail: String,
    /// Every mistake in a manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        self.errors.iter().try_for_each(|e| write!(f, "\n  {e}"))
    }
}
