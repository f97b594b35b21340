//! Unknown fields and wrong types, all of them.
//!
//! Decoding ends at the first wrong type. So that a person hears of the others too, the field that is wrong is taken out and the rest
//! decoded again. What a missing field hides stays hidden: there is nothing to put in its place.

use lockstep_api::decode::decode;
use lockstep_api::field::FieldError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Nobody mends more at once, and every round decodes the whole manifest.
const ROUNDS_MAX: usize = 20;

/// `manifest` as `T`, or everything that keeps it from being one.
pub(super) fn decode_whole<T: DeserializeOwned>(manifest: &Value) -> Result<T, Vec<FieldError>> {
    let mut found: Vec<FieldError> = Vec::new();
    let mut rest = manifest.clone();
    for _ in 0..ROUNDS_MAX {
        let errors = match decode::<T>(rest.clone()) {
            Ok(value) if found.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(errors) => errors,
        };
        let before = found.len();
        for error in errors {
            if !found.contains(&error) && !found.iter().any(|known| is_missing(&error, &known.field)) {
                found.push(error);
            }
        }
        let taken = found[before..].iter().filter(|error| take_out(&mut rest, &error.field)).count();
        if taken == 0 {
            break;
        }
    }
    Err(found)
}

/// Whether `error` says that `field` is missing; then it was taken out here.
fn is_missing(error: &FieldError, field: &str) -> bool {
    let (parent, name) = field.rsplit_once('.').unwrap_or(("", field));
    error.field == parent && error.reason.starts_with(&format!("missing field `{name}`"))
}

/// Removes `field`. Not an item of a list: those behind it would change their places.
fn take_out(value: &mut Value, field: &str) -> bool {
    let Some((parent, name)) = field.rsplit_once('.') else {
        return value.as_object_mut().is_some_and(|fields| fields.remove(field).is_some());
    };
    let pointer: String = parent.split(['.', '[']).flat_map(|part| ["/", part.trim_end_matches(']')]).collect();
    value.pointer_mut(&pointer).and_then(Value::as_object_mut).is_some_and(|fields| fields.remove(name).is_some())
}

#[cfg(test)]
mod tests {
    use lockstep_api::binding::BindingSpec;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_type_does_not_hide_the_next_nor_an_unknown_field() {
        let value = json!({
            "clusters": {"matchLabels": {"a": 1}},
            "deletionPolicy": 4,
            "items": [{"source": "c", "mount": "kv", "path": "x", "keyz": {}, "version": "1"}],
            "project": "p",
            "target": {"directory": {"name": "d", "mode": 1}},
        });
        let mut fields: Vec<_> = decode_whole::<BindingSpec>(&value).unwrap_err().into_iter().map(|e| e.field).collect();
        fields.sort_unstable();
        let want = ["clusters.matchLabels.a", "deletionPolicy", "items[0].keyz", "items[0].version", "target.directory.mode"];
        assert_eq!(fields, want);
    }

    #[test]
    fn what_is_taken_out_here_is_not_called_missing() {
        let errors = decode_whole::<BindingSpec>(&json!({"project": 1, "items": [], "target": {}})).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
}
