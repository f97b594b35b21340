use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Api, binding, cluster, grant, project, source};

#[tokio::test]
async fn what_a_binding_names_must_be_there_and_all_that_is_not_is_told() -> Result<()> {
    let api = Api::start().await?;
    let mut two = binding();
    let mut item = two["spec"]["items"][0].clone();
    item["source"] = json!("other");
    two["spec"]["items"].as_array_mut().unwrap().push(item);
    let answer = api.put("/v1/bindings/checkout-db", &two).await?;
    assert_eq!(answer.code(), "invalid-manifest");
    assert_eq!(answer.fields(), ["spec.project", "spec.items[0].source", "spec.items[1].source"]);
    assert_eq!(answer.body["errors"][0]["reason"], "project \"payments\" does not exist: apply it first");
    let answer = api.put("/v1/grants/payments-prod", &grant()).await?;
    assert_eq!((answer.code(), answer.fields()), ("invalid-manifest", vec!["spec.project"]));
    assert_eq!(api.get("/v1/secrets").await?.ok().body["items"], json!([]), "a refused write leaves nothing");
    Ok(())
}

#[tokio::test]
async fn a_bindings_project_cannot_be_changed() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let mut other = project();
    other["metadata"]["name"] = json!("orders");
    api.apply(&other).await?;
    for to in ["orders", "missing"] {
        let mut moved = binding();
        moved["spec"]["project"] = json!(to);
        let answer = api.put("/v1/bindings/checkout-db", &moved).await?;
        assert_eq!((answer.code(), answer.fields()), ("invalid-manifest", vec!["spec.project"]));
        assert!(answer.text.contains("cannot be changed"), "{}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_still_needed_is_not_deleted() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    for path in ["/v1/projects/payments", "/v1/sources/corp"] {
        let answer = api.delete(path).await?;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "in-use"), "{path}");
        assert!(answer.text.contains("has to go first"), "{}", answer.text);
    }
    // A binding that was placed keeps its project until every cluster has given it up.
    api.delete("/v1/bindings/checkout-db").await?.ok();
    api.delete("/v1/grants/payments-prod").await?.ok();
    assert_eq!(api.delete("/v1/projects/payments").await?.code(), "in-use");
    api.delete("/v1/sources/corp").await?.ok();
    Ok(())
}

#[tokio::test]
async fn a_binding_that_was_never_placed_leaves_nothing_behind() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&project()).await?;
    api.apply(&source()).await?;
    api.apply(&binding()).await?;
    for path in ["/v1/bindings/checkout-db", "/v1/projects/payments", "/v1/sources/corp"] {
        api.delete(path).await?.ok();
    }
    Ok(())
}

#[tokio::test]
async fn a_bindings_status_counts_its_deliveries_and_says_whether_they_are_in_step() -> Result<()> {
    let api = Api::start().await?;
    for manifest in [project(), source(), grant()] {
        api.apply(&manifest).await?;
    }
    let status = api.apply(&binding()).await?.body["status"].clone();
    assert_eq!((&status["clusters"], &status["conditions"][0]["reason"]), (&json!(0), &json!("NoClusters")));
    api.apply(&cluster("eu-1", "prod")).await?;
    api.apply(&cluster("eu-2", "prod")).await?;
    assert_eq!(api.get("/v1/grants/payments-prod").await?.ok().body["status"]["clusters"], 2);
    assert_eq!(api.get("/v1/projects/payments").await?.ok().body["status"], json!({"bindings": 1, "grants": 1}));
    let status = api.get("/v1/bindings/checkout-db").await?.ok().body["status"].clone();
    assert_eq!((&status["clusters"], &status["deliveries"]), (&json!(2), &json!({"Pending": 2})));
    assert_eq!(status["conditions"][0]["reason"], "NotInSync");

    // One version, held by both.
    api.sql(
        "update secret set state = 'Live', chosen_incarnation = now(), chosen_number = 1, chosen_created = now(), chosen_seq = 1",
    )
    .await?;
    api.sql("update cluster set state = 'Active', instance_id = gen_random_uuid()").await?;
    let confirm = |clusters: &str| {
        format!(
            "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest, \
             applied_at, targets_applied, targets_total) select d.binding_id, d.cluster_id, d.epoch, d.seq, 'Applied', now(), d.epoch, d.seq, \
             'k', '\\x00', now(), 1, 1 from desired d join cluster c on c.id = d.cluster_id where c.name in ({clusters})"
        )
    };
    api.sql(&confirm("'eu-1'")).await?;
    let some = api.get("/v1/bindings").await?.ok().body["items"][0]["status"].clone();
    assert_eq!(some["deliveries"], json!({"InSync": 1, "Pending": 1}));
    assert_eq!((&some["conditions"][0]["status"], &some["conditions"][0]["reason"]), (&json!("False"), &json!("NotInSync")));
    api.sql(&confirm("'eu-2'")).await?;
    let all = api.get("/v1/bindings/checkout-db").await?.ok().body["status"].clone();
    assert_eq!((&all["conditions"][0]["status"], &all["conditions"][0]["reason"]), (&json!("True"), &json!("AllInSync")));
    assert_eq!(api.get("/v1/clusters").await?.ok().body["items"][1]["status"]["deliveries"], json!({"InSync": 1}));

    let delivery = api.get("/v1/deliveries?cluster=eu-1").await?.ok().body["items"][0].clone();
    assert_eq!((&delivery["status"], &delivery["desiredRevision"]), (&json!("InSync"), &delivery["appliedRevision"]));
    let secret = api.get("/v1/secrets").await?.ok().body["items"][0].clone();
    assert_eq!((&secret["state"], &secret["version"], &secret["bindings"]), (&json!("Live"), &json!(1), &json!(1)));
    Ok(())
}

#[tokio::test]
async fn a_grant_that_goes_takes_its_leave_with_it() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    api.delete("/v1/grants/payments-prod").await?.ok();
    let placements = api.get("/v1/placements").await?.ok().body;
    let answers: Vec<_> = placements["items"].as_array().unwrap().iter().map(|p| p["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["Denied", "Denied"]);

    // A grant that moves to another project is taken from the first.
    api.apply(&grant()).await?;
    assert_eq!(api.get("/v1/placements").await?.ok().body["items"][0]["answer"], "Placed");
    let mut other = project();
    other["metadata"]["name"] = json!("orders");
    api.apply(&other).await?;
    let mut moved = grant();
    moved["spec"]["project"] = json!("orders");
    assert_eq!(api.apply(&moved).await?.header("lockstep-placements-changed"), "2");
    assert_eq!(api.get("/v1/placements").await?.ok().body["items"][0]["answer"], "Denied");
    Ok(())
}

#[tokio::test]
async fn two_bindings_do_not_deliver_to_one_key_of_a_secret() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let other = |spec: &[(&str, Value)]| {
        let mut other = binding();
        other["metadata"]["name"] = json!("other");
        for (pointer, value) in spec {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            other["spec"].pointer_mut(parent).unwrap()[field] = value.clone();
        }
        other
    };
    for meets in [
        other(&[]),
        other(&[("/items/0/keys", json!({"a": "HOST"})), ("/templates", json!({"DB_USER": "x"}))]),
        other(&[("/clusters", json!({})), ("/target/secret/namespaces", json!(["payments-dev", "payments-prod"]))]),
    ] {
        let answer = api.put("/v1/bindings/other", &meets).await?;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "key-taken"));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(["checkout-db", "DB_USER", "payments-prod", "eu-1"].iter().all(|part| detail.contains(part)), "{detail}");
        assert_eq!(api.put("/v1/bindings/other?dryRun=All", &meets).await?.code(), "key-taken");
    }
    assert_eq!(api.get("/v1/bindings").await?.ok().names(), ["checkout-db"]);
    for apart in [
        other(&[("/items/0/keys", json!({"username": "DB_OWNER"}))]),
        other(&[("/items/0/keys", json!({}))]),
        other(&[("/clusters/matchLabels", json!({"env": "dev"}))]),
        other(&[("/target/secret/namespaces", json!(["payments-dev"]))]),
        other(&[("/mode", json!("Observe"))]),
    ] {
        api.put("/v1/bindings/other", &apart).await?.ok();
    }
    // One that observes delivers once nobody else does, or nobody else may.
    assert_eq!(api.put("/v1/bindings/other", &other(&[])).await?.code(), "key-taken");
    let mut denied = binding();
    denied["spec"]["items"][0]["path"] = json!("elsewhere/db");
    api.apply(&denied).await?;
    api.put("/v1/bindings/other", &other(&[])).await?.ok();
    assert_eq!(api.put("/v1/bindings/checkout-db", &binding()).await?.code(), "key-taken");
    api.delete("/v1/bindings/other").await?.ok();
    api.apply(&binding()).await?;
    Ok(())
}

#[tokio::test]
async fn a_placement_within_granted_namespaces_is_a_placement() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut selecting = binding();
    let secret = &mut selecting["spec"]["target"]["secret"];
    secret.as_object_mut().unwrap().remove("namespaces");
    assert_eq!(api.put("/v1/bindings/checkout-db", &selecting).await?.fields(), ["spec.target.secret.namespaces"]);
    selecting["spec"]["target"]["secret"]["namespaceSelector"] = json!({"matchLabels": {"team": "payments"}});
    api.apply(&selecting).await?;
    let placement = api.get("/v1/placements").await?.ok().body["items"][0].clone();
    assert_eq!((&placement["answer"], &placement["reason"]), (&json!("Placed"), &Value::Null));
    Ok(())
}
