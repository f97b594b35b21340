//! Why a secret goes to a cluster, or what is missing.

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Api, binding, cluster, grant};

#[tokio::test]
async fn the_grant_and_the_binding_are_named_or_what_is_missing() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&cluster("dev", "dev")).await?;
    let why = async |cluster: &str, more: &str| {
        let path = format!("/v1/why?cluster={cluster}&secret=corp/kv/payments/db{more}");
        anyhow::Ok(api.get(&path).await?.ok().body)
    };
    let told = |answer: &Value| (answer["allowed"].as_bool().unwrap(), answer["summary"].as_str().unwrap().to_owned());
    let unbound = "no binding uses corp/kv/payments/db, though grant payments-prod allows it to project payments";
    assert_eq!(told(&why("eu-1", "").await?), (false, unbound.to_owned()));

    api.apply(&binding()).await?;
    let yes = why("eu-1", "&namespace=payments-prod").await?;
    assert_eq!(
        told(&yes),
        (true, "binding checkout-db of project payments delivers it there, by grant payments-prod".to_owned())
    );
    assert_eq!((&yes["bindings"][0]["grants"], &yes["bindings"][0]["status"]), (&json!(["payments-prod"]), &json!("Pending")));
    for (cluster, namespace, want) in [
        ("dev", "", "binding checkout-db of project payments does not select cluster dev: it asks for env in (prod)"),
        ("eu-1", "&namespace=other", "binding checkout-db of project payments delivers to other namespaces: payments-prod"),
    ] {
        assert_eq!(told(&why(cluster, namespace).await?), (false, want.to_owned()));
    }
    let mut elsewhere = grant();
    elsewhere["spec"]["clusters"] = json!({"matchLabels": {"env": "dev"}});
    api.apply(&elsewhere).await?;
    let no = why("eu-1", "").await?;
    assert!(told(&no).1.ends_with("no grant of project payments allows it there: ask an administrator for one"), "{no}");
    assert_eq!(no["grants"][0]["reason"], "allows the path, but not this cluster");
    assert!(no["bindings"][0]["cause"].as_str().unwrap().starts_with("no grant of the project allows"), "{no}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_and_what_is_anothers_is_not() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    for bad in [
        "cluster=eu-1&secret=corp",
        "cluster=eu-1&secret=corp/kv",
        "cluster=eu-1&secret=corp/kv/../x",
        "cluster=eu-1&secret=corp/kv/a&namespace=A",
    ] {
        assert_eq!(api.get(&format!("/v1/why?{bad}")).await?.code(), "invalid-query", "{bad}");
    }
    assert_eq!(api.get("/v1/why?cluster=nowhere&secret=corp/kv/a").await?.code(), "not-found");
    api.apply(&json!({"apiVersion": "lockstep.dev/v1", "kind": "Project", "metadata": {"name": "billing"}})).await?;
    let other = api.mint("billing", "admin", &json!({"project": "billing"})).await?;
    let answer = api.send_as(&other, "GET", "/v1/why?cluster=eu-1&secret=corp/kv/payments/db", &[], None).await?.ok();
    let none = json!([]);
    assert_eq!((&answer.body["bindings"], &answer.body["grants"]), (&none, &none));
    assert_eq!(answer.body["summary"], "no binding uses corp/kv/payments/db, and no grant allows it there either");
    Ok(())
}

#[tokio::test]
async fn a_mount_may_have_several_parts() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut deep = grant();
    deep["spec"]["paths"][0]["mount"] = json!("teams/kv");
    api.apply(&deep).await?;
    let mut bound = binding();
    bound["spec"]["items"][0]["mount"] = json!("teams/kv");
    api.apply(&bound).await?;
    assert_eq!(api.get("/v1/why?cluster=eu-1&secret=corp/teams/kv/payments/db").await?.ok().body["allowed"], true);
    Ok(())
}
