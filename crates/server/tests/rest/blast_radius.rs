//! What a dry run says would change is what the same write then changes.

use std::collections::BTreeSet;

use anyhow::Result;
use lockstep_api::blast_radius::{BlastRadius, Counted, Reached};
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, binding, cluster, grant, project, source};

/// A binding of `payments/key` to Secrets in two namespaces, that deletes what it no longer places.
fn deleting() -> Value {
    let mut key = binding();
    key["metadata"]["name"] = json!("checkout-key");
    key["spec"]["items"][0]["path"] = json!("payments/key");
    key["spec"]["target"] = json!({"secret": {"name": "key", "namespaces": ["payments-a", "payments-b"]}});
    key["spec"]["deletionPolicy"] = json!("Delete");
    key
}

/// A binding that keeps what it no longer places, and restarts what uses it.
fn keeping() -> Value {
    let mut db = binding();
    db["spec"]["restart"] = json!({"policy": "Auto"});
    db
}

/// Both bindings in `eu-1` and `eu-2`, which have them, but for `checkout-key` in `eu-2`. Cluster `lab` has nothing, and `us-1` nobody.
async fn delivered() -> Result<Api> {
    let api = Api::start().await?;
    api.furnish().await?;
    for manifest in [cluster("lab", "dev"), keeping(), deleting()] {
        api.apply(&manifest).await?;
    }
    api.sql(
        "update secret set state = 'Live', chosen_incarnation = now(), chosen_number = 4, chosen_created = now(), chosen_seq = 1",
    )
    .await?;
    api.sql(
        "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest, \
             applied_secrets, applied_versions, targets_applied, targets_total, restart_epoch, restart_seq, restarted, restart_total, \
             restart_healthy, restart_stuck, restart_skipped) \
         select d.binding_id, d.cluster_id, epoch, d.seq, 'Applied', now(), epoch, d.seq, 'k', '\\x01', array[i.secret_id], array[4], n, n, \
             1, 1, 0, case when b.name = 'checkout-db' then 3 end, 0, '{}', '{}' \
         from desired d join binding_item i using (binding_id) join binding b on b.id = d.binding_id join cluster c on c.id = d.cluster_id \
         cross join lateral jsonb_array_length(b.spec -> 'delivered' -> 'target' -> 'Secret' -> 'namespaces') n \
         where (b.name, c.name) <> ('checkout-key', 'eu-2')",
    )
    .await?;
    Ok(api)
}

fn radius(answer: &Answer) -> BlastRadius {
    serde_json::from_value(answer.body["status"]["blastRadius"].clone()).unwrap_or_else(|e| panic!("{e}: {}", answer.text))
}

/// What became of each delivery whose revision moved: `word cluster targets`. By the view that agents are sent what it says, and not by the rule
/// that counted.
async fn moved(api: &Api, before: u64) -> Result<Vec<(String, String, i64)>> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "select case when d.answer = 'Placed' and l.applied_digest is null then 'create' when d.answer = 'Placed' then 'rewrite' \
                when d.purges then 'delete' else 'keep' end, c.name, \
            coalesce(l.targets_total, jsonb_array_length(b.spec -> 'delivered' -> 'target' -> 'Secret' -> 'namespaces'))::bigint \
         from desired d join cluster c on c.id = d.cluster_id join binding b on b.id = d.binding_id \
         left join delivery l using (binding_id, cluster_id) \
         where d.seq > $1 and (d.answer = 'Placed' or l.applied_digest is not null) order by 1, 2",
    )
    .bind(before.cast_signed())
    .fetch_all(&api.app.pool)
    .await?;
    Ok(rows)
}

fn is_as_moved(word: &str, part: &Reached, moved: &[(String, String, i64)]) {
    let of: Vec<_> = moved.iter().filter(|(what, ..)| what == word).collect();
    let clusters: BTreeSet<&str> = of.iter().map(|(_, cluster, _)| cluster.as_str()).collect();
    let targets: i64 = of.iter().map(|(.., targets)| targets).sum();
    assert_eq!(part.targets, targets.unsigned_abs(), "{word}: {part:?} {moved:?}");
    assert_eq!(part.clusters.names, clusters.iter().copied().collect::<Vec<_>>(), "{word}");
    assert_eq!((part.clusters.count, part.at_least), (clusters.len() as u64, false), "{word}");
}

/// Tries it, does it, and compares.
async fn foretold(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Result<BlastRadius> {
    let seq = api.seq().await?;
    let tried = api.send(method, &format!("{path}?dryRun=All"), &[], body).await?.ok();
    assert_eq!(api.seq().await?, seq);
    let radius = radius(&tried);
    let done = api.send(method, path, &[], body).await?.ok();
    assert_eq!(done.body["status"].get("blastRadius"), None, "of what was done the deliveries tell");
    assert_eq!(done.header("lockstep-placements-changed"), tried.header("lockstep-placements-changed"));
    let moved = moved(api, seq).await?;
    for (word, part) in
        [("create", &radius.create), ("rewrite", &radius.rewrite), ("delete", &radius.delete), ("keep", &radius.keep)]
    {
        is_as_moved(word, part, &moved);
    }
    let clusters: BTreeSet<_> = moved.iter().map(|(_, cluster, _)| cluster).collect();
    assert_eq!(radius.clusters.count, clusters.len() as u64);
    Ok(radius)
}

/// Targets created, rewritten, deleted, kept.
fn targets(radius: &BlastRadius) -> [u64; 4] {
    [&radius.create, &radius.rewrite, &radius.delete, &radius.keep].map(|part| part.targets)
}

fn names(counted: &Counted) -> Vec<&str> {
    counted.names.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_template_rewrites_what_is_there_and_restarts_what_uses_it() -> Result<()> {
    let api = delivered().await?;
    let mut templated = keeping();
    templated["spec"]["templates"] = json!({"URL": "postgres://{{ DB_USER }}@db"});
    let radius = foretold(&api, "PUT", "/v1/bindings/checkout-db", Some(&templated)).await?;
    assert_eq!(targets(&radius), [0, 2, 0, 0]);
    assert_eq!((radius.namespaces.count, names(&radius.namespaces)), (1, vec!["payments-prod"]));
    let restarts = &radius.restarts;
    assert_eq!((names(&restarts.clusters), restarts.auto, restarts.selected), (vec!["eu-1", "eu-2"], 2, 0));
    assert_eq!((restarts.workloads_last_reported, restarts.unreported), (6, 0));
    Ok(())
}

#[tokio::test]
async fn turning_restarts_on_restarts_where_content_is() -> Result<()> {
    let api = delivered().await?;
    let mut restarting = deleting();
    restarting["spec"]["restart"] = json!({"policy": "Selected", "workloads": [{"kind": "Deployment", "name": "web"}]});
    let radius = foretold(&api, "PUT", "/v1/bindings/checkout-key", Some(&restarting)).await?;
    assert_eq!(targets(&radius), [2, 2, 0, 0]);
    let restarts = &radius.restarts;
    assert_eq!((names(&restarts.clusters), restarts.selected, restarts.unreported), (vec!["eu-1"], 1, 1));
    let mut quiet = keeping();
    quiet["spec"]["restart"] = json!({"policy": "None"});
    let radius = foretold(&api, "PUT", "/v1/bindings/checkout-db", Some(&quiet)).await?;
    assert_eq!((targets(&radius), radius.restarts.clusters.count), ([0, 2, 0, 0], 0));
    Ok(())
}

#[tokio::test]
async fn a_grant_that_goes_deletes_and_keeps_as_bindings_say_and_one_that_comes_back_brings_all_back() -> Result<()> {
    let api = delivered().await?;
    let radius = foretold(&api, "DELETE", "/v1/grants/payments-prod", None).await?;
    assert_eq!(targets(&radius), [0, 0, 2, 2]);
    assert_eq!((names(&radius.delete.clusters), names(&radius.keep.clusters)), (vec!["eu-1"], vec!["eu-1", "eu-2"]));
    assert_eq!(names(&radius.namespaces), ["payments-a", "payments-b", "payments-prod"]);
    assert_eq!(radius.restarts.clusters.count, 0, "a deletion restarts nothing");
    let radius = foretold(&api, "PUT", "/v1/grants/payments-prod", Some(&grant())).await?;
    assert_eq!(targets(&radius), [2, 4, 0, 0]);
    assert_eq!(radius.restarts.clusters.count, 0, "what is there is what would be there");
    // A version that came meanwhile is other content.
    api.delete("/v1/grants/payments-prod").await?.ok();
    api.sql("update secret set chosen_number = 5").await?;
    let radius = foretold(&api, "PUT", "/v1/grants/payments-prod", Some(&grant())).await?;
    assert_eq!((targets(&radius), names(&radius.restarts.clusters)), ([2, 4, 0, 0], vec!["eu-1", "eu-2"]));
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_relabelled_gets_and_loses() -> Result<()> {
    let api = delivered().await?;
    let radius = foretold(&api, "PUT", "/v1/clusters/eu-1", Some(&cluster("eu-1", "dev"))).await?;
    assert_eq!((targets(&radius), names(&radius.clusters)), ([0, 0, 2, 1], vec!["eu-1"]));
    let radius = foretold(&api, "PUT", "/v1/clusters/lab", Some(&cluster("lab", "prod"))).await?;
    assert_eq!((targets(&radius), names(&radius.clusters)), ([3, 0, 0, 0], vec!["lab"]));
    Ok(())
}

#[tokio::test]
async fn a_binding_that_goes_takes_what_clusters_have_of_it() -> Result<()> {
    let api = delivered().await?;
    assert_eq!(targets(&foretold(&api, "DELETE", "/v1/bindings/checkout-key", None).await?), [0, 0, 2, 0]);
    assert_eq!(targets(&foretold(&api, "DELETE", "/v1/bindings/checkout-db", None).await?), [0, 0, 0, 2]);
    Ok(())
}

#[tokio::test]
async fn a_binding_that_is_aimed_elsewhere_is_counted_place_by_place() -> Result<()> {
    let api = delivered().await?;
    let mut aimed = deleting();
    aimed["spec"]["target"]["secret"]["namespaces"] = json!(["payments-b", "payments-c"]);
    let tried = radius(&api.put("/v1/bindings/checkout-key?dryRun=All", &aimed).await?.ok());
    // In eu-1 one stays, one comes and one goes; eu-2 has nothing yet.
    assert_eq!((targets(&tried), names(&tried.delete.clusters)), ([3, 1, 1, 0], vec!["eu-1"]));
    let mut narrower = deleting();
    narrower["spec"]["clusters"] = json!({"matchLabels": {"env": "none"}});
    let tried = radius(&api.put("/v1/bindings/checkout-key?dryRun=All", &narrower).await?.ok());
    assert_eq!((targets(&tried), tried.clusters.count), ([0, 0, 2, 0], 1));
    let mut selecting = deleting();
    selecting["spec"]["target"]["secret"] = json!({"name": "key", "namespaceSelector": {"matchLabels": {"team": "pay"}}});
    let tried = radius(&api.put("/v1/bindings/checkout-key?dryRun=All", &selecting).await?.ok());
    assert!(tried.create.at_least, "only agents know which namespaces these are: {tried:?}");
    Ok(())
}

#[tokio::test]
async fn a_removed_cluster_loses_keeps_or_is_forgotten_with_what_it_has() -> Result<()> {
    let api = delivered().await?;
    let tried = async |query: &str| anyhow::Ok(radius(&api.delete(&format!("/v1/clusters/eu-1?dryRun=All{query}")).await?.ok()));
    assert_eq!(targets(&tried("").await?), [0, 0, 0, 3]);
    assert_eq!(targets(&tried("&secrets=Purge").await?), [0, 0, 3, 0]);
    assert_eq!(targets(&tried("&force=true").await?), [0, 0, 0, 3]);
    Ok(())
}

#[tokio::test]
async fn what_moves_no_delivery_says_so_and_can_be_put_as_it_is_shown() -> Result<()> {
    let api = delivered().await?;
    let mut described = project();
    described["spec"]["description"] = json!("others");
    let mut addressed = source();
    addressed["spec"]["namespace"] = json!("team");
    let mut annotated = keeping();
    annotated["metadata"]["annotations"] = json!({"owner": "checkout"});
    let mut policy = keeping();
    policy["spec"]["deletionPolicy"] = json!("Delete");
    for manifest in [described, addressed, annotated, policy, deleting()] {
        let plural = format!("{}s", manifest["kind"].as_str().unwrap().to_lowercase());
        let path = format!("/v1/{plural}/{}?dryRun=All", manifest["metadata"]["name"].as_str().unwrap());
        let tried = api.put(&path, &manifest).await?.ok();
        assert_eq!(radius(&tried), BlastRadius::default(), "{path}");
        api.put(&path, &tried.body).await?.ok();
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_is_told_how_much_his_write_moves_and_named_what_he_may_see() -> Result<()> {
    let api = delivered().await?;
    let team = api.mint("payments-ci", "operator", &json!({"project": "payments"})).await?;
    let mut wider = deleting();
    wider["spec"]["clusters"] = json!({});
    let tried = api.send_as(&team, "PUT", "/v1/bindings/checkout-key?dryRun=All", &[], Some(&wider)).await?.ok();
    assert_eq!(targets(&radius(&tried)), [0, 0, 0, 0], "in lab it would be denied");
    let gone = api.send_as(&team, "DELETE", "/v1/bindings/checkout-key?dryRun=All", &[], None).await?.ok();
    assert_eq!(names(&radius(&gone).clusters), ["eu-1"]);

    // An operator of clusters sees what is delivered there, whoever binds it; how the cluster is he sees as before.
    let ops = api.mint("prod-ops", "operator", &json!({"clusters": {"matchLabels": {"env": "prod"}}})).await?;
    let mut tiered = cluster("eu-1", "prod");
    tiered["metadata"]["labels"]["tier"] = json!("one");
    let mut picky = keeping();
    picky["spec"]["clusters"] = json!({"matchLabels": {"tier": "one"}});
    picky["metadata"]["name"] = json!("picky");
    picky["spec"]["target"]["secret"]["name"] = json!("picky");
    api.apply(&picky).await?;
    let tried = api.send_as(&ops, "PUT", "/v1/clusters/eu-1?dryRun=All", &[], Some(&tiered)).await?.ok();
    let seen = radius(&tried);
    assert_eq!(
        (targets(&seen), names(&seen.clusters), names(&seen.namespaces)),
        ([1, 0, 0, 0], vec!["eu-1"], vec!["payments-prod"])
    );
    Ok(())
}

#[tokio::test]
async fn a_thousand_clusters_are_counted_and_ten_are_named() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.sql(
        "insert into cluster (name, labels, seq) select 'c' || lpad(n::text, 4, '0'), '{\"env\": \"prod\"}', 1 from generate_series(1, 998) n",
    )
    .await?;
    let began = std::time::Instant::now();
    let tried = api.put("/v1/bindings/checkout-key?dryRun=All", &deleting()).await?.ok();
    println!("a dry run over 1000 clusters took {:?}", began.elapsed());
    let radius = radius(&tried);
    assert_eq!((targets(&radius), radius.clusters.count, radius.clusters.names.len()), ([2_000, 0, 0, 0], 1_000, 10));
    assert!(tried.text.len() < 4_000, "{}", tried.text.len());
    Ok(())
}
