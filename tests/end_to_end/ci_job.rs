//! A CI system's own tokens: its job applies one team's manifests, with no token of ours anywhere.

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings};
use serde_json::{Value, json};

const ASSIGNMENT: &str = "\
---
apiVersion: lockstep.dev/v1
kind: RoleAssignment
metadata: {name: shop-ci}
spec: {role: operator, scope: {project: shop}, subjects: [{issuer: ci, group: shop-jobs}]}
";

/// Makes the fleet's OpenBao an issuer that replicas accept, and answers what a job asks it for tokens with.
async fn set_up(fleet: &mut Fleet) -> Result<String> {
    let bao = &fleet.bao;
    bao.request("POST", "identity/oidc/config", Some(json!({ "issuer": bao.addr() }))).await?;
    let key = json!({ "algorithm": "ES256", "allowed_client_ids": ["*"] });
    bao.request("POST", "identity/oidc/key/ci", Some(key)).await?;
    let template = r#"{"groups": {{identity.entity.groups.names}}}"#;
    let role = json!({ "key": "ci", "client_id": "lockstep", "ttl": "5m", "template": template });
    bao.request("POST", "identity/oidc/role/ci", Some(role)).await?;
    bao.enable_auth("userpass", "userpass").await?;
    bao.write_policy("job", "path \"identity/oidc/token/ci\" { capabilities = [\"read\"] }").await?;
    let job = json!({ "password": "correct horse", "token_policies": ["job"] });
    bao.request("POST", "auth/userpass/users/job", Some(job.clone())).await?;
    let login = bao.request_as("", "POST", "auth/userpass/login/job", Some(job)).await?;
    let members = json!({ "name": "shop-jobs", "member_entity_ids": [login["auth"]["entity_id"]] });
    bao.request("POST", "identity/group", Some(members)).await?;
    let issuer = json!([{ "name": "ci", "issuer": format!("{}/v1/identity/oidc", bao.addr()), "audience": "lockstep" }]);

    let path = fleet.replicas[0].config_path().to_owned();
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    config["oidc"] = issuer;
    std::fs::write(&path, config.to_string())?;
    fleet.replicas[0].process()?.stop().await?;
    fleet.start_replica(0).await?;
    login["auth"]["client_token"].as_str().map(str::to_owned).context("no login")
}

#[tokio::test]
async fn a_jobs_own_token_applies_its_teams_manifests_and_no_others_and_the_history_names_the_job() -> Result<()> {
    let mut fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    let login = set_up(&mut fleet).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = fleet.folder().join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let basics = file("basics.yaml", &format!("{}{ASSIGNMENT}", fleet.basics()))?;
    fleet.cli(&["apply", "-f", &basics]).await?;

    let answer = fleet.bao.request_as(&login, "GET", "identity/oidc/token/ci", None).await?;
    let token = file("job.jwt", answer["data"]["token"].as_str().context("no token")?)?;
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let (server, ca) = (fleet.replicas[0].rest_url(), fleet.root_file().to_string_lossy().into_owned());
    let login = ["login", "--context", "ci", "--server", &server, "--certificate-authority", &ca, "--token-file", &token];
    let greeting = fleet.cli(&login).await?.stdout;
    assert!(greeting.contains("as oidc:ci:") && greeting.contains("operator of project/shop"), "{greeting}");
    fleet.use_replica(0).await?;
    let ci = async |arguments: &[&str]| fleet.cli_any(&[&["--context", "ci"], arguments].concat()).await;

    let ours = file("ours.yaml", &Fleet::binding("db"))?;
    let applied = ci(&["apply", "-f", &ours]).await?;
    assert_eq!((applied.code, applied.stdout.as_str()), (0, "binding/db created\n"), "{}", applied.stderr);
    fleet.await_delivery("cluster-1", "db", "InSync").await?;
    let theirs = file("theirs.yaml", &Fleet::binding("other").replace("project: shop", "project: billing"))?;
    let refused = ci(&["apply", "-f", &theirs]).await?;
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert_eq!(ci(&["delete", "grant", "shop-prod", "--yes"]).await?.code, 1);

    let changes = fleet.cli(&["get", "changes", "--subject", "binding/db", "-o", "json"]).await?.json()?;
    let actor = changes["items"][0]["actor"].as_str().unwrap_or_default();
    assert!(actor.starts_with("oidc:ci:"), "{actor}");
    // What is taken away counts at once, while the token is still good.
    fleet.cli(&["delete", "roleassignment", "shop-ci"]).await?;
    let gone = ci(&["get", "bindings"]).await?;
    assert_eq!(gone.code, 1, "{}", gone.stdout);
    Ok(())
}
