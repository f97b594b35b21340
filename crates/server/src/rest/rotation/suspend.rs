//! Whether a rotation's runs begin by themselves.

use axum::extract::State;
use lockstep_core::access::{Action, Place};
use lockstep_core::rotation::RotationSpec;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::meta::Written;
use lockstep_store::rotation;
use serde_json::json;

use super::Rotations;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::{Mode, Params, WriteQuery};
use crate::rest::resource::answer::{Answer, Outcome};
use crate::rest::resource::{Resource as _, called, manifest, subject};

/// What a request says.
pub(super) type Asked = (State<App>, Caller, Name, Params<WriteQuery>, Preconditions);

/// Suspends its schedule, or has it go on. A run under way is not touched.
pub(super) async fn go(suspend: bool, asked: Asked) -> Result<Answer<Rotations>, ApiError> {
    let (State(app), caller, Name(name), Params(query), conditions) = asked;
    caller.permissions.require_anywhere(Action::Operate)?;
    let mode = query.mode()?;
    let mut writing = Writing::begin(&app.pool).await?;
    let seq = writing.seq;
    let present = rotation::get(writing.connection(), &name).await?;
    caller.require(Action::Operate, Place::Project(&present.spec.project))?;
    conditions.check(&called::<Rotations>(&name), None, Some(present.seq))?;
    let changes = present.spec.spec.suspend != suspend;
    if changes {
        let mut checked = Rotations::checked(&present.spec);
        checked.spec = RotationSpec { suspend, ..checked.spec };
        let timetable = super::timetable(writing.connection(), Some(&present), &checked).await?;
        let written =
            Written { name: present.name.clone(), labels: present.labels.clone(), annotations: present.annotations.clone() };
        rotation::put(writing.connection(), &written, present.spec.project_id, &checked.spec, &timetable, seq).await?;
    }
    let mut manifest = manifest::of_name::<Rotations>(writing.connection(), &caller.permissions, &name).await?;
    if changes && mode == Mode::Keep {
        let entry = Entry {
            actor: caller.actor,
            kind: if suspend { "RotationPaused" } else { "RotationResumed" },
            subject: subject::<Rotations>(&name),
            detail: json!({"project": present.spec.project}),
        };
        writing.commit(&entry).await?;
    } else {
        writing.abandon().await?;
        manifest.metadata.resource_version = Some(present.seq.to_string());
    }
    let outcome = if changes { Outcome::Configured } else { Outcome::Unchanged };
    Ok(Answer { outcome, placements_changed: 0, manifest, tried: None })
}
