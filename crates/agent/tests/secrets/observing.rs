use std::time::Duration;

use serde_json::json;

use crate::shop::{Delivery, ONE, Shop, value};

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
