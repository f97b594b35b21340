//! The Vault client of rotations: by the credential set that the source names for them, or by its only one.

use lockstep_core::name::SourceName;
use lockstep_vault::Vault;

use super::trouble::Trouble;
use crate::app::App;

/// The client for what is written to this source.
pub(super) async fn of(app: &App, source: &SourceName) -> Result<Vault, Trouble> {
    let spec = app.sources.spec(&app.pool, source).await.map_err(|error| Trouble::Again(format!("source {source}: {error}")))?;
    Ok(app.sources.writer(source, &spec).await?)
}
