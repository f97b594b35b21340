//! What a binding draws from: refused with what to do where it cannot be, and read back as it was written.

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Api, binding, source};

/// A binding of this name with this item.
fn drawn(name: &str, item: &Value) -> Value {
    let mut drawn = binding();
    drawn["metadata"]["name"] = json!(name);
    drawn["spec"]["target"]["secret"]["name"] = json!(name);
    let mut whole = json!({"source": "corp", "mount": "database"});
    for (field, value) in item.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    drawn["spec"]["items"] = json!([whole]);
    drawn
}

#[tokio::test]
async fn an_item_reads_back_as_it_was_written_and_its_secret_says_what_it_is_drawn_from() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    for (name, item, engine) in [
        ("role", json!({"staticRole": "app"}), "StaticRole"),
        ("pair", json!({"rolePair": ["app_a", "app_b"]}), "RolePair"),
        ("old", json!({"mount": "old", "path": "a", "engine": "KvV1"}), "KvV1"),
    ] {
        let written = drawn(name, &item);
        api.apply(&written).await?;
        let read = api.get(&format!("/v1/bindings/{name}")).await?.ok().body;
        assert_eq!(read["spec"]["items"], written["spec"]["items"], "{name}");
        let secrets = api.get("/v1/secrets").await?.ok().body["items"].clone();
        let engines: Vec<&str> = secrets.as_array().into_iter().flatten().filter_map(|s| s["engine"].as_str()).collect();
        assert!(engines.contains(&engine), "{secrets}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_bound_under_one_engine_is_refused_under_another_and_the_binding_named() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&drawn("role", &json!({"staticRole": "app"}))).await?;
    let refused = api.put("/v1/bindings/other", &drawn("other", &json!({"path": "app"}))).await?;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "in-use"));
    assert!(refused.text.contains("is drawn as StaticRole by binding role"), "{}", refused.text);
    // Its own binding may change it.
    api.apply(&drawn("role", &json!({"path": "app"}))).await?;
    api.apply(&drawn("other", &json!({"path": "app"}))).await?;
    Ok(())
}

#[tokio::test]
async fn a_pin_and_a_source_that_the_server_may_not_read_are_refused_where_there_are_no_versions() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let pinned = api.put("/v1/bindings/pinned", &drawn("pinned", &json!({"staticRole": "app", "version": 1}))).await?;
    assert_eq!((pinned.code(), pinned.fields()), ("invalid-manifest", vec!["spec.items[0].version"]));
    let mut closed = source();
    closed["metadata"]["name"] = json!("closed");
    closed["spec"]["readAs"] = json!("Cluster");
    closed["spec"]["clusterLogin"] = json!({"method": "JWT", "mount": "auth", "role": "of-{cluster}"});
    api.apply(&closed).await?;
    let old = json!({"source": "closed", "mount": "old", "path": "a", "engine": "KvV1"});
    let refused = api.put("/v1/bindings/old", &drawn("old", &old)).await?;
    assert_eq!((refused.code(), refused.fields()), ("invalid-manifest", vec!["spec.items[0].engine"]));
    api.apply(&drawn("role", &json!({"source": "closed", "staticRole": "app"}))).await?;
    Ok(())
}
