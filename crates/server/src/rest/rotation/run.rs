//! `POST /v1/rotations/{name}/run`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_api::problem::Problem;
use lockstep_api::rotation::RotationRun;
use lockstep_core::access::{Action, Place};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{StoreError, registry, rotation, rotation_run};
use serde_json::json;

use super::Rotations;
use super::status::shown;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::resource::subject;

/// Run a rotation now
///
/// Whether or not it is due, paused, or within a maintenance window; its schedule is as before. Refused while a run is under way.
#[utoipa::path(
    post,
    path = "/v1/rotations/{name}/run",
    operation_id = "runRotation",
    tag = "rotations",
    params(("name" = String, Path, description = "The rotation's name")),
    responses(
        (status = 201, description = "The run that began", body = RotationRun),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn run(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<(StatusCode, Json<RotationRun>), ApiError> {
    caller.permissions.require_anywhere(Action::Operate)?;
    let mut writing = Writing::begin(&app.pool).await?;
    let present = rotation::get(writing.connection(), &name).await?;
    caller.require(Action::Operate, Place::Project(&present.spec.project))?;
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
    let detail = json!({"project": present.spec.project, "run": begun.to_string()});
    let entry = Entry { actor: caller.actor, kind: "RotationStarted", subject: subject::<Rotations>(&name), detail };
    writing.commit(&entry).await?;
    Ok((StatusCode::CREATED, Json(shown(&run, &present.spec.spec.kind))))
}
