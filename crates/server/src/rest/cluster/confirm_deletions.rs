//! `POST /v1/clusters/{name}/confirm-deletions`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use lockstep_api::cluster::ConfirmedDeletions;
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{cluster, delivery};
use serde_json::json;

use super::Clusters;
use super::life::Asked;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::query::{Mode, Params, WriteQuery};
use crate::rest::resource::answer::{Outcome, RESULT};
use crate::rest::resource::{called, subject};

/// The most bindings that an answer and the history name.
const NAMED_MAX: usize = 100;

/// Confirm deletions
///
/// Lets the delete guard pass every deletion in this cluster that was decided up to now; what is decided later is judged anew. Confirming where
/// nothing waits changes nothing.
#[utoipa::path(
    post,
    path = "/v1/clusters/{name}/confirm-deletions",
    operation_id = "confirmDeletions",
    tag = "clusters",
    params(("name" = String, Path, description = "The cluster's name"), WriteQuery),
    responses(
        (status = 200, description = "What is deleted now", body = ConfirmedDeletions, headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn confirm_deletions(
    asked: Asked,
) -> Result<([(HeaderName, &'static str); 1], Json<ConfirmedDeletions>), ApiError> {
    let (State(app), caller, Name(name), Params(query), conditions) = asked;
    caller.permissions.require_anywhere(Action::Operate)?;
    let mode = query.mode()?;
    let mut writing = Writing::begin(&app.pool).await?;
    let seq = writing.seq;
    let present = cluster::get(writing.connection(), &name).await?;
    caller.require(Action::Operate, Place::Cluster(&present.labels))?;
    conditions.check(&called::<Clusters>(&name), None, Some(present.seq))?;
    let mut bindings = delivery::purges_waiting(writing.connection(), present.id.into()).await?;
    let deletions = bindings.len() as u64;
    bindings.truncate(NAMED_MAX);
    let waits = deletions > 0 || present.spec.deletions_held > 0;
    if waits && mode == Mode::Keep {
        cluster::confirm_deletions(writing.connection(), present.id.into(), seq).await?;
        let detail = json!({"deletions": deletions, "bindings": bindings});
        let entry = Entry { actor: caller.actor, kind: "DeletionsConfirmed", subject: subject::<Clusters>(&name), detail };
        writing.commit(&entry).await?;
    } else {
        writing.abandon().await?;
    }
    let outcome = if waits { Outcome::Configured } else { Outcome::Unchanged };
    Ok(([(RESULT, outcome.as_str())], Json(ConfirmedDeletions { cluster: name, deletions, bindings })))
}
