//! Rotations.

pub(crate) mod pause;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
mod status;
mod suspend;
mod taken;

use lockstep_api::field::FieldError;
use lockstep_api::rotation::{CheckedRotation, RotationSpec, RotationStatus};
use lockstep_core::access::{Action, Forbidden, Permissions, Place};
use lockstep_core::id::RotationId;
use lockstep_core::name::ProjectName;
use lockstep_core::rotation::By;
use lockstep_store::change::Writing;
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::rotation::{self, RotationRecord, Timetable};
use lockstep_store::{PgConnection, Result as StoreResult, pool, registry, rotation_run};
use serde_json::Value;

use super::code::Code;
use super::problem::ApiError;
use super::project::id_of;
use super::query::WriteQuery;
use super::resource::{PageOf, Resource, deleted};
use crate::app::App;
use crate::config::Config;
use crate::rotate::probe::{self, Unasked};

/// Rotations.
pub(crate) struct Rotations;

impl Resource for Rotations {
    const KIND: &'static str = "Rotation";
    const SINGULAR: &'static str = "rotation";
    const PLURAL: &'static str = "rotations";
    const ABOUT: &'static str =
        "A schedule that makes new versions of a secret at its source, and waits until clusters have them.";
    const WRITTEN: &'static str = "RotationWritten";
    const DELETED: &'static str = "RotationDeleted";
    const PROBES: bool = true;
    const WRITING: Action = Action::Administer;
    type Spec = RotationSpec;
    type Status = RotationStatus;
    type Checked = CheckedRotation;
    type Record = RotationRecord;
    type DeleteQuery = WriteQuery;

    fn check(_: &Config, spec: &RotationSpec) -> Result<CheckedRotation, Vec<FieldError>> {
        spec.try_into()
    }

    fn checked(record: &RotationRecord) -> CheckedRotation {
        CheckedRotation { project: record.project.clone(), spec: record.spec.clone() }
    }

    fn wire(checked: &CheckedRotation) -> RotationSpec {
        checked.into()
    }

    fn project(checked: &CheckedRotation) -> Option<&ProjectName> {
        Some(&checked.project)
    }

    fn may_see(permissions: &Permissions, record: &Registered<RotationRecord>) -> bool {
        permissions.allow(Action::Read, Place::Project(&record.spec.project))
    }

    async fn probe(app: &App, permissions: &Permissions, checked: &CheckedRotation) -> Result<(), ApiError> {
        permissions.require(Action::Administer, Place::Project(&checked.project))?;
        // What a source has beyond a project's grants is not for its admin to find out.
        let mut connection = pool::acquire(&app.pool).await?;
        let project = id_of(&mut connection, &checked.project).await?;
        taken::check_granted(&mut connection, project, checked).await?;
        drop(connection);
        let asked = probe::probe(app, project, &checked.spec).await;
        let mistakes = asked.map_err(|error| match error {
            Unasked::Registry(error) => error.into(),
            Unasked::Source(error) => {
                let detail = format!("it cannot be checked now, and was not written: try again. {error}");
                ApiError::new(Code::SourceUnavailable, detail)
            }
        })?;
        if mistakes.is_empty() { Ok(()) } else { Err(ApiError::invalid(mistakes)) }
    }

    async fn may_put(
        _: &mut PgConnection,
        permissions: &Permissions,
        present: Option<&Registered<RotationRecord>>,
        _: &Written,
        checked: &CheckedRotation,
    ) -> Result<(), ApiError> {
        let present = present.map(|present| &present.spec.project);
        for project in present.into_iter().chain([&checked.project]) {
            permissions.require(Action::Administer, Place::Project(project))?;
        }
        Ok(())
    }

    fn may_delete(permissions: &Permissions, present: &Registered<RotationRecord>) -> Result<(), Forbidden> {
        permissions.require(Action::Administer, Place::Project(&present.spec.project))
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<RotationRecord>> {
        rotation::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<RotationRecord>> {
        rotation::list(connection, page).await
    }

    async fn statuses(
        connection: &mut PgConnection,
        records: &[Registered<RotationRecord>],
    ) -> Result<Vec<RotationStatus>, ApiError> {
        status::statuses(connection, records).await
    }

    async fn put(
        writing: &mut Writing,
        present: Option<&Registered<RotationRecord>>,
        written: &Written,
        checked: &CheckedRotation,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        let project = id_of(writing.connection(), &checked.project).await?;
        taken::check_granted(writing.connection(), project, checked).await?;
        taken::check_free(writing.connection(), present.map(|p| p.name.as_str()), checked).await?;
        let id = present.map(|p| p.id.into());
        if let (Some(present), Some(id)) = (present, id)
            && present.spec.spec.kind != checked.spec.kind
        {
            require_at_rest(writing.connection(), id, &present.name, "what it rotates cannot be changed").await?;
        }
        let timetable = timetable(writing.connection(), present, checked).await?;
        rotation::put(writing.connection(), written, project, &checked.spec, &timetable, seq).await?;
        Ok(0)
    }

    async fn delete(
        writing: &mut Writing,
        present: &Registered<RotationRecord>,
        _: &WriteQuery,
    ) -> Result<Option<Value>, ApiError> {
        let id = present.id.into();
        require_at_rest(writing.connection(), id, &present.name, "it cannot be deleted").await?;
        rotation::delete(writing.connection(), id).await?;
        Ok(Some(deleted(0)))
    }
}

/// A run that has begun to change something at the source has to come to its end.
async fn require_at_rest(connection: &mut PgConnection, id: RotationId, name: &str, what: &str) -> Result<(), ApiError> {
    match rotation_run::open_of_any(connection, id).await? {
        Some(run) => {
            let stage = run.stage.as_str();
            let of = run.cluster.map_or_else(String::new, |cluster| format!(" in cluster {cluster}"));
            let why = format!(
                "a run of rotation {name:?}{of} is under way ({stage}), and {what} until it has ended: `lockstep rotation history {name}`"
            );
            Err(ApiError::new(Code::WrongState, why))
        }
        None => Ok(()),
    }
}

/// From when on due times count: as before, unless the schedule is another now, or goes on after it was suspended. What was due before that is not
/// made up for.
async fn timetable(
    connection: &mut PgConnection,
    present: Option<&Registered<RotationRecord>>,
    checked: &CheckedRotation,
) -> StoreResult<Timetable> {
    let now = registry::now(connection).await?;
    let kept = present.filter(|p| p.spec.spec.timing == checked.spec.timing && p.spec.spec.suspend == checked.spec.suspend);
    let settled_at = kept.map_or(now, |p| p.spec.timetable.settled_at);
    let due_at = match &checked.spec.timing.by {
        _ if checked.spec.suspend => None,
        By::Schedule(schedule) => schedule.next_after(settled_at),
        // Follows from what was issued, and is known when it has been looked at, which is at once.
        By::Life(_) => kept.filter(|p| p.spec.spec.kind == checked.spec.kind).and_then(|p| p.spec.timetable.due_at),
    };
    Ok(Timetable { settled_at, due_at, look_at: now, waits_for: None })
}
