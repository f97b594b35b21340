//! Removing a cluster: what becomes of the Secrets that it holds.

use lockstep_core::binding::DeletionPolicy;
use lockstep_core::cluster::ClusterState;
use lockstep_store::change::Writing;
use lockstep_store::cluster::{self, ClusterRecord};
use lockstep_store::meta::Registered;
use lockstep_store::{join_token, placement};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::rest::code::Code;
use crate::rest::problem::ApiError;
use crate::rest::query::{DeleteParams, Mode};

/// What a removal is asked with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemoveQuery {
    /// `All`: nothing is written, and the answer is what would be.
    dry_run: Option<String>,
    /// What becomes of all that was delivered to it, whatever its bindings say: `Retain` (default), it stays and nobody keeps it in step any
    /// more, or `Purge`, it is deleted, without asking the delete guard. Of a cluster that is being removed already: as it was said then.
    secrets: Option<String>,
}

impl DeleteParams for RemoveQuery {
    fn mode(&self) -> Result<Mode, ApiError> {
        Mode::of(self.dry_run.as_deref())
    }
}

impl RemoveQuery {
    fn policy(&self) -> Result<Option<DeletionPolicy>, ApiError> {
        match self.secrets.as_deref() {
            None => Ok(None),
            Some("Retain") => Ok(Some(DeletionPolicy::Retain)),
            Some("Purge") => Ok(Some(DeletionPolicy::Delete)),
            Some(other) => Err(ApiError::new(Code::InvalidQuery, format!("secrets: {other:?} is neither Retain nor Purge"))),
        }
    }
}

/// Takes everything back. As long as something waits for the agent, a second call may still say otherwise.
pub(super) async fn remove(
    writing: &mut Writing,
    present: &Registered<ClusterRecord>,
    query: &RemoveQuery,
) -> Result<Option<Value>, ApiError> {
    let asked = query.policy()?;
    let is_removing = present.spec.state == ClusterState::Removing;
    if is_removing && asked.is_none() {
        return Ok(None);
    }
    let (id, seq, policy) = (present.id.into(), writing.seq, asked.unwrap_or(DeletionPolicy::Retain));
    let changed = placement::take_back(writing.connection(), id, policy, seq).await?;
    if is_removing && changed == 0 {
        return Ok(None);
    }
    cluster::set_state(writing.connection(), id, ClusterState::Removing, seq).await?;
    join_token::revoke_open(writing.connection(), id).await?;
    let secrets = match policy {
        DeletionPolicy::Retain => "Retain",
        DeletionPolicy::Delete => {
            // Whoever asks for this has said that all may go.
            cluster::confirm_deletions(writing.connection(), id, seq).await?;
            "Purge"
        }
    };
    Ok(Some(json!({"placementsChanged": changed, "secrets": secrets})))
}
