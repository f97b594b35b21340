//! Maintenance windows and freezes: when rotations may act. Written by whoever administers what they are for.

use lockstep_api::field::FieldError;
use lockstep_api::maintenance_window::{MaintenanceWindowSpec, MaintenanceWindowStatus, field_of};
use lockstep_core::access::{Action, Forbidden, Permissions, Place, Scope as AccessScope};
use lockstep_core::maintenance::{Scope, Window, WindowError};
use lockstep_core::name::ProjectName;
use lockstep_store::change::Writing;
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::{PgConnection, Result as StoreResult, maintenance_window, registry};
use serde_json::Value;

use super::problem::ApiError;
use super::project::id_of;
use super::query::WriteQuery;
use super::resource::{PageOf, Resource, deleted};
use crate::config::Config;

/// Maintenance windows.
pub(crate) struct MaintenanceWindows;

impl Resource for MaintenanceWindows {
    const KIND: &'static str = "MaintenanceWindow";
    const SINGULAR: &'static str = "maintenancewindow";
    const PLURAL: &'static str = "maintenancewindows";
    const ABOUT: &'static str = "When rotations of a project, or into clusters, may act, and when they are frozen.";
    const WRITTEN: &'static str = "MaintenanceWindowWritten";
    const DELETED: &'static str = "MaintenanceWindowDeleted";
    const WRITING: Action = Action::Administer;
    type Spec = MaintenanceWindowSpec;
    type Status = MaintenanceWindowStatus;
    type Checked = Window;
    type Record = Window;
    type DeleteQuery = WriteQuery;

    fn check(_: &Config, spec: &MaintenanceWindowSpec) -> Result<Window, Vec<FieldError>> {
        spec.try_into()
    }

    fn checked(record: &Window) -> Window {
        record.clone()
    }

    fn wire(checked: &Window) -> MaintenanceWindowSpec {
        checked.into()
    }

    fn project(checked: &Window) -> Option<&ProjectName> {
        match &checked.scope {
            Scope::Project(project) => Some(project),
            Scope::Everything | Scope::Clusters(_) => None,
        }
    }

    /// What is no project's own is waited for by all.
    fn may_see(permissions: &Permissions, record: &Registered<Window>) -> bool {
        permissions.allow(Action::Read, Self::project(&record.spec).map_or(Place::Shared, Place::Project))
    }

    async fn may_put(
        _: &mut PgConnection,
        permissions: &Permissions,
        present: Option<&Registered<Window>>,
        _: &Written,
        checked: &Window,
    ) -> Result<(), ApiError> {
        for window in present.map(|present| &present.spec).into_iter().chain([checked]) {
            require_admin(permissions, window)?;
        }
        Ok(())
    }

    fn may_delete(permissions: &Permissions, present: &Registered<Window>) -> Result<(), Forbidden> {
        require_admin(permissions, &present.spec)
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<Window>> {
        maintenance_window::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<Window>> {
        maintenance_window::list(connection, page).await
    }

    async fn statuses(
        connection: &mut PgConnection,
        records: &[Registered<Window>],
    ) -> Result<Vec<MaintenanceWindowStatus>, ApiError> {
        let now = registry::now(connection).await?;
        Ok(records.iter().map(|record| MaintenanceWindowStatus::of(&record.spec, now)).collect())
    }

    async fn put(
        writing: &mut Writing,
        present: Option<&Registered<Window>>,
        written: &Written,
        checked: &Window,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        if let Some(project) = Self::project(checked) {
            id_of(writing.connection(), project).await?;
        }
        // One that is there may get other labels also when it is over.
        if present.is_none_or(|present| present.spec != *checked) {
            let now = registry::now(writing.connection()).await?;
            let mut others = maintenance_window::all(writing.connection()).await?;
            others.retain(|(name, _)| name.as_str() != written.name);
            checked.check_at(now).and_then(|()| checked.check_beside(&others, now)).map_err(|e| refused(&e))?;
        }
        maintenance_window::put(writing.connection(), written, checked, seq).await?;
        Ok(0)
    }

    async fn delete(writing: &mut Writing, present: &Registered<Window>, _: &WriteQuery) -> Result<Option<Value>, ApiError> {
        maintenance_window::delete(writing.connection(), &present.name).await?;
        Ok(Some(deleted(0)))
    }
}

/// An admin of all that it is for, as whoever gives roles there.
fn require_admin(permissions: &Permissions, window: &Window) -> Result<(), Forbidden> {
    permissions.require_giving(&match &window.scope {
        Scope::Project(project) => AccessScope::Project(project.clone()),
        Scope::Clusters(selector) => AccessScope::Clusters(selector.clone()),
        Scope::Everything => AccessScope::Everything,
    })
}

fn refused(error: &WindowError) -> ApiError {
    ApiError::invalid_field(field_of(error), error.to_string())
}
