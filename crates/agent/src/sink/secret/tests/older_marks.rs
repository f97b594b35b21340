use serde_json::{Value, json};

use super::{at, content, id, keys, owner, stamp};
use crate::sink::mark::{Vouched, extend_with_text};
use crate::sink::secret::field::Field;
use crate::sink::secret::mark::annotation;
use crate::sink::secret::object::SecretObject;
use crate::sink::secret::view::{View, manager};

/// Binding 1's mark for key `A` of `shop/db`, as agents wrote it before marks had a format.
fn older_mark() -> Value {
    let stamp = stamp(5, &content(&[("A", "a")]));
    let mut rest = vec![0];
    extend_with_text(&mut rest, "A");
    let (context, place) = ("lockstep secret mark v1", "shop/db");
    let seal = Vouched { context, owner: owner(1), place, stamp: &stamp, rest: &rest }.seal(&keys(&[1])).unwrap();
    json!({
        "registry": owner(1).registry, "revision": stamp.revision, "digest": stamp.digest, "changed": null, "fields": ["A"],
        "hmac": hex::encode(seal),
    })
}

/// Key `A` is owned by this binding and by these, each with how.
fn secret(mark: &Value, others: &[(&str, &str)]) -> SecretObject {
    let ours = manager(id(1));
    let owners = others.iter().copied().chain([(ours.as_str(), "Apply")]);
    let entries = owners.map(
        |(manager, operation)| json!({ "manager": manager, "operation": operation, "fieldsV1": { "f:data": { "f:A": {} } } }),
    );
    let annotations = json!({ annotation(id(1)): mark.to_string() });
    let metadata = json!({ "name": "db", "annotations": annotations, "managedFields": entries.collect::<Vec<_>>() });
    serde_json::from_value(json!({ "type": "Opaque", "data": { "A": "YQ==" }, "metadata": metadata })).unwrap()
}

#[test]
fn a_mark_without_a_format_is_valid_and_says_not_whose_a_shared_key_is() {
    let (key, mark) = (Field::Key("A".into()), older_mark());
    for (others, differs, want) in [
        (&[][..], true, false),
        (&[("external-secrets", "Update")][..], true, true),
        (&[("external-secrets", "Update")][..], false, true),
        (&[("flux", "Apply")][..], false, true),
    ] {
        let object = secret(&mark, others);
        let view = View::of(&object, owner(1), &at("db"), &keys(&[1]));
        let known = view.mark.as_ref().expect("it is valid");
        assert!(!known.covers(&[].into()) && known.stamp() == stamp(5, &content(&[("A", "a")])));
        let others: Vec<String> = others.iter().map(|(manager, _)| (*manager).to_owned()).collect();
        assert_eq!(view.is_somebodys(&key, differs, &others), want, "{others:?}");
    }
    let mut forged = mark.clone();
    forged["format"] = 1.into();
    let object = secret(&forged, &[]);
    assert!(View::of(&object, owner(1), &at("db"), &keys(&[1])).mark.is_none(), "it is not made to say more than it said");
}
