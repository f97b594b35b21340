//! `POST /v1/rotations/{name}/run`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_api::problem::Problem;
use lockstep_api::rotation::RotationRun;
use lockstep_core::access::{Action, Place};
use lockstep_core::rotation::Kind;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::meta::Registered;
use lockstep_store::rotation::{RotationRecord, own};
use lockstep_store::{PgConnection, StoreError, grant, registry, rotation, rotation_run};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::Rotations;
use super::status::shown;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::query::Params;
use crate::rest::resource::subject;

/// Which run.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunNowQuery {
    /// Where each cluster has its own: of which.
    cluster: Option<String>,
}

/// Run a rotation now
///
/// Whether or not it is due, paused, or within a maintenance window; its schedule is as before. Refused while a run is under way. Where each cluster
/// has its own certificate, of one cluster.
#[utoipa::path(
    post,
    path = "/v1/rotations/{name}/run",
    operation_id = "runRotation",
    tag = "rotations",
    params(("name" = String, Path, description = "The rotation's name"), RunNowQuery),
    responses(
        (status = 201, description = "The run that began", body = RotationRun),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn run(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<RunNowQuery>,
) -> Result<(StatusCode, Json<RotationRun>), ApiError> {
    caller.permissions.require_anywhere(Action::Operate)?;
    let mut writing = Writing::begin(&app.pool).await?;
    let present = rotation::get(writing.connection(), &name).await?;
    caller.require(Action::Operate, Place::Project(&present.spec.project))?;
    let present = of_cluster(writing.connection(), present, query.cluster.as_deref()).await?;
    let id = present.id.into();
    if let Some(open) = rotation_run::open(writing.connection(), id).await? {
        writing.abandon().await?;
        let detail = format!(
            "a run of rotation {name:?} is under way since {} UTC ({}): `lockstep rotation history {name}`",
            open.started_at.format("%F %T"),
            open.stage.as_str()
        );
        return Err(ApiError::new(Code::WrongState, detail));
    }
    let now = registry::now(writing.connection()).await?;
    let begun = rotation_run::begin(writing.connection(), id, now, &caller.actor).await?;
    let run = rotation_run::open(writing.connection(), id).await?;
    let (Some(begun), Some(run)) = (begun, run) else {
        return Err(StoreError::NotFound { kind: "run of rotation", name }.into());
    };
    let cluster = query.cluster;
    let mut detail = json!({"project": present.spec.project, "run": begun.to_string()});
    if let Some(cluster) = &cluster {
        detail["cluster"] = json!(cluster);
    }
    let entry = Entry { actor: caller.actor, kind: "RotationStarted", subject: subject::<Rotations>(&name), detail };
    writing.commit(&entry).await?;
    Ok((StatusCode::CREATED, Json(RotationRun { cluster, ..shown(&run, &present.spec.spec.kind) })))
}

/// The part of that cluster, where each has its own.
async fn of_cluster(
    connection: &mut PgConnection,
    present: Registered<RotationRecord>,
    cluster: Option<&str>,
) -> Result<Registered<RotationRecord>, ApiError> {
    let refused = |why: String| ApiError::new(Code::InvalidQuery, why);
    let (secrets, cluster) = match (&present.spec.spec.kind, cluster) {
        (Kind::PkiPerCluster { .. }, None) => {
            let why = format!("each cluster of rotation {:?} has its own: say which, with ?cluster=NAME", present.name);
            return Err(refused(why));
        }
        (Kind::PkiPerCluster { secrets, .. }, Some(cluster)) => (secrets, cluster),
        (_, None) => return Ok(present),
        (_, Some(_)) => {
            return Err(refused(format!(
                "all clusters of rotation {:?} have the same: it is run without a cluster",
                present.name
            )));
        }
    };
    // As it is written now, not as it was when somebody last looked.
    own::follow(connection, &present, secrets).await?;
    let is_its = |part: &Registered<RotationRecord>| part.spec.own.as_ref().is_some_and(|own| own.name.as_str() == cluster);
    let part = own::of(connection, &[present.id.into()]).await?.into_iter().find(is_its);
    let secret = match &part {
        Some(part) => part.spec.spec.kind.secret().cloned(),
        None => cluster.parse().ok().map(|cluster| secrets.resolve(&cluster)),
    };
    let grants = grant::of_project(connection, present.spec.project_id).await?;
    // Whoever may run a rotation may write no more by it than its project may.
    if let Some(secret) = secret.filter(|secret| !grant::name(&grants, secret)) {
        let why = format!(
            "no grant of project {} allows source {}, mount {}, path {}: a project rotates only what it may deliver",
            present.spec.project, secret.source, secret.mount, secret.path
        );
        return Err(ApiError::new(Code::Forbidden, why));
    }
    let name = format!("{} in cluster {cluster}", present.name);
    part.ok_or_else(|| StoreError::NotFound { kind: "rotation", name }.into())
}
