//! Too many at once: nothing goes until a person says so.

use anyhow::Result;
use lockstep_testbed::fleet::KV;

use super::{await_left, await_theirs, make_foreign, secrets};
use crate::shop::{CLUSTER, STORY_LIMIT, await_password, binding, fleet, kubernetes, write};

const TREE: [&str; 6] = ["a", "b", "c", "d", "e", "shared"];

#[tokio::test]
async fn secrets_whose_sources_vanish_together_are_held_until_that_is_confirmed() -> Result<()> {
    let fleet = fleet().await?;
    let api = kubernetes(&fleet)?;
    let theirs = make_foreign(api, "shared").await?;
    for name in TREE {
        write(&fleet, name, "first").await?;
    }
    write(&fleet, "kept", "first").await?;
    let following: String = TREE.iter().map(|name| binding(name, "", "sourceDeletionPolicy: Delete")).collect();
    fleet.apply(&(following + &binding("kept", "", "restart: {policy: None}"))).await?;
    fleet.await_deliveries("InSync", TREE.len() + 1, STORY_LIMIT).await?;
    let before = secrets(api).await?;

    for name in TREE {
        fleet.bao.kv_delete_metadata(KV, &format!("shop/{name}")).await?;
    }
    fleet.bao.kv_delete_metadata(KV, "shop/kept").await?;
    for name in TREE {
        let held = fleet.await_delivery(CLUSTER, name, "Held").await?;
        let cause = held["cause"].as_str().unwrap_or_default();
        assert!(cause.ends_with("lockstep confirm cluster-1"), "{cause}");
    }
    fleet.await_delivery(CLUSTER, "kept", "Stale").await?;
    assert_eq!(secrets(api).await?, before, "nothing was written");
    let waiting = fleet.cli(&["confirm", CLUSTER, "--dry-run=server"]).await?;
    assert_eq!(waiting.stderr, "6 deletions wait in cluster/cluster-1: a, b, c, d, e, shared\n");

    fleet.cli(&["confirm", CLUSTER]).await?;
    await_left(api, &["kept", "shared"]).await?;
    await_theirs(api, "shared", &theirs).await?;
    await_password(&fleet, "kept", "first").await?;
    // What is back needs no second word.
    for name in ["a", "shared"] {
        write(&fleet, name, "second").await?;
        await_password(&fleet, name, "second").await?;
    }
    Ok(())
}
