//! Manifests of every kind, as the server takes them apart.

use std::fmt::Debug;

use lockstep_api::binding::{BindingSpec, CheckedBinding as Binding};
use lockstep_api::cluster::ClusterSpec;
use lockstep_api::decode::decode;
use lockstep_api::field::FieldError;
use lockstep_api::grant::{CheckedGrant as Grant, GrantSpec};
use lockstep_api::maintenance_window::MaintenanceWindowSpec;
use lockstep_api::manifest::Manifest;
use lockstep_api::project::ProjectSpec;
use lockstep_api::role_assignment::RoleAssignmentSpec;
use lockstep_api::source::SourceSpec;
use lockstep_api::token::TokenRequest;
use lockstep_core::access::Assignment;
use lockstep_core::maintenance::Window;
use lockstep_core::source::SourceSpec as Source;
use serde_json::{Value, json};

use crate::{Target, texts};

/// The target.
pub const TARGET: Target = Target { name: "manifest", run, seeds };

type Mistakes = Vec<FieldError>;

fn run(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(data) else { return };
    match json["kind"].as_str() {
        Some("Binding") => checked::<BindingSpec, Binding>(json),
        Some("Grant") => checked::<GrantSpec, Grant>(json),
        Some("Source") => checked::<SourceSpec, Source>(json),
        Some("RoleAssignment") => checked::<RoleAssignmentSpec, Assignment>(json),
        Some("MaintenanceWindow") => checked::<MaintenanceWindowSpec, Window>(json),
        Some("Cluster") => drop(decoded::<Manifest<ClusterSpec, Value>>(json)),
        Some("Project") => drop(decoded::<Manifest<ProjectSpec, Value>>(json)),
        _ => drop(decoded::<TokenRequest>(json)),
    }
}

fn decoded<T: serde::de::DeserializeOwned>(json: Value) -> Option<T> {
    decode(json).map_err(|mistakes| assert!(!mistakes.is_empty(), "refused without a reason")).ok()
}

/// A spec that passes its checks is shown as one that passes them as the same.
fn checked<Wire, Checked>(json: Value)
where
    Wire: serde::de::DeserializeOwned + serde::Serialize + for<'a> From<&'a Checked>,
    Checked: for<'a> TryFrom<&'a Wire, Error = Mistakes> + PartialEq + Debug,
{
    let Some(manifest) = decoded::<Manifest<Wire, Value>>(json) else { return };
    match Checked::try_from(&manifest.spec) {
        Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a reason"),
        Ok(checked) => {
            let shown = serde_json::to_value(Wire::from(&checked)).expect("a spec is JSON");
            let again: Wire = decode(shown).expect("what is shown can be sent");
            assert_eq!(Checked::try_from(&again).expect("what is shown passes"), checked);
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let manifest = |kind: &str, spec: Value| {
        let metadata = json!({"name": "x", "labels": {"env": "prod"}, "annotations": {"lockstep.dev/owner": "a b"}});
        json!({"apiVersion": "lockstep.dev/v1", "kind": kind, "metadata": metadata, "spec": spec}).to_string()
    };
    let expression = json!([{"key": "tier", "operator": "NotIn", "values": ["web"]}, {"key": "old", "operator": "DoesNotExist"}]);
    let binding = json!({
        "project": "p", "clusters": {"matchLabels": {"env": "prod"}, "matchExpressions": expression},
        "items": [{"source": "corp", "mount": "kv", "path": "a/b", "keys": {"u": "U"}, "version": 3}],
        "target": {"secret": {"name": "db", "namespaces": ["shop"], "type": "Opaque", "labels": {"a": "b"}}},
        "deletionPolicy": "Delete", "sourceDeletionPolicy": "Retain", "mode": "Enforce",
        "restart": {"policy": "Selected", "workloads": [{"kind": "Deployment", "name": "web"}]},
        "templates": {"url": "{{ u }}"},
    });
    let to_directory = json!({
        "project": "p", "clusters": {}, "items": [{"source": "corp", "mount": "kv", "path": "a"}],
        "target": {"directory": {"name": "d"}},
    });
    let grant = json!({
        "project": "p", "paths": [{"source": "corp", "mount": "kv", "globs": ["a/**", "*"]}],
        "clusters": {"matchLabels": {"env": "prod"}}, "namespaces": ["shop-*"],
    });
    let role = json!({
        "role": "operator", "scope": {"project": "p"},
        "subjects": [{"issuer": "corp", "group": "team"}, {"issuer": "corp", "user": "ann"}],
    });
    let window = json!({
        "clusters": {"matchLabels": {"env": "prod"}},
        "allow": {"schedule": "*/5 1-4 L * MON#1,5L", "timeZone": "Europe/Berlin", "duration": "1m30s"},
    });
    let freeze = json!({"project": "p", "freeze": {"from": "2026-12-20T00:00:00Z", "until": "2027-01-02T00:00:00.5+01:00"}});
    let source = json!({"addresses": ["https://vault.test:8200"], "namespace": "team", "credentials": "home"});
    let made = [
        manifest("Binding", binding),
        manifest("Binding", to_directory),
        manifest("Grant", grant),
        manifest("RoleAssignment", role),
        manifest("MaintenanceWindow", window),
        manifest("MaintenanceWindow", freeze),
        manifest("Source", source),
        manifest("Cluster", json!({"paused": true})),
        manifest("Project", json!({"description": "d"})),
        json!({"name": "ci", "role": "admin", "scope": "everything", "ttlSeconds": 60}).to_string(),
    ];
    texts(made.each_ref().map(String::as_str))
}
