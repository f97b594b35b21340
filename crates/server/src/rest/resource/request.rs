//! A manifest as it came, checked as far as that needs no registry.

use lockstep_api::API_VERSION;
use lockstep_api::decode::decode;
use lockstep_api::field::{FieldError, Mistakes};
use lockstep_api::manifest::Manifest;
use lockstep_core::name::NameError;
use lockstep_store::meta::{Registered, Written};
use serde_json::{Value, json};

use super::{Resource, metadata};
use crate::config::Config;
use crate::rest::problem::ApiError;

/// What is asked for.
pub(super) struct Request<K: Resource> {
    /// Name, labels, annotations.
    pub(super) written: Written,
    /// The spec.
    pub(super) checked: K::Checked,
    /// What the caller last saw.
    pub(super) resource_version: Option<String>,
}

impl<K: Resource> Request<K> {
    /// Checks all of `body` and reports every mistake at once. `name` is the path's.
    pub(super) fn check(config: &Config, mut body: Value, name: Option<&str>) -> Result<Self, ApiError> {
        // A kind whose spec has nothing that must be said may be written without one.
        if let Some(object) = body.as_object_mut() {
            object.entry("spec").or_insert_with(|| json!({}));
        }
        // Whatever its status says is what was, and nobody's wish.
        let manifest: Manifest<K::Spec, Value> = decode(body).map_err(ApiError::invalid)?;
        let mut mistakes = Mistakes::default();
        if manifest.api_version != API_VERSION {
            mistakes.add("apiVersion", format!("{:?} is not {API_VERSION:?}", manifest.api_version));
        }
        if manifest.kind != K::KIND {
            mistakes.add("kind", format!("{:?} is not {:?}, which this path is for", manifest.kind, K::KIND));
        }
        if let Some(name) = name.filter(|name| *name != manifest.metadata.name) {
            mistakes.add("metadata.name", format!("{:?} is not {name:?}, the name in the path", manifest.metadata.name));
        }
        let written = metadata::check(&manifest.metadata, &mut mistakes);
        let (checked, spec_mistakes) = match K::check(config, &manifest.spec) {
            Ok(checked) => (Some(checked), Vec::new()),
            Err(mistakes) => (None, mistakes),
        };
        for FieldError { field, reason } in spec_mistakes {
            mistakes.add(field, reason);
        }
        let both = written.zip(checked);
        let (written, checked) = mistakes.finish(both).map_err(ApiError::invalid)?;
        Ok(Self { written, checked, resource_version: manifest.metadata.resource_version })
    }

    /// Whether writing it would change nothing.
    pub(super) fn is(&self, present: &Registered<K::Record>) -> bool {
        present.labels == self.written.labels
            && present.annotations == self.written.annotations
            && K::checked(&present.spec) == self.checked
    }
}

/// Every kind's names follow the same rule; any of the typed names checks it.
pub(super) fn check_name(name: &str) -> Result<(), NameError> {
    name.parse::<lockstep_core::name::BindingName>().map(drop)
}
