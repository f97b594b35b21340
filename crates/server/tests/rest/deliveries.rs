//! What a delivery shows beside its status.

use anyhow::Result;
use serde_json::json;

use crate::fixture::{Api, binding};

/// Binding `checkout-db` in `eu-1`, confirmed with version 3 of its secret, of which there is version 4 now.
async fn delivered(spec: &[(&str, serde_json::Value)]) -> Result<Api> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut binding = binding();
    for (field, value) in spec {
        binding["spec"][field] = value.clone();
    }
    api.apply(&binding).await?;
    api.sql(
        "update secret set state = 'Live', chosen_incarnation = now(), chosen_number = 4, chosen_created = now(), chosen_seq = 1",
    )
    .await?;
    api.sql(
        "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest, \
             applied_secrets, applied_versions, targets_applied, targets_total, would_change, would_total, restart_epoch, restart_seq, \
             restarted, restart_total, restart_healthy, restart_stuck, restart_skipped, drifted_total, last_drift_at) \
         select d.binding_id, d.cluster_id, epoch, d.seq - 1, 'Applied', now(), epoch, d.seq - 1, 'k', '\\x01', array[i.secret_id], \
             array[3], 1, 1, 2, 5, 1, 7, 3, 3, 2, array['Deployment shop/web: no pod is ready'], '{}', 2, now() \
         from desired d join binding_item i using (binding_id) join cluster c on c.id = d.cluster_id and c.name = 'eu-1'",
    )
    .await?;
    Ok(api)
}

#[tokio::test]
async fn versions_restarts_and_drift_are_shown() -> Result<()> {
    let api = delivered(&[("restart", json!({"policy": "Auto"}))]).await?;
    let items = &api.get("/v1/deliveries").await?.ok().body["items"];
    let item = json!({"source": "corp", "mount": "kv", "path": "payments/db", "applied": 3, "desired": 4});
    assert_eq!(items[0]["versions"], json!([item]));
    let restart = json!({
        "text": "stuck: Deployment shop/web: no pod is ready", "revision": "1.7", "restarted": 3, "total": 3, "healthy": 2,
        "stuck": ["Deployment shop/web: no pod is ready"],
    });
    assert_eq!((&items[0]["restart"], &items[0]["driftedTotal"], items[0].get("observed")), (&restart, &json!(2), None));
    assert!(items[0]["lastDriftAt"].is_string());
    let absent = json!([{"source": "corp", "mount": "kv", "path": "payments/db", "desired": 4}]);
    assert_eq!((&items[1]["cluster"], &items[1]["versions"], items[1].get("restart")), (&json!("eu-2"), &absent, None));
    Ok(())
}

#[tokio::test]
async fn a_binding_that_observes_sums_up_what_it_would_change() -> Result<()> {
    let api = delivered(&[("mode", json!("Observe"))]).await?;
    assert_eq!(api.get("/v1/deliveries").await?.ok().body["items"][0]["observed"], json!({"wouldChange": 2, "total": 5}));
    let status = &api.get("/v1/bindings/checkout-db").await?.ok().body["status"];
    assert_eq!(status["observed"], json!({"wouldChange": 2, "total": 5, "clusters": 1}));
    let delivering = delivered(&[]).await?;
    assert_eq!(delivering.get("/v1/bindings/checkout-db").await?.ok().body["status"].get("observed"), None);
    Ok(())
}
