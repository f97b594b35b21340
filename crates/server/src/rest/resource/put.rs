//! `PUT /v1/{plural}/{name}`.

use axum::extract::State;

use super::Resource;
use super::answer::Answer;
use super::request::Request;
use super::write::{Way, write};
use crate::app::App;
use crate::rest::body::Body;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::{Params, WriteQuery};

/// Creates or replaces.
pub(super) async fn put<K: Resource>(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<WriteQuery>,
    conditions: Preconditions,
    body: Body,
) -> Result<Answer<K>, ApiError> {
    caller.permissions.require_anywhere(K::WRITING)?;
    let mode = query.mode()?;
    let request = Request::check(&app.config, body.json()?, Some(&name))?;
    write(&app, &caller, &request, &conditions, Way::CreateOrReplace, mode).await
}
