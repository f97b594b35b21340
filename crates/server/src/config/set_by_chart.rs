//! Whoever installs with Helm can set what whoever writes the file can. The settings are taken from the types themselves, so that a new
//! one is missed here by nobody.

use std::collections::BTreeMap;

use lockstep_testbed::charts::{Chart, objects};
use lockstep_testbed::checkout;
use serde_json::{Value, json};

use super::Config;

/// Settings that the chart's values have under another name, and that name. Empty: none, for the reason beside it.
const ELSEWHERE: [(&str, &str); 13] = [
    // Each replica is called after its pod.
    ("replica", ""),
    ("database.urlFile", "database.existingSecret"),
    ("listen.rest", "listenAddress"),
    ("listen.agents", "listenAddress"),
    ("listen.join", "listenAddress"),
    ("listen.metrics", "listenAddress"),
    ("homeVault.caFile", "homeVault.ca.existingSecret"),
    ("credentials[].tokenFile", "credentials[].token"),
    ("credentials[].appRole.mount", "credentials[].appRole"),
    ("credentials[].appRole.roleIdFile", "credentials[].appRole"),
    ("credentials[].appRole.secretIdFile", "credentials[].appRole"),
    ("oidc[].caFile", "oidc[].ca"),
    ("tracing.caFile", "tracing.ca.existingSecret"),
];

/// What must be written in the file, and nothing else.
const REQUIRED: &str = r#"
replica: a
database: {urlFile: /url}
trustDomain: lockstep.example
listen: {rest: "127.0.0.1:1", agents: "127.0.0.1:2", join: "127.0.0.1:3", metrics: "127.0.0.1:4"}
advertise: {names: [a], agents: [b], join: [c]}
homeVault: {addresses: [d], credentials: home}
credentials: [{name: home, addresses: [d], appRole: {roleIdFile: /r, secretIdFile: /s}}]
oidc: [{name: ci, issuer: "https://e", audience: f, caFile: /c, clientId: g}]
"#;

/// Every setting with its value, by its path; lists are one step, `[]`, and the last element is seen.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    fn walk(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                let dot = if path.is_empty() { "" } else { "." };
                for (name, value) in fields {
                    walk(&format!("{path}{dot}{name}"), value, into);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for item in items {
                    walk(&format!("{path}[]"), item, into);
                }
            }
            // In a list of objects, one of them may be without it.
            Value::Null if into.contains_key(path) || path.contains("[]") => {}
            value => drop(into.insert(path.to_owned(), value.clone())),
        }
    }
    let mut all = BTreeMap::new();
    walk("", value, &mut all);
    all
}

fn settings(text: &str) -> BTreeMap<String, Value> {
    let config: Config = serde_saphyr::from_str(text).unwrap();
    leaves(&serde_json::to_value(config).unwrap())
}

fn documented() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(Chart::Server.folder().unwrap().join("values.yaml")).unwrap();
    leaves(&objects(&text).unwrap().remove(0))
}

/// Sets the value at a path.
fn set(values: &mut Value, path: &str, to: Value) {
    let at = path.split('.').fold(values, |at, name| at.as_object_mut().unwrap().entry(name).or_insert_with(|| json!({})));
    *at = to;
}

/// Values in which everything that has a default has another value.
fn changed(defaults: &BTreeMap<String, Value>) -> Value {
    let role = json!({ "name": "homex", "addresses": ["https://vault:1"], "appRole": { "existingSecret": "r", "mount": "m" } });
    let token = json!({ "name": "other", "addresses": ["https://vault:2"], "token": { "existingSecret": "t" } });
    let issuer =
        json!({ "name": "ci", "issuer": "https://i", "audience": "a", "ca": { "existingSecret": "i" }, "clientId": "c" });
    let mut values = json!({
        "image": { "repository": "registry.example.com/lockstep/server" },
        "trustDomain": "lockstep.example",
        "advertise": { "names": ["n"], "agents": ["https://a:1"], "join": ["https://j:1"] },
        "database": { "existingSecret": "database" },
        "homeVault": { "addresses": ["https://vault:1"], "namespace": "team", "ca": { "existingSecret": "ca" } },
        "credentials": [role, token],
        "oidc": [issuer],
        "tracing": { "otlpEndpoint": "https://o:4317", "ca": { "existingSecret": "o" } },
    });
    for (path, default) in defaults {
        match default {
            Value::Number(number) => set(&mut values, path, json!(number.as_u64().unwrap() + 1)),
            Value::String(text) if !text.is_empty() => set(&mut values, path, json!(format!("{text}x"))),
            _ => {}
        }
    }
    values
}

#[test]
fn every_setting_is_in_the_charts_values_with_the_same_default_and_can_be_set_by_them() {
    let documented = documented();
    let by_default = settings(REQUIRED);
    let of_same_name: BTreeMap<_, _> =
        by_default.keys().filter_map(|path| Some((path.clone(), documented.get(path)?.clone()))).collect();

    let values = changed(&of_same_name);
    let rendered = Chart::Server.objects("lockstep", &values).unwrap();
    let map = rendered.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    let text = map["data"]["server.yaml"].as_str().unwrap();
    let written = leaves(&objects(text).unwrap().remove(0));
    let given = leaves(&values);

    for (path, value) in settings(text) {
        if let Some((_, values_path)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == path) {
            // An element of a list stands in a comment of values.yaml, and in the schema.
            let is_documented = values_path.is_empty() || values_path.contains("[]") || documented.contains_key(*values_path);
            assert!(is_documented, "{path}: values.yaml has no {values_path}");
        } else if !path.contains("[]") {
            let default = documented.get(&path).unwrap_or_else(|| panic!("values.yaml has no {path}"));
            let is_given_by_people = default.as_str() == Some("") || *default == json!([]) || path == "homeVault.credentials";
            assert!(is_given_by_people || by_default[&path] == *default, "{path}: {default} in values.yaml is not the default");
            assert_eq!(Some(&value), given.get(&path), "{path} is not what the values say");
        }
        assert!(path == "replica" || written.contains_key(&path), "the chart never writes {path}");
    }
}

#[test]
fn every_setting_is_in_the_installation_guide() {
    let guide = std::fs::read_to_string(checkout::find("docs/install.md").unwrap()).unwrap();
    for (path, default) in settings(REQUIRED) {
        let row = guide.lines().find(|line| line.starts_with(&format!("| `{path}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/install.md has no row for {path}"));
        assert!(!default.is_number() || row.contains(&format!("| {default} |")), "{path} is {default} by default: {row}");
    }
}
