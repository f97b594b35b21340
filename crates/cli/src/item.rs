//! Items of lists, of any kind, as the API gives them.

use anyhow::ensure;
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
        Kind::Token => item["name"].as_str().unwrap_or_default().to_owned(),
        Kind::Refusal => texts(&["actor", "action", "subject"]),
    }
}

/// Refuses a name that nothing of `kind` can have.
pub(crate) fn check_name(kind: Kind, name: &str) -> anyhow::Result<()> {
    let (shape, parts, example) = match kind {
        Kind::Secret => ("SOURCE/MOUNT/PATH", 3, "corp/kv/payments/checkout/db"),
        Kind::Placement | Kind::Delivery => ("CLUSTER/BINDING", 2, "prod-eu/checkout-db"),
        Kind::Registered(_) | Kind::Change | Kind::Token | Kind::Refusal => return Ok(()),
    };
    let is_so = name.split('/').filter(|part| !part.is_empty()).count() >= parts;
    let (singular, plural) = (kind.singular(), kind.plural());
    ensure!(is_so, "{name:?} names no {singular}: write {shape}, such as {example}; `lockstep get {plural}` lists them");
    Ok(())
}

/// Whether tables leave it out unless they are asked for all: secrets that a binding used once, and changes that no person made and
/// that come by the thousand.
pub(crate) fn is_minor(kind: Kind, item: &Value) -> bool {
    match kind {
        Kind::Secret => item["bindings"] == 0,
        Kind::Change => item["kind"] == "VersionsObserved",
        Kind::Registered(_) | Kind::Placement | Kind::Delivery | Kind::Token | Kind::Refusal => false,
    }
}

/// Items in the shape that the API lists them in.
pub(crate) fn list(kind: Kind, items: &[Value]) -> Value {
    let title = format!("{}List", kind.title());
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
    fn what_nobody_uses_or_did_is_minor() {
        for (kind, item, want) in [
            (Kind::Secret, json!({"bindings": 0}), true),
            (Kind::Secret, json!({"bindings": 1}), false),
            (Kind::Change, json!({"kind": "VersionsObserved"}), true),
            (Kind::Change, json!({"kind": "BindingWritten"}), false),
            (Kind::Delivery, json!({}), false),
        ] {
            assert_eq!(is_minor(kind, &item), want, "{item}");
        }
    }

    #[test]
    fn a_name_of_the_wrong_shape_is_told_with_the_right_one() {
        assert!(check_name(Kind::Secret, "corp/kv/a").is_ok() && check_name(Kind::Delivery, "c/b").is_ok());
        let message = check_name(Kind::Secret, "checkout").unwrap_err().to_string();
        assert!(message.starts_with("\"checkout\" names no secret: write SOURCE/MOUNT/PATH"), "{message}");
        assert!(check_name(Kind::Secret, "corp/kv").is_err() && check_name(Kind::Delivery, "c/").is_err());
    }

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
