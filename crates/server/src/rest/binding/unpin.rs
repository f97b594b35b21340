//! `POST /v1/bindings/{name}/unpin`.

use axum::extract::State;
use lockstep_api::binding::Unpin;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_store::StoreError;

use super::Bindings;
use super::pinning::{is_meant, move_pins, no_such_item, writable};
use crate::app::App;
use crate::rest::body::Body;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::{Params, WriteQuery};
use crate::rest::resource::answer::Answer;

/// Unpin a binding
///
/// Its secrets follow their newest versions again. Where nothing is pinned nothing changes.
#[utoipa::path(
    post,
    path = "/v1/bindings/{name}/unpin",
    operation_id = "unpinBinding",
    tag = "bindings",
    params(("name" = String, Path, description = "The binding's name"), WriteQuery),
    request_body(content = Option<Unpin>, description = "If absent: all its secrets"),
    responses(
        (status = 200, description = "The binding", body = ref("#/components/schemas/Binding"), headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn unpin(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<WriteQuery>,
    conditions: Preconditions,
    body: Body,
) -> Result<Answer<Bindings>, ApiError> {
    caller.permissions.require_anywhere(Action::Operate)?;
    let mode = query.mode()?;
    let asked: Unpin = if body.is_empty() { Unpin::default() } else { body.decode()? };
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let present = writable(&mut connection, &caller, &name).await?;
    drop(connection);
    let items = present.spec.binding.spec.delivered.items.iter().map(|item| &item.secret);
    let meant: Vec<_> = match &asked.item {
        None => items.collect(),
        Some(said) => items.filter(|secret| is_meant(secret, said)).collect(),
    };
    if let (Some(said), []) = (&asked.item, meant.as_slice()) {
        return Err(no_such_item(&present, said));
    }
    let pins = meant.into_iter().map(|secret| (secret.clone(), None)).collect();
    move_pins(&app, caller, &conditions, mode, &present, "BindingUnpinned", &pins).await
}
