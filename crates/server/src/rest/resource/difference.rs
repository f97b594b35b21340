//! Which fields of two manifests differ.

use std::collections::BTreeSet;

use serde_json::Value;

/// The most fields named; a change of more is told as that.
const NAMED_MAX: usize = 64;

/// The fields below `field` that differ, such as `spec.items[0].path`.
pub(super) fn differences(field: &str, before: &Value, after: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    collect(field, before, after, &mut fields);
    if fields.len() > NAMED_MAX {
        let more = fields.len() - NAMED_MAX;
        fields.truncate(NAMED_MAX);
        fields.push(format!("and {more} more"));
    }
    fields
}

fn collect(field: &str, before: &Value, after: &Value, fields: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let none = &Value::Null;
                collect(&format!("{field}.{key}"), a.get(key).unwrap_or(none), b.get(key).unwrap_or(none), fields);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                collect(&format!("{field}[{i}]"), a, b, fields);
            }
        }
        (a, b) if a == b => {}
        _ => fields.push(field.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_named_by_its_innermost_field() {
        let before = json!({"items": [{"path": "a", "mount": "kv"}], "clusters": {"matchLabels": {"env": "prod"}}, "n": ["a"]});
        let after = json!({"items": [{"path": "b", "mount": "kv"}], "clusters": {"matchLabels": {"tier": "x"}}, "n": ["a", "b"]});
        assert_eq!(
            differences("spec", &before, &after),
            ["spec.clusters.matchLabels.env", "spec.clusters.matchLabels.tier", "spec.items[0].path", "spec.n"]
        );
        assert!(differences("spec", &before, &before).is_empty());
    }

    #[test]
    fn a_long_list_is_cut() {
        let object = |word: &str| (0..100).map(|i| (format!("k{i}"), json!(word))).collect::<serde_json::Map<_, _>>();
        let fields = differences("metadata", &Value::Object(object("a")), &Value::Object(object("b")));
        assert_eq!((fields.len(), fields.last().unwrap().as_str()), (NAMED_MAX + 1, "and 36 more"));
    }
}
