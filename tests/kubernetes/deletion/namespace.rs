//! A namespace that is gone: with it went the Secret, and the agent's right to look there.

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::{Refused, wait};

use crate::shop::{CLUSTER, STORY_LIMIT, deliver, fleet_of, kubernetes};

#[tokio::test]
async fn a_purge_ends_also_where_the_namespace_went_with_the_agents_rights_in_it() -> Result<()> {
    let mut fleet = fleet_of(1, &["db", "other"]).await?;
    // Among them the one that empties namespaces.
    fleet.agents[0].kubernetes_mut()?.start_workloads().await?;
    deliver(&fleet, "db", "", "deletionPolicy: Delete").await?;
    deliver(&fleet, "other", "", "restart: {policy: None}").await?;
    let api = kubernetes(&fleet)?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}");
    api.request("DELETE", &path, None).await?;
    wait::until("the namespace to be gone", STORY_LIMIT, async || {
        let found = api.request("GET", &path, None).await;
        let status =
            found.as_ref().err().and_then(|error| error.downcast_ref::<Refused>()).map(|refused| refused.status.as_u16());
        ensure!(status == Some(404), "it answers {found:?}");
        anyhow::Ok(())
    })
    .await?;
    fleet.cli(&["delete", "binding", "db"]).await?;
    fleet.cli(&["cluster", "remove", CLUSTER, "--secrets=purge"]).await?;
    fleet.cli(&["wait", "--for=delete", &format!("cluster/{CLUSTER}"), "--timeout", "30s"]).await.map(drop)
}
