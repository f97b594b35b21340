//! What a rotation may rotate: what a grant of its project allows, and no other rotation rotates.

use lockstep_api::field::Mistakes;
use lockstep_api::rotation::CheckedRotation;
use lockstep_core::binding::SecretRef;
use lockstep_core::id::ProjectId;
use lockstep_core::kv::KvPath;
use lockstep_core::rotation::{By, Kind, RotationSpec};
use lockstep_store::{PgConnection, StoreError, grant, rotation, source};

use crate::rest::problem::ApiError;
use crate::rotate::keys_of;

/// Refuses what no grant of its project allows, and a source that nobody registered.
pub(super) async fn check_granted(
    connection: &mut PgConnection,
    project: ProjectId,
    checked: &CheckedRotation,
) -> Result<(), ApiError> {
    let mut mistakes = Mistakes::default();
    let kind = &checked.spec.kind;
    let field = format!("spec.{}", kind.as_str());
    let secret = kind.secret();
    if let Err(error) = source::spec(connection, &secret.source).await {
        let StoreError::NotFound { .. } = error else { return Err(error.into()) };
        let reason = format!("source \"{}\" does not exist: apply it first", secret.source);
        return Err(ApiError::invalid_field(&format!("{field}.source"), reason));
    }
    let grants = grant::of_project(connection, project).await?;
    for path in secret.granted_paths() {
        if !grants.iter().any(|grant| grant.spec.names(&secret.source, &secret.mount, &path)) {
            let reason = format!(
                "no grant of project {} allows source {}, mount {}, path {path}: a project rotates only what it may deliver",
                checked.project, secret.source, secret.mount
            );
            mistakes.add(&field, reason);
        }
    }
    mistakes.finish(Some(())).map_err(ApiError::invalid)
}

/// Refuses what another rotation rotates. `own` is the name of the one that it replaces.
pub(super) async fn check_free(
    connection: &mut PgConnection,
    own: Option<&str>,
    checked: &CheckedRotation,
) -> Result<(), ApiError> {
    let mut mistakes = Mistakes::default();
    let kind = &checked.spec.kind;
    let field = format!("spec.{}", kind.as_str());
    for other in rotation::all(connection).await? {
        if own == Some(other.name.as_str()) {
            continue;
        }
        if let Some(what) = both_rotate(kind, &other.spec.spec.kind) {
            mistakes.add(
                &field,
                format!("rotation {:?} rotates {what} already: two would rotate it under each other's feet", other.name),
            );
        } else if let Some(path) = meet(&checked.spec, &other.spec.spec) {
            mistakes.add(
                &field,
                format!(
                    "rotation {:?} writes {path} as well, and a certificate that is renewed by its age needs a secret of its own: whatever else is \
                     written there makes it due",
                    other.name
                ),
            );
        }
    }
    mistakes.finish(Some(())).map_err(ApiError::invalid)
}

/// The secret that both write, where one of them takes every write of another for a reason to write.
fn meet<'a>(one: &'a RotationSpec, other: &RotationSpec) -> Option<&'a KvPath> {
    let by_life = |spec: &RotationSpec| matches!(spec.timing.by, By::Life(_));
    let is_one = one.kind.secret() == other.kind.secret() && (by_life(one) || by_life(other));
    is_one.then(|| &one.kind.secret().path)
}

/// What both would change.
fn both_rotate(one: &Kind, other: &Kind) -> Option<String> {
    let (a, b) = (one.secret(), other.secret());
    if (&a.source, &a.mount) != (&b.source, &b.mount) {
        return None;
    }
    let is_role = |kind: &Kind| matches!(kind, Kind::DatabaseStatic { .. } | Kind::DatabasePair { .. });
    if is_role(one) && is_role(other) {
        let theirs: Vec<KvPath> = SecretRef::granted_paths(b).collect();
        return a.granted_paths().find(|role| theirs.contains(role)).map(|role| format!("role {role}"));
    }
    if is_role(one) || is_role(other) || a.path != b.path {
        return None;
    }
    let theirs = keys_of(other);
    keys_of(one).into_iter().find(|key| theirs.contains(key)).map(|key| format!("key {key} of {}", a.path))
}
