//! What can be known to be wrong in a manifest without asking the server.

use std::collections::BTreeMap;

use lockstep_api::API_VERSION;
use lockstep_api::binding::{BindingSpec, CheckedBinding};
use lockstep_api::cluster::{CheckedCluster, ClusterSpec};
use lockstep_api::field::FieldError;
use lockstep_api::grant::{CheckedGrant, GrantSpec};
use lockstep_api::maintenance_window::MaintenanceWindowSpec;
use lockstep_api::manifest::Manifest;
use lockstep_api::project::ProjectSpec;
use lockstep_api::role_assignment::RoleAssignmentSpec;
use lockstep_api::rotation::{CheckedRotation, RotationSpec};
use lockstep_api::source::SourceSpec;
use lockstep_core::access::Assignment;
use lockstep_core::label::{LABELS_MAX, check_key, check_value};
use lockstep_core::maintenance::Window;
use lockstep_core::name::BindingName;
use lockstep_core::source::SourceSpec as CheckedSource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::mistake::Mistake;
use super::object::{Object, Place};
use super::shape::decode_whole;
use crate::kind::Registered;

/// How much of a manifest must be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Kind and name, to delete it.
    Identity,
    /// Everything.
    Whole,
}

/// A manifest, if kind and name are known; its mistakes are added to `mistakes`.
pub(super) fn check(mut manifest: Value, place: Place, depth: Depth, mistakes: &mut Vec<Mistake>) -> Option<Object> {
    let Some(fields) = manifest.as_object_mut() else {
        mistakes.push(place.mistake("", "not a manifest: it needs apiVersion, kind, metadata and spec"));
        return None;
    };
    fields.remove("status");
    let mut take =
        |field: &str, result: Result<_, String>| result.map_err(|reason| mistakes.push(place.mistake(field, reason))).ok();
    take("apiVersion", check_version(manifest.get("apiVersion")));
    let title = take("kind", check_kind(manifest.get("kind")));
    let name = take("metadata.name", check_name(manifest.pointer("/metadata/name")));
    let kind = Registered::of_title(&title?)?;
    if depth == Depth::Whole {
        mistakes.extend(mistakes_within(kind, &manifest).iter().map(|error| place.locate(error)));
    }
    Some(Object { kind, name: name?, manifest, place })
}

fn check_version(version: Option<&Value>) -> Result<String, String> {
    match version.and_then(Value::as_str) {
        Some(API_VERSION) => Ok(API_VERSION.to_owned()),
        Some(other) => Err(format!("{other:?} is not known: use {API_VERSION}")),
        None => Err(format!("missing: use {API_VERSION}")),
    }
}

fn check_kind(kind: Option<&Value>) -> Result<String, String> {
    let titles = Registered::ALL.map(Registered::title).join(", ");
    let title = kind.and_then(Value::as_str).ok_or_else(|| format!("missing: use one of {titles}"))?;
    let known = Registered::of_title(title);
    known.map(|kind| kind.title().to_owned()).ok_or_else(|| format!("{title:?} is not a kind: use one of {titles}"))
}

/// All names have the same rules.
fn check_name(name: Option<&Value>) -> Result<String, String> {
    match name {
        Some(Value::String(name)) => name.parse::<BindingName>().map(String::from).map_err(|error| error.to_string()),
        None | Some(Value::Null) => Err("missing: every manifest needs a name".to_owned()),
        Some(_) => Err("a name is text: put it in quotes".to_owned()),
    }
}

/// Mistakes other than in what names the manifest.
fn mistakes_within(kind: Registered, manifest: &Value) -> Vec<FieldError> {
    let manifest = &with_good_names(manifest.clone());
    match kind {
        Registered::Project => errors_in::<ProjectSpec>(manifest, |_| Ok(())),
        Registered::Cluster => errors_in::<ClusterSpec>(manifest, |spec| CheckedCluster::try_from(spec).map(drop)),
        Registered::Source => errors_in::<SourceSpec>(manifest, |spec| CheckedSource::try_from(spec).map(drop)),
        Registered::Grant => errors_in::<GrantSpec>(manifest, |spec| CheckedGrant::try_from(spec).map(drop)),
        Registered::Binding => errors_in::<BindingSpec>(manifest, |spec| CheckedBinding::try_from(spec).map(drop)),
        Registered::RoleAssignment => errors_in::<RoleAssignmentSpec>(manifest, |spec| Assignment::try_from(spec).map(drop)),
        Registered::Rotation => errors_in::<RotationSpec>(manifest, |spec| CheckedRotation::try_from(spec).map(drop)),
        Registered::MaintenanceWindow => errors_in::<MaintenanceWindowSpec>(manifest, |spec| Window::try_from(spec).map(drop)),
    }
}

/// What was looked at already is made right, so that it is not reported again and hides nothing.
fn with_good_names(mut manifest: Value) -> Value {
    manifest["apiVersion"] = API_VERSION.into();
    let metadata = &mut manifest["metadata"];
    if metadata.is_null() || metadata.is_object() {
        metadata["name"] = "name".into();
    }
    // As the server has it: a kind whose spec has nothing that must be said may be written without one.
    if let Some(object) = manifest.as_object_mut() {
        object.entry("spec").or_insert_with(|| json!({}));
    }
    manifest
}

/// Unknown fields and wrong types; where there are none, also what the spec's own rules say.
fn errors_in<S: DeserializeOwned>(manifest: &Value, rules: fn(&S) -> Result<(), Vec<FieldError>>) -> Vec<FieldError> {
    match decode_whole::<Manifest<S, Value>>(manifest) {
        Err(mut errors) => {
            errors.extend(label_errors(&labels_of(manifest)));
            errors
        }
        Ok(manifest) => {
            let mut errors = label_errors(&manifest.metadata.labels);
            errors.extend(rules(&manifest.spec).err().into_iter().flatten());
            errors
        }
    }
}

/// The labels that are text, of a manifest that is not all right.
fn labels_of(manifest: &Value) -> BTreeMap<String, String> {
    let labels = manifest.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn label_errors(labels: &BTreeMap<String, String>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if labels.len() > LABELS_MAX {
        let reason = format!("{} labels are more than the {LABELS_MAX} allowed", labels.len());
        errors.push(FieldError { field: "metadata.labels".to_owned(), reason });
    }
    for (key, value) in labels {
        for error in [check_key(key), check_value(value)].into_iter().filter_map(Result::err) {
            errors.push(FieldError { field: format!("metadata.labels.{key}"), reason: error.to_string() });
        }
    }
    errors
}
