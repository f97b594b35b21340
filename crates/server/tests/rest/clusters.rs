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
        ("Revoked", true, "pause", Err("lockstep cluster rejoin eu-1")),
        ("Revoked", true, "resume", Err("lockstep cluster rejoin eu-1")),
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
async fn revoking_denies_everything_takes_tokens_back_and_is_repeated_without_effect() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    api.post("/v1/clusters/eu-1/join-tokens", None).await?.ok();
    api.sql("update cluster set state = 'Active', instance_id = gen_random_uuid() where name = 'eu-1'").await?;
    let seq = api.seq().await?;
    let tried = api.post("/v1/clusters/eu-1/revoke?dryRun=All&purge=true", None).await?.ok();
    assert_eq!((tried.header("lockstep-result"), tried.header("lockstep-placements-changed")), ("configured", "1"));
    assert_eq!(tried.body["status"]["conditions"][1]["type"], "Purged");
    assert_eq!(api.seq().await?, seq, "that was a dry run");

    for (path, result, conditions) in [
        ("/v1/clusters/eu-1/revoke", "configured", 1),
        ("/v1/clusters/eu-1/revoke", "unchanged", 1),
        ("/v1/clusters/eu-1/revoke?purge=true", "configured", 2),
        ("/v1/clusters/eu-1/revoke?purge=true", "unchanged", 2),
        // Nobody takes it back.
        ("/v1/clusters/eu-1/revoke?purge=false", "unchanged", 2),
    ] {
        let answer = api.post(path, None).await?.ok();
        assert_eq!((answer.header("lockstep-result"), &answer.body["status"]["state"]), (result, &json!("Revoked")), "{path}");
        assert_eq!(answer.body["status"]["conditions"].as_array().unwrap().len(), conditions, "{path}: {}", answer.text);
    }
    assert_eq!(api.seq().await?, seq + 2);
    assert_eq!(api.post("/v1/clusters/eu-1/revoke?purge=perhaps", None).await?.code(), "invalid-query");
    assert_eq!(api.post("/v1/clusters/none/revoke", None).await?.code(), "not-found");
    let placements = api.get("/v1/placements?cluster=eu-1").await?.ok().body;
    assert_eq!(
        (&placements["items"][0]["answer"], &placements["items"][0]["reason"]),
        (&json!("Denied"), &json!("the cluster is revoked"))
    );
    assert_eq!(api.get("/v1/placements?cluster=eu-2").await?.ok().body["items"][0]["answer"], "Placed");
    let changes = api.get("/v1/changes?subject=cluster/eu-1&limit=2").await?.ok().body;
    assert_eq!(
        [&changes["items"][1]["detail"], &changes["items"][0]["detail"]],
        [
            &json!({"from": "Active", "purge": false, "joinTokensRevoked": 1, "placementsChanged": 1}),
            &json!({"from": "Revoked", "purge": true, "joinTokensRevoked": 0, "placementsChanged": 0}),
        ]
    );
    // Nobody would be let in to give anything up.
    let removed = api.delete("/v1/clusters/eu-1").await?;
    assert!(removed.code() == "wrong-state" && removed.text.contains("--force"), "{}", removed.text);
    api.delete("/v1/clusters/eu-1?force=true").await?.ok();
    Ok(())
}

#[tokio::test]
async fn rejoining_leaves_nothing_of_the_agent_before_and_keeps_a_pause() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    for (state, want) in [("Pending", "Pending"), ("Active", "Pending"), ("Paused", "Paused"), ("Revoked", "Pending")] {
        api.sql(&format!(
            "update cluster set state = '{state}', instance_id = gen_random_uuid(), purge = 'Asked' where name = 'eu-1'"
        ))
        .await?;
        api.sql(
            "insert into agent_certificate (instance_id, cluster_id, public_key, serial, not_after) \
             select instance_id, id, '\\x00', '01', now() from cluster where name = 'eu-1'",
        )
        .await?;
        api.sql(
            "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest) \
             select binding_id, cluster_id, 1, p.seq, 'Applied', now(), 1, p.seq, 'k', '\\x00' from placement p \
             join cluster c on c.id = p.cluster_id where c.name = 'eu-1'",
        )
        .await?;
        let answer = api.post("/v1/clusters/eu-1/rejoin", Some(&json!({"ttlSeconds": 60}))).await?;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"), "{state}: {}", answer.text);
        assert!(answer.body["token"].as_str().unwrap().starts_with("lsjt_"), "{state}");
        let now = api.get("/v1/clusters/eu-1").await?.ok().body;
        assert_eq!(now["status"]["state"], want, "{state}");
        assert_eq!(api.sql("update agent_certificate set serial = serial").await?, 0, "{state}");
        assert_eq!(api.sql("update delivery set seq = seq").await?, 0, "{state}");
        assert_eq!(
            api.sql("update cluster set seq = seq where instance_id is not null or purge <> 'NotAsked'").await?,
            0,
            "{state}"
        );
        assert_eq!(
            api.sql("update join_token set expires_at = expires_at where revoked_at is null").await?,
            1,
            "{state}: the new one"
        );
        assert_eq!(api.get("/v1/placements?cluster=eu-1").await?.ok().body["items"][0]["answer"], "Placed", "{state}");
        let change = api.get("/v1/changes?limit=1").await?.ok().body["items"][0].clone();
        assert_eq!(
            (&change["kind"], &change["detail"]["from"], &change["detail"]["to"]),
            (&json!("ClusterRejoining"), &json!(state), &json!(want))
        );
    }
    assert_eq!(api.post("/v1/clusters/eu-1/rejoin", Some(&json!({"ttlSeconds": 0}))).await?.code(), "invalid-manifest");
    api.sql("update cluster set state = 'Active', instance_id = gen_random_uuid() where name = 'eu-1'").await?;
    api.sql(
        "insert into session (cluster_id, id, replica, instance_id, lease_term, agent_version, certificate_not_after) \
         select id, gen_random_uuid(), 'replica-7', instance_id, 1, '0.1.0', now() from cluster where name = 'eu-1'",
    )
    .await?;
    let connected = api.post("/v1/clusters/eu-1/rejoin", None).await?;
    assert!(connected.code() == "wrong-state" && connected.text.contains("lockstep cluster revoke eu-1"), "{}", connected.text);
    api.sql("update cluster set state = 'Revoked'").await?;
    api.post("/v1/clusters/eu-1/rejoin", None).await?.ok();
    assert_eq!(api.sql("update session set replica = replica").await?, 0, "its stream is nobody's");
    api.sql("update cluster set state = 'Removing'").await?;
    assert_eq!(api.post("/v1/clusters/eu-1/rejoin", None).await?.code(), "wrong-state");
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
