//! Role assignments: what callers of an OIDC issuer may do. Given by whoever may do everything at that scope.

use lockstep_api::field::FieldError;
use lockstep_api::role_assignment::{RoleAssignmentSpec, RoleAssignmentStatus};
use lockstep_core::access::{Action, Assignment, Forbidden, Permissions, Scope};
use lockstep_core::name::ProjectName;
use lockstep_store::change::Writing;
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::{PgConnection, Result as StoreResult, role_assignment};
use serde_json::Value;

use super::problem::ApiError;
use super::project::id_at;
use super::query::WriteQuery;
use super::resource::{PageOf, Resource, deleted};
use crate::config::Config;

/// Role assignments.
pub(crate) struct RoleAssignments;

impl Resource for RoleAssignments {
    const KIND: &'static str = "RoleAssignment";
    const SINGULAR: &'static str = "roleassignment";
    const PLURAL: &'static str = "roleassignments";
    const ABOUT: &'static str = "What callers that an OIDC issuer vouches for may do, by user or group.";
    const WRITTEN: &'static str = "RoleAssignmentWritten";
    const DELETED: &'static str = "RoleAssignmentDeleted";
    const WRITING: Action = Action::Administer;
    type Spec = RoleAssignmentSpec;
    type Status = RoleAssignmentStatus;
    type Checked = Assignment;
    type Record = Assignment;
    type DeleteQuery = WriteQuery;

    fn check(_: &Config, spec: &RoleAssignmentSpec) -> Result<Assignment, Vec<FieldError>> {
        spec.try_into()
    }

    fn checked(record: &Assignment) -> Assignment {
        record.clone()
    }

    fn wire(checked: &Assignment) -> RoleAssignmentSpec {
        checked.into()
    }

    fn project(checked: &Assignment) -> Option<&ProjectName> {
        match &checked.access.scope {
            Scope::Project(project) => Some(project),
            Scope::Everything | Scope::Clusters(_) => None,
        }
    }

    fn may_see(permissions: &Permissions, record: &Registered<Assignment>) -> bool {
        permissions.allow_all_of(Action::Read, &record.spec.access.scope)
    }

    async fn may_put(
        _: &mut PgConnection,
        permissions: &Permissions,
        present: Option<&Registered<Assignment>>,
        _: &Written,
        checked: &Assignment,
    ) -> Result<(), ApiError> {
        let present = present.map(|present| &present.spec.access.scope);
        for scope in present.into_iter().chain([&checked.access.scope]) {
            permissions.require_giving(scope)?;
        }
        Ok(())
    }

    fn may_delete(permissions: &Permissions, present: &Registered<Assignment>) -> Result<(), Forbidden> {
        permissions.require_giving(&present.spec.access.scope)
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<Assignment>> {
        role_assignment::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<Assignment>> {
        role_assignment::list(connection, page).await
    }

    async fn statuses(_: &mut PgConnection, records: &[Registered<Assignment>]) -> Result<Vec<RoleAssignmentStatus>, ApiError> {
        Ok(records.iter().map(|_| RoleAssignmentStatus {}).collect())
    }

    async fn put(
        writing: &mut Writing,
        _: Option<&Registered<Assignment>>,
        written: &Written,
        checked: &Assignment,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        if let Some(project) = Self::project(checked) {
            id_at(writing.connection(), "spec.scope.project", project).await?;
        }
        role_assignment::put(writing.connection(), written, checked, seq).await?;
        Ok(0)
    }

    async fn delete(writing: &mut Writing, present: &Registered<Assignment>, _: &WriteQuery) -> Result<Option<Value>, ApiError> {
        role_assignment::delete(writing.connection(), &present.name).await?;
        Ok(Some(deleted(0)))
    }
}
