//! What a binding names must be there; everything that is not is reported at once.

use std::collections::BTreeMap;

use lockstep_api::binding::CheckedBinding;
use lockstep_api::field::Mistakes;
use lockstep_core::engine::Engine;
use lockstep_core::id::ProjectId;
use lockstep_core::name::{ProjectName, SourceName};
use lockstep_core::source::ReadAs;
use lockstep_store::{PgConnection, StoreError, project, source};

use crate::rest::problem::ApiError;
use crate::rest::project::missing;

/// Its project's id. `before` is the project of the binding that it replaces.
pub(super) async fn check(
    connection: &mut PgConnection,
    before: Option<&ProjectName>,
    checked: &CheckedBinding,
) -> Result<ProjectId, ApiError> {
    let mut mistakes = Mistakes::default();
    let project = match (before.filter(|before| **before != checked.project), project::id(connection, &checked.project).await) {
        (Some(before), _) => {
            mistakes.add("spec.project", format!("cannot be changed from \"{before}\": delete the binding and make another"));
            None
        }
        (None, Ok(id)) => Some(id),
        (None, Err(StoreError::NotFound { .. })) => {
            mistakes.add("spec.project", missing(&checked.project));
            None
        }
        (None, Err(error)) => return Err(error.into()),
    };
    let mut known: BTreeMap<&SourceName, Option<ReadAs>> = BTreeMap::new();
    for (i, item) in checked.spec.delivered.items.iter().enumerate() {
        let name = item.secret.source();
        if !known.contains_key(name) {
            known.insert(name, read_as(connection, name).await?);
        }
        match (known.get(name).and_then(Option::as_ref), item.secret.engine()) {
            (None, _) => {
                mistakes.add(format!("spec.items[{i}].source"), format!("source \"{name}\" does not exist: apply it first"));
            }
            (Some(ReadAs::Cluster(_)), Engine::KvV1) => {
                let reason = format!(
                    "KV version 1 can only be watched by reading it, and source \"{name}\" has readAs: Cluster, so that the server may \
                     not: move the secret to KV version 2, or bind it from a source with readAs: Server"
                );
                mistakes.add(format!("spec.items[{i}].engine"), reason);
            }
            (Some(_), _) => {}
        }
    }
    mistakes.finish(project).map_err(ApiError::invalid)
}

/// Who reads there; `None`: there is no such source.
async fn read_as(connection: &mut PgConnection, name: &SourceName) -> Result<Option<ReadAs>, ApiError> {
    match source::get(connection, name.as_str()).await {
        Ok(found) => Ok(Some(found.spec.spec.read_as)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
