use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::manifest::file::FileArgs;
use crate::manifest::read_foreign;

const TOOLS: [(Tool, &str); 3] = [(Tool::Eso, "eso"), (Tool::Vso, "vso"), (Tool::Csi, "csi")];

pub(super) fn wanted() -> Wanted {
    Wanted {
        project: "shop".into(),
        source: Some("corp".into()),
        stores: BTreeMap::new(),
        clusters: Selector::default(),
        namespace: "default".into(),
        service_accounts: BTreeSet::new(),
        observe: false,
    }
}

/// The objects of a tool's fixtures. Cargo runs tests in their package's folder.
fn fixtures(folder: &str) -> Vec<(Value, String)> {
    let files = FileArgs { filename: vec![PathBuf::from("tests/fixtures/import").join(folder)], recursive: true };
    read_foreign(&files).unwrap()
}

/// Every map in `value`, by its pointer.
fn maps(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, inner)| maps(inner, account::below(&at, name), found));
            found.push(at);
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(i, inner)| maps(inner, format!("{at}/{i}"), found)),
        _ => {}
    }
}

/// Whether a line speaks of the field, or of what it is in.
fn speaks_of(outcome: &Outcome, field: &str) -> bool {
    let mut lines = outcome.lines.left_out.iter().chain(&outcome.lines.not_needed);
    lines.any(|line| field == line.field || field.strip_prefix(&line.field).is_some_and(|rest| rest.starts_with(['.', '['])))
}

#[test]
fn a_field_that_nobody_knows_is_named_wherever_it_is() {
    let mut tried = 0;
    for (tool, folder) in TOOLS {
        let objects = fixtures(folder);
        for index in 0..objects.len() {
            let mut found = Vec::new();
            maps(&objects[index].0["spec"], "/spec".to_owned(), &mut found);
            for map in found {
                let mut objects = objects.clone();
                objects[index].0.pointer_mut(&map).unwrap()["surprise"] = json!(1);
                let name = objects[index].0["metadata"]["name"].clone();
                let kind = objects[index].0["kind"].clone();
                let outcomes = import(tool, objects, &wanted());
                let outcome = outcomes.iter().find(|o| json!(o.name) == name && json!(o.kind) == kind).unwrap();
                let field = account::readable(&format!("{map}/surprise"));
                let is_said = outcome.verdict == Verdict::NotMapped || speaks_of(outcome, &field);
                assert!(is_said, "{} of {}: {field}: {:?}", outcome.title(), outcome.place, outcome.lines);
                tried += 1;
            }
        }
    }
    println!("{tried} fields that nobody knows, each named");
    assert!(tried > 200, "{tried}");
}

#[test]
fn in_the_objects_of_a_provider_class_too() {
    let mut objects = fixtures("csi");
    let class = objects.iter_mut().find(|(class, _)| class["metadata"]["name"] == "checkout").unwrap();
    let text = class.0["spec"]["parameters"]["objects"].as_str().unwrap();
    class.0["spec"]["parameters"]["objects"] =
        json!(text.replacen("secretKey: username", "secretKey: username\n  surprise: 1", 1));
    let outcomes = import(Tool::Csi, objects, &wanted());
    let outcome = outcomes.iter().find(|outcome| outcome.name == "checkout").unwrap();
    let left: Vec<_> = outcome.lines.left_out.iter().map(|line| line.field.as_str()).collect();
    assert_eq!(left, ["spec.parameters.objects[0].surprise"]);
}

fn external_secret(namespace: &str, more: &Value) -> (Value, String) {
    let mut object = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "Db.main", "namespace": namespace},
        "spec": {"secretStoreRef": {"name": "vault"}, "dataFrom": [{"extract": {"key": "kv/data/shop/db"}}], "target": {"name": "db"}},
    });
    for (field, value) in more.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    (object, format!("{namespace}.yaml:1"))
}

#[test]
fn the_same_in_two_namespaces_is_one_binding_and_other_content_has_another_name() {
    let other = json!({"dataFrom": [{"extract": {"key": "kv/data/shop/other"}}]});
    let objects = ["a", "b"].map(|namespace| external_secret(namespace, &json!({})));
    let objects = [&objects[..], &[external_secret("c", &other)]].concat();
    let outcomes = import(Tool::Eso, objects, &wanted());
    let names: Vec<_> = outcomes.iter().map(|outcome| outcome.bindings.join(",")).collect();
    assert_eq!(names, ["db-main-a", "db-main-a", "db-main-c"]);
    let manifests = report::manifests(&outcomes).unwrap();
    assert_eq!(manifests.matches("kind: Binding").count(), 2, "{manifests}");
    assert!(
        manifests.contains("# From externalsecret/a/Db.main (a.yaml:1)\n# and externalsecret/b/Db.main (b.yaml:1)\n"),
        "{manifests}"
    );
    assert!(manifests.contains("namespaces:\n      - a\n      - b\n"), "{manifests}");
}

#[test]
fn a_binding_has_no_more_namespaces_than_it_may() {
    let objects = (0..70).map(|n| external_secret(&format!("n{n}"), &json!({}))).collect();
    let outcomes = import(Tool::Eso, objects, &wanted());
    assert!(outcomes.iter().all(|outcome| outcome.verdict == outcomes[0].verdict && outcome.bindings.len() == 1));
    let manifests = report::manifests(&outcomes).unwrap();
    assert_eq!(manifests.matches("kind: Binding").count(), 2, "{manifests}");
    assert_eq!(
        [0, 63, 64, 69].map(|n: usize| outcomes[n].bindings[0].as_str()),
        ["db-main-n0", "db-main-n0", "db-main-n64", "db-main-n64"]
    );
    manifests.split("---\n").for_each(|manifest| crate::manifest::mistakes_in(manifest.to_owned()).unwrap());
}

#[test]
fn templates_of_the_first_engine_are_not_read_as_those_of_the_second() {
    let templated = json!({"target": {"name": "db", "template": {"data": {"a": "{{ .a }}"}}}});
    let verdict = |version: &str| {
        let mut object = external_secret("a", &templated);
        object.0["apiVersion"] = json!(version);
        import(Tool::Eso, vec![object], &wanted())[0].verdict
    };
    assert_eq!(verdict("external-secrets.io/v1alpha1"), Verdict::NotMapped);
    assert_eq!(verdict("external-secrets.io/v1beta1"), Verdict::InPart, "its store is not there");
}

#[test]
fn one_object_twice_is_two_bindings_under_two_names() {
    let twice = vec![external_secret("a", &json!({})); 2];
    let outcomes = import(Tool::Eso, twice, &wanted());
    let names: Vec<_> = outcomes.iter().map(|outcome| outcome.bindings.join(",")).collect();
    assert_eq!(names, ["db-main-a", "db-main-a-2"]);
}

#[test]
fn what_a_manifest_says_ends_no_comment() {
    let evil = json!({"x\nkind: Evil": 1});
    let manifests = report::manifests(&import(Tool::Eso, vec![external_secret("a", &evil)], &wanted())).unwrap();
    assert!(manifests.contains("# Left out: spec.x kind: Evil: ") && !manifests.contains("\nkind: Evil"), "{manifests}");
}

#[test]
fn a_source_is_called_like_its_store_unless_another_is_said() {
    let source = |wanted: Wanted| {
        let outcomes = import(Tool::Eso, vec![external_secret("a", &json!({}))], &wanted);
        outcomes[0].made[0].spec.items[0].source.clone()
    };
    assert_eq!(source(wanted()), "corp");
    assert_eq!(source(Wanted { source: None, ..wanted() }), "vault");
    assert_eq!(source(Wanted { stores: [("vault".into(), "other".into())].into(), ..wanted() }), "other");
}

#[test]
fn to_observe_is_a_mode_and_changes_nothing_else() {
    let made = |observe| {
        let outcomes = import(Tool::Eso, vec![external_secret("a", &json!({}))], &Wanted { observe, ..wanted() });
        outcomes[0].made[0].spec.clone()
    };
    let (observing, delivering) = (made(true), made(false));
    assert_eq!((observing.mode.as_deref(), delivering.mode.as_deref()), (Some("Observe"), None));
    assert_eq!(lockstep_api::binding::BindingSpec { mode: None, ..observing }, delivering);
}
