//! A path that differs by cluster: read back as written, shown as it is in each cluster, and refused where it means nothing.

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Api, binding, grant};

/// A binding of this item.
fn drawn(item: &Value) -> Value {
    let mut drawn = binding();
    drawn["spec"]["items"] = json!([item]);
    drawn
}

fn by_cluster() -> Value {
    drawn(&json!({"source": "corp", "mount": "kv", "path": "payments/{cluster}/db"}))
}

/// With clusters `eu-1` and `eu-2`.
async fn two() -> Result<Api> {
    let api = Api::start().await?;
    api.furnish().await?;
    Ok(api)
}

#[tokio::test]
async fn each_cluster_is_shown_with_the_path_that_it_draws_and_the_binding_as_it_was_written() -> Result<()> {
    let api = two().await?;
    api.apply(&by_cluster()).await?;
    let read = api.get("/v1/bindings/checkout-db").await?.ok().body;
    assert_eq!(read["spec"]["items"], by_cluster()["spec"]["items"]);
    let paths = async || {
        let secrets = api.get("/v1/secrets").await?.ok().body["items"].clone();
        let of = |s: &Value| (s["path"].as_str().unwrap_or_default().to_owned(), s["bindings"].as_u64().unwrap_or_default());
        let mut paths: Vec<_> = secrets.as_array().into_iter().flatten().map(of).collect();
        paths.sort_unstable();
        anyhow::Ok(paths)
    };
    assert_eq!(paths().await?, [("payments/eu-1/db".to_owned(), 1), ("payments/eu-2/db".to_owned(), 1)]);
    let deliveries = api.get("/v1/deliveries").await?.ok().body["items"].clone();
    for (delivery, path) in deliveries.as_array().unwrap().iter().zip(["payments/eu-1/db", "payments/eu-2/db"]) {
        assert_eq!(delivery["versions"][0]["path"], path, "{delivery}");
        assert_eq!(delivery["cause"], format!("secret corp kv/{path} was not looked at yet"));
    }

    let mut narrow = grant();
    narrow["spec"]["paths"][0]["globs"] = json!(["payments/eu-1/*"]);
    api.apply(&narrow).await?;
    let denied = api.get("/v1/deliveries?cluster=eu-2").await?.ok().body["items"][0].clone();
    assert_eq!(denied["status"], "Denied");
    assert!(denied["cause"].as_str().unwrap().contains("path payments/eu-2/db"), "{denied}");
    for (cluster, path, told) in [
        ("eu-1", "payments/eu-1/db", "binding checkout-db of project payments delivers it there, by grant payments-prod"),
        ("eu-2", "payments/eu-2/db", "no grant of project payments allows it there"),
        ("eu-1", "payments/eu-2/db", "no binding uses corp/kv/payments/eu-2/db"),
    ] {
        let why = api.get(&format!("/v1/why?cluster={cluster}&secret=corp/kv/{path}")).await?.ok().body;
        assert!(why["summary"].as_str().unwrap().contains(told), "{cluster} {path}: {why}");
    }
    assert_eq!(paths().await?.iter().filter(|(_, bindings)| *bindings > 0).count(), 1, "what is denied is not watched");
    Ok(())
}

#[tokio::test]
async fn where_the_clusters_name_or_a_version_means_nothing_it_is_refused_with_the_field() -> Result<()> {
    let api = two().await?;
    for (item, field) in [
        (json!({"source": "corp", "mount": "kv-{cluster}", "path": "a"}), "mount"),
        (json!({"source": "corp", "mount": "kv", "path": "a/{cluster}", "version": 2}), "version"),
        (json!({"source": "corp", "mount": "kv", "path": "a/{region}"}), "path"),
        (json!({"source": "corp", "mount": "kv", "path": "{cluster}/../a"}), "path"),
        (json!({"source": "corp", "mount": "database", "staticRole": "app-{cluster}"}), "staticRole"),
        (json!({"source": "corp", "mount": "database", "rolePair": ["a", "{cluster}"]}), "rolePair[1]"),
    ] {
        let refused = api.put("/v1/bindings/checkout-db", &drawn(&item)).await?;
        assert_eq!(
            (refused.code(), refused.fields()),
            ("invalid-manifest", vec![format!("spec.items[0].{field}").as_str()]),
            "{item}"
        );
    }
    api.apply(&by_cluster()).await?;
    let back = api.post("/v1/bindings/checkout-db/rollback", Some(&json!({"to": 1}))).await?;
    assert_eq!(back.code(), "wrong-state");
    assert!(back.text.contains("payments/{cluster}/db") && back.text.contains("something else in each"), "{}", back.text);
    Ok(())
}

#[tokio::test]
async fn a_try_says_that_all_clusters_are_reached_and_a_clusters_end_takes_its_path_along() -> Result<()> {
    let api = two().await?;
    let tried = api.put("/v1/bindings/checkout-db?dryRun=All", &by_cluster()).await?.ok();
    assert_eq!(tried.body["status"]["blastRadius"]["clusters"]["count"], 2, "{}", tried.body);
    assert_eq!(api.get("/v1/secrets").await?.ok().body["items"], json!([]), "it was only tried");
    api.apply(&by_cluster()).await?;
    api.delete("/v1/clusters/eu-2?force=true").await?.ok();
    let secrets = api.get("/v1/secrets").await?.ok().body["items"].clone();
    let used: Vec<&str> =
        secrets.as_array().unwrap().iter().filter(|s| s["bindings"] == 1).filter_map(|s| s["path"].as_str()).collect();
    assert_eq!(used, ["payments/eu-1/db"]);
    Ok(())
}
