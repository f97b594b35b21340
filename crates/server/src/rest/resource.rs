//! What projects, clusters, sources, grants and bindings have in common: five endpoints over one small interface.
//!
//! A write goes one way for all of them, in [`write`]: check the body, take the next seq, read what is there, compare, write, replan,
//! record. A kind adds only what is its own.

pub(crate) mod answer;
mod create;
mod delete;
mod difference;
pub(crate) mod document;
mod get;
mod list;
pub(crate) mod manifest;
mod metadata;
mod put;
mod request;
mod write;

use std::future::Future;

use axum::Router;
use axum::routing::get;
use lockstep_api::field::FieldError;
use lockstep_core::access::{Action, Forbidden, Permissions};
use lockstep_core::binding::Delivered;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::name::ProjectName;
use lockstep_store::change::Writing;
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::{PgConnection, Result as StoreResult, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::problem::ApiError;
use super::query::DeleteParams;
use crate::app::App;
use crate::config::Config;

/// One page, and where the next one begins.
pub(crate) type PageOf<R> = (Vec<Registered<R>>, Option<String>);

/// A kind of registered thing.
pub(crate) trait Resource: Sized + Send + Sync + 'static {
    /// As in a manifest's `kind`.
    const KIND: &'static str;
    /// As in a change's subject.
    const SINGULAR: &'static str;
    /// As in the path.
    const PLURAL: &'static str;
    /// What it is, for the documentation.
    const ABOUT: &'static str;
    /// The change that writes one.
    const WRITTEN: &'static str;
    /// The change that deletes one.
    const DELETED: &'static str;

    /// Whether [`Resource::probe`] asks anything.
    const PROBES: bool = false;

    /// What writing or deleting one takes at least, wherever it is.
    const WRITING: Action;

    /// What is wanted, on the wire.
    type Spec: Serialize + DeserializeOwned + ToSchema + Send + Sync;
    /// What is, on the wire.
    type Status: Serialize + DeserializeOwned + ToSchema + Send + Sync;
    /// What is wanted, checked.
    type Checked: PartialEq + Send + Sync;
    /// What the registry has.
    type Record: Send + Sync;
    /// What a deletion is asked with.
    type DeleteQuery: DeleteParams;

    /// Checks what needs no registry; every mistake is reported.
    fn check(config: &Config, spec: &Self::Spec) -> Result<Self::Checked, Vec<FieldError>>;

    /// What was written.
    fn checked(record: &Self::Record) -> Self::Checked;

    /// As it is shown, with its defaults.
    fn wire(checked: &Self::Checked) -> Self::Spec;

    /// Whose it is, for the history.
    fn project(_checked: &Self::Checked) -> Option<&ProjectName> {
        None
    }

    /// Whether a caller may see it.
    fn may_see(permissions: &Permissions, record: &Registered<Self::Record>) -> bool;

    /// Whether a caller who may see it may also see how it is.
    fn may_see_status(_permissions: &Permissions, _record: &Registered<Self::Record>) -> bool {
        true
    }

    /// That what it names outside of the registry is there: asked before anything is written, since asking may take long. Asks nothing for
    /// who may not write it.
    fn probe(_: &App, _: &Permissions, _: &Self::Checked) -> impl Future<Output = Result<(), ApiError>> + Send {
        async { Ok(()) }
    }

    /// That a caller may write it so, in place of the one that is present.
    fn may_put(
        connection: &mut PgConnection,
        permissions: &Permissions,
        present: Option<&Registered<Self::Record>>,
        written: &Written,
        checked: &Self::Checked,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;

    /// That a caller may delete it.
    fn may_delete(permissions: &Permissions, present: &Registered<Self::Record>) -> Result<(), Forbidden>;

    /// The one of that name.
    fn get(connection: &mut PgConnection, name: &str) -> impl Future<Output = StoreResult<Registered<Self::Record>>> + Send;

    /// One page.
    fn list(connection: &mut PgConnection, page: &Page) -> impl Future<Output = StoreResult<PageOf<Self::Record>>> + Send;

    /// How they are, in the same order; the number of queries does not depend on how many they are.
    fn statuses(
        connection: &mut PgConnection,
        records: &[Registered<Self::Record>],
    ) -> impl Future<Output = Result<Vec<Self::Status>, ApiError>> + Send;

    /// The change that a deletion is recorded as.
    fn deleted(_query: &Self::DeleteQuery) -> &'static str {
        Self::DELETED
    }

    /// Whether it may be written as it is now.
    fn writable(_present: &Registered<Self::Record>) -> Result<(), ApiError> {
        Ok(())
    }

    /// Creates it, or replaces the one that is present, and plans anew what depends on it; how many placements changed.
    fn put(
        writing: &mut Writing,
        present: Option<&Registered<Self::Record>>,
        written: &Written,
        checked: &Self::Checked,
    ) -> impl Future<Output = Result<usize, ApiError>> + Send;

    /// What it delivers until now, if it is a binding.
    fn delivers(_present: &Registered<Self::Record>) -> Option<(BindingId, &Delivered)> {
        None
    }

    /// The cluster that such a deletion forgets at once, with whatever it has.
    fn forgets(_present: &Registered<Self::Record>, _query: &Self::DeleteQuery) -> Option<ClusterId> {
        None
    }

    /// Deletes it and plans anew what depended on it; what the history keeps of that. `None`: there was nothing to do.
    fn delete(
        writing: &mut Writing,
        present: &Registered<Self::Record>,
        query: &Self::DeleteQuery,
    ) -> impl Future<Output = Result<Option<Value>, ApiError>> + Send;
}

/// Its five endpoints.
pub(crate) fn routes<K: Resource>() -> Router<App> {
    Router::new()
        .route(&format!("/{}", K::PLURAL), get(list::list::<K>).post(create::create::<K>))
        .route(&format!("/{}/{{name}}", K::PLURAL), get(get::get::<K>).put(put::put::<K>).delete(delete::delete::<K>))
}

/// The one of that name, as far as the caller may see it: of the others he is told what he is told of those that are not there.
async fn seen<K: Resource>(
    connection: &mut PgConnection,
    permissions: &Permissions,
    name: &str,
) -> Result<Registered<K::Record>, ApiError> {
    permissions.require_anywhere(Action::Read)?;
    let record = K::get(connection, name).await?;
    if K::may_see(permissions, &record) {
        Ok(record)
    } else {
        Err(StoreError::NotFound { kind: K::SINGULAR, name: name.to_owned() }.into())
    }
}

/// The one of that name, if there is one.
async fn find<K: Resource>(connection: &mut PgConnection, name: &str) -> Result<Option<Registered<K::Record>>, ApiError> {
    match K::get(connection, name).await {
        Ok(record) => Ok(Some(record)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the history keeps of a deletion that moved so many placements.
pub(crate) fn deleted(placements: usize) -> Value {
    json!({ "placementsChanged": placements })
}

/// As in messages: `binding "checkout-db"`.
pub(crate) fn called<K: Resource>(name: &str) -> String {
    format!("{} {name:?}", K::SINGULAR)
}

/// As in changes: `binding/checkout-db`.
pub(crate) fn subject<K: Resource>(name: &str) -> String {
    format!("{}/{name}", K::SINGULAR)
}
