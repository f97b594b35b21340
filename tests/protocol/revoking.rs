//! Revoked: the stream ends everywhere, and nothing of the certificate is good any more.

use std::time::Instant;

use anyhow::{Context as _, Result};
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{Hello, JoinRequest};
use tonic::Code;

use crate::raw::{Raw, joining, key, request};
use crate::setting::{changes, cluster, joined, register, registry, servers, token_of};

/// On this replica; the one that is told is the first.
const OTHER: usize = 1;

#[tokio::test]
async fn a_revoked_cluster_s_stream_ends_on_the_other_replica_and_its_certificate_opens_none() -> Result<()> {
    let fleet = servers(2).await?;
    let raw = joined(&fleet, "stolen", "env=test").await?;
    let open = token_of(&fleet.cli(&["cluster", "token", "stolen", "-o", "json"]).await?.json()?)?;
    let mut stream = raw.linked(&fleet, OTHER, Hello::default()).await?;

    let tried = fleet.replicas[0].rest_url();
    assert!(tried.starts_with("https://"));
    let asked = Instant::now();
    let (revoked, told) = tokio::try_join!(fleet.cli(&["cluster", "revoke", "stolen"]), async {
        let told = stream.hear().await?;
        anyhow::Ok((told, asked.elapsed()))
    })?;
    assert_eq!(revoked.stdout, "cluster/stolen revoked\n");
    let (told, took) = told;
    assert!(matches!(&told, Some(FromServer::Revoked(revoked)) if revoked.reason.contains("revoked")), "{told:?}");
    assert!(stream.hear().await.map_or(true, |more| more.is_none()), "the stream has ended");
    println!("revoked on replica a, the stream on replica b ended {took:?} after the command was started");

    for replica in [0, OTHER] {
        assert_eq!(raw.refused(&fleet, replica).await?, "this cluster is revoked");
        let renewal = raw.renew(&fleet, replica, request(&raw.key)?).await.err().context("it was renewed")?;
        assert_eq!(renewal.code(), Code::PermissionDenied);
        let wish = JoinRequest { token: open.clone(), csr_der: request(&key()?)?, cluster: String::new() };
        let join = joining(&fleet, replica).await?.join(wish).await.err().context("an open token was good")?;
        assert_eq!(join.code(), Code::PermissionDenied);
    }
    let status = cluster(&fleet, "stolen").await?["status"].clone();
    assert_eq!((&status["state"], &status["agent"]), (&"Revoked".into(), &serde_json::Value::Null), "{status}");
    let changes = changes(&fleet, "stolen").await?;
    let (kind, detail) = changes.iter().find(|(kind, _)| kind == "ClusterRevoked").context("it is not in the history")?;
    assert_eq!((kind.as_str(), &detail["joinTokensRevoked"], &detail["purge"]), ("ClusterRevoked", &1.into(), &false.into()));
    let again = fleet.cli_any(&["cluster", "token", "stolen"]).await?;
    assert!(again.code == 1 && again.stderr.contains("lockstep cluster rejoin stolen"), "{}", again.stderr);
    Ok(())
}

#[tokio::test]
async fn a_revocation_that_nobody_was_notified_of_costs_time_only() -> Result<()> {
    let fleet = servers(1).await?;
    let raw = joined(&fleet, "quiet", "env=test").await?;
    let mut stream = raw.linked(&fleet, 0, Hello::default()).await?;
    let done = Instant::now();
    // Past everything that notifies.
    sqlx::query("update cluster set state = 'Revoked'").execute(&mut registry(&fleet).await?).await?;
    let told = stream.hear().await?;
    assert!(matches!(told, Some(FromServer::Revoked(_))), "{told:?}");
    println!("without a notification the stream ended after {:?}", done.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_never_joined_may_be_revoked_and_its_token_with_it() -> Result<()> {
    let fleet = servers(1).await?;
    let token = register(&fleet, "unborn", "env=test").await?;
    fleet.cli(&["cluster", "revoke", "unborn", "--purge"]).await?;
    assert!(Raw::join(&fleet, &token).await.is_err());
    let removed = fleet.cli_any(&["cluster", "remove", "unborn"]).await?;
    assert!(removed.code == 1 && removed.stderr.contains("lockstep cluster remove unborn --force"), "{}", removed.stderr);
    fleet.cli(&["cluster", "remove", "unborn", "--force"]).await.map(drop)
}
