//! A cluster that begins anew: nothing of the agent before is good any more, and the new one gets everything.

use anyhow::{Context as _, Result};
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{Hello, JoinRequest};
use lockstep_testbed::fleet::{KV, STORY_LIMIT};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;
use tonic::Code;

use crate::raw::{Raw, joining, request};
use crate::setting::{changes, cluster, register, servers, token_of};

#[tokio::test]
async fn a_cluster_that_rejoins_kills_the_certificates_before_and_delivers_everything_again() -> Result<()> {
    let fleet = servers(2).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    let used = register(&fleet, "built-anew", "env=prod").await?;
    let before = Raw::join(&fleet, &used).await?;
    let mut stream = before.linked(&fleet, 1, Hello::default()).await?;
    assert!(matches!(stream.hear().await?, Some(FromServer::Put(_))));
    let open = token_of(&fleet.cli(&["cluster", "token", "built-anew", "-o", "json"]).await?.json()?)?;

    let connected = fleet.cli_any(&["cluster", "rejoin", "built-anew"]).await?;
    assert!(connected.code == 1 && connected.stderr.contains("is connected, to replica b"), "{}", connected.stderr);
    drop(stream);
    let rejoin = wait::until("the agent's stream to end", STORY_LIMIT, async || {
        fleet.cli(&["cluster", "rejoin", "built-anew", "-o", "json"]).await
    })
    .await?;
    let token = token_of(&rejoin.json()?)?;
    assert_eq!(cluster(&fleet, "built-anew").await?["status"]["state"], "Pending");
    let pending = fleet.await_delivery("built-anew", "db", "Pending").await?;
    assert!(pending["cause"].as_str().unwrap_or_default().contains("no agent has joined"), "{pending}");
    assert_eq!(changes(&fleet, "built-anew").await?[0].0, "ClusterRejoining");

    let dead = async |words: &str| -> Result<()> {
        for replica in 0..2 {
            let refused = before.refused(&fleet, replica).await?;
            assert!(refused.contains(words), "{refused}");
            let renewal = before.renew(&fleet, replica, request(&before.key)?).await.err().context("it was renewed")?;
            assert_eq!(renewal.code(), Code::PermissionDenied);
            // Neither the token that it joined with nor one that nobody has used.
            for token in [&used, &open] {
                let wish = JoinRequest { token: token.clone(), csr_der: request(&before.key)?, cluster: String::new() };
                let join = joining(&fleet, replica).await?.join(wish).await.err().context("an old token was good")?;
                assert_eq!(join.code(), Code::PermissionDenied);
            }
        }
        Ok(())
    };
    dead("is to be joined anew").await?;

    let after = Raw::join(&fleet, &token).await?;
    let mut stream = after.linked(&fleet, 0, Hello::default()).await?;
    let Some(FromServer::Put(put)) = stream.hear().await? else { anyhow::bail!("no content") };
    assert_eq!(put.binding_name, "db");
    dead("another agent installation has joined this cluster since").await
}

#[tokio::test]
async fn a_revoked_cluster_rejoins_also_while_whoever_has_its_key_tries_to_stay() -> Result<()> {
    let fleet = servers(1).await?;
    let token = register(&fleet, "retaken", "env=test").await?;
    let thief = Raw::join(&fleet, &token).await?;
    let mut stream = thief.linked(&fleet, 0, Hello::default()).await?;
    fleet.cli(&["cluster", "revoke", "retaken", "--purge"]).await?;
    assert!(matches!(stream.hear().await?, Some(FromServer::Drain(_))));
    // It never confirms.
    let stays = Hello { inventory: vec![], ..Hello::default() };
    let token = token_of(&fleet.cli(&["cluster", "rejoin", "retaken", "-o", "json"]).await?.json()?)?;
    assert!(thief.link(&fleet, 0, stays).await?.hear().await.is_err());
    let owner = Raw::join(&fleet, &token).await?;
    owner.linked(&fleet, 0, Hello::default()).await?;
    assert_eq!(cluster(&fleet, "retaken").await?["status"]["state"], "Active");
    assert_eq!(thief.refused(&fleet, 0).await?, "another agent installation has joined this cluster since");
    Ok(())
}
