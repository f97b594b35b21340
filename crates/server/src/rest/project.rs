//! Projects.

use lockstep_api::field::{FieldError, Mistakes};
use lockstep_api::project::{ProjectSpec, ProjectStatus};
use lockstep_core::access::{Action, Forbidden, Permissions, Place};
use lockstep_core::id::ProjectId;
use lockstep_core::name::ProjectName;
use lockstep_store::change::Writing;
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::project::{self, ProjectRecord};
use lockstep_store::{PgConnection, Result as StoreResult, StoreError};
use serde_json::Value;

use super::problem::ApiError;
use super::query::WriteQuery;
use super::resource::{PageOf, Resource, deleted};
use crate::config::Config;

/// The longest description.
const DESCRIPTION_MAX_BYTES: usize = 4 << 10;

/// Projects.
pub(crate) struct Projects;

/// The id of the project that a grant names; a missing one is a mistake.
pub(crate) async fn id_of(connection: &mut PgConnection, name: &ProjectName) -> Result<ProjectId, ApiError> {
    id_at(connection, "spec.project", name).await
}

/// The id of the project that is named in this field; a missing one is a mistake there.
pub(crate) async fn id_at(connection: &mut PgConnection, field: &str, name: &ProjectName) -> Result<ProjectId, ApiError> {
    match project::id(connection, name).await {
        Ok(id) => Ok(id),
        Err(StoreError::NotFound { .. }) => Err(ApiError::invalid_field(field, missing(name))),
        Err(error) => Err(error.into()),
    }
}

/// Why a project cannot be named.
pub(crate) fn missing(name: &ProjectName) -> String {
    format!("project \"{name}\" does not exist: apply it first")
}

impl Resource for Projects {
    const KIND: &'static str = "Project";
    const SINGULAR: &'static str = "project";
    const PLURAL: &'static str = "projects";
    const ABOUT: &'static str = "Who: a team's bindings and grants belong to one.";
    const WRITTEN: &'static str = "ProjectWritten";
    const DELETED: &'static str = "ProjectDeleted";
    const WRITING: Action = Action::Administer;
    type Spec = ProjectSpec;
    type Status = ProjectStatus;
    type Checked = ProjectSpec;
    type Record = ProjectRecord;
    type DeleteQuery = WriteQuery;

    fn check(_: &Config, spec: &ProjectSpec) -> Result<ProjectSpec, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        if spec.description.as_ref().is_some_and(|d| d.len() > DESCRIPTION_MAX_BYTES) {
            mistakes.add("spec.description", format!("longer than the {DESCRIPTION_MAX_BYTES} bytes allowed"));
        }
        mistakes.finish(Some(spec.clone()))
    }

    fn checked(record: &ProjectRecord) -> ProjectSpec {
        ProjectSpec { description: record.description.clone() }
    }

    fn wire(checked: &ProjectSpec) -> ProjectSpec {
        checked.clone()
    }

    fn may_see(permissions: &Permissions, record: &Registered<ProjectRecord>) -> bool {
        match record.name.parse() {
            Ok(name) => permissions.allow(Action::Read, Place::Project(&name)),
            Err(_) => permissions.allow(Action::Read, Place::Everything),
        }
    }

    async fn may_put(
        _: &mut PgConnection,
        permissions: &Permissions,
        _: Option<&Registered<ProjectRecord>>,
        _: &Written,
        _: &ProjectSpec,
    ) -> Result<(), ApiError> {
        Ok(permissions.require(Action::Administer, Place::Everything)?)
    }

    fn may_delete(permissions: &Permissions, _: &Registered<ProjectRecord>) -> Result<(), Forbidden> {
        permissions.require(Action::Administer, Place::Everything)
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<ProjectRecord>> {
        project::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<ProjectRecord>> {
        project::list(connection, page).await
    }

    async fn statuses(_: &mut PgConnection, records: &[Registered<ProjectRecord>]) -> Result<Vec<ProjectStatus>, ApiError> {
        Ok(records.iter().map(|r| ProjectStatus { bindings: r.spec.bindings, grants: r.spec.grants }).collect())
    }

    async fn put(
        writing: &mut Writing,
        _: Option<&Registered<ProjectRecord>>,
        written: &Written,
        checked: &ProjectSpec,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        project::put(writing.connection(), written, checked.description.as_deref(), seq).await?;
        Ok(0)
    }

    async fn delete(
        writing: &mut Writing,
        present: &Registered<ProjectRecord>,
        _: &WriteQuery,
    ) -> Result<Option<Value>, ApiError> {
        project::delete(writing.connection(), &present.name).await?;
        Ok(Some(deleted(0)))
    }
}
