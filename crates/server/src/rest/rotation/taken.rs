//! What a rotation may rotate: what a grant of its project allows, and no other rotation rotates.

use lockstep_api::field::Mistakes;
use lockstep_api::rotation::CheckedRotation;
use lockstep_core::binding::SecretRef;
use lockstep_core::id::ProjectId;
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::rotation::{By, Kind, RotationSpec};
use lockstep_store::{PgConnection, StoreError, cluster, grant, rotation, source};

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
    if let Err(error) = source::spec(connection, kind.source()).await {
        let StoreError::NotFound { .. } = error else { return Err(error.into()) };
        let reason = format!("source \"{}\" does not exist: apply it first", kind.source());
        return Err(ApiError::invalid_field(&format!("{field}.source"), reason));
    }
    let grants = grant::of_project(connection, project).await?;
    let refuse = |mistakes: &mut Mistakes, mount: &KvMount, path: &str| {
        let reason = format!(
            "no grant of project {} allows source {}, mount {mount}, path {path}: a project rotates only what it may deliver",
            checked.project,
            kind.source()
        );
        mistakes.add(&field, reason);
    };
    let is_granted = |secret: &SecretRef, path: &KvPath| grants.iter().any(|g| g.spec.names(&secret.source, &secret.mount, path));
    if let Some(secret) = kind.secret() {
        for path in secret.granted_paths().filter(|path| !is_granted(secret, path)) {
            refuse(&mut mistakes, &secret.mount, path.as_str());
        }
    }
    // Which clusters there will be is not known. Each one's path is looked at again before anything is written there.
    if let Kind::PkiPerCluster { secrets, .. } = kind {
        let names = cluster::labels(connection).await?;
        let mut all = names.keys().filter_map(|name| Some(secrets.resolve(&name.parse().ok()?)));
        if !names.is_empty() && !all.any(|secret| is_granted(&secret, &secret.path)) {
            refuse(&mut mistakes, &secrets.mount, secrets.path.as_str());
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
fn meet(one: &RotationSpec, other: &RotationSpec) -> Option<String> {
    let by_life = |spec: &RotationSpec| matches!(spec.timing.by, By::Life(_));
    (by_life(one) || by_life(other)).then(|| same_path(&one.kind, &other.kind)).flatten()
}

/// What both would change.
fn both_rotate(one: &Kind, other: &Kind) -> Option<String> {
    let is_role = |kind: &Kind| matches!(kind, Kind::DatabaseStatic { .. } | Kind::DatabasePair { .. });
    if let (Some(a), Some(b)) = (one.secret(), other.secret())
        && is_role(one)
        && is_role(other)
    {
        let theirs: Vec<KvPath> = SecretRef::granted_paths(b).collect();
        let is_same = (&a.source, &a.mount) == (&b.source, &b.mount);
        return a.granted_paths().find(|role| is_same && theirs.contains(role)).map(|role| format!("role {role}"));
    }
    if is_role(one) || is_role(other) {
        return None;
    }
    let path = same_path(one, other)?;
    let theirs = keys_of(other);
    keys_of(one).into_iter().find(|key| theirs.contains(key)).map(|key| format!("key {key} of {path}"))
}

/// The path of a secret that both write, in some cluster's name if each has its own.
fn same_path(one: &Kind, other: &Kind) -> Option<String> {
    let (a, b) = (place(one), place(other));
    if (one.source(), a.0) != (other.source(), b.0) {
        return None;
    }
    let is_same = match (one, other) {
        (Kind::PkiPerCluster { secrets, .. }, _) => secrets.path.meets(b.1),
        (_, Kind::PkiPerCluster { secrets, .. }) => secrets.path.meets(a.1),
        _ => a.1 == b.1,
    };
    is_same.then(|| a.1.to_owned())
}

/// Mount and path.
fn place(kind: &Kind) -> (&KvMount, &str) {
    match kind {
        Kind::PkiPerCluster { secrets, .. } => (&secrets.mount, secrets.path.as_str()),
        Kind::Generate { secret, .. }
        | Kind::DatabaseStatic { secret }
        | Kind::DatabasePair { secret, .. }
        | Kind::Pki { secret, .. } => (&secret.mount, secret.path.as_str()),
    }
}
