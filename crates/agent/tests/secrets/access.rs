use lockstep_agent::command::SecretAccess;
use lockstep_proto::v1::reject::Kind;
use lockstep_proto::v1::{NamespaceRule, Selector};
use serde_json::json;

use crate::rbac;
use crate::shop::{PATIENCE, Shop, path, value};

#[tokio::test]
async fn strict_rules_by_name_are_enough_and_a_foreign_secret_beside_cannot_be_read() {
    let mut shop = Shop::with(SecretAccess::Names, &rbac::of_names(&["db"])).await;
    let foreign = json!({ "metadata": { "name": "foreign" }, "stringData": { "K": value("foreign") } });
    shop.make("somebody", foreign).await;
    let delivery = shop.delivery(5, &[("K", "good")]);
    shop.deliver(&delivery).await.unwrap();
    shop.watched().await;
    shop.edit(json!({ "stringData": { "K": value("edited") } })).await;
    let took = shop.repaired(&delivery, |secret| secret["data"]["K"] == value("good")).await;
    println!("strict: an edited Secret was restored after {took:?}");
    let token = shop.kubernetes.token(&shop.home, "agent", &[]).await.unwrap();
    for path in [path(&shop.namespace, "foreign"), format!("/api/v1/namespaces/{}/secrets", shop.namespace)] {
        let refused = shop.kubernetes.request_as(&token, "GET", &path, None).await.unwrap_err();
        assert!(refused.to_string().contains("403"), "{refused}");
    }
    let mut other = shop.delivery(6, &[("K", "good")]);
    other.target.name = "foreign".into();
    let reject = shop.deliver(&other).await.unwrap_err();
    println!("{}", reject.cause);
    let rule = format!(
        "Role in namespace {} with the rule apiGroups: [\"\"], resources: [\"secrets\"], resourceNames: [\"foreign\"]",
        shop.namespace
    );
    assert!(reject.kind() == Kind::Failed && reject.cause.contains(&rule), "{}", reject.cause);
    shop.restart().await;
    assert_eq!(shop.hello.inventory[0].digest, delivery.message().digest);
    shop.remove(crate::shop::ONE, 7, true).await.unwrap();
    assert!(shop.get("db").await.is_none());
    shop.close().await;
}

#[tokio::test]
async fn namespaces_by_label_get_their_secret_where_it_is_allowed_and_also_later() {
    let mut shop = Shop::open().await;
    rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
    let team = json!({ "team": shop.namespace });
    let first = shop.namespace("in-first", team.clone()).await;
    let outside = shop.namespace("out", team.clone()).await;
    let other = shop.namespace("in-other", json!({ "team": "other" })).await;
    let mut delivery = shop.delivery_to_team(5, &[("K", "good")]);
    delivery.target.allowed_namespaces = vec![NamespaceRule { globs: vec![format!("{}-in-*", shop.namespace)] }];
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.targets_applied, ack.targets_total), (1, 1));
    assert!(shop.get_in(&first, "db").await.is_some());
    assert!(shop.get_in(&outside, "db").await.is_none(), "the grant does not allow it");
    assert!(shop.get_in(&other, "db").await.is_none());

    let later = shop.namespace("in-later", team.clone()).await;
    let begun = std::time::Instant::now();
    shop.needed(delivery.binding).await;
    let ack = shop.deliver(&delivery).await.unwrap();
    println!("a later namespace had its Secret after {:?}", begun.elapsed());
    assert_eq!((ack.targets_applied, ack.targets_total), (2, 2));
    assert_eq!(shop.get_in(&later, "db").await.unwrap()["data"]["K"], value("good"));
    assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "0", "a new place is no drift");

    // None at all is fine too, and is what it was told.
    delivery.seq = 6;
    delivery.target.allowed_namespaces = vec![NamespaceRule { globs: vec!["nowhere".into()] }];
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.digest, ack.targets_total), (delivery.message().digest, 0));
    assert!(begun.elapsed() < PATIENCE);
    shop.close().await;
}

#[tokio::test]
async fn namespaces_that_may_not_be_listed_are_told_with_the_rule_that_is_missing() {
    let mut shop = Shop::open().await;
    let mut delivery = shop.delivery(5, &[("K", "good")]);
    delivery.target.namespace_selector = Some(Selector::default());
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Failed && reject.cause.contains("resources: [\"namespaces\"]"), "{}", reject.cause);
    // Once the rule is there, so is the list.
    rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
    let begun = std::time::Instant::now();
    while let Err(reject) = shop.deliver(&delivery).await {
        assert!(begun.elapsed() < PATIENCE, "{}", reject.cause);
    }
    println!("listed {:?} after it was allowed", begun.elapsed());
    shop.close().await;
}

#[tokio::test]
async fn a_namespace_that_is_gone_keeps_no_purge_where_the_agent_may_ask_for_it_and_a_refusal_alone_is_no_word() {
    for (access, rules) in [(SecretAccess::Names, rbac::of_names(&["db"])), (SecretAccess::Namespaces, rbac::of_namespace())] {
        let mut shop = Shop::with(access, &rules).await;
        let mut delivery = shop.delivery(5, &[("K", "good")]);
        delivery.target.immutable = access == SecretAccess::Namespaces;
        shop.deliver(&delivery).await.unwrap();
        shop.demolish().await;
        let reject = shop.remove(crate::shop::ONE, 6, true).await.unwrap_err();
        println!("{}", reject.cause);
        assert!(
            reject.kind() == Kind::Failed && reject.cause.contains("let the service account get namespaces"),
            "{}",
            reject.cause
        );
        rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
        let begun = std::time::Instant::now();
        while let Err(reject) = shop.remove(crate::shop::ONE, 6, true).await {
            assert!(begun.elapsed() < PATIENCE, "{}", reject.cause);
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn what_the_agent_may_not_look_at_any_more_is_not_taken_for_deleted() {
    let mut shop = Shop::with(SecretAccess::Names, &rbac::of_names(&["db"])).await;
    rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
    shop.deliver(&shop.delivery(5, &[("K", "good")])).await.unwrap();
    let token = shop.kubernetes.token(&shop.home, "agent", &[]).await.unwrap();
    let (roles, secret) =
        (format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", shop.namespace), path(&shop.namespace, "db"));
    shop.kubernetes.request("DELETE", &roles, None).await.unwrap();
    let is_refused = async || shop.kubernetes.request_as(&token, "GET", &secret, None).await.is_err();
    lockstep_testbed::wait::until("the right to be gone", PATIENCE, is_refused).await.unwrap();
    let reject = shop.remove(crate::shop::ONE, 6, true).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Failed && reject.cause.contains("may not get it"), "{}", reject.cause);
    assert!(shop.get("db").await.is_some());
    shop.close().await;
}
