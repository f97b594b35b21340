//! The API's description is checked in: a change of the API shows in review.

use serde_json::Value;

#[test]
fn the_checked_in_description_is_that_of_the_code() {
    let path = lockstep_testbed::checkout::find("docs").unwrap().join("openapi.json");
    let now = lockstep_server::rest::document();
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = checked_in.lines().zip(now.lines()).position(|(a, b)| a != b);
    assert!(
        checked_in == now,
        "docs/openapi.json is not what the code says, from line {} on: run the test with LOCKSTEP_BLESS=1 and look at the difference",
        differs.map_or(1, |line| line + 1)
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_is_described() {
    let document: Value = serde_json::from_str(lockstep_server::rest::document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for field in ["summary", "operationId"] {
                assert!(operation[field].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}: no {field}");
            }
            assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{method} {path}");
        }
    }
    let names: Vec<&String> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    assert!(names.iter().all(|name| !name.contains('_') && *name != "Manifest" && *name != "List"), "{names:?}");
    let items = document.pointer("/components/schemas/BindingList/properties/items/items/$ref");
    assert_eq!(items.and_then(Value::as_str), Some("#/components/schemas/Binding"));
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|v| collect(v, references));
        }
        Value::Array(array) => array.iter().for_each(|v| collect(v, references)),
        _ => {}
    }
}
