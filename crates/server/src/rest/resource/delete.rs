//! `DELETE /v1/{plural}/{name}`.

use axum::extract::State;
use lockstep_store::change::{Entry, Writing};

use super::answer::Shown;
use super::{Resource, called, find, manifest, subject};
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
) -> Result<Shown<K>, ApiError> {
    let mode = query.mode()?;
    let mut writing = Writing::begin(&app.pool).await?;
    let present = K::get(writing.connection(), &name).await?;
    conditions.check(&called::<K>(&name), None, Some(present.seq))?;
    let before = manifest::of_name::<K>(writing.connection(), &name).await?;
    let changed = K::delete(&mut writing, &present, &query).await?;
    let after = find::<K>(writing.connection(), &name).await?;
    let shown = if after.is_some() { manifest::of_name::<K>(writing.connection(), &name).await? } else { before };
    match (changed, mode) {
        (Some(detail), Mode::Keep) => {
            let entry = Entry { actor: caller.actor, kind: K::deleted(&query), subject: subject::<K>(&name), detail };
            writing.commit(&entry).await?;
        }
        _ => writing.abandon().await?,
    }
    Ok(Shown(shown))
}
