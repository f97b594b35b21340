use super::*;
use serde_json::{Value, json};

/// A binding's spec, with these fields on top of what it needs.
fn spec(more: &Value) -> BindingSpec {
    let mut spec = json!({
        "project": "payments",
        "items": [{"source": "corp", "mount": "kv", "path": "a/b", "keys": {"x": "Y"}}],
        "target": {"secret": {"name": "s", "namespaces": ["n"]}},
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn secret(more: &Value) -> BindingSpec {
    let mut secret = json!({"name": "s", "namespaces": ["n"]});
    for (field, value) in more.as_object().unwrap() {
        secret[field] = value.clone();
    }
    spec(&json!({"target": {"secret": secret}}))
}

fn mistakes(wire: &BindingSpec) -> Vec<String> {
    CheckedBinding::try_from(wire).unwrap_err().into_iter().map(|e| e.to_string()).collect()
}

#[test]
fn every_mistake_is_reported_with_its_field() {
    let wire: BindingSpec = serde_json::from_value(json!({
        "project": "Payments",
        "clusters": {"matchLabels": {"a b": "x"}, "matchExpressions": [{"key": "a", "operator": "Is"}]},
        "items": [{"source": "corp", "mount": "kv", "path": "a/../b", "keys": {"x": "../y"}, "version": 0}],
        "target": {"directory": {"name": "a/b"}, },
        "mode": "Observe",
        "templates": {"a/b": "", "c": "{{"},
        "deletionPolicy": "Keep",
        "restart": {"policy": "Always"},
    }))
    .unwrap();
    let fields: Vec<String> = CheckedBinding::try_from(&wire).unwrap_err().into_iter().map(|e| e.field).collect();
    assert_eq!(
        fields,
        [
            "spec.project",
            "spec.clusters.matchLabels.a b",
            "spec.clusters.matchExpressions[0].operator",
            "spec.items[0].path",
            "spec.items[0].keys.x",
            "spec.items[0].version",
            "spec.target.directory.name",
            "spec.mode",
            "spec.templates.a/b",
            "spec.templates.c",
            "spec.deletionPolicy",
            "spec.restart.policy",
        ]
    );
}

#[test]
fn each_mistake_of_a_secret_says_what_to_do() {
    for (more, field, part) in [
        (json!({"name": "A"}), "name", "lower-case"),
        (json!({"name": "x".repeat(250), "immutable": true}), "name", "Shorten the name"),
        (json!({"namespaces": []}), "namespaces", "namespaceSelector"),
        (json!({"namespaces": ["n", "n"]}), "namespaces[1]", "twice"),
        (json!({"namespaces": ["a.b"]}), "namespaces[0]", "lower-case"),
        (json!({"namespaces": (0..65).map(|n| format!("n{n}")).collect::<Vec<_>>()}), "namespaces", "split"),
        (json!({"namespaceSelector": {"matchLabels": {"a b": "c"}}}), "namespaceSelector.matchLabels.a b", "label key"),
        (json!({"type": "tls"}), "type", "kubernetes.io/tls, kubernetes.io/dockerconfigjson"),
        (json!({"labels": {"a b": "c"}}), "labels.a b", "label key"),
        (json!({"labels": {"a": "b c"}}), "labels.a", "label value"),
        (json!({"annotations": {"a b": "anything at all"}}), "annotations.a b", "label key"),
        (json!({"annotations": {"a": "x".repeat(256 << 10)}}), "annotations", "shorten"),
        (json!({"labels": {"argocd.argoproj.io/instance": "x"}}), "labels.argocd.argoproj.io/instance", "Argo CD"),
        (json!({"labels": {"app.kubernetes.io/instance": "x"}}), "labels.app.kubernetes.io/instance", "Argo CD"),
        (json!({"annotations": {"argocd.argoproj.io/sync-wave": "1"}}), "annotations.argocd.argoproj.io/sync-wave", "Argo CD"),
        (json!({"annotations": {"lockstep.dev/binding": "x"}}), "annotations.lockstep.dev/binding", "another prefix"),
    ] {
        let found = mistakes(&secret(&more));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("spec.target.secret.{field}: ")) && found[0].contains(part), "{}", found[0]);
    }
}

#[test]
fn each_mistake_of_mode_templates_and_restart_says_what_to_do() {
    let selected = |more: &Value| {
        let mut restart = json!({"policy": "Selected"});
        restart.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"restart": restart})
    };
    let immutable = json!({"secret": {"name": "s", "namespaces": ["n"], "immutable": true}});
    let many: serde_json::Map<String, Value> = (0..33).map(|n| (format!("k{n}"), json!(""))).collect();
    for (more, field, part) in [
        (json!({"mode": "Watch"}), "mode", "Deliver or Observe"),
        (json!({"mode": "Observe", "target": {"directory": {"name": "d"}}}), "mode", "is for Secrets"),
        (json!({"templates": {"c": "a\n{% if %}"}}), "templates.c", "line 2"),
        (json!({"templates": {"c": "{% include \"x\" %}"}}), "templates.c", "line 1"),
        (json!({"templates": {"a/b": ""}}), "templates.a/b", "neither a file"),
        (json!({"templates": {"Y": ""}}), "templates.Y", "templatesOnly"),
        (json!({"templates": {"c": "x".repeat((64 << 10) + 1)}}), "templates.c", "split"),
        (json!({"templates": many}), "templates", "33 are more than the 32"),
        (json!({"templatesOnly": true}), "templatesOnly", "no templates"),
        (selected(&json!({})), "restart", "name workloads"),
        (selected(&json!({"selector": {}})), "restart.selector", "say which labels"),
        (selected(&json!({"workloads": [{"kind": "Pod", "name": "a"}]})), "restart.workloads[0].kind", "StatefulSet, DaemonSet"),
        (selected(&json!({"workloads": [{"kind": "Deployment", "name": "A"}]})), "restart.workloads[0].name", "lower-case"),
        (json!({"restart": {"policy": "Auto", "selector": {"matchLabels": {"a": "b"}}}}), "restart.selector", "policy: Selected"),
        (
            json!({"restart": {"policy": "None", "workloads": [{"kind": "Pod", "name": "A"}]}}),
            "restart.workloads",
            "leave it out",
        ),
        (json!({"restart": {"policy": "Auto"}, "target": immutable}), "restart.policy", "Leave restart out, or immutable"),
        (
            json!({"restart": {"policy": "Selected", "workloads": [{"kind": "Deployment", "name": "a"}]}, "target": immutable}),
            "restart.policy",
            "Leave restart out, or immutable",
        ),
    ] {
        let found = mistakes(&spec(&more));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("spec.{field}: ")) && found[0].contains(part), "{}", found[0]);
    }
}

#[test]
fn each_mistake_of_base64_says_what_to_do() {
    let items = |keys: &Value, base64: &Value| json!({"items": [{"source": "corp", "mount": "kv", "path": "a/b", "keys": keys, "base64": base64}]});
    let many: Vec<String> = (0..257).map(|n| format!("k{n}")).collect();
    for (keys, base64, field, part) in [
        (json!({"x": "Y"}), json!(["Y"]), "base64[0]", "on the left of keys"),
        (json!({"x": "Y"}), json!(["x", "x"]), "base64[1]", "once is enough"),
        (json!({}), json!(many), "base64", "257 are more than the 256"),
    ] {
        let found = mistakes(&spec(&items(&keys, &base64)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("spec.items[0].{field}: ")) && found[0].contains(part), "{}", found[0]);
    }
    for (keys, base64) in [(json!({"x": "Y"}), json!(["x"])), (json!({"x": "Y"}), json!(["*"])), (json!({}), json!(["any"]))] {
        assert!(CheckedBinding::try_from(&spec(&items(&keys, &base64))).is_ok(), "{keys} {base64}");
    }
}

#[test]
fn what_was_written_reads_back_with_its_defaults_shown() {
    let wire: BindingSpec = serde_json::from_value(json!({
        "project": "payments",
        "clusters": {"matchLabels": {"env": "prod"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
        "items": [{"source": "corp", "mount": "kv", "path": "a/b", "keys": {"x": "Y"}}],
        "target": {"secret": {"name": "s", "namespaces": ["n"]}},
    }))
    .unwrap();
    let checked = CheckedBinding::try_from(&wire).unwrap();
    let back = BindingSpec::from(&checked);
    assert_eq!((back.clusters.clone(), back.items.clone()), (wire.clusters, wire.items));
    assert_eq!(back.deletion_policy.as_deref(), Some("Retain"));
    assert_eq!((back.mode.as_deref(), back.restart.as_ref().map(|r| r.policy.as_str())), (Some("Deliver"), Some("None")));
    assert_eq!(back.target.secret.as_ref().and_then(|s| s.secret_type.as_deref()), Some("Opaque"));
    assert_eq!(CheckedBinding::try_from(&back).unwrap(), checked);
}

#[test]
fn everything_that_can_be_said_of_a_secret_reads_back_as_it_was_written() {
    let mut all = json!({
        "project": "payments",
        "clusters": {},
        "items": [{"source": "corp", "mount": "kv", "path": "a/b", "keys": {"x": "Y"}, "version": 2, "base64": ["x"]}],
        "target": {"secret": {
            "name": "s.v2",
            "namespaces": ["n"],
            "namespaceSelector": {"matchLabels": {"team": "shop"}},
            "type": "kubernetes.io/basic-auth",
            "labels": {"app": "shop"},
            "annotations": {"example.com/note": "what it is for"},
            "immutable": true,
            "adopt": true,
        }},
        "mode": "Observe",
        "templates": {"username": "{{ Y }}", "password": "{{ keys[\"Y\"] | b64encode }}"},
        "templatesOnly": true,
        "deletionPolicy": "Delete",
        "sourceDeletionPolicy": "Delete",
        "restart": {
            "policy": "Selected",
            "workloads": [{"kind": "StatefulSet", "name": "db"}],
            "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]},
        },
    });
    let selected = all["restart"].take();
    all["restart"] = json!({"policy": "None"});
    let reads_back = |all: &Value| {
        let wire: BindingSpec = serde_json::from_value(all.clone()).unwrap();
        let checked = CheckedBinding::try_from(&wire).unwrap();
        assert_eq!(serde_json::to_value(BindingSpec::from(&checked)).unwrap(), *all);
    };
    reads_back(&all);
    // What is immutable restarts nobody.
    all["target"]["secret"].as_object_mut().unwrap().remove("immutable");
    all["restart"] = selected;
    reads_back(&all);
    let selector_only = secret(&json!({"namespaces": [], "namespaceSelector": {}}));
    assert!(CheckedBinding::try_from(&selector_only).is_ok(), "every namespace that grants allow");
}
