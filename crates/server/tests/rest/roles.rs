//! Each role at each endpoint.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Api, binding, cluster, grant, maintenance_window, project, role_assignment, rotation, source};

/// `v`iewer, `o`perator, a`u`ditor and `a`dmin, each of everything; an admin of another project, `x`, and of other clusters, `c`; and a
/// caller without any role, `n`.
const CALLERS: &str = "vouaxcn";

/// Who may use what. Whoever is not named is refused, or told that there is no such thing.
const MATRIX: &[(&str, &str, &str)] = &[
    ("GET", "/v1/caller", "vouaxcn"),
    ("GET", "/v1/projects", "vouaxc"),
    ("POST", "/v1/projects", "a"),
    ("GET", "/v1/projects/{name}", "voua"),
    ("PUT", "/v1/projects/{name}", "a"),
    ("DELETE", "/v1/projects/{name}", "a"),
    // Which clusters and sources there are is known to everybody who writes bindings with them.
    ("GET", "/v1/clusters", "vouaxc"),
    ("POST", "/v1/clusters", "a"),
    ("GET", "/v1/clusters/{name}", "vouaxc"),
    ("PUT", "/v1/clusters/{name}", "oa"),
    ("DELETE", "/v1/clusters/{name}", "a"),
    ("POST", "/v1/clusters/{name}/pause", "oa"),
    ("POST", "/v1/clusters/{name}/resume", "oa"),
    ("POST", "/v1/clusters/{name}/confirm-deletions", "oa"),
    ("POST", "/v1/clusters/{name}/revoke", "a"),
    ("POST", "/v1/clusters/{name}/rejoin", "a"),
    ("POST", "/v1/clusters/{name}/join-tokens", "a"),
    ("DELETE", "/v1/clusters/{name}/join-tokens", "a"),
    ("GET", "/v1/sources", "vouaxc"),
    ("POST", "/v1/sources", "a"),
    ("GET", "/v1/sources/{name}", "vouaxc"),
    ("PUT", "/v1/sources/{name}", "a"),
    ("DELETE", "/v1/sources/{name}", "a"),
    ("POST", "/v1/sources/{name}/check", "oa"),
    ("GET", "/v1/sources/{name}/policy", "voua"),
    ("GET", "/v1/grants", "vouaxc"),
    ("POST", "/v1/grants", "a"),
    ("GET", "/v1/grants/{name}", "voua"),
    ("PUT", "/v1/grants/{name}", "a"),
    ("DELETE", "/v1/grants/{name}", "a"),
    ("GET", "/v1/bindings", "vouaxc"),
    ("POST", "/v1/bindings", "oa"),
    ("GET", "/v1/bindings/{name}", "voua"),
    ("PUT", "/v1/bindings/{name}", "oa"),
    ("DELETE", "/v1/bindings/{name}", "oa"),
    ("POST", "/v1/bindings/{name}/rollback", "oa"),
    ("POST", "/v1/bindings/{name}/unpin", "oa"),
    ("POST", "/v1/bindings/{name}/sync", "oa"),
    ("GET", "/v1/roleassignments", "vouaxc"),
    ("POST", "/v1/roleassignments", "a"),
    ("GET", "/v1/roleassignments/{name}", "voua"),
    ("PUT", "/v1/roleassignments/{name}", "a"),
    ("DELETE", "/v1/roleassignments/{name}", "a"),
    ("GET", "/v1/rotations", "vouaxc"),
    ("POST", "/v1/rotations", "a"),
    ("GET", "/v1/rotations/{name}", "voua"),
    ("PUT", "/v1/rotations/{name}", "a"),
    ("DELETE", "/v1/rotations/{name}", "a"),
    ("POST", "/v1/rotations/{name}/run", "oa"),
    ("POST", "/v1/rotations/{name}/pause", "oa"),
    ("POST", "/v1/rotations/{name}/resume", "oa"),
    ("GET", "/v1/rotations/{name}/runs", "voua"),
    ("GET", "/v1/maintenancewindows", "vouaxc"),
    ("POST", "/v1/maintenancewindows", "a"),
    ("GET", "/v1/maintenancewindows/{name}", "voua"),
    ("PUT", "/v1/maintenancewindows/{name}", "a"),
    ("DELETE", "/v1/maintenancewindows/{name}", "a"),
    ("GET", "/v1/secrets", "vouaxc"),
    ("GET", "/v1/placements", "vouaxc"),
    ("GET", "/v1/deliveries", "vouaxc"),
    // Whoever may not see the secret is told that there is none.
    ("GET", "/v1/holders", "voua"),
    ("GET", "/v1/why", "vouaxc"),
    // An admin may audit what is his own.
    ("GET", "/v1/changes", "uaxc"),
    // A chain of which something is left out cannot be checked.
    ("GET", "/v1/history/records", "ua"),
    ("GET", "/v1/tokens", "uaxc"),
    ("POST", "/v1/tokens", "a"),
    ("DELETE", "/v1/tokens/{name}", "a"),
    ("GET", "/v1/refusals", "ua"),
    // It names clusters of all projects.
    ("GET", "/v1/certificateauthority", "voua"),
    ("GET", "/v1/epoch", "vouaxc"),
    ("POST", "/v1/epoch", "a"),
    ("GET", "/v1/logfilter", "a"),
    ("PUT", "/v1/logfilter", "a"),
    ("DELETE", "/v1/logfilter", "a"),
];

/// The manifest that is there, by the plural of its kind.
fn present(plural: &str) -> Value {
    match plural {
        "projects" => project(),
        "clusters" => cluster("eu-1", "prod"),
        "sources" => source(),
        "grants" => grant(),
        "bindings" => binding(),
        "roleassignments" => role_assignment(),
        "maintenancewindows" => maintenance_window(),
        "rotations" => rotation("token"),
        other => panic!("no manifest of {other}"),
    }
}

/// A request that whoever may make it makes with success, and that leaves things as they are.
fn request(method: &str, template: &str, caller: char) -> (String, Option<Value>) {
    let parts: Vec<&str> = template.split('/').collect();
    let plural = parts[2];
    match (method, plural, parts.get(4)) {
        ("POST", "tokens", _) => {
            let body = json!({"name": format!("by-{caller}"), "role": "viewer", "scope": {"project": "payments"}});
            (template.to_owned(), Some(body))
        }
        ("DELETE", "tokens", _) => (format!("/v1/tokens/victim-{caller}"), None),
        ("PUT", "logfilter", _) => (template.to_owned(), Some(json!({"filter": "info", "seconds": 1}))),
        ("DELETE", "logfilter", _) => (template.to_owned(), None),
        ("POST", "epoch", _) => (template.to_owned(), Some(json!({"reason": "to see who may"}))),
        ("POST" | "DELETE", "clusters", Some(&"join-tokens")) => (template.replace("{name}", "eu-1"), None),
        ("POST" | "GET", "sources", Some(_)) => (template.replace("{name}", "corp"), None),
        // It is pinned there already.
        ("POST", "bindings", Some(&"rollback")) => (template.replace("{name}", "held"), Some(json!({"to": 1}))),
        ("POST", "bindings", Some(_)) => (format!("{}?dryRun=All", template.replace("{name}", "held")), None),
        // Each begins a run of another one: none is there to come to its end.
        ("POST", "rotations", Some(&"run")) => (template.replace("{name}", &format!("of-{caller}")), None),
        ("POST", "rotations", Some(_)) => (format!("{}?dryRun=All", template.replace("{name}", "token")), None),
        ("POST", "clusters", Some(_)) => (format!("{}?dryRun=All", template.replace("{name}", "eu-1")), None),
        ("GET", "holders", _) => (format!("{template}?secret=payments/db"), None),
        ("GET", "why", _) => (format!("{template}?cluster=eu-1&secret=corp/kv/payments/db"), None),
        ("GET", ..) if !template.contains("{name}") => (template.to_owned(), None),
        ("GET", ..) => (template.replace("{name}", present(plural)["metadata"]["name"].as_str().unwrap()), None),
        ("POST", ..) => {
            let mut manifest = present(plural);
            manifest["metadata"]["name"] = json!("another");
            match plural {
                "bindings" => manifest["spec"]["target"]["secret"]["name"] = json!("another"),
                "rotations" => manifest["spec"]["generate"]["keys"] = json!({"another": {"random": {}}}),
                "maintenancewindows" => manifest["spec"]["allow"]["schedule"] = json!("0 2 * * SUN"),
                _ => {}
            }
            (format!("{template}?dryRun=All"), Some(manifest))
        }
        ("PUT", ..) => {
            let mut manifest = present(plural);
            manifest["metadata"]["labels"]["tier"] = json!("one");
            let name = manifest["metadata"]["name"].as_str().unwrap();
            (format!("{}?dryRun=All", template.replace("{name}", name)), Some(manifest))
        }
        ("DELETE", "projects" | "sources", _) => (format!("{}?dryRun=All", template.replace("{name}", "spare")), None),
        ("DELETE", ..) => {
            let name = present(plural)["metadata"]["name"].as_str().unwrap().to_owned();
            (format!("{}?dryRun=All", template.replace("{name}", &name)), None)
        }
        other => panic!("no request for {other:?}"),
    }
}

#[tokio::test]
async fn each_role_may_use_exactly_the_endpoints_that_are_written_here() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut held = binding();
    held["metadata"]["name"] = json!("held");
    held["spec"]["items"][0]["version"] = json!(1);
    held["spec"]["target"]["secret"]["name"] = json!("held");
    for manifest in [binding(), held, role_assignment(), maintenance_window()] {
        api.apply(&manifest).await?;
    }
    for (name, mut other) in [("spare", project()), ("spare", source()), ("billing", project())] {
        other["metadata"]["name"] = json!(name);
        api.apply(&other).await?;
    }
    api.furnish_rotations().await?;
    for name in ["token", "of-o", "of-a"] {
        api.apply(&rotation(name)).await?;
    }
    let everything = json!({"everything": true});
    let mut tokens = Vec::new();
    for caller in CALLERS.chars() {
        let name = format!("caller-{caller}");
        tokens.push(match caller {
            'v' => api.mint(&name, "viewer", &everything).await?,
            'o' => api.mint(&name, "operator", &everything).await?,
            'u' => api.mint(&name, "auditor", &everything).await?,
            'a' => api.mint(&name, "admin", &everything).await?,
            'x' => api.mint(&name, "admin", &json!({"project": "billing"})).await?,
            'c' => api.mint(&name, "admin", &json!({"clusters": {"matchLabels": {"env": "dev"}}})).await?,
            _ => api.mint_without_role(&name).await?,
        });
        api.mint(&format!("victim-{caller}"), "viewer", &json!({"project": "payments"})).await?;
    }
    let mut wrong = Vec::new();
    for (method, template, may) in MATRIX {
        for (caller, token) in CALLERS.chars().zip(&tokens) {
            let (path, body) = request(method, template, caller);
            let answer = api.send_as(token, method, &path, &[], body.as_ref()).await?;
            let is_right = if may.contains(caller) {
                answer.status.is_success()
            } else {
                matches!((answer.status.as_u16(), answer.code()), (403, "forbidden") | (404, "not-found"))
            };
            if !is_right {
                wrong.push(format!("{caller}: {method} {path}: {} {}", answer.status, answer.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn no_endpoint_is_missing_from_the_matrix_and_each_is_closed_to_somebody() -> Result<()> {
    let api = Api::start().await?;
    let described = api.get("/openapi.json").await?.ok().body;
    let methods = |(path, methods): (&String, &Value)| {
        methods.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    let described: BTreeSet<(String, String)> =
        described["paths"].as_object().unwrap().iter().flat_map(methods).filter(|(_, path)| path.starts_with("/v1/")).collect();
    let written: BTreeSet<_> = MATRIX.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, written);
    for (method, path, may) in MATRIX {
        assert!(may.contains('a'), "{method} {path} is of no use");
        assert!(may.len() < CALLERS.len() || *path == "/v1/caller", "{method} {path} is open to all");
    }
    Ok(())
}
