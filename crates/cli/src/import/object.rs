//! An object of another tool, as it was found.

use serde_json::Value;

/// An object and where it is.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
    /// As in `file.yaml:12`.
    pub(super) place: String,
    pub(super) value: Value,
}

impl Object {
    /// An object that says no namespace is in `namespace`.
    pub(super) fn new(value: Value, place: String, namespace: &str) -> Self {
        let text = |field: &str| value.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let said = text("/metadata/namespace");
        Self {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            name: text("/metadata/name"),
            namespace: if said.is_empty() { namespace.to_owned() } else { said },
            place,
            value,
        }
    }
}
