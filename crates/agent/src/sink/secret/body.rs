//! What is sent to the API server.

use std::collections::{BTreeMap, BTreeSet};

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use lockstep_core::material::Material;
use serde::{Serialize, Serializer};

use super::field::Field;
use super::location::Location;

/// A Secret for a server-side apply: all that its manager shall own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Applied<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) secret_type: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) immutable: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) data: BTreeMap<&'a str, Value<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    name: &'a str,
    resource_version: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, &'a str>,
}

/// A value, as Base64.
pub(super) struct Value<'a>(pub(super) &'a Material);

impl<'a> Applied<'a> {
    /// Nothing but the object's identity, for just that version of it.
    pub(super) fn nothing(location: &'a Location, resource_version: &'a str) -> Self {
        Self {
            api_version: "v1",
            kind: "Secret",
            metadata: Metadata { name: &location.name, resource_version, labels: BTreeMap::new(), annotations: BTreeMap::new() },
            secret_type: None,
            immutable: false,
            data: BTreeMap::new(),
        }
    }

    pub(super) fn label(&mut self, name: &'a str, value: &'a str) {
        self.metadata.labels.insert(name, value);
    }

    pub(super) fn annotate(&mut self, name: &'a str, value: &'a str) {
        self.metadata.annotations.insert(name, value);
    }
}

/// A merge patch that takes fields away, for just one version of the object.
#[derive(Serialize)]
pub(super) struct Released<'a> {
    metadata: Taken<'a>,
    data: Nulls,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Taken<'a> {
    resource_version: &'a str,
    labels: Nulls,
    annotations: Nulls,
}

/// Names that a merge patch takes away.
#[derive(Default)]
struct Nulls(BTreeSet<String>);

impl Serialize for Nulls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|name| (name, ())))
    }
}

impl<'a> Released<'a> {
    pub(super) fn of(resource_version: &'a str) -> Self {
        let (labels, annotations, data) = (Nulls::default(), Nulls::default(), Nulls::default());
        Self { metadata: Taken { resource_version, labels, annotations }, data }
    }

    /// Takes this away too. What is no key, label or annotation stays.
    pub(super) fn take(&mut self, field: &Field) {
        match field {
            Field::Key(key) => self.data.0.insert(key.clone()),
            Field::Label(name) => self.metadata.labels.0.insert(name.clone()),
            Field::Annotation(name) => self.metadata.annotations.0.insert(name.clone()),
            Field::Other(_) => false,
        };
    }

    /// Takes this not.
    pub(super) fn keep_label(&mut self, name: &str) {
        self.metadata.labels.0.remove(name);
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Written straight into the request: no copy is left behind.
        serializer.collect_str(&Base64Display::new(self.0.expose(), &BASE64_STANDARD))
    }
}
