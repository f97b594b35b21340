//! Who has which version of a secret.

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Api, binding, grant, project, source};

/// What an agent of `eu-1` confirmed of `checkout-db`: version 3, when there is version 4 by now.
async fn confirmed(api: &Api) -> Result<()> {
    api.sql(
        "update secret set state = 'Live', chosen_incarnation = now(), chosen_number = 4, chosen_created = now(), \
             chosen_seq = (select seq from registry), incarnation_seq = 1",
    )
    .await?;
    api.sql(
        "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest, \
             applied_at, applied_secrets, applied_versions, targets_applied, targets_total, restart_epoch, restart_seq, restarted, \
             restart_total, restart_healthy, restart_stuck, restart_skipped) \
         select d.binding_id, d.cluster_id, epoch, d.seq - 1, 'Applied', now(), epoch, d.seq - 1, 'k', '\\x01', now(), array[i.secret_id], \
             array[3], 1, 1, epoch, d.seq - 1, 3, 3, 2, array['Deployment shop/web: no pod is ready'], '{}' \
         from desired d join binding_item i using (binding_id) join cluster c on c.id = d.cluster_id and c.name = 'eu-1'",
    )
    .await?;
    Ok(())
}

async fn delivered() -> Result<Api> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut binding = binding();
    binding["spec"]["restart"] = json!({"policy": "Auto"});
    api.apply(&binding).await?;
    confirmed(&api).await?;
    Ok(api)
}

async fn items(api: &Api, query: &str) -> Result<Vec<Value>> {
    Ok(api.get(&format!("/v1/holders?secret={query}")).await?.ok().body["items"].as_array().unwrap().clone())
}

#[tokio::test]
async fn who_has_which_version_and_what_its_workloads_do_is_told() -> Result<()> {
    let api = delivered().await?;
    let list = api.get("/v1/holders?secret=payments/db").await?.ok().body;
    assert_eq!(
        (&list["kind"], &list["secret"]["path"], &list["secret"]["version"]),
        (&json!("HolderList"), &json!("payments/db"), &json!(4))
    );
    let [has, lacks] = list["items"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&has["cluster"], &has["version"], &has["desired"]), (&json!("eu-1"), &json!(3), &json!(4)));
    assert_eq!(has["workloads"], "stuck: Deployment shop/web: no pod is ready");
    assert!(has["confirmedAt"].is_string() && has["formerLife"].is_null(), "{has}");
    assert_eq!((&lacks["cluster"], lacks.get("version"), &lacks["desired"]), (&json!("eu-2"), None, &json!(4)));
    assert_eq!((&lacks["status"], &lacks["workloads"]), (&json!("Pending"), &json!("")));

    assert_eq!(items(&api, "payments/db&version=3").await?.len(), 1);
    assert_eq!(items(&api, "payments/db&version=4").await?, Vec::<Value>::new());
    let first = api.get("/v1/holders?secret=payments/db&limit=1").await?.ok().body;
    let next = first["metadata"]["continue"].as_str().unwrap();
    assert_eq!(items(&api, &format!("payments/db&limit=1&continue={next}")).await?, std::slice::from_ref(lacks));
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_to_give_it_up_has_it_until_its_agent_says_that_it_has_not() -> Result<()> {
    let api = delivered().await?;
    let mut other = binding();
    other["spec"]["items"][0]["path"] = json!("payments/other");
    api.apply(&other).await?;
    let left = items(&api, "payments/db").await?;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((&left[0]["cluster"], &left[0]["version"], &left[0]["status"]), (&json!("eu-1"), &json!(3), &json!("Leaving")));
    api.delete("/v1/bindings/checkout-db").await?.ok();
    assert_eq!(items(&api, "payments/db&version=3").await?.len(), 1, "its tombstone was not acked");
    // What the cluster gave up it has no more.
    api.sql("update delivery set applied_digest = null").await?;
    assert_eq!(items(&api, "payments/db").await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn a_version_of_a_former_life_is_not_taken_for_one_of_this() -> Result<()> {
    let api = delivered().await?;
    api.sql("update secret set chosen_number = 3, incarnation_seq = (select seq from registry), chosen_seq = (select seq from registry)").await?;
    api.sql("update delivery set applied_seq = 1, seq = 1").await?;
    let has = &items(&api, "payments/db&version=3").await?[0];
    assert_eq!((&has["formerLife"], &has["desired"]), (&json!(true), &json!(3)));
    Ok(())
}

#[tokio::test]
async fn a_name_that_may_mean_several_secrets_is_answered_with_all_of_them() -> Result<()> {
    let api = delivered().await?;
    let (mut second, mut wider) = (source(), grant());
    second["metadata"]["name"] = json!("other");
    wider["metadata"]["name"] = json!("wider");
    wider["spec"]["paths"][0]["source"] = json!("other");
    let mut again = binding();
    again["metadata"]["name"] = json!("again");
    again["spec"]["items"][0]["source"] = json!("other");
    again["spec"]["target"]["secret"]["name"] = json!("again");
    for manifest in [second, wider, again] {
        api.apply(&manifest).await?;
    }
    let several = api.get("/v1/holders?secret=payments/db").await?;
    assert_eq!(several.code(), "invalid-query");
    let detail = several.body["detail"].as_str().unwrap();
    assert!(detail.contains("corp/kv/payments/db (source corp, mount kv), other/kv/payments/db"), "{detail}");
    assert_eq!(items(&api, "kv/payments/db&source=other").await?[0]["binding"], "again");
    assert_eq!(items(&api, "corp/kv/payments/db").await?[0]["binding"], "checkout-db");
    assert_eq!(api.get("/v1/holders?secret=payments/none").await?.code(), "not-found");
    // Who may see neither is told of neither.
    let mut billing = project();
    billing["metadata"]["name"] = json!("billing");
    api.apply(&billing).await?;
    let stranger = api.mint("stranger", "viewer", &json!({"project": "billing"})).await?;
    assert_eq!(api.send_as(&stranger, "GET", "/v1/holders?secret=payments/db", &[], None).await?.code(), "not-found");
    Ok(())
}

#[tokio::test]
async fn deliveries_of_one_project_are_listed_by_themselves() -> Result<()> {
    let api = delivered().await?;
    assert_eq!(api.get("/v1/deliveries?project=payments").await?.ok().body["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("/v1/deliveries?project=billing").await?.ok().body["items"], json!([]));
    Ok(())
}
