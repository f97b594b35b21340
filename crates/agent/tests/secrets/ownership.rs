use lockstep_proto::v1::reject::Kind;
use serde_json::json;

use crate::shop::{Delivery, ONE, PATIENCE, Shop, TWO, encoded, value};

/// Another tool's Secret.
fn foreign(keys: &[(&str, &str)]) -> serde_json::Value {
    let data: serde_json::Map<_, _> = keys.iter().map(|(key, text)| ((*key).to_owned(), value(text).into())).collect();
    json!({ "metadata": { "name": "db" }, "stringData": data })
}

#[tokio::test]
async fn another_managers_key_is_a_conflict_and_taken_over_with_adopt() {
    let mut shop = Shop::open().await;
    shop.make("external-secrets", foreign(&[("DB_PASSWORD", "theirs"), ("OTHER", "o")])).await;
    let mut delivery = shop.delivery(5, &[("DB_PASSWORD", "ours")]);
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert_eq!(reject.kind(), Kind::Conflict);
    for part in ["key DB_PASSWORD", "external-secrets", "adopt", "/db"] {
        assert!(reject.cause.contains(part), "{part}: {}", reject.cause);
    }
    assert_eq!(shop.data().await.unwrap(), json!({ "DB_PASSWORD": value("theirs"), "OTHER": value("o") }));
    (delivery.seq, delivery.target.adopt) = (6, true);
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!(ack.digest, delivery.message().digest);
    assert_eq!(shop.data().await.unwrap(), json!({ "DB_PASSWORD": value("ours"), "OTHER": value("o") }));
    shop.close().await;
}

#[tokio::test]
async fn keys_beside_anothers_leave_them_when_the_binding_goes() {
    let mut shop = Shop::open().await;
    shop.make("kubectl-create", foreign(&[("THEIRS", "t")])).await;
    shop.deliver(&shop.delivery(5, &[("OURS", "o")])).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "THEIRS": value("t"), "OURS": value("o") }));
    shop.remove(ONE, 6, true).await.unwrap();
    let secret = shop.get("db").await.unwrap();
    assert_eq!((&secret["data"], &secret["metadata"]["labels"]), (&json!({ "THEIRS": value("t") }), &serde_json::Value::Null));
    assert_eq!(secret["metadata"]["annotations"], serde_json::Value::Null);
    // Its manager may stay on record for what cannot go, such as the type; of keys and marks it owns nothing more.
    let entries = secret["metadata"]["managedFields"].as_array().unwrap();
    let ours = entries.iter().filter(|entry| entry["manager"].as_str().unwrap().starts_with("lockstep."));
    for entry in ours {
        let fields = &entry["fieldsV1"];
        assert!(
            fields.get("f:data").is_none_or(|data| data == &json!({})) && !fields.to_string().contains("lockstep.dev"),
            "{entry}"
        );
    }
    shop.close().await;
}

#[tokio::test]
async fn two_bindings_share_a_secret_and_the_older_keeps_its_key() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("A", "one")])).await.unwrap();
    let two = Delivery { binding: TWO, ..shop.delivery(6, &[("B", "two")]) };
    shop.deliver(&two).await.unwrap();
    shop.deliver(&shop.delivery(7, &[("A", "one more")])).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "A": value("one more"), "B": value("two") }));
    // Whatever it adopts, and also with the very same value.
    for (seq, text) in [(8, "other"), (9, "one more")] {
        let mut greedy = Delivery { binding: TWO, ..shop.delivery(seq, &[("A", text), ("B", "two")]) };
        greedy.target.adopt = true;
        let reject = shop.deliver(&greedy).await.unwrap_err();
        println!("{}", reject.cause);
        assert!(reject.kind() == Kind::Conflict && reject.cause.contains(&ONE.to_string()), "{}", reject.cause);
    }
    shop.remove(ONE, 10, true).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "B": value("two") }));
    let secret = shop.get("db").await.unwrap();
    assert_eq!(secret["metadata"]["labels"], json!({ "lockstep.dev/managed": "true" }), "it is still the other's");
    shop.remove(TWO, 11, true).await.unwrap();
    assert!(shop.get("db").await.is_none());
    shop.close().await;
}

#[tokio::test]
async fn a_binding_may_adopt_what_one_that_is_gone_left() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("A", "a")])).await.unwrap();
    shop.remove(ONE, 6, false).await.unwrap();
    let mut heir = Delivery { binding: TWO, ..shop.delivery(7, &[("A", "b")]) };
    let reject = shop.deliver(&heir).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("no more"), "{}", reject.cause);
    heir.target.adopt = true;
    shop.deliver(&Delivery { seq: 8, ..heir }).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "A": value("b") }));
    shop.close().await;
}

#[tokio::test]
async fn a_binding_may_adopt_what_another_left_that_has_another_target_now() {
    let mut shop = Shop::open().await;
    let mut delivery = shop.delivery(5, &[("A", "a")]);
    shop.deliver(&delivery).await.unwrap();
    (delivery.seq, delivery.target.name) = (6, "renamed".into());
    shop.deliver(&delivery).await.unwrap();
    let mut heir = Delivery { binding: TWO, ..shop.delivery(7, &[("A", "b")]) };
    assert_eq!(shop.deliver(&heir).await.unwrap_err().kind(), Kind::Conflict);
    (heir.seq, heir.target.adopt) = (8, true);
    shop.deliver(&heir).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "A": value("b") }));
    assert_eq!(shop.get("renamed").await.unwrap()["data"], json!({ "A": value("a") }));
    // It is the heir's now, and goes with it.
    shop.remove(TWO, 9, true).await.unwrap();
    assert!(shop.get("db").await.is_none());
    shop.close().await;
}

#[tokio::test]
async fn a_secret_that_another_tool_made_anew_does_not_keep_a_purge() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("K", "a")])).await.unwrap();
    shop.delete("db").await;
    shop.make("external-secrets", foreign(&[("K", "theirs")])).await;
    shop.remove(ONE, 6, true).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("theirs") }));
    shop.close().await;
}

#[tokio::test]
async fn another_type_and_an_immutable_secret_are_conflicts_that_say_so() {
    let mut shop = Shop::open().await;
    shop.make("helm", foreign(&[("THEIRS", "t")])).await;
    let mut delivery = shop.delivery(5, &[("username", "u")]);
    for adopt in [false, true] {
        (delivery.seq, delivery.target.adopt) = (delivery.seq + 1, adopt);
        delivery.target.r#type = "kubernetes.io/basic-auth".into();
        let reject = shop.deliver(&delivery).await.unwrap_err();
        println!("{}", reject.cause);
        assert!(reject.kind() == Kind::Conflict && reject.cause.contains("\"Opaque\", not"), "{}", reject.cause);
    }
    shop.edit(json!({ "immutable": true })).await;
    let reject = shop.deliver(&shop.delivery(9, &[("OURS", "o")])).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("immutable"), "{}", reject.cause);
    shop.close().await;
}

#[tokio::test]
async fn a_purge_takes_nothing_without_our_valid_mark() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("K", "a")])).await.unwrap();
    // The very mark, but of another Secret.
    let mark = shop.get("db").await.unwrap()["metadata"]["annotations"].clone();
    shop.delete("db").await;
    shop.make("somebody", json!({ "metadata": { "name": "other", "annotations": mark }, "stringData": { "K": value("a") } }))
        .await;
    let mut forged = mark.clone();
    let name = format!("lockstep.dev/binding.{ONE}");
    forged[&name] = mark[&name].as_str().unwrap().replace("\"seq\":5", "\"seq\":4").into();
    shop.make("somebody", json!({ "metadata": { "name": "db", "annotations": forged }, "stringData": { "K": value("b") } }))
        .await;
    let reject = shop.remove(ONE, 6, true).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("mark"), "{}", reject.cause);
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("b") }));
    // Another name: the copied mark is not valid there, so the key is somebody's.
    let mut copied = shop.delivery(7, &[("K", "c")]);
    copied.target.name = "other".into();
    let reject = shop.deliver(&copied).await.unwrap_err();
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("somebody"), "{}", reject.cause);
    shop.close().await;
}

#[tokio::test]
async fn a_typed_secret_with_others_keys_is_left_and_says_why() {
    let mut shop = Shop::open().await;
    let mut delivery = shop.delivery(5, &[("username", "u"), ("password", "p")]);
    delivery.target.r#type = "kubernetes.io/basic-auth".into();
    shop.deliver(&delivery).await.unwrap();
    shop.edit(json!({ "stringData": { "THEIRS": value("t") } })).await;
    let reject = shop.remove(ONE, 6, true).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("its type does not let it be"), "{}", reject.cause);
    assert_eq!(shop.data().await.unwrap().as_object().unwrap().len(), 3);
    shop.close().await;
}

#[tokio::test]
async fn a_secret_that_others_own_as_an_object_keeps_its_object() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("K", "a")])).await.unwrap();
    let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "8f3a2c9e-0000-4000-8000-000000000000" });
    shop.edit(json!({ "metadata": { "ownerReferences": [owner] } })).await;
    shop.remove(ONE, 6, true).await.unwrap();
    let secret = shop.get("db").await.unwrap();
    assert_eq!((&secret["data"], &secret["metadata"]["labels"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    shop.close().await;
}

#[tokio::test]
async fn a_key_of_anothers_is_no_less_its_own_for_having_the_same_value() {
    for manager in ["external-secrets", "kubectl-client-side-apply", "flux", "flux-string-data", "nobody"] {
        let mut shop = Shop::open().await;
        let theirs = json!({ "metadata": { "name": "db" }, "data": encoded(&[("K", "v")]) });
        match manager {
            "flux" => shop.take(manager, json!({ "data": encoded(&[("K", "v")]) })).await,
            "flux-string-data" => shop.take(manager, json!({ "stringData": { "K": value("v") } })).await,
            _ => shop.make(manager, theirs).await,
        }
        if manager == "nobody" {
            shop.edit(json!({ "metadata": { "managedFields": [{}] } })).await;
        }
        let before = shop.get("db").await.unwrap();
        let mut delivery = shop.delivery(5, &[("K", "v")]);
        let reject = shop.deliver(&delivery).await.unwrap_err();
        println!("{}", reject.cause);
        let whose = if manager == "nobody" { "managed fields do not name" } else { manager };
        for part in ["key K", whose, "adopt"] {
            assert!(reject.kind() == Kind::Conflict && reject.cause.contains(part), "{manager}: {}", reject.cause);
        }
        assert_eq!(shop.get("db").await.unwrap(), before);
        delivery.target.adopt = true;
        shop.deliver(&Delivery { seq: 6, ..delivery }).await.unwrap();
        // It was taken over: who wrote it once is not asked again, though its name may stay on record.
        if manager != "flux" {
            shop.deliver(&shop.delivery(7, &[("K", "rotated")])).await.unwrap();
            assert_eq!(shop.data().await.unwrap(), json!({ "K": value("rotated") }));
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn labels_and_annotations_of_anothers_are_conflicts_also_with_the_same_value() {
    let mut shop = Shop::open().await;
    let metadata = json!({ "name": "db", "labels": { "app": "checkout" }, "annotations": { "example.com/note": "n" } });
    shop.make("helm", json!({ "metadata": metadata })).await;
    for (seq, name) in [(5, "label app"), (6, "annotation example.com/note")] {
        let mut delivery = shop.delivery(seq, &[("K", "v")]);
        if seq == 5 {
            delivery.target.labels.insert("app".into(), "checkout".into());
        } else {
            delivery.target.annotations.insert("example.com/note".into(), "n".into());
        }
        let reject = shop.deliver(&delivery).await.unwrap_err();
        println!("{}", reject.cause);
        assert!(
            reject.kind() == Kind::Conflict && reject.cause.contains(name) && reject.cause.contains("helm"),
            "{}",
            reject.cause
        );
    }
    // Two bindings of ours may say the same of a Secret that they share.
    for (seq, binding, key) in [(7, ONE, "A"), (8, TWO, "B")] {
        let mut delivery = Delivery { binding, ..shop.delivery(seq, &[(key, "v")]) };
        delivery.target.labels.insert("tier".into(), "one".into());
        shop.deliver(&delivery).await.unwrap();
    }
    shop.close().await;
}

#[tokio::test]
async fn who_applies_the_same_value_beside_us_later_is_asked_before_it_changes() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("K", "v"), ("L", "l")])).await.unwrap();
    shop.take("flux", json!({ "data": encoded(&[("K", "v")]) })).await;
    // Nothing is taken from anybody by this.
    shop.deliver(&shop.delivery(6, &[("K", "v"), ("L", "m")])).await.unwrap();
    let mut delivery = shop.delivery(7, &[("K", "rotated"), ("L", "m")]);
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("key K of"), "{}", reject.cause);
    assert!(reject.cause.contains("\"flux\"") && reject.cause.contains("adopt"), "{}", reject.cause);
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("v"), "L": value("m") }));
    (delivery.seq, delivery.target.adopt) = (8, true);
    shop.deliver(&delivery).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("rotated"), "L": value("m") }));
    shop.close().await;
}

#[tokio::test]
async fn a_secret_that_somebody_else_makes_anew_first_is_theirs() {
    let mut shop = Shop::open().await;
    let delivery = shop.delivery(5, &[("K", "v")]);
    shop.deliver(&delivery).await.unwrap();
    shop.watched().await;
    // Whether the agent looks before or after the other tool came: what it remembers of its own says nothing of the new one.
    shop.delete("db").await;
    shop.make("external-secrets", json!({ "metadata": { "name": "db" }, "data": encoded(&[("K", "v")]) })).await;
    let reject = shop.deliver(&Delivery { seq: 6, ..delivery.clone() }).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(reject.kind() == Kind::Conflict && reject.cause.contains("external-secrets"), "{}", reject.cause);
    // A copy that was kept with our mark is ours, whoever brings it back.
    shop.delete("db").await;
    shop.deliver(&Delivery { seq: 7, ..delivery }).await.unwrap();
    let kept = shop.get("db").await.unwrap();
    shop.delete("db").await;
    let (labels, annotations) = (&kept["metadata"]["labels"], &kept["metadata"]["annotations"]);
    let metadata = json!({ "name": "db", "labels": labels, "annotations": annotations });
    shop.make("velero", json!({ "metadata": metadata, "data": encoded(&[("K", "v")]) })).await;
    for (seq, text) in [(8, "v"), (9, "rotated"), (10, "again")] {
        shop.deliver(&shop.delivery(seq, &[("K", text)])).await.unwrap();
        assert_eq!(shop.data().await.unwrap(), json!({ "K": value(text) }));
    }
    shop.close().await;
}

#[tokio::test]
async fn a_key_that_a_binding_gains_is_not_taken_from_who_has_it() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("A", "a")])).await.unwrap();
    shop.watched().await;
    let looks = shop.requests("get", Some("200"));
    // Who applies stringData has keys that the API server guards for nobody.
    shop.take("flux", json!({ "stringData": { "B": value("theirs") } })).await;
    let looked = async || (shop.requests("get", Some("200")) > looks).then_some(());
    lockstep_testbed::wait::until("the agent to look at the change", PATIENCE, looked).await.unwrap();
    let reject = shop.deliver(&shop.delivery(6, &[("A", "a"), ("B", "ours")])).await.unwrap_err();
    println!("{}", reject.cause);
    assert!(
        reject.kind() == Kind::Conflict && reject.cause.contains("key B") && reject.cause.contains("flux"),
        "{}",
        reject.cause
    );
    assert_eq!(shop.data().await.unwrap(), json!({ "A": value("a"), "B": value("theirs") }));
    shop.close().await;
}
