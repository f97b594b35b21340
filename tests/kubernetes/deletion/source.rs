//! A source that goes, and comes back, where a binding says `sourceDeletionPolicy: Delete`.

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, NAMESPACE};
use lockstep_testbed::wait;

use super::{await_left, await_theirs, make_foreign};
use crate::shop::{CLUSTER, STORY_LIMIT, await_password, binding, deliver, fleet, kubernetes, write};

const FOLLOWING: &str = "sourceDeletionPolicy: Delete";

#[tokio::test]
async fn where_it_was_asked_for_a_secret_goes_with_its_source_and_comes_back_with_it() -> Result<()> {
    let fleet = fleet().await?;
    let api = kubernetes(&fleet)?;
    let theirs = make_foreign(api, "shared").await?;
    for name in ["deleted", "destroyed", "gone", "shared"] {
        deliver(&fleet, name, "", FOLLOWING).await?;
    }
    // One at a time: two of four are more than the delete guard lets go unasked.
    fleet.bao.kv_soft_delete(KV, "shop/deleted", &[1]).await?;
    await_left(api, &["destroyed", "gone", "shared"]).await?;
    fleet.bao.kv_destroy(KV, "shop/destroyed", &[1]).await?;
    await_left(api, &["gone", "shared"]).await?;
    fleet.bao.kv_delete_metadata(KV, "shop/gone").await?;
    await_left(api, &["shared"]).await?;
    fleet.bao.kv_destroy(KV, "shop/shared", &[1]).await?;
    await_theirs(api, "shared", &theirs).await?;
    for name in ["deleted", "destroyed", "gone", "shared"] {
        let removed = fleet.await_delivery(CLUSTER, name, "InSync").await?;
        assert!(removed["cause"].as_str().unwrap_or_default().contains("removed from the cluster"), "{removed}");
    }

    fleet.bao.kv_undelete(KV, "shop/deleted", &[1]).await?;
    await_password(&fleet, "deleted", "first").await?;
    // Of `gone` that is version 1 again, of another incarnation.
    for name in ["destroyed", "gone", "shared"] {
        write(&fleet, name, "second").await?;
    }
    for name in ["destroyed", "gone", "shared"] {
        await_password(&fleet, name, "second").await?;
    }
    let shared = api.secret(NAMESPACE, "shared").await?.context("it is not there")?;
    assert_eq!(shared.keys().map(String::as_str).collect::<Vec<_>>(), ["password", "theirs", "username"]);
    Ok(())
}

#[tokio::test]
async fn of_a_secret_with_two_sources_only_the_keys_of_the_one_that_is_gone_go() -> Result<()> {
    let fleet = fleet().await?;
    let api = kubernetes(&fleet)?;
    for name in ["pair", "other"] {
        write(&fleet, name, "first").await?;
    }
    let other = "{source: corp, mount: kv, path: shop/other, keys: {password: OTHER}}";
    fleet.apply(&binding("pair", "", FOLLOWING).replace("path: shop/pair}", &format!("path: shop/pair}}, {other}"))).await?;
    let await_keys = async |keys: &[&str]| {
        wait::until(&format!("pair to have {keys:?}"), STORY_LIMIT, async || {
            let data = api.secret(NAMESPACE, "pair").await?.context("it is not there")?;
            ensure!(data.keys().eq(keys), "it has {:?}", data.keys());
            Ok(())
        })
        .await
    };
    await_keys(&["OTHER", "password", "username"]).await?;
    fleet.bao.kv_delete_metadata(KV, "shop/pair").await?;
    await_keys(&["OTHER"]).await?;
    fleet.await_delivery(CLUSTER, "pair", "InSync").await?;
    write(&fleet, "pair", "second").await?;
    await_keys(&["OTHER", "password", "username"]).await?;
    fleet.bao.kv_destroy(KV, "shop/other", &[1]).await?;
    await_keys(&["password", "username"]).await?;
    fleet.bao.kv_destroy(KV, "shop/pair", &[1]).await?;
    await_left(api, &[]).await
}
