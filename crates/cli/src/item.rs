//! Items of lists, of any kind, as the API gives them.

use lockstep_api::API_VERSION;
use serde_json::{Value, json};

use crate::kind::Kind;

/// What an item is called: for those without a name of their own, what tells them apart.
pub(crate) fn name(kind: Kind, item: &Value) -> String {
    let texts = |keys: &[&str]| keys.iter().map(|key| item[*key].as_str().unwrap_or_default()).collect::<Vec<_>>().join("/");
    match kind {
        Kind::Registered(_) => item["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        Kind::Secret => texts(&["source", "mount", "path"]),
        Kind::Placement | Kind::Delivery => texts(&["cluster", "binding"]),
        Kind::Change => item["seq"].to_string(),
    }
}

/// Items in the shape that the API lists them in.
pub(crate) fn list(kind: Kind, items: &[Value]) -> Value {
    let singular = kind.singular();
    let title = format!("{}{}List", singular[..1].to_ascii_uppercase(), &singular[1..]);
    json!({"apiVersion": API_VERSION, "kind": title, "metadata": {}, "items": items})
}

/// The conditions in an item's status.
pub(crate) fn conditions(item: &Value) -> &[Value] {
    item.pointer("/status/conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Registered;

    #[test]
    fn items_without_a_name_are_called_by_what_tells_them_apart() {
        let binding = Kind::Registered(Registered::Binding);
        for (kind, item, want) in [
            (binding, json!({"metadata": {"name": "b"}}), "b"),
            (Kind::Secret, json!({"source": "corp", "mount": "kv", "path": "a/b"}), "corp/kv/a/b"),
            (Kind::Delivery, json!({"cluster": "c", "binding": "b"}), "c/b"),
            (Kind::Change, json!({"seq": 7}), "7"),
        ] {
            assert_eq!(name(kind, &item), want);
        }
        assert_eq!(list(binding, &[])["kind"], "BindingList");
    }
}
