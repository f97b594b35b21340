//! Moves between the states of a cluster's life that an operator asks for.

use axum::extract::State;
use lockstep_core::access::{Action, Place};
use lockstep_core::cluster::ClusterState;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::cluster::{self, ClusterRecord};
use lockstep_store::meta::Registered;
use lockstep_store::placement;
use serde_json::json;

use super::Clusters;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::name::Name;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::{Mode, Params, WriteQuery};
use crate::rest::resource::answer::{Answer, Outcome};
use crate::rest::resource::{called, manifest, subject};

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Nothing is sent until it is resumed.
    Pause,
    /// Sending goes on.
    Resume,
}

impl Move {
    const fn change(self) -> &'static str {
        match self {
            Self::Pause => "ClusterPaused",
            Self::Resume => "ClusterResumed",
        }
    }

    /// The state to go to from this one; `None`: it is there already.
    fn target(self, cluster: &Registered<ClusterRecord>) -> Result<Option<ClusterState>, ApiError> {
        let joined = cluster.spec.instance.is_some();
        match (self, cluster.spec.state) {
            (Self::Pause, ClusterState::Pending | ClusterState::Active) => Ok(Some(ClusterState::Paused)),
            (Self::Resume, ClusterState::Paused) if joined => Ok(Some(ClusterState::Active)),
            (Self::Resume, ClusterState::Paused) => Ok(Some(ClusterState::Pending)),
            (Self::Pause, ClusterState::Paused) | (Self::Resume, ClusterState::Pending | ClusterState::Active) => Ok(None),
            (_, ClusterState::Revoked) => Err(revoked(&cluster.name)),
            (_, ClusterState::Removing) => Err(removing(&cluster.name)),
        }
    }
}

/// Nothing can be asked of a revoked cluster.
pub(super) fn revoked(name: &str) -> ApiError {
    let detail = format!(
        "cluster {name:?} is revoked and its certificates are refused: `lockstep cluster rejoin {name}` makes it ready to be joined anew"
    );
    ApiError::new(Code::WrongState, detail)
}

/// Nor of one that is being removed.
pub(super) fn removing(name: &str) -> ApiError {
    ApiError::new(
        Code::WrongState,
        format!("cluster {name:?} is being removed: `lockstep wait --for=delete cluster/{name}`, then register it anew"),
    )
}

/// What a request for a move says.
pub(super) type Asked = (State<App>, Caller, Name, Params<WriteQuery>, Preconditions);

/// Moves it, unless it is there already.
pub(super) async fn go(to: Move, asked: Asked) -> Result<Answer<Clusters>, ApiError> {
    let (State(app), caller, Name(name), Params(query), conditions) = asked;
    caller.permissions.require_anywhere(Action::Operate)?;
    let mode = query.mode()?;
    let mut writing = Writing::begin(&app.pool).await?;
    let seq = writing.seq;
    let present = cluster::get(writing.connection(), &name).await?;
    caller.require(Action::Operate, Place::Cluster(&present.labels))?;
    conditions.check(&called::<Clusters>(&name), None, Some(present.seq))?;
    let target = to.target(&present)?;
    let mut placements_changed = 0;
    if let Some(state) = target {
        cluster::set_state(writing.connection(), present.id.into(), state, seq).await?;
        placements_changed = placement::replan_cluster(writing.connection(), present.id.into(), seq).await?;
    }
    let mut manifest = manifest::of_name::<Clusters>(writing.connection(), &caller.permissions, &name).await?;
    let outcome = if target.is_some() { Outcome::Configured } else { Outcome::Unchanged };
    if let (Some(state), Mode::Keep) = (target, mode) {
        let detail = json!({"from": present.spec.state, "to": state, "placementsChanged": placements_changed});
        let entry = Entry { actor: caller.actor, kind: to.change(), subject: subject::<Clusters>(&name), detail };
        writing.commit(&entry).await?;
    } else {
        writing.abandon().await?;
        manifest.metadata.resource_version = Some(present.seq.to_string());
    }
    Ok(Answer { outcome, placements_changed, manifest, tried: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use lockstep_core::cluster::Purge;
    use lockstep_core::id::InstanceId;
    use lockstep_core::label::Labels;
    use lockstep_core::revision::Seq;
    use uuid::Uuid;

    #[test]
    fn only_pending_active_and_paused_move_and_each_says_where_it_stands() {
        use ClusterState::{Active, Paused, Pending, Removing, Revoked};
        for (to, state, joined, want) in [
            (Move::Pause, Pending, false, Ok(Some(Paused))),
            (Move::Pause, Active, true, Ok(Some(Paused))),
            (Move::Pause, Paused, true, Ok(None)),
            (Move::Resume, Paused, true, Ok(Some(Active))),
            (Move::Resume, Paused, false, Ok(Some(Pending))),
            (Move::Resume, Active, true, Ok(None)),
            (Move::Resume, Pending, false, Ok(None)),
            (Move::Pause, Revoked, true, Err(())),
            (Move::Resume, Revoked, true, Err(())),
            (Move::Pause, Removing, true, Err(())),
            (Move::Resume, Removing, true, Err(())),
        ] {
            let instance = joined.then(|| InstanceId::from(Uuid::from_u128(2)));
            let cluster = Registered {
                id: Uuid::from_u128(1),
                name: "eu-1".to_owned(),
                labels: Labels::default(),
                annotations: std::collections::BTreeMap::new(),
                seq: Seq::new(1),
                created_at: DateTime::UNIX_EPOCH,
                spec: ClusterRecord {
                    state,
                    purge: Purge::NotAsked,
                    held: None,
                    instance,
                    unknown_bindings: 0,
                    deletions_held: 0,
                    service_account_issuer: None,
                },
            };
            assert_eq!(to.target(&cluster).map_err(drop), want, "{to:?} {state}");
        }
    }
}
