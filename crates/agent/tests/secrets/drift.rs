use std::time::Instant;

use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::reject::Kind;
use serde_json::json;

use crate::shop::{Delivery, ONE, PATIENCE, Shop, TWO, value};

#[tokio::test]
async fn an_edited_and_a_deleted_secret_are_restored_at_once() {
    let mut shop = Shop::open().await;
    let mut delivery = shop.delivery(5, &[("K", "good"), ("L", "good")]);
    delivery.target.labels.insert("app".into(), "checkout".into());
    shop.deliver(&delivery).await.unwrap();
    let whole = json!({ "K": value("good"), "L": value("good") });

    shop.edit(json!({ "stringData": { "K": value("edited") }, "data": { "L": null } })).await;
    let took = shop.repaired(&delivery, |secret| secret["data"] == whole).await;
    println!("edited: restored after {took:?}");
    assert!(took < PATIENCE);
    // Restoring is not a change of the content.
    let marks = shop.get("db").await.unwrap()["metadata"]["annotations"].to_string();
    assert!(marks.contains("\\\"changed\\\":null"), "{marks}");

    shop.delete("db").await;
    let took = shop.repaired(&delivery, |secret| secret["data"] == whole).await;
    println!("deleted: restored after {took:?}, the pause before a second repair being 2 s");
    assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "2");
    shop.close().await;
}

#[tokio::test]
async fn a_lost_label_or_mark_is_restored() {
    for change in [
        json!({ "metadata": { "labels": { "lockstep.dev/managed": null } } }),
        json!({ "metadata": { "labels": { "app": "other" } } }),
        json!({ "metadata": { "annotations": { format!("lockstep.dev/binding.{ONE}"): null } } }),
        json!({ "metadata": { "annotations": { format!("lockstep.dev/binding.{ONE}"): "forged" } } }),
    ] {
        let mut shop = Shop::open().await;
        let mut delivery = shop.delivery(5, &[("K", "good")]);
        delivery.target.labels.insert("app".into(), "checkout".into());
        shop.deliver(&delivery).await.unwrap();
        let before = shop.get("db").await.unwrap();
        // The watch has to be there before it can see.
        shop.watched().await;
        shop.edit(change.clone()).await;
        let metadata =
            |secret: &serde_json::Value| (secret["metadata"]["labels"].clone(), secret["metadata"]["annotations"].clone());
        let took = shop.repaired(&delivery, |secret| metadata(secret) == metadata(&before)).await;
        println!("{change}: restored after {took:?}");
        shop.close().await;
    }
}

#[tokio::test]
async fn writes_of_another_binding_and_of_others_keys_are_no_drift() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("A", "a")])).await.unwrap();
    shop.watched().await;
    shop.deliver(&Delivery { binding: TWO, ..shop.delivery(6, &[("B", "b")]) }).await.unwrap();
    shop.edit(json!({ "stringData": { "C": value("c") }, "metadata": { "labels": { "x": "y" } } })).await;
    // What comes after it on the same watch was seen after it.
    let third = Delivery { binding: uuid::Uuid::from_u128(3), ..shop.delivery(7, &[("D", "d")]) };
    shop.deliver(&third).await.unwrap();
    shop.edit(json!({ "data": { "D": null } })).await;
    shop.needed(third.binding).await;
    assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "1");
    shop.close().await;
}

#[tokio::test]
async fn a_fight_over_a_key_ends_in_a_conflict_that_names_the_other_and_in_no_load() {
    let mut shop = Shop::open().await;
    let delivery = shop.delivery(5, &[("K", "ours")]);
    shop.deliver(&delivery).await.unwrap();
    shop.watched().await;
    let begun = Instant::now();
    let mut repairs = 0;
    shop.take("rival-controller", json!({ "stringData": { "K": value("theirs") } })).await;
    let reject = loop {
        match shop.hear().await {
            FromAgent::Need(_) => {
                shop.say(&delivery);
                shop.answer(ONE).await.unwrap();
                repairs += 1;
                shop.take("rival-controller", json!({ "data": null, "stringData": { "K": value("theirs") } })).await;
            }
            FromAgent::Reject(reject) => break reject,
            _ => {}
        }
    };
    println!("after {repairs} repairs in {:?}: {}", begun.elapsed(), reject.cause);
    assert_eq!((reject.kind(), repairs, reject.revision), (Kind::Conflict, 2, crate::fixture::revision(5)));
    assert!(reject.cause.contains("\"rival-controller\"") && reject.cause.contains("/db"), "{}", reject.cause);
    let requests = shop.requests("patch", None);
    // For the next half minute nothing is done about it.
    let quiet = tokio::time::timeout(std::time::Duration::from_secs(5), shop.hear()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!(shop.requests("patch", None), requests);
    shop.close().await;
}

#[tokio::test]
async fn a_restarted_api_server_is_watched_again() {
    // Its own: the others' tests share one.
    let kubernetes: &'static lockstep_testbed::Kubernetes =
        Box::leak(Box::new(lockstep_testbed::Kubernetes::start().await.unwrap()));
    let mut shop = Shop::of(kubernetes, lockstep_agent::command::SecretAccess::Namespaces, &crate::rbac::of_namespace()).await;
    shop.fixture.arguments.cluster.lease_duration_seconds = 300;
    shop.restart().await;
    let delivery = shop.delivery(5, &[("K", "good")]);
    shop.deliver(&delivery).await.unwrap();
    shop.watched().await;
    kubernetes.stop_api().await.unwrap();
    let delivery = shop.delivery(6, &[("K", "better")]);
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Failed && reject.cause.contains("did not answer"), "{}", reject.cause);
    kubernetes.start_api_again().await.unwrap();
    shop.edit(json!({ "stringData": { "K": value("edited") } })).await;
    let took = shop.repaired(&delivery, |secret| secret["data"]["K"] == value("better")).await;
    println!("edited behind a restarted API server: restored after {took:?}");
    shop.close().await;
}
