use std::time::Duration;

use lockstep_agent::command::SecretAccess;
use lockstep_proto::v1::reject::Kind;
use lockstep_proto::v1::{NamespaceRule, Requirement, Selector};
use serde_json::json;

use crate::rbac;
use crate::shop::{Delivery, ONE, Shop, TWO, value};

#[tokio::test]
async fn observing_counts_what_would_change_and_writes_nothing() {
    let mut shop = Shop::open().await;
    let secret = json!({ "metadata": { "name": "db" }, "stringData": { "A": value("a"), "B": value("b"), "C": value("c") } });
    shop.make("external-secrets", secret).await;
    let before = shop.get("db").await.unwrap();
    let mut delivery = Delivery { observe: true, ..shop.delivery(5, &[("A", "a"), ("B", "b"), ("C", "c")]) };
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.would_change, ack.would_total, &ack.digest), (0, 3, &delivery.message().digest));
    assert_eq!((ack.targets_applied, ack.targets_total), (1, 1));
    let other = Delivery { observe: true, ..shop.delivery(6, &[("A", "x"), ("B", "y"), ("D", "z")]) };
    let ack = shop.deliver(&other).await.unwrap();
    assert_eq!((ack.would_change, ack.would_total), (3, 3));
    assert_eq!((ack.targets_applied, ack.targets_total), (0, 1));
    assert_eq!(shop.get("db").await.unwrap(), before);

    // A restarted agent does not ask again; a change there is asked for, also one that came while no agent ran.
    for (seq, stopped) in [(7, false), (8, true)] {
        delivery.seq = seq;
        shop.deliver(&delivery).await.unwrap();
        shop.restart().await;
        assert_eq!(shop.hello.inventory[0].digest, delivery.message().digest);
        shop.watched().await;
        let quiet = tokio::time::timeout(Duration::from_secs(1), shop.hear()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        if stopped {
            shop.end().await;
        }
        shop.edit(json!({ "stringData": { "A": value(&format!("x{seq}")) } })).await;
        if stopped {
            shop.restart_from_ended().await;
        }
        shop.needed(ONE).await;
        let ack = shop.deliver(&delivery).await.unwrap();
        assert_eq!((ack.would_change, ack.would_total), (1, 3));
    }
    assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "0");

    // Given up, it leaves everything, whatever it was told.
    let before = shop.get("db").await.unwrap();
    shop.remove(ONE, 9, true).await.unwrap();
    assert_eq!(shop.get("db").await.unwrap(), before);
    assert_eq!(shop.requests("patch", None) + shop.requests("delete", None), 0);
    shop.close().await;
}

#[tokio::test]
async fn what_was_observed_is_taken_over_without_a_change_of_content() {
    let mut shop = Shop::open().await;
    let secret = json!({ "metadata": { "name": "db" }, "stringData": { "A": value("a") } });
    shop.make("external-secrets", secret).await;
    let mut delivery = Delivery { observe: true, ..shop.delivery(5, &[("A", "a")]) };
    shop.deliver(&delivery).await.unwrap();
    (delivery.seq, delivery.observe, delivery.target.adopt) = (6, false, true);
    shop.deliver(&delivery).await.unwrap();
    let mark = |secret: &serde_json::Value| secret["metadata"]["annotations"][format!("lockstep.dev/binding.{ONE}")].to_string();
    let secret = shop.get("db").await.unwrap();
    assert!(mark(&secret).contains("changed\\\":null"), "{}", mark(&secret));
    assert_eq!(secret["data"], json!({ "A": value("a") }));
    // Other values than were there are a change.
    let mut next = shop.delivery(7, &[("A", "b")]);
    next.target.adopt = true;
    shop.deliver(&next).await.unwrap();
    assert!(!mark(&shop.get("db").await.unwrap()).contains("changed\\\":null"));
    shop.close().await;
}

#[tokio::test]
async fn what_delivering_could_never_write_is_said_when_observing() {
    let mut shop = Shop::open().await;
    shop.make("helm", json!({ "metadata": { "name": "db" }, "stringData": { "username": value("u") } })).await;
    let observing = |shop: &Shop, seq, text| Delivery { observe: true, ..shop.delivery(seq, &[("username", text)]) };
    let mut delivery = observing(&shop, 5, "u");
    delivery.target.r#type = "kubernetes.io/basic-auth".into();
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("\"Opaque\", not"), "{}", reject.cause);
    shop.edit(json!({ "immutable": true })).await;
    let ack = shop.deliver(&observing(&shop, 6, "u")).await.unwrap();
    assert_eq!((ack.would_change, ack.would_total), (0, 1), "it is as it should be");
    let reject = shop.deliver(&observing(&shop, 7, "v")).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("immutable"), "{}", reject.cause);
    shop.close().await;
}

#[tokio::test]
async fn a_namespace_that_comes_later_without_the_secret_is_counted() {
    let mut shop = Shop::open().await;
    rbac::allow_namespaces(shop.kubernetes, &shop.home).await;
    let team = json!({ "team": shop.namespace });
    let first = shop.namespace("first", team.clone()).await;
    let mut delivery = Delivery { observe: true, ..shop.delivery(5, &[("K", "v")]) };
    delivery.target.namespaces.clear();
    let requirement = Requirement { key: "team".into(), operator: "In".into(), values: vec![shop.namespace.clone()] };
    delivery.target.namespace_selector = Some(Selector { requirements: vec![requirement] });
    delivery.target.allowed_namespaces = vec![NamespaceRule { globs: vec!["*".into()] }];
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.would_change, ack.targets_total), (1, 1), "{first} has no Secret");
    shop.namespace("later", team).await;
    shop.needed(ONE).await;
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.would_change, ack.targets_total), (2, 2));
    // A restarted agent knows that there was none.
    shop.restart().await;
    let quiet = tokio::time::timeout(Duration::from_secs(1), shop.hear()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    shop.close().await;
}

#[tokio::test]
async fn a_change_is_counted_also_where_the_agent_may_not_watch() {
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }]);
    let mut shop = Shop::with(SecretAccess::Names, &rules).await;
    shop.make("external-secrets", json!({ "metadata": { "name": "db" }, "stringData": { "K": value("v") } })).await;
    let delivery = Delivery { observe: true, ..shop.delivery(5, &[("K", "v")]) };
    assert_eq!(shop.deliver(&delivery).await.unwrap().would_change, 0);
    shop.verify_interval_ms = 500;
    shop.restart().await;
    shop.edit(json!({ "stringData": { "K": value("edited") } })).await;
    shop.needed(ONE).await;
    assert_eq!(shop.deliver(&delivery).await.unwrap().would_change, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_binding_that_observes_from_now_on_keeps_nothing_from_its_successor() {
    let mut shop = Shop::open().await;
    let delivery = shop.delivery(5, &[("K", "v")]);
    shop.deliver(&delivery).await.unwrap();
    shop.deliver(&Delivery { seq: 6, observe: true, ..delivery }).await.unwrap();
    let mut successor = Delivery { binding: TWO, ..shop.delivery(7, &[("K", "new")]) };
    let reject = shop.deliver(&successor).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("delivered here no more"), "{}", reject.cause);
    (successor.seq, successor.target.adopt) = (8, true);
    shop.deliver(&successor).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("new") }));
    shop.close().await;
}
