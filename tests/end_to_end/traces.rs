//! One version's way, as whoever collects traces sees it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use lockstep_tests::otlp::{Received, Receiver};
use serde_json::json;

const CANARY: &str = "canary-in-no-span";
const CLUSTERS: [&str; 2] = ["cluster-1", "cluster-2"];

/// The spans of the version that was written last, by name and cluster.
fn of_last_version(spans: &[Received]) -> Result<BTreeMap<(String, Option<String>), Received>> {
    let last = spans.iter().filter(|r| r.span.name == "version.observed").max_by_key(|r| r.span.end_time_unix_nano);
    let trace = &last.context("no version was observed")?.span.trace_id;
    let of_trace = spans.iter().filter(|r| r.span.trace_id == *trace);
    Ok(of_trace.map(|r| ((r.span.name.clone(), r.attribute("lockstep.cluster")), r.clone())).collect())
}

#[tokio::test]
async fn one_trace_leads_from_the_observation_over_the_stream_to_each_clusters_confirmation() -> Result<()> {
    let receiver = Receiver::start().await?;
    let otlp = Some(receiver.endpoint());
    let fleet = Fleet::start(Settings { replicas: 2, clusters: CLUSTERS.len(), otlp, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": CANARY })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_deliveries("InSync", CLUSTERS.len(), STORY_LIMIT).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": format!("{CANARY}-too") })).await?;
    for cluster in CLUSTERS {
        fleet.await_file(cluster, "db", "password", Some(&format!("{CANARY}-too"))).await?;
    }

    let mut wanted = BTreeSet::from([("version.observed".to_owned(), None), ("version.committed".to_owned(), None)]);
    for name in ["delivery.sent", "delivery.applied", "delivery.confirmed"] {
        wanted.extend(CLUSTERS.map(|cluster| (name.to_owned(), Some(cluster.to_owned()))));
    }
    let trace = wait::until("every span of the second version", STORY_LIMIT, async || {
        let trace = of_last_version(&receiver.spans())?;
        let seen: BTreeSet<_> = trace.keys().cloned().collect();
        ensure!(seen == wanted, "{seen:?}");
        anyhow::Ok(trace)
    })
    .await?;
    let root = &trace[&("version.observed".to_owned(), None)].span;
    assert!(root.parent_span_id.is_empty());
    let mut ids = BTreeSet::new();
    for ((name, cluster), Received { service, span }) in &trace {
        let from = if name == "delivery.applied" { "lockstep-agent" } else { "lockstep-server" };
        assert_eq!(service, from, "{name}");
        assert!(ids.insert(span.span_id.clone()), "{name} of {cluster:?} has another one's id");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano && span.status.is_none(), "{span:?}");
        if name != "version.observed" {
            assert_eq!(span.parent_span_id, root.span_id, "{name}");
        }
    }
    let recorded = fleet.cli(&["get", "changes", "-o", "json"]).await?.json()?.to_string();
    let id: String = hex::encode(&root.trace_id);
    assert!(recorded.contains(&id), "the history tells of the same trace");
    for secret in [CANARY, "shop/db"] {
        assert!(!receiver.text().contains(secret), "{secret} was exported");
    }
    Ok(())
}
