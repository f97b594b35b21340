//! A team's job with a token of its own, as the team's people meet it.

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings};
use serde_json::{Value, json};

const THEIRS: &str = "\
apiVersion: lockstep.dev/v1
kind: Project
metadata: {name: billing}
---
apiVersion: lockstep.dev/v1
kind: Binding
metadata: {name: invoices}
spec:
  project: billing
  clusters: {}
  items: [{source: corp, mount: kv, path: shop/db}]
  target: {directory: {name: invoices}}
";

#[tokio::test]
async fn a_job_applies_its_teams_manifests_with_its_own_token_and_touches_nothing_else() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = fleet.folder().join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let basics = file("basics.yaml", &format!("{}---\n{THEIRS}", fleet.basics()))?;
    fleet.cli(&["apply", "-f", &basics]).await?;

    let made = fleet.cli(&["token", "create", "shop-ci", "--role", "operator", "--project", "shop", "--ttl", "1h"]).await?;
    assert!(made.stdout.starts_with("lsat_") && made.stdout.trim_end().len() < 60, "the token alone can be piped into a file");
    assert!(made.stderr.is_empty(), "nothing but data where nobody looks: {}", made.stderr);
    let token = file("ci.token", &made.stdout)?;
    let (server, ca) = (fleet.replicas[0].rest_url(), fleet.root_file().to_string_lossy().into_owned());
    let login = ["login", "--context", "ci", "--server", &server, "--certificate-authority", &ca, "--token-file", &token];
    let login = fleet.cli(&login).await?.stdout;
    assert_eq!(login, format!("Logged in to {server} as token:shop-ci (context ci): operator of project/shop.\n"));
    fleet.use_replica(0).await?;
    let ci = async |arguments: &[&str]| fleet.cli_any(&[&["--context", "ci"], arguments].concat()).await;

    let ours = file("ours.yaml", &Fleet::binding("db"))?;
    assert_eq!(ci(&["apply", "-f", &ours]).await?.stdout, "binding/db created\n");
    assert_eq!(ci(&["wait", "--for=condition=InSync", "binding/db", "--timeout", "30s"]).await?.code, 0);
    let listed = ci(&["get", "bindings", "-o", "name"]).await?;
    assert_eq!(listed.stdout, "binding/db\n", "{}", listed.stderr);
    // It sees how its binding is, but not who did what.
    let described = ci(&["describe", "binding", "db"]).await?;
    assert_eq!(described.code, 0, "{}", described.stderr);
    assert!(described.stdout.contains("InSync") && !described.stdout.contains("Last changes"), "{}", described.stdout);
    let status = ci(&["status"]).await?;
    assert_eq!(status.code, 0, "{}", status.stderr);

    let why = ci(&["why", "cluster-1", "corp/kv/shop/db"]).await?.stdout;
    assert!(why.starts_with("yes: binding db of project shop delivers it there, by grant shop-prod\n"), "{why}");
    assert!(!why.contains("invoices"), "{why}");

    let checked = fleet.cli_any(&["source", "check", "corp"]).await?;
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("rights    ok      all 1 bound secrets may be watched and read"), "{}", checked.stdout);
    let policy = fleet.cli(&["source", "policy", "corp"]).await?;
    assert!(policy.stdout.starts_with("path \"kv/metadata/shop/db\" {"), "{}", policy.stdout);
    assert_eq!(ci(&["source", "policy", "corp"]).await?.code, 1, "it names paths of all projects");

    let refused = ci(&["apply", "-f", &basics]).await?;
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("grant/shop-prod: not allowed: this needs the role admin: ask an administrator for it"),
        "{}",
        refused.stderr
    );
    assert_eq!(ci(&["delete", "binding", "invoices"]).await?.code, 1);
    assert!(ci(&["get", "changes"]).await?.stderr.contains("not allowed: this needs the role admin or auditor"));

    let refusals: Value = serde_json::from_str(&fleet.cli(&["get", "refusals", "-o", "json"]).await?.stdout)?;
    let refusals = refusals["items"].as_array().context("no items")?;
    let of_grants = refusals.iter().find(|r| r["subject"] == "/v1/grants/shop-prod").context("the grant's is not noted")?;
    assert_eq!((&of_grants["actor"], &of_grants["code"]), (&json!("token:shop-ci"), &json!("forbidden")));

    assert_eq!(fleet.cli(&["token", "revoke", "shop-ci"]).await?.stdout, "token/shop-ci revoked\n");
    let gone = ci(&["get", "bindings"]).await?;
    assert!(gone.code == 1 && gone.stderr.contains("does not accept this token: log in again"), "{}", gone.stderr);
    Ok(())
}
