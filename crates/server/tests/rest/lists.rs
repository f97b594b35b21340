use anyhow::Result;
use serde_json::json;

use crate::fixture::{Api, binding, cluster};

#[tokio::test]
async fn pages_follow_each_other_and_hold_everything_once() -> Result<()> {
    let api = Api::start().await?;
    let names: Vec<String> = (0..7).map(|i| format!("c{i}")).collect();
    for name in &names {
        api.apply(&cluster(name, "prod")).await?;
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/clusters?limit=3".to_owned());
    let mut sizes = Vec::new();
    loop {
        let page = api.get(&path).await?.ok();
        assert_eq!((&page.body["apiVersion"], &page.body["kind"]), (&json!("lockstep.dev/v1"), &json!("ClusterList")));
        sizes.push(page.names().len());
        seen.extend(page.names().into_iter().map(str::to_owned));
        match page.body["metadata"]["continue"].as_str() {
            Some(next) => path = format!("/v1/clusters?limit=3&continue={next}"),
            None => break,
        }
    }
    assert_eq!((seen, sizes), (names, vec![3, 3, 1]));
    Ok(())
}

#[tokio::test]
async fn selectors_choose_by_label_on_every_kind() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&cluster("dev-1", "dev")).await?;
    for (selector, want) in [
        ("env%3Dprod", vec!["eu-1", "eu-2"]),
        ("env!%3Dprod", vec!["dev-1"]),
        ("env%20in%20(dev,prod)", vec!["dev-1", "eu-1", "eu-2"]),
        ("!env", vec![]),
        ("", vec!["dev-1", "eu-1", "eu-2"]),
    ] {
        assert_eq!(api.get(&format!("/v1/clusters?labelSelector={selector}")).await?.ok().names(), want, "{selector}");
    }
    let mut labelled = binding();
    labelled["metadata"]["labels"] = json!({"tier": "web"});
    api.apply(&labelled).await?;
    for plural in ["projects", "sources", "grants", "bindings"] {
        let want = if plural == "bindings" { vec!["checkout-db"] } else { vec![] };
        assert_eq!(api.get(&format!("/v1/{plural}?labelSelector=tier%3Dweb")).await?.ok().names(), want, "{plural}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_listed_of_the_state_can_be_narrowed_and_paged() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let mut other = binding();
    other["metadata"]["name"] = json!("other");
    other["spec"]["items"][0]["path"] = json!("elsewhere/db");
    other["spec"]["target"]["secret"]["name"] = json!("other");
    api.apply(&other).await?;
    for (path, want) in [
        ("/v1/secrets", 2),
        ("/v1/secrets?source=corp", 2),
        ("/v1/secrets?source=none", 0),
        ("/v1/placements", 4),
        ("/v1/placements?cluster=eu-1", 2),
        ("/v1/placements?binding=other", 2),
        ("/v1/placements?cluster=eu-1&binding=other", 1),
        ("/v1/deliveries", 4),
        ("/v1/deliveries?cluster=eu-2", 2),
        ("/v1/deliveries?status=Denied", 2),
        ("/v1/deliveries?status=Denied&binding=checkout-db", 0),
        ("/v1/changes?subject=binding/other", 1),
    ] {
        assert_eq!(api.get(path).await?.ok().body["items"].as_array().unwrap().len(), want, "{path}");
    }
    for list in ["secrets", "placements", "deliveries", "changes"] {
        let all = api.get(&format!("/v1/{list}")).await?.ok().body["items"].as_array().unwrap().clone();
        let (mut seen, mut path) = (Vec::new(), format!("/v1/{list}?limit=1"));
        loop {
            let page = api.get(&path).await?.ok().body;
            seen.extend(page["items"].as_array().unwrap().clone());
            match page["metadata"]["continue"].as_str() {
                Some(next) => path = format!("/v1/{list}?limit=1&continue={next}"),
                None => break,
            }
        }
        assert_eq!(seen, all, "{list}");
    }
    let placement = api.get("/v1/placements?cluster=eu-1&binding=other").await?.ok().body["items"][0].clone();
    assert_eq!(placement["answer"], "Denied");
    assert!(placement["reason"].as_str().unwrap().contains("elsewhere/db"), "{placement}");
    Ok(())
}
