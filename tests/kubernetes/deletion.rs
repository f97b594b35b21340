//! What becomes of Secrets when their binding or their source goes: the policies, whose defaults keep.

use anyhow::Result;
use lockstep_testbed::fleet::{KV, NAMESPACE};
use lockstep_testbed::wait;

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, deliver, fleet, kubernetes, write};

#[tokio::test]
async fn by_default_a_secret_outlives_its_binding_and_its_source() -> Result<()> {
    let fleet = fleet().await?;
    for name in ["unbound", "deleted", "destroyed", "gone"] {
        deliver(&fleet, name, "", "restart: {policy: None}").await?;
    }
    fleet.cli(&["delete", "binding", "unbound"]).await?;
    fleet.bao.kv_soft_delete(KV, "shop/deleted", &[1]).await?;
    fleet.bao.kv_destroy(KV, "shop/destroyed", &[1]).await?;
    fleet.bao.kv_delete_metadata(KV, "shop/gone").await?;
    for name in ["deleted", "destroyed", "gone"] {
        fleet.await_delivery(CLUSTER, name, "Stale").await?;
    }
    for name in ["unbound", "deleted", "destroyed", "gone"] {
        await_password(&fleet, name, "first").await?;
    }
    Ok(())
}

#[tokio::test]
async fn where_it_was_asked_for_a_secret_goes_with_its_source_and_comes_back_with_it() -> Result<()> {
    let fleet = fleet().await?;
    deliver(&fleet, "fleeting", "", "sourceDeletionPolicy: Delete").await?;
    fleet.bao.kv_soft_delete(KV, "shop/fleeting", &[1]).await?;
    let api = kubernetes(&fleet)?;
    wait::until("the Secret to be gone", STORY_LIMIT, async || {
        anyhow::ensure!(api.secret(NAMESPACE, "fleeting").await?.is_none(), "it is there");
        anyhow::Ok(())
    })
    .await?;
    write(&fleet, "fleeting", "second").await?;
    await_password(&fleet, "fleeting", "second").await.map(drop)
}
