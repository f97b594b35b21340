//! Who is calling.

use serde::{Deserialize, Serialize};

/// The caller as the server knows it; `lockstep login` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Caller {
    /// Such as `token:bootstrap`.
    pub actor: String,
}
