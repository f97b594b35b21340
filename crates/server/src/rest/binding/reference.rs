//! What a binding names must be there; everything that is not is reported at once.

use std::collections::BTreeMap;

use lockstep_api::binding::CheckedBinding;
use lockstep_api::field::Mistakes;
use lockstep_core::id::ProjectId;
use lockstep_core::name::{ProjectName, SourceName};
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
    let mut known: BTreeMap<&SourceName, bool> = BTreeMap::new();
    for (i, item) in checked.spec.delivered.items.iter().enumerate() {
        let name = &item.secret.source;
        let exists = match known.get(name) {
            Some(exists) => *exists,
            None => exists(connection, name).await?,
        };
        known.insert(name, exists);
        if !exists {
            mistakes.add(format!("spec.items[{i}].source"), format!("source \"{name}\" does not exist: apply it first"));
        }
    }
    mistakes.finish(project).map_err(ApiError::invalid)
}

async fn exists(connection: &mut PgConnection, name: &SourceName) -> Result<bool, ApiError> {
    match source::get(connection, name.as_str()).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
