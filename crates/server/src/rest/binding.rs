//! Bindings.

mod overlap;
pub(crate) mod pinning;
mod reference;
pub(crate) mod rollback;
mod status;
pub(crate) mod sync;
pub(crate) mod unpin;

use lockstep_api::binding::{BindingSpec, BindingStatus, CheckedBinding};
use lockstep_api::field::FieldError;
use lockstep_core::access::{Action, Forbidden, Permissions, Place};
use lockstep_core::binding::Delivered;
use lockstep_core::id::BindingId;
use lockstep_core::name::ProjectName;
use lockstep_store::binding::{self, BindingRecord};
use lockstep_store::change::Writing;
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::{PgConnection, Result as StoreResult, delivery, placement};
use serde_json::Value;

use super::problem::ApiError;
use super::query::WriteQuery;
use super::resource::{PageOf, Resource, deleted};
use crate::config::Config;

/// Bindings.
pub(crate) struct Bindings;

impl Resource for Bindings {
    const KIND: &'static str = "Binding";
    const SINGULAR: &'static str = "binding";
    const PLURAL: &'static str = "bindings";
    const ABOUT: &'static str = "Which secrets go to which clusters, as what.";
    const WRITTEN: &'static str = "BindingWritten";
    const DELETED: &'static str = "BindingDeleted";
    const WRITING: Action = Action::Operate;
    type Spec = BindingSpec;
    type Status = BindingStatus;
    type Checked = CheckedBinding;
    type Record = BindingRecord;
    type DeleteQuery = WriteQuery;

    fn check(_: &Config, spec: &BindingSpec) -> Result<CheckedBinding, Vec<FieldError>> {
        spec.try_into()
    }

    fn checked(record: &BindingRecord) -> CheckedBinding {
        CheckedBinding { project: record.project.clone(), spec: record.binding.spec.clone() }
    }

    fn wire(checked: &CheckedBinding) -> BindingSpec {
        checked.into()
    }

    fn project(checked: &CheckedBinding) -> Option<&ProjectName> {
        Some(&checked.project)
    }

    fn may_see(permissions: &Permissions, record: &Registered<BindingRecord>) -> bool {
        permissions.allow(Action::Read, Place::Project(&record.spec.project))
    }

    async fn may_put(
        _: &mut PgConnection,
        permissions: &Permissions,
        present: Option<&Registered<BindingRecord>>,
        _: &Written,
        checked: &CheckedBinding,
    ) -> Result<(), ApiError> {
        let present = present.map(|present| &present.spec.project);
        for project in present.into_iter().chain([&checked.project]) {
            permissions.require(Action::Operate, Place::Project(project))?;
        }
        Ok(())
    }

    fn may_delete(permissions: &Permissions, present: &Registered<BindingRecord>) -> Result<(), Forbidden> {
        permissions.require(Action::Operate, Place::Project(&present.spec.project))
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<BindingRecord>> {
        binding::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<BindingRecord>> {
        binding::list(connection, page).await
    }

    async fn statuses(
        connection: &mut PgConnection,
        records: &[Registered<BindingRecord>],
    ) -> Result<Vec<BindingStatus>, ApiError> {
        status::statuses(connection, records).await
    }

    fn delivers(present: &Registered<BindingRecord>) -> Option<(BindingId, &Delivered)> {
        let binding = &present.spec.binding;
        Some((binding.id, &binding.spec.delivered))
    }

    async fn put(
        writing: &mut Writing,
        present: Option<&Registered<BindingRecord>>,
        written: &Written,
        checked: &CheckedBinding,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        let project = reference::check(writing.connection(), present.map(|p| &p.spec.project), checked).await?;
        overlap::check(writing.connection(), present.map(|p| p.spec.binding.id), checked).await?;
        let binding = match present {
            Some(present) => {
                let mut binding = present.spec.binding.clone();
                binding.respecify(checked.spec.clone(), seq);
                binding::update(writing.connection(), written, &binding, seq).await?;
                binding
            }
            None => binding::insert(writing.connection(), written, project, &checked.spec, seq).await?,
        };
        Ok(placement::replan_binding(writing.connection(), binding.id, Ok(&binding), seq).await?)
    }

    async fn delete(
        writing: &mut Writing,
        present: &Registered<BindingRecord>,
        _: &WriteQuery,
    ) -> Result<Option<Value>, ApiError> {
        let seq = writing.seq;
        let binding = &present.spec.binding;
        let policy = binding::delete(writing.connection(), binding, seq).await?;
        let changed = placement::replan_binding(writing.connection(), binding.id, Err(policy), seq).await?;
        // One that was never placed leaves no tombstone to wait for, and must not keep its project in use.
        delivery::bury_unplaced(writing.connection()).await?;
        Ok(Some(deleted(changed)))
    }
}
