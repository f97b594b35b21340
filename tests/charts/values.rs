//! Charts that say what is wrong with the values they are given.

use anyhow::Result;
use lockstep_testbed::charts::Chart;
use serde_json::{Value, json};

use crate::cases::{CHARTS, cases, changed, example};

#[test]
fn every_case_passes_helm_lint_strictly() {
    for (name, chart, values) in cases() {
        let said = chart.lint(&values).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{name}: {said}");
        // No icon: there is none.
        assert_eq!(said.matches("[INFO]").count(), 1, "{name}: {said}");
    }
}

#[test]
fn a_chart_is_of_the_version_that_it_installs() -> Result<()> {
    for chart in CHARTS {
        let text = std::fs::read_to_string(chart.folder()?.join("Chart.yaml"))?;
        for key in ["version", "appVersion"] {
            assert!(text.contains(&format!("\n{key}: {}\n", env!("CARGO_PKG_VERSION"))), "{}: {key}", chart.name());
        }
    }
    Ok(())
}

/// Asserts that rendering is refused with a sentence.
#[track_caller]
fn refused(chart: Chart, values: &Value, sentence: &str) {
    let error = match chart.render("lockstep", values) {
        Ok(_) => panic!("{values} was rendered"),
        Err(error) => format!("{error:#}"),
    };
    assert!(error.contains(sentence), "{error}");
}

#[test]
fn a_value_that_does_not_exist_or_does_not_fit_is_named() {
    let unknown = |path: &str, name: &str| format!("- at '{path}': additional properties '{name}' not allowed");
    for (chart, changes, sentence) in [
        (Chart::Agent, json!({ "nonsense": 1 }), unknown("", "nonsense")),
        (Chart::Agent, json!({ "rbac": { "namespace": "shop" } }), unknown("/rbac", "namespace")),
        (Chart::Agent, json!({ "networkPolicy": { "dns": { "port": 53 } } }), unknown("/networkPolicy/dns", "port")),
        (Chart::Server, json!({ "database": { "url": "postgres://…" } }), unknown("/database", "url")),
        (Chart::Server, json!({ "homeVault": { "token": "…" } }), unknown("/homeVault", "token")),
        (Chart::Server, json!({ "services": { "rest": { "port": 1 } } }), unknown("/services/rest", "port")),
        (
            Chart::Agent,
            json!({ "rbac": { "mode": "wide" } }),
            "/rbac/mode': value must be one of 'namespace', 'strict'".to_owned(),
        ),
        (
            Chart::Agent,
            json!({ "server": { "addresses": ["lockstep:8444"] } }),
            "/server/addresses/0': 'lockstep:8444' does not match".to_owned(),
        ),
        (Chart::Agent, json!({ "server": { "pin": "sha256:ab" } }), "/server/pin': 'sha256:ab' does not match".to_owned()),
        (Chart::Agent, json!({ "restarts": { "budget": 0 } }), "/restarts/budget': minimum: got 0, want 1".to_owned()),
        (Chart::Server, json!({ "leaseMs": 10 }), "/leaseMs': minimum: got 10, want 1,000".to_owned()),
    ] {
        refused(chart, &changed(chart, &changes), &sentence);
    }
}

#[test]
fn what_is_required_is_named() {
    refused(Chart::Agent, &json!({}), "at '/server/addresses': minItems: got 0, want 1");
    refused(Chart::Server, &json!({}), "at '/credentials': minItems: got 0, want 1");
    let mut values = example(Chart::Agent);
    values["image"]["repository"] = json!("");
    refused(Chart::Agent, &values, "at '/image/repository'");
}

#[test]
fn rights_that_would_be_other_than_meant_are_refused_in_a_sentence() {
    for (rbac, sentence) in [
        (json!({ "mode": "namespace" }), "rbac.strict.secrets: goes with rbac.mode strict only"),
        (json!({ "namespaces": ["shop"] }), "rbac.namespaces: does not go with rbac.mode strict"),
        (json!({ "allNamespaces": true }), "rbac.allNamespaces: does not go with rbac.mode strict"),
        (json!({ "strict": { "secrets": [] } }), "rbac.strict.secrets: list the Secrets that the agent may touch"),
        // A Role without names allows them all.
        (
            json!({ "strict": { "secrets": [{ "namespace": "a", "names": [] }] } }),
            "/rbac/strict/secrets/0/names': minItems: got 0, want 1",
        ),
        (
            json!({ "strict": { "secrets": [{ "namespace": "a", "names": ["x"] }, { "namespace": "a", "names": ["y"] }] } }),
            "rbac.strict.secrets: namespace a is listed twice",
        ),
        (
            json!({ "mode": "namespace", "strict": { "secrets": [] }, "namespaces": ["a"], "allNamespaces": true }),
            "rbac.namespaces: leave it empty with rbac.allNamespaces",
        ),
    ] {
        refused(Chart::Agent, &changed(Chart::Agent, &json!({ "rbac": rbac })), sentence);
    }
    let missing = changed(Chart::Agent, &json!({ "serviceAccount": { "create": false } }));
    refused(Chart::Agent, &missing, "serviceAccount.name: say which ServiceAccount exists");
}

#[test]
fn credentials_and_issuers_that_the_server_would_refuse_are_refused_before() {
    let set = |more: Value| {
        let mut set = json!({ "name": "home", "addresses": ["https://vault.example.com:8200"] });
        set.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        set
    };
    let (token, role) = (json!({ "token": { "existingSecret": "a" } }), json!({ "appRole": { "existingSecret": "a" } }));
    let both = json!({ "token": { "existingSecret": "a" }, "appRole": { "existingSecret": "a" } });
    for (credentials, sentence) in [
        (json!([set(json!({}))]), "credentials home: exactly one of token, appRole, kubernetes, jwt and certificate is needed"),
        (json!([set(both)]), "credentials home: exactly one of token, appRole, kubernetes, jwt and certificate is needed"),
        (json!([set(token.clone()), set(role)]), "credentials: home is listed twice"),
    ] {
        refused(Chart::Server, &changed(Chart::Server, &json!({ "credentials": credentials })), sentence);
    }
    let issuer = |name: &str, url: &str| json!({ "name": name, "issuer": url, "audience": "lockstep" });
    for (oidc, sentence) in [
        (json!([issuer("ci", "https://a"), issuer("ci", "https://b")]), "oidc: ci is listed twice"),
        (json!([issuer("ci", "http://a")]), "/oidc/0/issuer': 'http://a' does not match"),
    ] {
        refused(Chart::Server, &changed(Chart::Server, &json!({ "oidc": oidc })), sentence);
    }
    let other = changed(Chart::Server, &json!({ "homeVault": { "credentials": "other" }, "credentials": [set(token)] }));
    refused(Chart::Server, &other, "homeVault.credentials: there is no credential set other");
}
