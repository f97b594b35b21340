//! `GET /v1/{plural}`.

use axum::Json;
use axum::extract::State;
use lockstep_api::manifest::{List, Manifest};
use lockstep_core::access::Action;
use lockstep_store::StoreError;
use lockstep_store::page::Page;

use super::{Resource, manifest};
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::problem::ApiError;
use crate::rest::query::{ListQuery, Params};

/// One page, in order of name.
pub(super) async fn list<K: Resource>(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Manifest<K::Spec, K::Status>>>, ApiError> {
    let page = Page { reach: caller.reach(Action::Read)?, ..query.page()? };
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (records, next) = K::list(&mut connection, &page).await?;
    let items = manifest::show::<K>(&mut connection, &caller.permissions, records).await?;
    Ok(Json(List::page(K::KIND, items, next)))
}
