//! Places that leave a target, and places that do not get what the others have.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lockstep_proto::v1::reject::Kind;
use serde_json::{Value, json};

use crate::fixture::revision;
use crate::shop::{Delivery, ONE, Shop, value};

/// Another tool's Secret.
fn foreign() -> Value {
    json!({ "metadata": { "name": "db" }, "stringData": { "K": value("theirs") } })
}

/// Waits until what changed in the shop's namespace before was looked at: what a watch tells after it was.
async fn looked(shop: &mut Shop, seq: u64) {
    let fence = Delivery { binding: uuid::Uuid::from_u128(3), ..shop.delivery(seq, &[("FENCE", "f")]) };
    shop.deliver(&fence).await.unwrap();
    shop.edit(json!({ "data": { "FENCE": null } })).await;
    shop.needed(fence.binding).await;
}

#[tokio::test]
async fn what_came_to_some_places_only_is_looked_after_told_and_purged() {
    let mut shop = Shop::open().await;
    let second = shop.namespace("second", json!({})).await;
    shop.make_in(&second, "somebody", foreign()).await;
    let mut delivery = shop.delivery(5, &[("K", "a")]);
    delivery.target.namespaces.push(second.clone());
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("(1 of 2 Secrets are done)"), "{}", reject.cause);
    shop.watched().await;
    shop.delete("db").await;
    shop.needed(ONE).await;
    assert_eq!(shop.deliver(&delivery).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("a") }));
    assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "1");

    shop.restart().await;
    let held = &shop.hello.inventory[0];
    assert_eq!(held.revision, revision(5));
    assert!(held.digest.is_some() && held.digest != delivery.message().digest, "not everywhere is not as it should be");
    shop.remove(ONE, 6, true).await.unwrap();
    assert!(shop.get("db").await.is_none());
    assert_eq!(shop.get_in(&second, "db").await.unwrap()["data"], json!({ "K": value("theirs") }));
    shop.close().await;
}

#[tokio::test]
async fn what_was_refused_everywhere_is_nothing_that_the_cluster_has() {
    let mut shop = Shop::open().await;
    shop.make("somebody", foreign()).await;
    shop.deliver(&shop.delivery(5, &[("K", "a")])).await.unwrap_err();
    shop.restart().await;
    assert_eq!(shop.hello.inventory, []);
    shop.remove(ONE, 6, true).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("theirs") }));
    shop.close().await;
}

#[tokio::test]
async fn an_update_that_came_to_some_places_only_is_no_drift_and_is_not_asked_for() {
    let mut shop = Shop::open().await;
    let second = shop.namespace("second", json!({})).await;
    let mut delivery = shop.delivery(5, &[("K", "a")]);
    delivery.target.namespaces.push(second.clone());
    shop.deliver(&delivery).await.unwrap();
    let theirs = json!({ "apiVersion": "v1", "kind": "Secret", "data": { "L": BASE64_STANDARD.encode(value("theirs")) } });
    let path = format!("{}?fieldManager=somebody&force=true", crate::shop::path(&second, "db"));
    shop.kubernetes.request("PATCH", &path, Some(theirs)).await.unwrap();
    (delivery.seq, delivery.values) = (6, vec![("K", value("b")), ("L", value("ours"))]);
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("(1 of 2 Secrets are done)"), "{}", reject.cause);
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("b"), "L": value("ours") }));
    assert_eq!(shop.get_in(&second, "db").await.unwrap()["data"], json!({ "K": value("a"), "L": value("theirs") }));

    shop.watched().await;
    shop.edit(json!({ "metadata": { "labels": { "looked": "at" } } })).await;
    looked(&mut shop, 7).await;
    assert!(!shop.was_asked_for(ONE), "{:?}", shop.said);
    assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "1", "the fence's");
    // An older one would take back what came to the first place.
    assert_eq!(shop.deliver(&shop.delivery(5, &[("K", "a")])).await.unwrap_err().kind(), Kind::Older);
    shop.restart().await;
    let held = shop.hello.inventory.iter().find(|held| held.binding == ONE.as_bytes()).unwrap();
    assert_eq!(held.revision, revision(6));
    assert!(held.digest.is_some() && held.digest != delivery.message().digest);
    // Once it came everywhere it is as any other.
    delivery.target.adopt = true;
    delivery.seq = 8;
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.digest, ack.targets_applied), (delivery.message().digest, 2));
    shop.restart().await;
    let held = shop.hello.inventory.iter().find(|held| held.binding == ONE.as_bytes()).unwrap();
    assert_eq!((&held.revision, &held.digest), (&revision(8), &delivery.message().digest));
    shop.close().await;
}

#[tokio::test]
async fn what_a_target_has_no_longer_is_kept_or_deleted_as_the_binding_says() {
    for purge_former in [false, true] {
        let mut shop = Shop::open().await;
        let second = shop.namespace("second", json!({})).await;
        let mut delivery = shop.delivery(5, &[("K", "a")]);
        delivery.purge_former = purge_former;
        delivery.target.namespaces.push(second.clone());
        let ack = shop.deliver(&delivery).await.unwrap();
        assert_eq!((ack.targets_applied, ack.targets_total), (2, 2));
        (delivery.seq, delivery.target.name) = (6, "renamed".into());
        shop.deliver(&delivery).await.unwrap();
        for namespace in [&shop.namespace, &second] {
            assert_eq!(shop.get_in(namespace, "db").await.is_none(), purge_former, "{namespace}");
            assert_eq!(shop.get_in(namespace, "renamed").await.unwrap()["data"]["K"], value("a"));
        }
        (delivery.seq, delivery.target.namespaces) = (7, vec![second.clone()]);
        shop.deliver(&delivery).await.unwrap();
        assert_eq!(shop.get("renamed").await.is_none(), purge_former);
        assert!(shop.get_in(&second, "renamed").await.is_some());
        // What was kept is left alone from then on, also by a purge.
        shop.remove(ONE, 8, true).await.unwrap();
        assert!(shop.get_in(&second, "renamed").await.is_none());
        assert_eq!(shop.get("renamed").await.is_none(), purge_former);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_namespace_that_is_selected_no_longer_keeps_or_loses_its_secret_as_the_binding_says() {
    for purge_former in [false, true] {
        let mut shop = Shop::open().await;
        crate::rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
        let team = shop.namespace.clone();
        let (first, second) =
            (shop.namespace("first", json!({ "team": team })).await, shop.namespace("second", json!({ "team": team })).await);
        let mut delivery = shop.delivery_to_team(5, &[("K", "a")]);
        assert_eq!(shop.deliver(&delivery).await.unwrap().targets_applied, 2);
        // The binding may say otherwise by now, so it is asked.
        shop.set_team(&second, None).await;
        shop.needed(ONE).await;
        delivery.purge_former = purge_former;
        assert_eq!(shop.deliver(&delivery).await.unwrap().targets_applied, 1);
        assert_eq!(shop.get_in(&second, "db").await.is_none(), purge_former);
        assert!(shop.get_in(&first, "db").await.is_some());
        assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "0");
        // The same where the grant allows it no longer.
        delivery.seq = 6;
        delivery.target.allowed_namespaces[0].globs = vec!["nowhere".into()];
        assert_eq!(shop.deliver(&delivery).await.unwrap().targets_total, 0);
        assert_eq!(shop.get_in(&first, "db").await.is_none(), purge_former);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_purge_takes_also_what_is_in_namespaces_that_are_selected_no_longer() {
    let mut shop = Shop::open().await;
    crate::rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
    let team = shop.namespace.clone();
    let (first, second) =
        (shop.namespace("first", json!({ "team": team })).await, shop.namespace("second", json!({ "team": team })).await);
    let delivery = shop.delivery_to_team(5, &[("K", "a")]);
    shop.deliver(&delivery).await.unwrap();
    shop.end().await;
    shop.set_team(&second, Some("another")).await;
    shop.restart_from_ended().await;
    let digest = &shop.hello.inventory[0].digest;
    assert!(digest.is_some() && *digest != delivery.message().digest, "the greeting asks for the binding's word on it");
    shop.remove(ONE, 6, true).await.unwrap();
    for namespace in [&first, &second] {
        assert!(shop.get_in(namespace, "db").await.is_none(), "{namespace}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_taken_namespace_does_not_keep_a_later_one_without_its_secret() {
    let mut shop = Shop::open().await;
    crate::rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
    let team = shop.namespace.clone();
    shop.namespace("first", json!({ "team": team })).await;
    let taken = shop.namespace("taken", json!({ "team": team })).await;
    shop.make_in(&taken, "somebody", foreign()).await;
    let delivery = shop.delivery_to_team(5, &[("K", "a")]);
    assert_eq!(shop.deliver(&delivery).await.unwrap_err().kind(), Kind::Conflict);
    let later = shop.namespace("later", json!({ "team": team })).await;
    shop.needed(ONE).await;
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("(2 of 3 Secrets are done)"), "{}", reject.cause);
    assert_eq!(shop.get_in(&taken, "db").await.unwrap()["data"], json!({ "K": value("theirs") }));
    assert_eq!(shop.get_in(&later, "db").await.unwrap()["data"], json!({ "K": value("a") }));
    shop.close().await;
}

#[tokio::test]
async fn a_purge_that_one_place_keeps_is_done_once_a_person_saw_to_that_place() {
    let mut shop = Shop::open().await;
    let second = shop.namespace("second", json!({})).await;
    shop.make("somebody", json!({ "metadata": { "name": "db" }, "stringData": { "THEIRS": value("theirs") } })).await;
    let mut delivery = shop.delivery(5, &[("K", "a")]);
    delivery.target.namespaces.push(second.clone());
    shop.deliver(&delivery).await.unwrap();
    let there = crate::shop::path(&second, "db");
    shop.kubernetes.request("PATCH", &there, Some(json!({ "metadata": { "annotations": null } }))).await.unwrap();
    let reject = shop.remove(ONE, 6, true).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("remove by hand"), "{}", reject.cause);
    assert_eq!(shop.data().await.unwrap(), json!({ "THEIRS": value("theirs") }), "the other one let go");
    shop.kubernetes.request("DELETE", &there, None).await.unwrap();
    // Of what another tool has, our manager is still on record for the type, which nobody can give up.
    shop.remove(ONE, 6, true).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "THEIRS": value("theirs") }));
    shop.close().await;
}
