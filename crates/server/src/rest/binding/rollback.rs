//! `POST /v1/bindings/{name}/rollback`.

use std::collections::BTreeMap;
use std::fmt::Display;

use axum::extract::State;
use lockstep_api::binding::Rollback;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_core::binding::{Item, SecretRef};
use lockstep_core::rollback;
use lockstep_core::source::SourceSpec;
use lockstep_core::version::{Version, VersionNumber};
use lockstep_store::binding::BindingRecord;
use lockstep_store::meta::Registered;
use lockstep_store::{PgConnection, StoreError, secret, source};

use super::Bindings;
use super::pinning::{is_meant, move_pins, no_such_item, writable};
use crate::app::App;
use crate::clock;
use crate::rest::body::Body;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::name::Name;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::{Params, WriteQuery};
use crate::rest::resource::answer::Answer;

/// Roll a binding back
///
/// Pins a secret of the binding to an earlier version, after a look at the source whether that one can still be read. It stays pinned until
/// somebody unpins it, or writes the binding without `items[].version`.
#[utoipa::path(
    post,
    path = "/v1/bindings/{name}/rollback",
    operation_id = "rollbackBinding",
    tag = "bindings",
    params(("name" = String, Path, description = "The binding's name"), WriteQuery),
    request_body(content = Option<Rollback>, description = "If absent: the version before the one that is delivered"),
    responses(
        (status = 200, description = "The binding", body = ref("#/components/schemas/Binding"), headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<WriteQuery>,
    conditions: Preconditions,
    body: Body,
) -> Result<Answer<Bindings>, ApiError> {
    caller.permissions.require_anywhere(Action::Operate)?;
    let mode = query.mode()?;
    let asked: Rollback = if body.is_empty() { Rollback::default() } else { body.decode()? };
    let to = asked.to.map(|to| VersionNumber::new(to).ok_or_else(|| ApiError::invalid_field("to", "versions begin at 1")));
    let to = to.transpose()?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let present = writable(&mut connection, &caller, &name).await?;
    let item = meant(&present, asked.item.as_deref())?.clone();
    let Some(secret) = item.secret.everywhere() else {
        let why = "each cluster draws a path of its own, and the same number is something else in each: there is no one version to go back \
                   to. Write the earlier value again at the paths that should have it";
        return Err(refused(&item, why));
    };
    if !secret.engine.numbers_versions() {
        let why = "only versions of KV version 2 can be gone back to: elsewhere the source keeps the newest only";
        return Err(refused(&item, why));
    }
    // Whoever asks again for what is so already need not find the Vault in its place.
    let number = if let Some(number) = to.filter(|to| item.pin == Some(*to)) {
        drop(connection);
        number
    } else {
        let newest = newest(&mut connection, &item, secret).await?;
        let (_, spec) = source::spec(&mut connection, &secret.source).await?;
        // A source that is slow must not keep connections from others.
        drop(connection);
        readable(&app, (&item, secret), newest, &spec, to).await?
    };
    let pins = BTreeMap::from([(item.secret.clone(), Some(number))]);
    move_pins(&app, caller, &conditions, mode, &present, "BindingRolledBack", &pins).await
}

/// The item that is meant.
fn meant<'a>(present: &'a Registered<BindingRecord>, said: Option<&str>) -> Result<&'a Item, ApiError> {
    let items = &present.spec.binding.spec.delivered.items;
    match (said, items.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => {
            let all: Vec<_> = items.iter().map(|item| item.secret.to_string()).collect();
            Err(ApiError::invalid_field("item", format!("the binding delivers several secrets: say which of {}", all.join(", "))))
        }
        (Some(said), items) => items.iter().find(|item| is_meant(&item.secret, said)).ok_or_else(|| no_such_item(present, said)),
    }
}

fn refused(item: &Item, why: impl Display) -> ApiError {
    ApiError::new(Code::WrongState, format!("secret {}: {why}", item.secret))
}

/// The newest version that is known.
async fn newest(connection: &mut PgConnection, item: &Item, secret: &SecretRef) -> Result<Version, ApiError> {
    let known = secret::drawn_from(connection, secret).await?.map(|record| record.known);
    let newest = known.and_then(|known| known.chosen.or(known.latest));
    newest.ok_or_else(|| refused(item, "nobody has seen a version of it yet: there is nothing to go back to"))
}

/// The version to go back to: the source says that it is live, and where the server reads, it has been read.
async fn readable(
    app: &App,
    (item, secret): (&Item, &SecretRef),
    newest: Version,
    spec: &SourceSpec,
    to: Option<VersionNumber>,
) -> Result<VersionNumber, ApiError> {
    let SecretRef { source, mount, path, .. } = secret;
    let client = app.sources.client(source, spec).await.map_err(|error| refused(item, error))?;
    let versions = client.versions(mount, path, clock::now()).await.map_err(|error| refused(item, error))?;
    if versions.incarnation != newest.id.incarnation {
        let why = "it was removed at its source and made anew, and its numbers mean others now: try again in a moment";
        return Err(refused(item, why));
    }
    let delivered = item.pin.unwrap_or(newest.id.number);
    let number = rollback::choose(&versions, delivered, to).map_err(|error| refused(item, error))?;
    if spec.read_as.is_server() {
        client.read(mount, path, number).await.map_err(|error| refused(item, error))?;
    }
    Ok(number)
}
