//! Removing a cluster: what becomes of the Secrets that it holds.

use lockstep_core::binding::DeletionPolicy;
use lockstep_core::cluster::ClusterState;
use lockstep_store::change::Writing;
use lockstep_store::cluster::{self, ClusterRecord};
use lockstep_store::meta::Registered;
use lockstep_store::{delivery, join_token, placement, session};
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
    /// `true`: its agent is gone for good, so the cluster is forgotten at once and without its word. What it holds stays there, and its
    /// certificates are refused from then on. Refused while its agent is connected.
    #[serde(default)]
    force: bool,
}

/// The most bindings that the history names.
const NAMED_MAX: usize = 100;

impl DeleteParams for RemoveQuery {
    fn mode(&self) -> Result<Mode, ApiError> {
        Mode::of(self.dry_run.as_deref())
    }
}

impl RemoveQuery {
    /// The history tells a cluster that was forgotten from one whose agent is asked.
    pub(super) fn change(&self) -> &'static str {
        if self.force { "ClusterForgotten" } else { "ClusterRemoving" }
    }

    /// Whether the cluster is gone at once, and nobody is asked.
    pub(super) const fn forgets(&self) -> bool {
        self.force
    }

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
    if query.force {
        return forget(writing, present, asked).await.map(Some);
    }
    if present.spec.state == ClusterState::Revoked {
        let name = &present.name;
        let detail = format!(
            "cluster {name:?} is revoked, so no agent of it is let in that would give anything up: `lockstep cluster remove {name} --force` \
             forgets it at once. What it holds stays; to have that removed before: `lockstep cluster revoke {name} --purge`"
        );
        return Err(ApiError::new(Code::WrongState, detail));
    }
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

/// Deletes it without its agent. Whoever has its certificates is then of no cluster, whose id is never used again: refused when he connects, and
/// when he renews.
async fn forget(
    writing: &mut Writing,
    present: &Registered<ClusterRecord>,
    asked: Option<DeletionPolicy>,
) -> Result<Value, ApiError> {
    let (id, name) = (present.id.into(), &present.name);
    if asked == Some(DeletionPolicy::Delete) {
        let detail = "secrets: only its agent could purge them; with force, what it holds stays".to_owned();
        return Err(ApiError::new(Code::InvalidQuery, detail));
    }
    if let Some(session) = session::of_cluster(writing.connection(), id).await? {
        let detail = format!(
            "the agent of cluster {name:?} is connected, to replica {}: `lockstep cluster remove {name}` asks it to give up what it holds. \
             If it was stopped just now, its stream ends within {} s",
            session.replica,
            session::SILENCE_LIMIT.as_secs()
        );
        return Err(ApiError::new(Code::WrongState, detail));
    }
    let mut left = delivery::holds(writing.connection(), id).await?;
    let count = left.len();
    left.truncate(NAMED_MAX);
    cluster::delete(writing.connection(), id).await?;
    // Bindings that were deleted, and waited for this agent only.
    delivery::bury_unplaced(writing.connection()).await?;
    Ok(json!({"id": present.id.to_string(), "bindingsLeft": count, "bindings": left}))
}
