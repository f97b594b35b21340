use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::json;

use super::{at, content, id, key, keys, owner, stamp};
use crate::sink::secret::field::Field;
use crate::sink::secret::mark::{Changed, SecretMark, annotation, valid_marks};
use crate::sink::secret::object::SecretObject;

#[test]
fn what_is_needed_of_a_secret_is_read_and_no_more() {
    let object: SecretObject = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "data": { "A": "YQ==", "EMPTY": "", "NULL": null, "BROKEN": "!" },
        "metadata": {
            "name": "db", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": { "app": "x" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "canary", "n": "note" },
            "ownerReferences": [{ "kind": "X" }],
            "managedFields": [
                { "manager": "one", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {
                    "f:data": { "f:A": {}, "f:tls.crt": {}, ".": {} },
                    "f:metadata": { "f:labels": { "f:app": {} }, "f:annotations": { ".": {}, "f:n": {} } }, "f:type": {},
                } },
                { "manager": "two", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": { "f:data": { "f:A": {} } } },
                { "manager": "three", "subresource": "status" },
            ],
        },
    }))
    .unwrap();
    assert_eq!(object.value("A").unwrap().expose(), b"a");
    assert!(object.value("EMPTY").unwrap().is_empty() && object.value("NULL").unwrap().is_empty());
    assert!(object.value("BROKEN").is_none() && object.value("NONE").is_none());
    let metadata = &object.metadata;
    assert_eq!(metadata.annotations.keys().collect::<Vec<_>>(), ["n"], "kubectl's copy has values in it");
    assert!(metadata.owner_references && metadata.deletion_timestamp.is_none() && !object.immutable);
    let a = Field::Key("A".into());
    assert_eq!(metadata.other_owners(&a, "none"), ["two", "one"], "the newest first");
    assert_eq!(metadata.other_owners(&a, "two"), ["one"]);
    let owned: Vec<String> = metadata.owned_by("one").into_iter().map(ToString::to_string).collect();
    assert_eq!(owned, ["key A", "key tls.crt", "label app", "annotation n", "field type"]);
    assert!(object.has(&a, b"a") && !object.has(&a, b"b") && object.has(&Field::Label("app".into()), b"x"));
}

#[test]
fn a_field_reads_the_same_in_a_refusal_and_in_a_mark() {
    for (path, text) in [
        (".data.tls.crt", "tls.crt"),
        (".metadata.labels.a.b/c", "label:a.b/c"),
        (".metadata.annotations.a/b", "annotation:a/b"),
        (".type", "field:type"),
    ] {
        let field = Field::of_path(path);
        assert_eq!(String::from(field.clone()), text);
        assert_eq!(Field::from(text.to_owned()), field);
    }
}

#[test]
fn only_our_own_mark_of_just_this_place_is_valid() {
    let content = content(&[("A", "a")]);
    let fields = BTreeSet::from([Field::Key("A".into()), Field::Label("app".into())]);
    let changed = Changed { revision: stamp(3, &content).revision, at: DateTime::from_timestamp(1_700_000_000, 0).unwrap() };
    let registered = DateTime::from_timestamp_micros(1_700_000_000_000_001);
    let sign = |changed| {
        SecretMark::sign(owner(1), registered, &at("db"), &stamp(5, &content), changed, fields.clone(), &keys(&[1])).unwrap()
    };
    for mark in [sign(Some(changed)), sign(None)] {
        let text = mark.to_text();
        let read = |binding: u128, text: &str, place: &str, known: &[u8]| {
            let annotations = [(annotation(id(binding)), text.to_owned()), ("other".into(), "x".into())].into();
            valid_marks(&annotations, &at(place), owner(1).registry, &keys(known)).remove(&id(binding))
        };
        assert_eq!(read(1, &text, "db", &[1]), Some(mark.clone()));
        assert_eq!(read(1, &text, "db", &[1, 2]), Some(mark.clone()), "under an older key");
        assert_eq!(read(1, &text, "db", &[2]), None, "under a key that was never ours");
        assert_eq!(read(2, &text, "db", &[1]), None, "of another binding");
        assert_eq!(read(1, &text, "copy", &[1]), None, "of another Secret");
        for (from, to) in [
            ("\"seq\":5", "\"seq\":6"),
            ("\"A\"", "\"B\""),
            ("label:app", "label:other"),
            ("2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"),
            ("\"format\":1", "\"format\":0"),
            ("22:13:20.000001Z", "22:13:20.000002Z"),
            ("\"seq\":3", "\"seq\":4"),
            ("\"changed\":null", "\"changed\":{\"revision\":{\"epoch\":1,\"seq\":3},\"at\":\"2023-11-14T22:13:20Z\"}"),
        ] {
            let forged = text.replace(from, to);
            if forged != text {
                assert_eq!(read(1, &forged, "db", &[1]), None, "{forged}");
            }
        }
        assert_eq!(read(1, "", "db", &[1]), None);
    }
    let strange = crate::sink::Owner { registry: uuid::Uuid::from_u128(8).into(), ..owner(1) };
    let theirs = SecretMark::sign(strange, None, &at("db"), &stamp(5, &content), None, fields.clone(), &keys(&[1])).unwrap();
    let annotations = [(annotation(id(1)), theirs.to_text())].into();
    assert!(valid_marks(&annotations, &at("db"), owner(1).registry, &keys(&[1])).is_empty(), "of another registry");
    assert_eq!(key(1).id.as_str(), "1");
}
