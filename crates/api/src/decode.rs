//! From JSON to a manifest, with every unknown field reported, not only the first.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::field::FieldError;

/// Reads `value` as `T`. Unknown fields are mistakes: a misspelt policy must not be taken for its default.
pub fn decode<T: DeserializeOwned>(value: Value) -> Result<T, Vec<FieldError>> {
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| {
        unknown.push(FieldError { field: field_name(&path.to_string()), reason: "unknown field".to_owned() });
    };
    let mut track = serde_path_to_error::Track::new();
    let ignored = serde_ignored::Deserializer::new(value, &mut note);
    let result = T::deserialize(serde_path_to_error::Deserializer::new(ignored, &mut track));
    let path = track.path().to_string();
    match result {
        Ok(decoded) if unknown.is_empty() => Ok(decoded),
        Ok(_) => Err(unknown),
        Err(error) => {
            unknown.push(FieldError { field: if path == "." { String::new() } else { path }, reason: error.to_string() });
            Err(unknown)
        }
    }
}

/// `spec.items.0.keyz` becomes `spec.items[0].keyz`; `?` marks an `Option` in the path and is dropped.
fn field_name(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    for part in path.split('.').filter(|p| *p != "?") {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            name.push('[');
            name.push_str(part);
            name.push(']');
        } else {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(part);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::BindingSpec;
    use serde_json::json;

    #[test]
    fn every_unknown_field_is_named_with_its_place() {
        let value = json!({
            "project": "p", "clusterz": {},
            "items": [{"source": "a", "mount": "kv", "path": "x", "keyz": {}}],
            "target": {"directory": {"name": "d", "mode": 1}},
        });
        let fields: Vec<String> = decode::<BindingSpec>(value).unwrap_err().into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["clusterz", "items[0].keyz", "target.directory.mode"]);
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let value = json!({"project": "p", "items": [{"source": 1}], "target": {}});
        let errors = decode::<BindingSpec>(value).unwrap_err();
        assert_eq!(errors[0].field, "items[0].source");
        assert!(errors[0].reason.contains("expected a string"), "{}", errors[0].reason);
    }
}
