//! Grants.

use lockstep_api::field::FieldError;
use lockstep_api::grant::{CheckedGrant, GrantSpec, GrantStatus};
use lockstep_core::access::{Action, Forbidden, Permissions, Place};
use lockstep_core::cluster::ClusterState;
use lockstep_core::name::ProjectName;
use lockstep_store::change::Writing;
use lockstep_store::grant::{self, GrantRecord};
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::{PgConnection, Result as StoreResult, cluster, placement};
use serde_json::Value;

use super::problem::ApiError;
use super::project::id_of;
use super::query::WriteQuery;
use super::resource::{PageOf, Resource, deleted};
use crate::config::Config;

/// Grants.
pub(crate) struct Grants;

impl Resource for Grants {
    const KIND: &'static str = "Grant";
    const SINGULAR: &'static str = "grant";
    const PLURAL: &'static str = "grants";
    const ABOUT: &'static str =
        "An administrator's leave: this project may deliver these paths to these clusters and namespaces.";
    const WRITTEN: &'static str = "GrantWritten";
    const DELETED: &'static str = "GrantDeleted";
    const WRITING: Action = Action::Administer;
    type Spec = GrantSpec;
    type Status = GrantStatus;
    type Checked = CheckedGrant;
    type Record = GrantRecord;
    type DeleteQuery = WriteQuery;

    fn check(_: &Config, spec: &GrantSpec) -> Result<CheckedGrant, Vec<FieldError>> {
        spec.try_into()
    }

    fn checked(record: &GrantRecord) -> CheckedGrant {
        CheckedGrant { project: record.project.clone(), spec: record.spec.clone() }
    }

    fn wire(checked: &CheckedGrant) -> GrantSpec {
        checked.into()
    }

    fn project(checked: &CheckedGrant) -> Option<&ProjectName> {
        Some(&checked.project)
    }

    fn may_see(permissions: &Permissions, record: &Registered<GrantRecord>) -> bool {
        permissions.allow(Action::Read, Place::Project(&record.spec.project))
    }

    /// A project's own admin may not: a grant is what others gave the project.
    async fn may_put(
        _: &mut PgConnection,
        permissions: &Permissions,
        _: Option<&Registered<GrantRecord>>,
        _: &Written,
        _: &CheckedGrant,
    ) -> Result<(), ApiError> {
        Ok(permissions.require(Action::Administer, Place::Everything)?)
    }

    fn may_delete(permissions: &Permissions, _: &Registered<GrantRecord>) -> Result<(), Forbidden> {
        permissions.require(Action::Administer, Place::Everything)
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<GrantRecord>> {
        grant::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<GrantRecord>> {
        grant::list(connection, page).await
    }

    async fn statuses(connection: &mut PgConnection, records: &[Registered<GrantRecord>]) -> Result<Vec<GrantStatus>, ApiError> {
        let mut clusters = cluster::facts(connection).await?;
        clusters.retain(|c| c.state != ClusterState::Removing);
        let count = |r: &Registered<GrantRecord>| clusters.iter().filter(|c| r.spec.spec.clusters.matches(&c.labels)).count();
        Ok(records.iter().map(|r| GrantStatus { clusters: count(r) as u64 }).collect())
    }

    async fn put(
        writing: &mut Writing,
        present: Option<&Registered<GrantRecord>>,
        written: &Written,
        checked: &CheckedGrant,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        let project = id_of(writing.connection(), &checked.project).await?;
        grant::put(writing.connection(), written, project, &checked.spec, seq).await?;
        let mut changed = placement::replan_all(writing.connection(), Some(project), seq).await?;
        // It may have been another project's.
        if let Some(before) = present.map(|p| p.spec.project_id).filter(|before| *before != project) {
            changed += placement::replan_all(writing.connection(), Some(before), seq).await?;
        }
        Ok(changed)
    }

    async fn delete(writing: &mut Writing, present: &Registered<GrantRecord>, _: &WriteQuery) -> Result<Option<Value>, ApiError> {
        let seq = writing.seq;
        grant::delete(writing.connection(), &present.name).await?;
        Ok(Some(deleted(placement::replan_all(writing.connection(), Some(present.spec.project_id), seq).await?)))
    }
}
