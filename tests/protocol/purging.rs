//! Revoked, and asked to remove what was delivered: that, and nothing else.

use anyhow::{Context as _, Result};
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{Ack, CertificateRequest, Delete, Digest, Held, Hello, Need, Reject, Revision, reject};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::KV;
use serde_json::json;
use uuid::Uuid;

use crate::raw::{Raw, Stream, key, request};
use crate::setting::{binding_id, changes, cluster, joined, servers};

/// What an agent says it has of a binding.
fn held(binding: Uuid) -> Held {
    let digest = Digest { key: "unknown".to_owned(), hmac: vec![1; 32] };
    Held { binding: binding.as_bytes().to_vec(), revision: Some(Revision { epoch: 1, seq: 1 }), digest: Some(digest) }
}

async fn deletion(stream: &mut Stream) -> Result<Delete> {
    match stream.hear().await? {
        Some(FromServer::Delete(delete)) if delete.purge => Ok(delete),
        other => anyhow::bail!("no deletion but {other:?}"),
    }
}

async fn ack(stream: &Stream, delete: &Delete) -> Result<()> {
    let ack = Ack { binding: delete.binding.clone(), revision: delete.revision, ..Ack::default() };
    stream.say(FromAgent::Ack(ack)).await
}

async fn purged(fleet: &Fleet, name: &str) -> Result<(String, String)> {
    let status = cluster(fleet, name).await?["status"].clone();
    let condition = status["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Purged").cloned();
    let condition = condition.with_context(|| format!("no condition Purged: {status}"))?;
    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    Ok((text("status"), text("message")))
}

/// A cluster with a binding whose content its agent has confirmed.
async fn delivered(fleet: &Fleet, name: &str) -> Result<(Raw, Stream)> {
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    let raw = joined(fleet, name, "env=prod").await?;
    let mut stream = raw.linked(fleet, 1, Hello::default()).await?;
    let Some(FromServer::Put(put)) = stream.hear().await? else { anyhow::bail!("no content") };
    let Put { binding, revision, digest } = Put { binding: put.binding, revision: put.revision, digest: put.digest };
    let ack = Ack { binding, revision, digest, targets_applied: 1, targets_total: 1, ..Ack::default() };
    stream.say(FromAgent::Ack(ack)).await?;
    fleet.await_delivery(name, "db", "InSync").await?;
    Ok((raw, stream))
}

/// Of a message, what an agent answers with.
struct Put {
    binding: Vec<u8>,
    revision: Option<Revision>,
    digest: Option<Digest>,
}

#[tokio::test]
async fn a_purged_cluster_s_agent_is_asked_for_all_it_has_and_given_nothing_and_cut_when_it_confirmed() -> Result<()> {
    let fleet = servers(2).await?;
    let (raw, mut stream) = delivered(&fleet, "lost").await?;
    let (db, unknown) = (binding_id(&fleet, "db").await?, Uuid::new_v4());

    fleet.cli(&["cluster", "revoke", "lost", "--purge"]).await?;
    let drained = stream.hear().await?;
    assert!(
        matches!(&drained, Some(FromServer::Drain(drain)) if drain.reason.contains("remove what was delivered")),
        "{drained:?}"
    );
    let (status, message) = purged(&fleet, "lost").await?;
    assert!(status == "False" && message.contains("of 1 binding,"), "{message}");
    // From here on a new version is nothing to this cluster.
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_secret("shop/db", "Live", 2).await?;

    // What it says it has, known or not, is to go; and what it had confirmed, where it does not say so.
    let mut stream = raw.linked(&fleet, 0, Hello { inventory: vec![held(unknown)], ..Hello::default() }).await?;
    stream.say(FromAgent::Need(Need { bindings: vec![db.as_bytes().to_vec()] })).await?;
    stream.say(FromAgent::CertificateRequest(CertificateRequest { csr_der: request(&key()?)? })).await?;
    let (mut asked, mut refused) = (Vec::new(), None);
    while asked.len() < 2 || refused.is_none() {
        match stream.hear().await? {
            Some(FromServer::Delete(delete)) if delete.purge => asked.push(delete),
            Some(FromServer::Certificate(answer)) => refused = Some(answer),
            other => anyhow::bail!("{other:?}"),
        }
    }
    let refused = refused.context("no answer")?;
    assert!(refused.chain_der.is_empty() && refused.refused.contains("revoked"), "{refused:?}");
    let mut ids: Vec<_> = asked.iter().map(|delete| delete.binding.clone()).collect();
    ids.sort();
    let mut want = [db, unknown].map(|id| id.as_bytes().to_vec());
    want.sort();
    assert_eq!(ids, want);

    // It cannot remove one yet: it is asked again, and everybody sees why.
    let of_db = asked.iter().find(|delete| delete.binding == db.as_bytes()).context("the deletion of db")?;
    let cause = "the API server is away".to_owned();
    let reject = Reject {
        binding: of_db.binding.clone(),
        revision: of_db.revision,
        kind: reject::Kind::Failed.into(),
        cause,
        ..Reject::default()
    };
    stream.say(FromAgent::Reject(reject)).await?;
    let again = deletion(&mut stream).await?;
    assert_eq!(again.binding, db.as_bytes());
    let (status, message) = purged(&fleet, "lost").await?;
    assert!(status == "False" && message.contains("\"db\": the API server is away"), "{message}");

    // It goes away, and has removed one of them meanwhile.
    let of_unknown = asked.iter().find(|delete| delete.binding == unknown.as_bytes()).context("the other deletion")?;
    ack(&stream, of_unknown).await?;
    drop(stream);
    let mut stream = raw.linked(&fleet, 1, Hello::default()).await?;
    let last = deletion(&mut stream).await?;
    assert_eq!(last.binding, db.as_bytes(), "only what is left");
    ack(&stream, &last).await?;
    let told = stream.hear().await?;
    assert!(matches!(&told, Some(FromServer::Revoked(revoked)) if revoked.reason.contains("removed")), "{told:?}");
    assert!(stream.hear().await.map_or(true, |more| more.is_none()), "the stream has ended");

    for replica in 0..2 {
        assert_eq!(raw.refused(&fleet, replica).await?, "this cluster is revoked");
    }
    assert_eq!(purged(&fleet, "lost").await?.0, "True");
    fleet.cli(&["wait", "--for=condition=Purged", "cluster/lost", "--timeout", "5s"]).await?;
    let kinds: Vec<_> = changes(&fleet, "lost").await?.into_iter().map(|(kind, _)| kind).take(2).collect();
    assert_eq!(kinds, ["ClusterPurged", "ClusterRevoked"]);
    Ok(())
}

#[tokio::test]
async fn a_purge_may_be_asked_after_the_revocation_and_of_a_held_cluster_nothing_is_removed() -> Result<()> {
    let fleet = servers(2).await?;
    let (raw, mut stream) = delivered(&fleet, "late").await?;
    fleet.cli(&["cluster", "revoke", "late"]).await?;
    assert!(matches!(stream.hear().await?, Some(FromServer::Revoked(_))));
    assert_eq!(raw.refused(&fleet, 0).await?, "this cluster is revoked");

    fleet.cli(&["cluster", "revoke", "late", "--purge"]).await?;
    // It has seen a history that this registry does not have: a backup may say what was asked long ago.
    let floor = lockstep_proto::v1::Mark { epoch: 1, seq: 1_000, hash: vec![7; 32] };
    let mut stream = raw.link(&fleet, 0, Hello { floor: Some(floor), ..Hello::default() }).await?;
    let refused = stream.hear().await.err().context("it was let in")?;
    assert!(format!("{refused:#}").contains("nothing is removed while the cluster is held"), "{refused:#}");
    fleet.cli(&["epoch", "open", "--reason", "test"]).await?;
    let mut stream = raw.linked(&fleet, 0, Hello::default()).await?;
    let delete = deletion(&mut stream).await?;
    ack(&stream, &delete).await?;
    assert!(matches!(stream.hear().await?, Some(FromServer::Revoked(_))));
    Ok(())
}
