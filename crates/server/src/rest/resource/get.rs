//! `GET /v1/{plural}/{name}`.

use axum::extract::State;
use lockstep_store::StoreError;

use super::answer::Shown;
use super::{Resource, manifest};
use crate::app::App;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;

/// One, with its `ETag`.
pub(super) async fn get<K: Resource>(State(app): State<App>, Name(name): Name) -> Result<Shown<K>, ApiError> {
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    manifest::of_name::<K>(&mut connection, &name).await.map(Shown)
}
