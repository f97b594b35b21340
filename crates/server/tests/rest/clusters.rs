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
