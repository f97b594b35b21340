use std::time::Duration;

use serde_json::{Value, json};

use super::at;
use crate::sink::SinkError;
use crate::sink::secret::conflict;
use crate::sink::secret::failure::{Failure, Refused};

fn refused(code: u16, body: &Value) -> Failure {
    Failure::Refused(Box::new(Refused::of(code, body.to_string().as_bytes())))
}

fn cause(reason: &str, field: &str, message: &str) -> Value {
    json!({ "reason": reason, "field": field, "message": message })
}

/// Each text says what to do, and nothing of what the API server, a proxy or a webhook wrote in its own words.
#[test]
fn a_failure_says_what_to_do_and_never_a_value() {
    let status = |reason: &str, message: &str, causes: Value| json!({ "kind": "Status", "reason": reason, "message": format!("{message} canary"), "details": { "causes": causes } });
    let rbac = "secrets \"db\" is forbidden: User \"u\" cannot create resource \"secrets\" in API group \"\"";
    let long = format!("conflict with \"{}canary\" using v1", "x".repeat(200));
    for (failure, parts, is_conflict) in [
        (Failure::Away("connection refused"), ["did not answer", "connection refused", "tried again"], false),
        (Failure::Silent(Duration::from_secs(5)), ["did not answer", "5s", "tried again"], false),
        (Failure::Strange, ["cannot be used", "address", "shop/db"], false),
        (refused(401, &json!("canary")), ["credentials", "service account", "shop/db"], false),
        (
            refused(403, &status("Forbidden", rbac, json!([]))),
            ["may not create", "resourceNames: [\"db\"]", "namespace shop"],
            false,
        ),
        (
            refused(403, &status("Forbidden", "exceeded quota", json!([]))),
            ["admission", "quota or policy", "namespace shop"],
            false,
        ),
        (
            refused(403, &status("Forbidden", "unable to create", json!([cause("NamespaceTerminating", "", "canary")]))),
            ["being deleted", "namespace shop", "spec.target.secret.namespaces"],
            false,
        ),
        (
            refused(404, &json!({ "message": "canary", "details": { "kind": "namespaces", "name": "shop" } })),
            ["namespace shop does not exist", "create it", "shop/db"],
            false,
        ),
        (refused(404, &json!({ "details": { "kind": "secrets" } })), ["not there any more", "tried again", "shop/db"], false),
        (refused(409, &status("Conflict", "modified", json!([]))), ["changes all the time", "tried again", "shop/db"], false),
        (refused(413, &json!({})), ["too large", "split the binding", "shop/db"], false),
        (
            refused(422, &status("Invalid", "", json!([cause("FieldValueInvalid", "type", "canary")]))),
            ["type", "cannot change", "delete the Secret"],
            true,
        ),
        (
            refused(422, &status("Invalid", "", json!([cause("FieldValueForbidden", "data", "canary")]))),
            ["immutable", "another", "delete the Secret"],
            true,
        ),
        (
            refused(422, &status("Invalid", "", json!([cause("FieldValueTooLong", "data", "canary")]))),
            ["too large", "split the binding", "shop/db"],
            false,
        ),
        (
            refused(422, &status("Invalid", "", json!([cause("FieldValueInvalid", "data[.dockerconfigjson]", "canary")]))),
            ["data[.dockerconfigjson] invalid", "correct keys or values", "spec.target.secret.type"],
            false,
        ),
        (
            refused(
                422,
                &status("Invalid", "", json!([cause("canary", "data[can ary]", "canary"), cause("", "canary", "canary")])),
            ),
            ["finds it invalid", "spec.target.secret", "admission policies"],
            false,
        ),
        (refused(503, &json!("canary")), ["busy", "tried again", "shop/db"], false),
        (refused(500, &json!({ "message": "canary" })), ["answered 500", "tried again", "shop/db"], false),
        (refused(502, &json!("<html>canary")), ["answered 502", "tried again", "shop/db"], false),
        (refused(409, &status("Conflict", "", json!([cause("FieldManagerConflict", ".data.K", &long)]))), ["", "", ""], false),
    ] {
        let error = failure.explain("write", "patch", &at("db"));
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert_eq!(matches!(error, SinkError::Conflict(_)), is_conflict, "{text}");
        assert!(!text.contains("canary") && !format!("{failure:?}").contains("canary"), "{text}");
        assert!(text.len() < 450, "a report takes 500 characters: {text}");
    }
}

#[test]
fn a_conflict_names_keys_and_owner() {
    let causes: Vec<Value> = (0..8)
        .map(|number| cause("FieldManagerConflict", &format!(".data.K{number}"), "conflict with \"helm\" using v1 at 2026-01-01"))
        .chain([cause("FieldManagerConflict", ".metadata.labels.a.b/c", "conflict with \"argo\" using v1")])
        .collect();
    let body = json!({ "reason": "Conflict", "details": { "causes": causes } });
    let text = conflict::unforeseen(&refused(409, &body), &at("db")).unwrap().to_string();
    assert_eq!(
        text,
        "key K0, key K1, key K2, key K3, key K4 and 3 more of Secret shop/db belong to field manager \"helm\", and 1 more to others: \
         set spec.target.secret.adopt to true to take it over, or map the key to another name"
    );
    let label = json!({ "details": { "causes": [causes[8]] } });
    let text = conflict::unforeseen(&refused(409, &label), &at("db")).unwrap().to_string();
    assert!(text.starts_with("label a.b/c of Secret shop/db belongs to field manager \"argo\": "), "{text}");
    assert!(text.ends_with("or leave it out of spec.target.secret"), "{text}");
    assert!(conflict::unforeseen(&refused(409, &json!({})), &at("db")).is_none());
}
