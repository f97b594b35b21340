//! `GET /v1/{plural}/{name}`.

use axum::extract::State;
use lockstep_store::StoreError;

use super::answer::Shown;
use super::{Resource, manifest, seen};
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;

/// One, with its `ETag`.
pub(super) async fn get<K: Resource>(State(app): State<App>, caller: Caller, Name(name): Name) -> Result<Shown<K>, ApiError> {
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let record = seen::<K>(&mut connection, &caller.permissions, &name).await?;
    manifest::one::<K>(&mut connection, &caller.permissions, record).await.map(Shown)
}
