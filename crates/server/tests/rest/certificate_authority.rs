//! What is shown of the CA.

use anyhow::Result;
use lockstep_testbed::OpenBao;
use serde_json::json;

use crate::fixture::{Api, cluster};

#[tokio::test]
async fn roots_are_shown_with_who_trusts_them_and_agents_that_cannot_come_are_not_counted() -> Result<()> {
    let api = Api::start().await?;
    let shown = api.get("/v1/certificateauthority").await?.ok().body;
    assert_eq!((&shown["phase"], &shown["agents"]), (&json!("Steady"), &json!(0)), "{shown}");
    let root = &shown["roots"][0];
    let pin = api.app.authority.pin()?;
    assert_eq!((&root["key"], &root["role"], root.get("ready")), (&json!(pin), &json!("Signs"), None), "{shown}");

    let key = pin.trim_start_matches("sha256:");
    for (n, name) in ["knows", "silent", "lost", "revoked"].into_iter().enumerate() {
        api.apply(&cluster(name, "prod")).await?;
        let id = format!("00000000-0000-0000-0000-00000000000{n}");
        api.sql(&format!("update cluster set instance_id = '{id}', state = 'Active' where name = '{name}'")).await?;
        let (roots, end) = match name {
            "silent" => ("null".to_owned(), "now()"),
            "lost" => ("null".to_owned(), "now() - interval '31 days'"),
            _ => (format!("array[decode('{key}', 'hex')]"), "now()"),
        };
        api.sql(&format!(
            "insert into agent_certificate (instance_id, cluster_id, public_key, serial, not_after, root, roots) \
             select '{id}', id, '', '', {end}, decode('{key}', 'hex'), {roots} from cluster where name = '{name}'"
        ))
        .await?;
    }
    api.sql("update cluster set state = 'Revoked' where name = 'revoked'").await?;
    let shown = api.get("/v1/certificateauthority").await?.ok().body;
    assert_eq!(shown["agents"], 2, "{shown}");
    assert_eq!(shown["roots"][0]["trustedBy"]["agents"], 1, "{shown}");
    assert_eq!(shown["roots"][0]["certificates"]["agents"], 2, "{shown}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_or_is_empty_changes_nothing() -> Result<()> {
    let api = Api::start().await?;
    let (bao, mount) = (OpenBao::shared().await?, api.app.config.home_vault.pki_mount.clone());
    let before = api.app.authority.trust();
    bao.request("DELETE", &format!("sys/mounts/{mount}"), None).await?;
    assert!(api.app.authority.look().await.is_err(), "there is no such mount");
    bao.enable_engine(&mount, "pki").await?;
    assert!(api.app.authority.look().await.is_err(), "it has no issuer");
    assert!(api.app.authority.look().await.is_err(), "not even the second time");
    assert_eq!(api.app.authority.trust(), before);
    Ok(())
}
