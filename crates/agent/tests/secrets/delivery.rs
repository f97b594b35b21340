use std::time::Instant;

use lockstep_proto::v1::agent_message::Message as FromAgent;
use serde_json::{Value, json};

use crate::fixture::digest;
use crate::shop::{ONE, PATIENCE, Shop, value};

fn managers(secret: &Value) -> Vec<&str> {
    secret["metadata"]["managedFields"].as_array().unwrap().iter().map(|entry| entry["manager"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_secret_is_made_changed_and_removed_with_one_request_each() {
    let mut shop = Shop::open().await;
    let mut delivery = shop.delivery(5, &[("USER", "u"), ("PASSWORD", "p")]);
    delivery.target.labels.insert("app".into(), "checkout".into());
    delivery.target.annotations.insert("example.com/note".into(), "a note".into());
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.digest, ack.targets_applied, ack.targets_total), (delivery.message().digest, 1, 1));
    let secret = shop.get("db").await.unwrap();
    assert_eq!(secret["data"], json!({ "USER": value("u"), "PASSWORD": value("p") }));
    assert_eq!(secret["metadata"]["labels"], json!({ "app": "checkout", "lockstep.dev/managed": "true" }));
    assert_eq!((&secret["metadata"]["annotations"]["example.com/note"], &secret["type"]), (&"a note".into(), &"Opaque".into()));
    let mark: Value =
        serde_json::from_str(secret["metadata"]["annotations"][format!("lockstep.dev/binding.{ONE}")].as_str().unwrap()).unwrap();
    assert_eq!((&mark["revision"], &mark["changed"]), (&json!({ "epoch": 1, "seq": 5 }), &Value::Null), "first content");
    assert_eq!(managers(&secret), [format!("lockstep.{ONE}")]);

    // The same content as another revision is not a change of it.
    shop.deliver(&crate::shop::Delivery { seq: 6, ..delivery.clone() }).await.unwrap();
    let mut changed = shop.delivery(7, &[("PASSWORD", "q")]);
    changed.target = delivery.target.clone();
    shop.deliver(&changed).await.unwrap();
    let secret = shop.get("db").await.unwrap();
    assert_eq!(secret["data"], json!({ "PASSWORD": value("q") }));
    let mark: Value =
        serde_json::from_str(secret["metadata"]["annotations"][format!("lockstep.dev/binding.{ONE}")].as_str().unwrap()).unwrap();
    assert_eq!(mark["changed"]["revision"], json!({ "epoch": 1, "seq": 7 }));
    assert_eq!(
        (shop.requests("patch", None), shop.requests("patch", Some("201")), shop.requests("get", None)),
        (3, 1, 0),
        "no look was needed"
    );
    assert_eq!(shop.fixture.metric("lockstep_agent_secrets"), "1");

    shop.remove(ONE, 8, true).await.unwrap();
    assert!(shop.get("db").await.is_none());
    assert_eq!(shop.fixture.metric("lockstep_agent_secrets"), "0");
    shop.close().await;
}

#[tokio::test]
async fn a_binding_that_is_given_up_without_a_purge_leaves_its_secret() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("K", "a")])).await.unwrap();
    shop.remove(ONE, 6, false).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("a") }));
    // It may come back over what was kept.
    shop.deliver(&shop.delivery(7, &[("K", "b")])).await.unwrap();
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("b") }));
    shop.close().await;
}

#[tokio::test]
async fn a_restarted_agent_says_what_is_there_and_writes_nothing() {
    let mut shop = Shop::open().await;
    let delivery = shop.delivery(5, &[("K", "a")]);
    shop.deliver(&delivery).await.unwrap();
    let before = shop.get("db").await.unwrap();
    shop.restart().await;
    assert_eq!((shop.hello.inventory.len(), &shop.hello.inventory[0].digest), (1, &delivery.message().digest));
    assert!(shop.hello.sinks.contains(&"secret".to_owned()));
    shop.deliver(&delivery).await.unwrap();
    // Before its watch has begun it may be applied again, which changes nothing, the version included.
    assert_eq!(shop.get("db").await.unwrap(), before);
    shop.end().await;
    shop.delete("db").await;
    shop.restart_from_ended().await;
    assert_ne!(shop.hello.inventory[0].digest, delivery.message().digest);
    assert_ne!(shop.hello.inventory[0].digest, digest(&crate::fixture::content(&[])));
    // What happened while it was away is drift as any other, and is said before anything is applied.
    shop.deliver(&delivery).await.unwrap();
    assert_eq!(shop.fixture.metric("lockstep_agent_drift_total"), "1");
    let drifted = |message: &FromAgent| matches!(message, FromAgent::Report(report) if report.drifted == [ONE.as_bytes()]);
    assert!(shop.said.iter().any(drifted), "{:?}", shop.said);
    shop.close().await;
}

#[tokio::test]
async fn what_admission_says_is_not_passed_on() {
    for (reason, part) in [("Forbidden", "quota or policy"), ("Invalid", "invalid")] {
        let mut shop = Shop::open().await;
        let name = shop.namespace.clone();
        let constraints = json!({
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
            "resourceRules":
                [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"] }],
        });
        let validation =
            json!({ "expression": "false", "messageExpression": "'it is ' + string(object.data.K)", "reason": reason });
        let policy =
            json!({ "metadata": { "name": name }, "spec": { "matchConstraints": constraints, "validations": [validation] } });
        let binding = json!({ "metadata": { "name": name }, "spec": { "policyName": name, "validationActions": ["Deny"] } });
        let policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic";
        shop.kubernetes.request("POST", &format!("{policies}ies"), Some(policy)).await.unwrap();
        shop.kubernetes.request("POST", &format!("{policies}ybindings"), Some(binding)).await.unwrap();
        let (begun, mut seq) = (Instant::now(), 5);
        let reject = loop {
            // The API server takes its time to see a policy.
            seq += 1;
            match shop.deliver(&shop.delivery(seq, &[("K", "a")])).await {
                Err(reject) => break reject,
                Ok(_) => assert!(begun.elapsed() < PATIENCE, "the policy works"),
            }
        };
        println!("{}", reject.cause);
        assert!(reject.cause.contains(part), "{}", reject.cause);
        shop.close().await;
    }
}

#[tokio::test]
async fn what_is_refused_in_one_namespace_is_delivered_in_the_others_and_told() {
    let mut shop = Shop::open().await;
    let mut delivery = shop.delivery(5, &[("K", "a")]);
    let gone = format!("{}-gone", shop.namespace);
    delivery.target.namespaces.push(gone.clone());
    let reject = shop.deliver(&delivery).await.unwrap_err();
    println!("{}", reject.cause);
    for part in [format!("Role in namespace {gone}"), "(1 of 2 Secrets are done)".to_owned()] {
        assert!(reject.cause.contains(&part), "{part}: {}", reject.cause);
    }
    assert_eq!(shop.data().await.unwrap(), json!({ "K": value("a") }));
    let second = shop.namespace("gone", json!({})).await;
    let ack = shop.deliver(&delivery).await.unwrap();
    assert_eq!((ack.targets_applied, ack.targets_total), (2, 2));
    assert!(shop.get_in(&second, "db").await.is_some());
    shop.close().await;
}
