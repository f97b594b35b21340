//! `DELETE /v1/{plural}/{name}`.

use axum::extract::State;
use lockstep_core::access::Action;
use lockstep_store::blast_radius;
use lockstep_store::change::{Entry, Writing};
use serde_json::json;

use super::answer::Deleted;
use super::{Resource, called, find, manifest, seen, subject};
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::{DeleteParams as _, Mode, Params};

/// Deletes; answers what it was, or, of what is only marked for removal, what it is now.
pub(super) async fn delete<K: Resource>(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<K::DeleteQuery>,
    conditions: Preconditions,
) -> Result<Deleted<K>, ApiError> {
    caller.permissions.require_anywhere(K::WRITING)?;
    let mode = query.mode()?;
    let mut writing = Writing::begin(&app.pool).await?;
    let present = seen::<K>(writing.connection(), &caller.permissions, &name).await?;
    K::may_delete(&caller.permissions, &present)?;
    conditions.check(&called::<K>(&name), None, Some(present.seq))?;
    let before = manifest::of_name::<K>(writing.connection(), &caller.permissions, &name).await?;
    let reach = caller.permissions.reach(Action::Read);
    // Of what is forgotten nothing is left to be looked at afterwards.
    let forgotten = match K::forgets(&present, &query).filter(|_| mode == Mode::DryRun) {
        Some(cluster) => Some(blast_radius::of_forgetting(writing.connection(), cluster, &reach).await?),
        None => None,
    };
    let changed = K::delete(&mut writing, &present, &query).await?;
    let shown = match find::<K>(writing.connection(), &name).await? {
        Some(after) => manifest::one::<K>(writing.connection(), &caller.permissions, after).await?,
        None => before,
    };
    let tried = match (changed, mode) {
        (Some(mut detail), Mode::Keep) => {
            if let Some(project) = K::project(&K::checked(&present.spec)) {
                detail["project"] = json!(project);
            }
            let entry = Entry { actor: caller.actor, kind: K::deleted(&query), subject: subject::<K>(&name), detail };
            writing.commit(&entry).await?;
            None
        }
        (None, Mode::Keep) => {
            writing.abandon().await?;
            None
        }
        (_, Mode::DryRun) => {
            let radius = match forgotten {
                Some(radius) => radius,
                None => blast_radius::of_change(&mut writing, None, &reach).await?,
            };
            writing.abandon().await?;
            Some((&radius).into())
        }
    };
    Ok(Deleted { manifest: shown, tried })
}
