//! An agent that names what is another cluster's, in every field that could.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::{Ack, CertificateRequest, Digest, Held, Hello, Need, Reject, Report, RestartReport, Revision, reject};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};
use tonic::Code;

use crate::raw::{key, request};
use crate::setting::{binding_id, changes, cluster, joined, registry};

/// All that the registry keeps of what a cluster's agent did.
async fn evidence(fleet: &Fleet, cluster: &str) -> Result<Vec<String>> {
    let rows =
        "select to_jsonb(d)::text from delivery d join cluster c on c.id = d.cluster_id where c.name = $1 order by binding_id";
    Ok(sqlx::query_scalar(rows).bind(cluster).fetch_all(&mut registry(fleet).await?).await?)
}

#[tokio::test]
async fn an_agent_that_names_another_cluster_s_bindings_in_every_message_changes_nothing_there_and_is_counted() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_delivery("cluster-1", "db", "InSync").await?;
    let before = evidence(&fleet, "cluster-1").await?;
    assert_eq!(before.len(), 1);

    let a = joined(&fleet, "cluster-a", "env=dev").await?;
    let binding = binding_id(&fleet, "db").await?.as_bytes().to_vec();
    let revision = Some(Revision { epoch: 1, seq: 2 });
    let digest = Some(Digest { key: "k".to_owned(), hmac: vec![1; 32] });
    let held = Held { binding: binding.clone(), revision, digest: digest.clone() };
    let mut stream = a.linked(&fleet, 0, Hello { inventory: vec![held], ..Hello::default() }).await?;
    let restarts = RestartReport { binding: binding.clone(), revision, restarted: 9, total: 9, ..RestartReport::default() };
    let rejected = Reject {
        binding: binding.clone(),
        revision,
        kind: reject::Kind::Conflict.into(),
        cause: "mine".to_owned(),
        ..Reject::default()
    };
    for message in [
        FromAgent::Report(Report { drifted: vec![binding.clone()], restarts: vec![restarts] }),
        FromAgent::Reject(rejected),
        FromAgent::Need(Need { bindings: vec![binding.clone()] }),
        FromAgent::Ack(Ack {
            binding: binding.clone(),
            revision,
            digest,
            targets_applied: 7,
            targets_total: 7,
            ..Ack::default()
        }),
        // Given up, as if it were its own to give.
        FromAgent::Ack(Ack { binding: binding.clone(), revision, ..Ack::default() }),
    ] {
        stream.say(message).await?;
    }
    wait::until("its answers to be counted", STORY_LIMIT, async || {
        for (outcome, want) in [("late", 2.0), ("rejected", 1.0)] {
            let series = format!("lockstep_deliveries_answered_total{{cluster=\"cluster-a\",outcome=\"{outcome}\"}}");
            let count = fleet.replicas[0].metric(&series).await?;
            ensure!(count == Some(want), "{outcome}: {count:?}");
        }
        anyhow::Ok(())
    })
    .await?;
    wait::until("what it says it has to be shown", STORY_LIMIT, async || {
        let status = cluster(&fleet, "cluster-a").await?["status"].clone();
        ensure!(status["unknownBindings"] == 1, "{status}");
        anyhow::Ok(())
    })
    .await?;
    // Reports are written in their order, so what it said is behind what follows: a new version, confirmed.
    assert_eq!(evidence(&fleet, "cluster-a").await?, Vec::<String>::new());
    assert_eq!(evidence(&fleet, "cluster-1").await?, before, "what is known of the other cluster is as it was");
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "two" })).await?;
    fleet.await_file("cluster-1", "db", "password", Some("two")).await?;
    let delivery = fleet.await_delivery("cluster-1", "db", "InSync").await?;
    assert_eq!((&delivery["targetsApplied"], &delivery["driftedTotal"]), (&1.into(), &0.into()), "{delivery}");
    assert_eq!(evidence(&fleet, "cluster-a").await?, Vec::<String>::new());

    // A certificate says who asks. The other cluster's is no secret: shown with a key of one's own it renews nothing.
    let identity: Value = serde_json::from_slice(&std::fs::read(fleet.agents[0].state().join("identity.json"))?)?;
    let other = STANDARD.decode(identity["chain"][0].as_str().context("a certificate")?)?;
    let refused = a.renew_of(&fleet, 0, request(&a.key)?, other).await.err().context("it was renewed")?;
    assert_eq!(refused.code(), Code::PermissionDenied);
    stream.say(FromAgent::CertificateRequest(CertificateRequest { csr_der: request(&key()?)? })).await?;
    assert!(stream.hear().await?.is_some(), "its own stream goes on");
    assert_eq!(changes(&fleet, "cluster-1").await?[0].0, "ClusterJoined", "nothing happened to the other cluster");
    Ok(())
}
