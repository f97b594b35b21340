//! How what happens to a rotation is told in the history: of one cluster's own part, as of the rotation that people wrote, with the cluster's name.

use lockstep_store::meta::Registered;
use lockstep_store::rotation::RotationRecord;
use serde_json::{Value, json};

/// Whom it is about.
pub(super) fn subject(found: &Registered<RotationRecord>) -> String {
    let name = found.name.split('/').next().unwrap_or_default();
    format!("rotation/{name}")
}

/// What happened, with whose it is.
pub(super) fn told(found: &Registered<RotationRecord>, mut detail: Value) -> Value {
    detail["project"] = json!(found.spec.project);
    if let Some(own) = &found.spec.own {
        detail["cluster"] = json!(own.name);
    }
    detail
}
