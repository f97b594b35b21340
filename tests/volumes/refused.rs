//! What a pod does not get, and what its event says.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::csi_driver::PodVolume;
use lockstep_testbed::fleet::STORY_LIMIT;
use lockstep_testbed::wait;
use serde_json::json;

use crate::world::{ACCOUNT, CLUSTER, World};

/// Mounting fails, nothing is mounted, and this is in the pod's event.
async fn is_refused(world: &World, case: &str, volume: &PodVolume, part: &str) -> Result<()> {
    let error = world.driver.publish(volume).await.err().with_context(|| format!("{case}: it is mounted"))?;
    let said = format!("{error:#}");
    assert!(said.contains(part) && !said.contains("canary"), "{case}: {said}");
    assert!(world.driver.files(volume).is_err(), "{case}: there is something");
    Ok(())
}

#[tokio::test]
async fn who_is_not_named_by_a_binding_or_is_not_who_it_says_gets_nothing_and_reads_why() -> Result<()> {
    let world = World::start().await?;
    world.write("db", json!({ "password": "canary" })).await?;
    world.bind("db").await?;
    world.class("db", "- {objectName: password, binding: db, secretKey: password}").await?;
    let good = world.pod("checkout-0", ACCOUNT, "db").await?;
    world.driver.publish(&good).await?;

    let other_account = world.pod("other-0", "other", "db").await?;
    is_refused(&world, "another service account", &other_account, "no binding gives").await?;

    let kubernetes = world.kubernetes()?;
    kubernetes.create_namespace("elsewhere").await?;
    kubernetes.create_service_account("elsewhere", ACCOUNT).await?;
    let stranger = kubernetes.create_pod("elsewhere", "checkout-0", ACCOUNT, crate::world::NODE).await?;
    let parameters = json!({ "objects": "- {objectName: password, binding: db, secretKey: password}" });
    world.class_in("elsewhere", "db", &parameters).await?;
    is_refused(&world, "another namespace", &world.volume(&stranger, "db").await?, "no binding gives").await?;

    // The driver passes on what it is given: these are pods that it is told wrong things about.
    let second = world.pod("checkout-1", ACCOUNT, "db").await?;
    let borrowed = PodVolume { tokens: good.tokens.clone(), ..second.clone() };
    is_refused(&world, "another pod's token", &borrowed, "of another pod than the volume").await?;
    kubernetes.create_node("node-2").await?;
    let away = kubernetes.create_pod(lockstep_testbed::fleet::NAMESPACE, "checkout-2", ACCOUNT, "node-2").await?;
    is_refused(&world, "a pod of another node", &world.volume(&away, "db").await?, "is not on node").await?;
    let pod = kubernetes.create_pod(lockstep_testbed::fleet::NAMESPACE, "checkout-3", ACCOUNT, crate::world::NODE).await?;
    let volume = world.volume(&pod, "db").await?;
    let of_vault = kubernetes.pod_token(&pod, &["vault"]).await?;
    let as_ours = BTreeMap::from([("lockstep".to_owned(), of_vault.clone())]);
    is_refused(&world, "a wrong audience", &PodVolume { tokens: as_ours, ..volume.clone() }, "audience").await?;
    let of_others = BTreeMap::from([("vault".to_owned(), of_vault)]);
    is_refused(&world, "no token for us", &PodVolume { tokens: of_others, ..volume.clone() }, "tokenRequests").await?;
    is_refused(&world, "no tokens", &PodVolume { tokens: BTreeMap::new(), ..volume }, "tokenRequests").await?;

    // And the one that may still reads it.
    world.driver.publish(&good).await?;
    assert_eq!(world.files(&good)?["password"].1, "canary");
    Ok(())
}

#[tokio::test]
async fn without_the_grant_no_new_pod_mounts_and_what_runs_keeps_its_files() -> Result<()> {
    let world = World::start().await?;
    world.write("db", json!({ "password": "canary" })).await?;
    world.bind("db").await?;
    world.class("db", "- {objectName: password, binding: db, secretKey: password}").await?;
    let runs = world.pod("checkout-0", ACCOUNT, "db").await?;
    world.driver.publish(&runs).await?;
    world.fleet.cli(&["delete", "grant", "shop-prod", "--yes"]).await?;
    world.fleet.await_delivery(CLUSTER, "db", "Denied").await?;
    let starts = world.pod("checkout-1", ACCOUNT, "db").await?;
    wait::until("a new pod to be refused", STORY_LIMIT, async || {
        let published = world.driver.publish(&starts).await;
        if published.is_ok() {
            world.driver.unpublish(&starts).await?;
        }
        let said = format!("{:#}", published.err().context("it is mounted")?);
        ensure!(said.contains("no binding gives") && !said.contains("canary"), "{said}");
        anyhow::Ok(())
    })
    .await?;
    // The driver keeps the files of a pod that runs when it gets an error.
    world.driver.publish(&runs).await?;
    assert_eq!(world.files(&runs)?["password"].1, "canary");
    Ok(())
}

#[tokio::test]
async fn a_class_that_is_wrong_says_what_to_correct() -> Result<()> {
    let world = World::start().await?;
    world.write("db", json!({ "password": "canary" })).await?;
    world.bind("db").await?;
    for (index, (objects, part)) in [
        ("- {objectName: ../password, binding: db, secretKey: password}", "../password"),
        ("- {objectName: /etc/password, binding: db, secretKey: password}", "/etc/password"),
        ("- {objectName: a/../../b, binding: db, secretKey: password}", ".."),
        ("- {objectName: password, binding: db, secretKey: pasword}", "pasword"),
        ("- {objectName: password, binding: none, secretKey: password}", "no binding gives"),
        ("- {objectName: password, secretPath: kv/data/shop/other, secretKey: password}", "no binding gives"),
        ("- {objectName: password, binding: db, secretKey: password, encoding: hex}", "hex"),
        ("[]", "objects"),
    ]
    .into_iter()
    .enumerate()
    {
        let class = format!("class-{index}");
        world.class(&class, objects).await?;
        let volume = world.pod(&format!("pod-{index}"), ACCOUNT, &class).await?;
        is_refused(&world, objects, &volume, part).await?;
    }
    Ok(())
}
