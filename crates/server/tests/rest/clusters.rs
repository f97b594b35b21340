use anyhow::Result;
use serde_json::json;

use crate::fixture::{Api, binding, cluster};

#[tokio::test]
async fn pausing_and_resuming_move_between_the_states_they_may() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    for (state, joined, call, want) in [
        ("Pending", false, "pause", Ok(("configured", "Paused"))),
        ("Paused", false, "resume", Ok(("configured", "Pending"))),
        ("Active", true, "pause", Ok(("configured", "Paused"))),
        ("Paused", true, "resume", Ok(("configured", "Active"))),
        ("Paused", true, "pause", Ok(("unchanged", "Paused"))),
        ("Active", true, "resume", Ok(("unchanged", "Active"))),
        ("Revoked", true, "pause", Err("register it anew")),
        ("Revoked", true, "resume", Err("register it anew")),
        ("Removing", true, "pause", Err("lockstep wait --for=delete cluster/eu-1")),
        ("Removing", true, "resume", Err("lockstep wait --for=delete cluster/eu-1")),
    ] {
        let instance = if joined { "gen_random_uuid()" } else { "null" };
        api.sql(&format!("update cluster set state = '{state}', instance_id = {instance} where name = 'eu-1'")).await?;
        let seq = api.seq().await?;
        let answer = api.post(&format!("/v1/clusters/eu-1/{call}"), None).await?;
        match want {
            Ok((result, now)) => {
                assert_eq!((answer.status.as_u16(), answer.header("lockstep-result")), (200, result), "{state} {call}");
                assert_eq!(answer.body["status"]["state"], now, "{state} {call}");
                assert_eq!(api.seq().await?, seq + u64::from(result == "configured"), "{state} {call}");
            }
            Err(advice) => {
                assert_eq!((answer.status.as_u16(), answer.code()), (409, "wrong-state"), "{state} {call}");
                assert!(answer.text.contains(advice), "{}", answer.text);
                assert_eq!(api.seq().await?, seq);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn applying_a_manifest_never_resumes_what_was_paused() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster("eu-1", "prod")).await?;
    api.post("/v1/clusters/eu-1/pause", None).await?.ok();
    assert_eq!(api.apply(&cluster("eu-1", "dev")).await?.body["status"]["state"], "Paused");
    Ok(())
}

#[tokio::test]
async fn deleting_a_cluster_takes_its_placements_back_and_may_be_repeated() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let seq = api.seq().await?;
    let first = api.delete("/v1/clusters/eu-1").await?.ok();
    assert_eq!(first.body["status"]["state"], "Removing");
    let placements = api.get("/v1/placements?cluster=eu-1").await?.ok().body;
    assert_eq!((&placements["items"][0]["answer"], &placements["items"][0]["seq"]), (&json!("Removed"), &json!(seq + 1)));
    let second = api.delete("/v1/clusters/eu-1").await?.ok();
    assert_eq!((second.header("etag"), api.seq().await?), (first.header("etag"), seq + 1));

    // Neither a changed nor an equal manifest brings it back, and the other cluster keeps what it has.
    for env in ["prod", "dev"] {
        assert_eq!(api.put("/v1/clusters/eu-1", &cluster("eu-1", env)).await?.code(), "wrong-state", "{env}");
    }
    assert_eq!(api.get("/v1/bindings/checkout-db").await?.ok().body["status"]["clusters"], 1);
    assert_eq!(api.get("/v1/placements?cluster=eu-2").await?.ok().body["items"][0]["answer"], "Placed");
    Ok(())
}

#[tokio::test]
async fn a_cluster_whose_agent_is_gone_for_good_is_forgotten_with_all_that_waited_for_it() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    api.sql("update cluster set state = 'Active', instance_id = gen_random_uuid()").await?;
    api.sql(
        "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest) \
         select binding_id, cluster_id, 1, seq, 'Applied', now(), 1, seq, 'k', '\\x00' from placement where answer = 'Placed'",
    )
    .await?;
    api.sql(
        "insert into agent_certificate (instance_id, cluster_id, public_key, serial, not_after) \
         select instance_id, id, '\\x00', '01', now() from cluster where name = 'eu-1'",
    )
    .await?;
    api.sql(
        "insert into session (cluster_id, id, replica, instance_id, lease_term, agent_version, certificate_not_after) \
         select id, gen_random_uuid(), 'replica-7', instance_id, 1, '0.1.0', now() from cluster where name = 'eu-1'",
    )
    .await?;
    let seq = api.seq().await?;
    let connected = api.delete("/v1/clusters/eu-1?force=true").await?;
    assert_eq!(connected.code(), "wrong-state", "{}", connected.text);
    assert!(connected.text.contains("replica-7"), "{}", connected.text);
    api.sql("delete from session").await?;
    assert_eq!(api.delete("/v1/clusters/eu-1?force=true&secrets=Purge").await?.code(), "invalid-query");
    api.delete("/v1/clusters/eu-1?force=true&dryRun=All").await?.ok();
    assert_eq!(api.seq().await?, seq, "none of these did anything");

    // Its removal waits for its agent, and so does a deleted binding that it has.
    api.delete("/v1/clusters/eu-1").await?.ok();
    api.delete("/v1/clusters/eu-2?force=true").await?.ok();
    api.delete("/v1/bindings/checkout-db").await?.ok();
    api.get("/v1/clusters/eu-1").await?.ok();
    let forgotten = api.delete("/v1/clusters/eu-1?force=true").await?.ok();
    assert_eq!(forgotten.body["metadata"]["name"], "eu-1", "as it was");
    assert_eq!(api.get("/v1/clusters/eu-1").await?.code(), "not-found");
    let change = api.get("/v1/changes?subject=cluster/eu-1").await?.ok().body["items"][0].clone();
    assert_eq!((&change["kind"], &change["detail"]["bindings"]), (&json!("ClusterForgotten"), &json!(["checkout-db"])));
    for (table, want) in [("agent_certificate", 0), ("placement", 0), ("binding", 0)] {
        // An update that changes nothing tells how many rows there are.
        let column = if table == "agent_certificate" { "serial" } else { "seq" };
        assert_eq!(api.sql(&format!("update {table} set {column} = {column}")).await?, want, "{table}");
    }
    api.apply(&cluster("eu-1", "prod")).await?;
    Ok(())
}

#[tokio::test]
async fn labels_decide_where_a_binding_goes() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let new = api.apply(&cluster("us-1", "prod")).await?;
    assert_eq!((new.header("lockstep-placements-changed"), &new.body["status"]["deliveries"]), ("1", &json!({"Pending": 1})));
    let moved = api.apply(&cluster("us-1", "dev")).await?;
    assert_eq!((moved.header("lockstep-placements-changed"), &moved.body["status"]["deliveries"]), ("1", &json!({})));
    let mut annotated = cluster("us-1", "dev");
    annotated["metadata"]["annotations"] = json!({"a": "b"});
    let annotated = api.apply(&annotated).await?;
    assert_eq!((annotated.header("lockstep-result"), annotated.header("lockstep-placements-changed")), ("configured", "0"));
    Ok(())
}

#[tokio::test]
async fn a_status_shows_the_agent_and_why_a_cluster_is_not_ready() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster("eu-1", "prod")).await?;
    api.apply(&cluster("eu-2", "prod")).await?;
    let ready = async |want: &str| -> Result<()> {
        for path in ["/v1/clusters/eu-1", "/v1/clusters"] {
            let body = api.get(path).await?.ok().body;
            let status = if path.ends_with('s') { &body["items"][0]["status"] } else { &body["status"] };
            assert_eq!(status["conditions"][0]["reason"], want, "{path}");
            assert_eq!(status["agent"]["replica"].as_str(), (want == "Connected").then_some("replica-7"), "{path}");
        }
        Ok(())
    };
    ready("NotJoined").await?;
    api.sql("update cluster set state = 'Active', instance_id = gen_random_uuid()").await?;
    ready("AgentDisconnected").await?;
    api.sql(
        "insert into session (cluster_id, id, replica, instance_id, lease_term, agent_version, certificate_not_after) \
         select id, gen_random_uuid(), 'replica-7', instance_id, 1, '0.1.0', now() from cluster where name = 'eu-1'",
    )
    .await?;
    ready("Connected").await?;
    Ok(())
}
