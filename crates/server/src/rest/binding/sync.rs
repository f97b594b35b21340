//! `POST /v1/bindings/{name}/sync`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use lockstep_api::binding::Sync;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_core::revision::Revision;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::placement::{self, Asked, SYNC_ASKED};
use lockstep_store::{cluster, registry};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::Bindings;
use super::pinning::writable;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::query::{Mode, Params};
use crate::rest::resource::subject;

/// Within this time the same sync is asked for once: who is in a hurry asks again and again.
const PAUSE: Duration = Duration::from_secs(10);

/// Where to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SyncQuery {
    /// Only in this cluster.
    cluster: Option<String>,
    /// `All`: nothing is written, and the answer is what would be.
    dry_run: Option<String>,
}

/// Deliver a binding anew
///
/// What is delivered is read, rendered, sent and applied once more, also where everything is in step; and its sources are looked at now. Content
/// that is the same restarts nothing. Asked for again within ten seconds, the answer is the sync that is under way. Clusters that are paused or
/// away get it when they are back.
#[utoipa::path(
    post,
    path = "/v1/bindings/{name}/sync",
    operation_id = "syncBinding",
    tag = "bindings",
    params(("name" = String, Path, description = "The binding's name"), SyncQuery),
    responses(
        (status = 200, description = "What was asked for", body = Sync),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn sync(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<SyncQuery>,
) -> Result<Json<Sync>, ApiError> {
    caller.permissions.require_anywhere(Action::Operate)?;
    let mode = Mode::of(query.dry_run.as_deref())?;
    let mut writing = Writing::begin(&app.pool).await?;
    let present = writable(writing.connection(), &caller, &name).await?;
    let cluster = match &query.cluster {
        Some(cluster) => Some(cluster::get(writing.connection(), cluster).await?.id.into()),
        None => None,
    };
    let subject = subject::<Bindings>(&name);
    let shown = |asked: Asked, repeated| Sync {
        binding: name.clone(),
        cluster: query.cluster.clone(),
        revision: asked.revision.to_string(),
        deliveries: asked.placements,
        asked_at: asked.at,
        repeated,
    };
    if let Some(asked) = placement::asked_lately(writing.connection(), &subject, query.cluster.as_deref(), PAUSE).await? {
        writing.abandon().await?;
        return Ok(Json(shown(asked, true)));
    }
    let (id, at) = (present.id.into(), writing.seq);
    let placements = placement::sync(writing.connection(), id, cluster, at).await?;
    let asked = Asked {
        revision: Revision { epoch: writing.epoch, seq: at },
        at: registry::now(writing.connection()).await?,
        placements,
    };
    if mode == Mode::Keep && placements > 0 {
        let sources = placement::sources(writing.connection(), id).await?;
        writing.look_at(&sources).await?;
        let detail = json!({"project": present.spec.project, "cluster": query.cluster, "placements": placements});
        writing.commit(&Entry { actor: caller.actor.clone(), kind: SYNC_ASKED, subject, detail }).await?;
    } else {
        writing.abandon().await?;
    }
    Ok(Json(shown(asked, false)))
}
