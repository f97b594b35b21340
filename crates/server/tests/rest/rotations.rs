//! Rotations over REST. Nothing runs them here: that is `tests/rotation`.

use std::sync::Arc;

use anyhow::Result;
use lockstep_core::digest::{DigestKeyId, RootKey};
use lockstep_server::rotate::Rotator;
use lockstep_testbed::OpenBao;
use serde_json::json;

use crate::fixture::{Api, binding, grant, project, rotation};

async fn furnished() -> Result<Api> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.furnish_rotations().await?;
    Ok(api)
}

#[tokio::test]
async fn a_rotation_reads_back_with_its_defaults_and_says_when_it_is_due() -> Result<()> {
    let api = furnished().await?;
    let written = api.apply(&rotation("token")).await?;
    assert_eq!(written.header("lockstep-result"), "created");
    let read = api.get("/v1/rotations/token").await?.ok().body;
    assert_eq!(read["spec"]["confirm"]["onDeadline"], "Hold");
    assert_eq!(read["spec"]["confirm"]["deadline"], "30m");
    let due = read["status"]["nextDueAt"].as_str().unwrap_or_default();
    assert!(due.ends_with("T03:00:00Z"), "{due}");
    assert_eq!(read["status"]["conditions"][0]["reason"], "Waiting");
    assert_eq!(api.apply(&rotation("token")).await?.header("lockstep-result"), "unchanged");
    Ok(())
}

#[tokio::test]
async fn what_another_rotation_rotates_or_no_grant_allows_is_refused_with_whose_it_is() -> Result<()> {
    let api = furnished().await?;
    api.apply(&rotation("token")).await?;
    let mut twin = rotation("twin");
    twin["spec"]["generate"]["keys"] = json!({"other": {"random": {}}, "token": {"random": {}}});
    let refused = api.put("/v1/rotations/twin", &twin).await?;
    assert_eq!((refused.code(), refused.fields()), ("invalid-manifest", vec!["spec.generate"]));
    assert!(refused.text.contains("rotation \\\"token\\\" rotates key token of payments/token already"), "{}", refused.text);
    twin["spec"]["generate"]["keys"] = json!({"other": {"random": {}}});
    api.apply(&twin).await?;
    twin["spec"]["generate"]["path"] = json!("billing/token");
    let refused = api.put("/v1/rotations/twin", &twin).await?;
    assert!(
        refused.text.contains("no grant of project payments allows source vault, mount kv, path billing/token"),
        "{}",
        refused.text
    );
    Ok(())
}

#[tokio::test]
async fn what_is_not_at_the_source_is_refused_and_a_source_that_is_away_is_no_reason_to_believe_it() -> Result<()> {
    let api = furnished().await?;
    let mut unknown = rotation("token");
    unknown["spec"]["generate"]["keys"] = json!({"token": {"policy": "no-such-policy"}});
    let refused = api.put("/v1/rotations/token", &unknown).await?;
    assert_eq!(refused.fields(), ["spec.generate.keys[token].policy"], "{}", refused.text);
    let mut away = rotation("token");
    away["spec"]["generate"]["source"] = json!("corp");
    let refused = api.put("/v1/rotations/token", &away).await?;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "source-unavailable"), "{}", refused.text);
    let mut nowhere = rotation("token");
    nowhere["spec"]["generate"]["source"] = json!("nowhere");
    let refused = api.put("/v1/rotations/token", &nowhere).await?;
    assert_eq!(refused.fields(), ["spec.generate.source"], "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_certificate_for_each_cluster_is_run_for_one_and_refused_where_no_cluster_s_path_is_granted() -> Result<()> {
    let api = furnished().await?;
    let bao = OpenBao::shared().await?;
    bao.enable_pki("each-pki").await?;
    let role = json!({"allow_any_name": true, "enforce_hostnames": false, "ttl": "2h"});
    bao.request("POST", "each-pki/roles/web", Some(role)).await?;
    let mut each = rotation("web");
    each["spec"] = json!({"project": "payments", "pki": {"source": "vault", "mount": "each-pki", "role": "web", "commonName": "{cluster}.example",
        "into": {"mount": "kv", "path": "billing/{cluster}/tls"}}});
    let refused = api.put("/v1/rotations/web", &each).await?;
    assert!(
        refused.text.contains("no grant of project payments allows source vault, mount kv, path billing/{cluster}/tls"),
        "{}",
        refused.text
    );
    each["spec"]["pki"]["into"]["path"] = json!("payments/{cluster}/tls");
    api.apply(&each).await?;
    let read = api.get("/v1/rotations/web").await?.ok().body;
    assert_eq!((&read["spec"]["pki"]["renewAtPercent"], &read["spec"]["schedule"]), (&json!(66), &json!(null)));
    let refused = api.post("/v1/rotations/web/run", None).await?;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid-query"), "{}", refused.text);
    let unknown = api.post("/v1/rotations/web/run?cluster=eu-1", None).await?;
    assert_eq!(unknown.status.as_u16(), 404, "{}", unknown.text);
    // What another rotation writes in some cluster's name.
    let mut other = rotation("tls.key");
    other["metadata"]["name"] = json!("other");
    other["spec"]["generate"]["path"] = json!("payments/eu-1/tls");
    let refused = api.put("/v1/rotations/other", &other).await?;
    assert!(refused.text.contains("rotation \\\"web\\\" rotates key tls.key of payments/eu-1/tls already"), "{}", refused.text);
    Ok(())
}

/// Rotation `web`, which issues each cluster its own certificate, and a binding of another project that draws it in clusters `eu-1` and `eu-2`.
async fn each_its_own(mount: &str) -> Result<Api> {
    let api = furnished().await?;
    let bao = OpenBao::shared().await?;
    bao.enable_pki(mount).await?;
    let role = json!({"allow_any_name": true, "enforce_hostnames": false, "ttl": "2h"});
    bao.request("POST", &format!("{mount}/roles/web"), Some(role)).await?;
    let (mut other, mut granted, mut drawn) = (project(), grant(), binding());
    other["metadata"]["name"] = json!("other");
    granted["metadata"]["name"] = json!("other-vault");
    granted["spec"]["paths"][0]["source"] = json!("vault");
    for owned in [&mut granted, &mut drawn] {
        owned["spec"]["project"] = json!("other");
    }
    api.apply(&other).await?;
    api.apply(&granted).await?;
    drawn["spec"]["items"] = json!([{"source": "vault", "mount": "kv", "path": "payments/{cluster}/tls"}]);
    api.apply(&drawn).await?;
    let mut each = rotation("web");
    each["spec"] = json!({"project": "payments", "pki": {"source": "vault", "mount": mount, "role": "web", "commonName": "{cluster}.example",
        "into": {"mount": "kv", "path": "payments/{cluster}/tls"}}});
    api.apply(&each).await?;
    Ok(api)
}

async fn runs(api: &Api) -> Result<usize> {
    Ok(api.get("/v1/rotations/web/runs").await?.ok().body["items"].as_array().map_or(0, Vec::len))
}

const END_ALL: &str = "update rotation_run set ended_at = now(), stage = '{\"Failed\": \"for a test\"}' where ended_at is null";

#[tokio::test]
async fn a_cluster_s_own_run_needs_a_grant_of_its_path_and_its_part_is_reached_by_no_name() -> Result<()> {
    let api = each_its_own("granted-pki").await?;
    let begun = api.post("/v1/rotations/web/run?cluster=eu-1", None).await?.ok();
    assert_eq!((begun.status.as_u16(), &begun.body["cluster"]), (201, &json!("eu-1")));
    let refused = api.delete("/v1/rotations/web").await?;
    assert!(refused.text.contains("a run of rotation \\\"web\\\" in cluster eu-1 is under way"), "{}", refused.text);
    api.sql(END_ALL).await?;
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause"), ("GET", "/runs")] {
        let refused = api.send(method, &format!("/v1/rotations/web%2Feu-1{path}"), &[], None).await?;
        assert_eq!((refused.status.as_u16(), refused.code()), (404, "not-found"), "{method} {path}: {}", refused.text);
    }
    let mut narrow = grant();
    narrow["metadata"]["name"] = json!("payments-vault");
    narrow["spec"]["paths"][0] = json!({"source": "vault", "mount": "kv", "globs": ["payments/eu-2/*"]});
    api.apply(&narrow).await?;
    let refused = api.post("/v1/rotations/web/run?cluster=eu-1", None).await?;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "forbidden"), "{}", refused.text);
    assert!(refused.text.contains("no grant of project payments allows source vault, mount kv, path payments/eu-1/tls"));
    assert_eq!(runs(&api).await?, 1, "none began");
    Ok(())
}

#[tokio::test]
async fn no_run_begins_by_what_a_part_was_before_its_rotation_was_paused() -> Result<()> {
    let api = each_its_own("paused-pki").await?;
    // Both clusters have a part now, and that of eu-2 is due.
    api.post("/v1/rotations/web/run?cluster=eu-1", None).await?.ok();
    api.sql(END_ALL).await?;
    api.post("/v1/rotations/web/pause", None).await?.ok();
    api.sql("update rotation set look_at = now() + interval '1 hour' where name = 'web'").await?;
    let key = RootKey::new(DigestKeyId::new("test".to_owned()), [7; 32]).for_rotations();
    let rotator = Arc::new(Rotator::new(api.app.clone(), key));
    rotator.activate().await;
    assert_eq!(runs(&api).await?, 1, "it was paused");
    api.post("/v1/rotations/web/resume", None).await?.ok();
    for _ in 0..2 {
        rotator.activate().await;
    }
    assert_eq!(runs(&api).await?, 2, "it was due");
    Ok(())
}

#[tokio::test]
async fn one_run_at_a_time_and_what_has_an_open_one_is_not_deleted() -> Result<()> {
    let api = furnished().await?;
    api.apply(&rotation("token")).await?;
    let begun = api.post("/v1/rotations/token/run", None).await?.ok();
    assert_eq!(
        (begun.status.as_u16(), &begun.body["state"], &begun.body["stage"]),
        (201, &json!("Running"), &json!("Preparing"))
    );
    for refused in [api.post("/v1/rotations/token/run", None).await?, api.delete("/v1/rotations/token").await?] {
        assert_eq!((refused.status.as_u16(), refused.code()), (409, "wrong-state"), "{}", refused.text);
    }
    let runs = api.get("/v1/rotations/token/runs").await?.ok().body;
    assert_eq!(runs["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(runs["items"][0]["id"], begun.body["id"]);
    let status = api.get("/v1/rotations/token").await?.ok().body["status"].clone();
    assert_eq!((&status["running"]["id"], &status["conditions"][0]["reason"]), (&begun.body["id"], &json!("Running")));
    api.sql("update rotation_run set ended_at = now(), stage = '{\"Failed\": \"for a test\"}'").await?;
    let status = api.get("/v1/rotations/token").await?.ok().body["status"].clone();
    assert_eq!(status["conditions"][0]["message"], "for a test");
    api.delete("/v1/rotations/token").await?.ok();
    Ok(())
}

#[tokio::test]
async fn a_paused_rotation_is_due_no_more_until_it_is_resumed() -> Result<()> {
    let api = furnished().await?;
    api.apply(&rotation("token")).await?;
    let paused = api.post("/v1/rotations/token/pause", None).await?.ok();
    assert_eq!(paused.header("lockstep-result"), "configured");
    assert_eq!((&paused.body["spec"]["suspend"], &paused.body["status"]["nextDueAt"]), (&json!(true), &json!(null)));
    assert_eq!(paused.body["status"]["conditions"][0]["reason"], "Suspended");
    assert_eq!(api.post("/v1/rotations/token/pause", None).await?.ok().header("lockstep-result"), "unchanged");
    let resumed = api.post("/v1/rotations/token/resume", None).await?.ok();
    assert!(resumed.body["status"]["nextDueAt"].is_string());
    Ok(())
}
