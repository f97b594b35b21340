//! Least privilege: an agent whose Roles name single Secrets.

use anyhow::Result;
use lockstep_testbed::Refused;
use lockstep_testbed::fleet::AGENT_NAMESPACE;
use serde_json::json;

use crate::shop::{CLUSTER, apply_as, await_password, binding, deliver, fleet_of, kubernetes, path, write};

#[tokio::test]
async fn an_agent_that_may_touch_one_secret_delivers_it_and_reads_no_other() -> Result<()> {
    let fleet = fleet_of(1, &["allowed"]).await?;
    let api = kubernetes(&fleet)?;
    apply_as(&fleet, "somebody", "foreign", json!({ "password": "theirs" })).await?;
    deliver(&fleet, "allowed", "", "restart: {policy: None}").await?;
    await_password(&fleet, "allowed", "first").await?;
    // Seen by the watch of that one name.
    api.request("DELETE", &path("allowed"), None).await?;
    await_password(&fleet, "allowed", "first").await?;

    let token = api.token(AGENT_NAMESPACE, "lockstep-agent", &[]).await?;
    let refused = api.request_as(&token, "GET", &path("foreign"), None).await.expect_err("a foreign Secret can be read");
    assert_eq!(refused.downcast_ref::<Refused>().map(|r| r.status.as_u16()), Some(403), "{refused:#}");
    // One that no Role names is not written, and the delivery says which rule is missing.
    write(&fleet, "unnamed", "first").await?;
    fleet.apply(&binding("unnamed", "", "restart: {policy: None}")).await?;
    let delivery = fleet.await_delivery(CLUSTER, "unnamed", "Failed").await?;
    let cause = delivery["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("secrets") && cause.contains("unnamed") && cause.contains("patch"), "{cause}");
    Ok(())
}
