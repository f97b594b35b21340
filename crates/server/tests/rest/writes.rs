use anyhow::Result;
use serde_json::json;

use crate::fixture::{Api, binding, cluster, grant, project, source};

#[tokio::test]
async fn every_kind_is_created_left_alone_configured_and_deleted_the_same_way() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut changed_source = source();
    changed_source["spec"]["namespace"] = json!("team");
    let mut changed_grant = grant();
    changed_grant["spec"]["namespaces"] = json!(["payments-*", "checkout"]);
    let mut changed_binding = binding();
    changed_binding["spec"]["deletionPolicy"] = json!("Delete");
    let mut changed_project = project();
    changed_project["spec"]["description"] = json!("others");
    for (kind, plural, mut first, mut second) in [
        ("Project", "projects", project(), changed_project),
        ("Cluster", "clusters", cluster("x", "dev"), cluster("x", "test")),
        ("Source", "sources", source(), changed_source),
        ("Grant", "grants", grant(), changed_grant),
        ("Binding", "bindings", binding(), changed_binding),
    ] {
        first["metadata"]["name"] = json!("fresh");
        second["metadata"]["name"] = json!("fresh");
        let path = format!("/v1/{plural}/fresh");
        assert_eq!(api.get(&path).await?.code(), "not-found", "{kind}");

        let created = api.put(&path, &first).await?;
        assert_eq!((created.status.as_u16(), created.header("lockstep-result")), (201, "created"), "{}", created.text);
        let seq = api.seq().await?;
        assert_eq!(created.header("etag"), format!("\"{seq}\""), "{kind}");
        assert_eq!(created.body["metadata"]["resourceVersion"], seq.to_string());
        assert_eq!(created.header("location"), path);
        assert_eq!(created.body["kind"], kind);

        let same = api.put(&path, &first).await?;
        assert_eq!((same.status.as_u16(), same.header("lockstep-result")), (200, "unchanged"), "{kind}");
        assert_eq!((api.seq().await?, same.header("etag")), (seq, created.header("etag")), "{kind}");

        // What is shown can be put back as it is: defaults, status and all.
        let shown = api.get(&path).await?.ok();
        assert_eq!(shown.header("etag"), created.header("etag"));
        assert_eq!(api.put(&path, &shown.body).await?.ok().header("lockstep-result"), "unchanged", "{kind}");

        let other = api.put(&path, &second).await?;
        assert_eq!((other.status.as_u16(), other.header("lockstep-result")), (200, "configured"), "{kind}: {}", other.text);
        assert_eq!(api.seq().await?, seq + 1, "{kind}");
        assert_eq!(other.body["metadata"]["uid"], created.body["metadata"]["uid"]);

        let again = api.post(&format!("/v1/{plural}"), Some(&second)).await?;
        assert_eq!((again.status.as_u16(), again.code()), (409, "already-exists"), "{kind}");

        let deleted = api.delete(&path).await?.ok();
        assert_eq!(deleted.body["metadata"]["name"], "fresh");
        if kind == "Cluster" {
            assert_eq!(deleted.body["status"]["state"], "Removing");
            continue;
        }
        assert_eq!(api.get(&path).await?.status, 404, "{kind}");
        assert_eq!(api.delete(&path).await?.status, 404, "{kind}");
        assert_eq!(api.post(&format!("/v1/{plural}"), Some(&second)).await?.status, 201, "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn a_dry_run_answers_what_would_be_and_leaves_nothing() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let seq = api.seq().await?;

    let created = api.put("/v1/bindings/checkout-db?dryRun=All", &binding()).await?;
    assert_eq!((created.status.as_u16(), created.header("lockstep-result")), (201, "created"), "{}", created.text);
    assert_eq!(created.header("lockstep-placements-changed"), "2");
    assert_eq!(created.body["status"]["clusters"], 2);
    assert_eq!((created.header("etag"), &created.body["metadata"]["resourceVersion"]), ("", &json!(null)));
    assert_eq!(api.get("/v1/bindings/checkout-db").await?.status, 404);
    assert_eq!(api.get("/v1/secrets").await?.ok().body["items"], json!([]));
    let posted = api.post("/v1/bindings?dryRun=All", Some(&binding())).await?;
    assert_eq!(posted.status, 201);

    let before = api.get("/v1/grants/payments-prod").await?.ok();
    let mut narrower = grant();
    narrower["spec"]["paths"][0]["globs"] = json!(["other/**"]);
    let configured = api.put("/v1/grants/payments-prod?dryRun=All", &narrower).await?;
    assert_eq!((configured.status.as_u16(), configured.header("lockstep-result")), (200, "configured"));
    assert_eq!(configured.body["spec"]["paths"][0]["globs"], json!(["other/**"]));
    assert_eq!(configured.header("etag"), before.header("etag"));
    assert_eq!(api.get("/v1/grants/payments-prod").await?.ok().body, before.body);

    assert_eq!(api.delete("/v1/grants/payments-prod?dryRun=All").await?.ok().body["metadata"]["name"], "payments-prod");
    assert_eq!(api.delete("/v1/clusters/eu-1?dryRun=All").await?.ok().body["status"]["state"], "Removing");
    assert_eq!(api.post("/v1/clusters/eu-1/pause?dryRun=All", None).await?.ok().body["status"]["state"], "Paused");
    assert_eq!(api.get("/v1/clusters/eu-1").await?.ok().body["status"]["state"], "Pending");
    assert_eq!(api.seq().await?, seq);
    Ok(())
}

#[tokio::test]
async fn a_write_that_is_based_on_what_is_no_more_is_refused() -> Result<()> {
    let api = Api::start().await?;
    let path = "/v1/projects/payments";
    let first = api.put(path, &project()).await?.ok();
    let stale = first.header("etag").to_owned();
    let mut second = project();
    second["spec"]["description"] = json!("second");
    let etag = api.put(path, &second).await?.ok().header("etag").to_owned();
    let seq = api.seq().await?;

    let mut third = project();
    third["spec"]["description"] = json!("third");
    let mut by_version = third.clone();
    by_version["metadata"]["resourceVersion"] = first.body["metadata"]["resourceVersion"].clone();
    let mut gone = third.clone();
    gone["metadata"]["name"] = json!("gone");
    let mut gone_by_version = gone.clone();
    gone_by_version["metadata"]["resourceVersion"] = json!("1");
    for (method, path, headers, body, status) in [
        ("PUT", path, vec![("if-match", stale.as_str())], Some(&third), 412),
        ("PUT", path, vec![], Some(&by_version), 412),
        ("PUT", path, vec![("if-none-match", "*")], Some(&third), 412),
        ("PUT", "/v1/projects/gone", vec![("if-match", "*")], Some(&gone), 412),
        ("PUT", "/v1/projects/gone", vec![], Some(&gone_by_version), 412),
        ("DELETE", path, vec![("if-match", stale.as_str())], None, 412),
        ("PUT", path, vec![("if-match", "17")], Some(&third), 400),
        ("PUT", path, vec![("if-none-match", stale.as_str())], Some(&third), 400),
    ] {
        let answer = api.send(method, path, &headers, body).await?;
        let code = if status == 412 { "conflict" } else { "invalid-header" };
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{method} {path} {headers:?}");
    }
    assert_eq!(api.seq().await?, seq);

    let good = api.send("PUT", path, &[("if-match", &etag)], Some(&third)).await?.ok();
    assert_eq!(good.header("lockstep-result"), "configured");
    by_version["metadata"]["resourceVersion"] = good.body["metadata"]["resourceVersion"].clone();
    assert_eq!(api.put(path, &by_version).await?.ok().header("lockstep-result"), "unchanged");
    assert_eq!(api.send("PUT", "/v1/projects/gone", &[("if-none-match", "*")], Some(&gone)).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn writers_at_the_same_time_each_get_a_change_of_their_own() -> Result<()> {
    let api = Api::start().await?;
    let seq = api.seq().await?;
    let names: Vec<String> = (0..16).map(|i| format!("c{i}")).collect();
    let puts = names.iter().map(|name| {
        let api = &api;
        async move { api.put(&format!("/v1/clusters/{name}"), &cluster(name, "prod")).await }
    });
    for answer in futures::future::join_all(puts).await {
        assert_eq!(answer?.status, 201);
    }
    assert_eq!(api.seq().await?, seq + 16);
    Ok(())
}
