//! A look at a workload, and at its pods where only they tell what they have.

use super::Changed;
use super::api::{Api, ApiError};
use super::kind::Workload;
use super::object::Object;
use super::plan::is_uncovered;
use super::seen::Seen;

/// What is to be kept of `object`, for these changes; `None`: it is going away. Fails only if the API server is away.
pub(super) async fn see(api: &Api, workload: &Workload, object: &Object, changes: &[Changed]) -> Result<Option<Seen>, ApiError> {
    let Some(mut seen) = Seen::of(workload.kind, object) else { return Ok(None) };
    if changes.iter().any(|changed| seen.created < changed.at && is_uncovered(&seen, changed)) {
        seen.pods = match api.pods(workload, object).await {
            Ok(pods) => pods,
            Err(away @ ApiError::Away(_)) => return Err(away),
            Err(why) => {
                tracing::debug!(%workload, %why, "its pods cannot be looked at and count as old");
                None
            }
        };
    }
    Ok(Some(seen))
}
