use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::fixture::{Api, binding, cluster, project};

#[tokio::test]
async fn every_mistake_of_a_manifest_is_reported_at_once_with_its_field() -> Result<()> {
    let api = Api::start().await?;
    let mut unknown = binding();
    unknown["metadata"]["nmae"] = json!("x");
    unknown["spec"]["clusterz"] = json!({});
    unknown["spec"]["items"][0]["pth"] = json!("x");
    unknown["spec"]["target"]["secret"]["mode"] = json!(1);
    let mut wrong = binding();
    wrong["apiVersion"] = json!("v2");
    wrong["kind"] = json!("Grant");
    wrong["metadata"] = json!({"name": "Other", "labels": {"a b": "x", "env": "ä"}, "annotations": {"a b": "x"}});
    wrong["spec"]["project"] = json!("Payments");
    wrong["spec"]["items"][0]["path"] = json!("a/../b");
    wrong["spec"]["deletionPolicy"] = json!("Keep");
    let unknown_fields = ["metadata.nmae", "spec.clusterz", "spec.items[0].pth", "spec.target.secret.mode"];
    let wrong_fields = [
        "apiVersion",
        "kind",
        "metadata.name",
        "metadata.name",
        "metadata.labels.a b",
        "metadata.labels.env",
        "metadata.annotations.a b",
        "spec.project",
        "spec.items[0].path",
        "spec.deletionPolicy",
    ];
    for (body, mut want) in [(unknown, unknown_fields.to_vec()), (wrong, wrong_fields.to_vec())] {
        let answer = api.put("/v1/bindings/checkout-db", &body).await?;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid-manifest"));
        let mut fields = answer.fields();
        fields.sort_unstable();
        want.sort_unstable();
        assert_eq!(fields, want);
    }
    assert_eq!(api.put("/v1/bindings/checkout-db", &json!([1])).await?.code(), "invalid-manifest");
    let missing = api
        .put("/v1/bindings/x", &json!({"apiVersion": "lockstep.dev/v1", "kind": "Binding", "metadata": {"name": "x"}}))
        .await?;
    assert!(missing.text.contains("missing field `project`"), "{}", missing.text);
    Ok(())
}

#[tokio::test]
async fn a_spec_without_anything_that_must_be_said_may_be_left_out() -> Result<()> {
    let api = Api::start().await?;
    for (kind, plural) in [("Cluster", "clusters"), ("Project", "projects")] {
        let manifest = json!({"apiVersion": "lockstep.dev/v1", "kind": kind, "metadata": {"name": "x"}});
        assert_eq!(api.put(&format!("/v1/{plural}/x"), &manifest).await?.status, 201, "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn every_refusal_is_a_problem_with_its_code() -> Result<()> {
    let api = Api::start().await?;
    let big = json!({"apiVersion": "x".repeat(1 << 20)});
    let long = json!({"apiVersion": "lockstep.dev/v1", "kind": "Project", "metadata": {"name": "payments"}, "spec": {"description": "x".repeat(5_000)}});
    let mut annotated = cluster("x", "prod");
    annotated["metadata"]["annotations"] = json!({"a": "x".repeat(300_000)});
    let mut labelled = cluster("x", "prod");
    labelled["metadata"]["labels"] = (0..65).map(|i| (format!("l{i}"), json!(""))).collect::<serde_json::Map<_, _>>().into();
    let described = |text: &str| json!({"apiVersion": "lockstep.dev/v1", "kind": "Project", "metadata": {"name": "payments"}, "spec": {"description": text}});
    let nul = described("a\0b");
    let mut nul_key = described("");
    nul_key["metadata"]["annotations"] = json!({"a\0b": "x"});
    let project = project();
    for (method, path, body, status, code) in [
        ("GET", "/v1/projects/none", None, 404, "not-found"),
        ("GET", "/v1/projects/%20", None, 404, "not-found"),
        ("DELETE", "/v1/projects/none", None, 404, "not-found"),
        ("POST", "/v1/clusters/none/pause", None, 404, "not-found"),
        ("POST", "/v1/clusters/none/join-tokens", None, 404, "not-found"),
        ("DELETE", "/v1/clusters/none/join-tokens", None, 404, "not-found"),
        ("GET", "/v1/nothing", None, 404, "no-such-path"),
        ("GET", "/", None, 404, "no-such-path"),
        ("GET", "/metrics", None, 404, "no-such-path"),
        ("GET", "/v1/projects/%ff", None, 404, "no-such-path"),
        ("GET", "/v1/projects/%00", None, 404, "no-such-path"),
        ("DELETE", "/v1/tokens/a%00", None, 404, "no-such-path"),
        ("GET", "/v1/grants?continue=a%00", None, 400, "invalid-query"),
        ("GET", "/v1/changes?subject=%00", None, 400, "invalid-query"),
        ("PUT", "/v1/projects/payments", Some(&nul), 400, "invalid-json"),
        ("PUT", "/v1/projects/payments", Some(&nul_key), 400, "invalid-json"),
        ("POST", "/v1/epoch", Some(&json!({"reason": "a\0b"})), 400, "invalid-json"),
        ("PATCH", "/v1/projects/x", None, 405, "method-not-allowed"),
        ("POST", "/v1/secrets", None, 405, "method-not-allowed"),
        ("GET", "/v1/projects?limit=0", None, 400, "invalid-query"),
        ("GET", "/v1/projects?limit=1001", None, 400, "invalid-query"),
        ("GET", "/v1/projects?limit=many", None, 400, "invalid-query"),
        ("GET", "/v1/projects?labelselector=a", None, 400, "invalid-query"),
        ("GET", "/v1/projects?labelSelector=a+b", None, 400, "invalid-query"),
        ("GET", "/v1/deliveries?status=Fine", None, 400, "invalid-query"),
        ("GET", "/v1/changes?continue=x", None, 400, "invalid-query"),
        ("GET", "/v1/changes?continue=18446744073709551615", None, 400, "invalid-query"),
        ("GET", "/v1/secrets?continue=x", None, 400, "invalid-query"),
        ("PUT", "/v1/projects/payments?dryRun=Some", Some(&project), 400, "invalid-query"),
        ("PUT", "/v1/projects/payments?dryrun=All", Some(&project), 400, "invalid-query"),
        ("PUT", "/v1/projects/payments", None, 400, "invalid-json"),
        ("PUT", "/v1/projects/other", Some(&project), 422, "invalid-manifest"),
        ("PUT", "/v1/projects/payments", Some(&long), 422, "invalid-manifest"),
        ("PUT", "/v1/clusters/x", Some(&annotated), 422, "invalid-manifest"),
        ("PUT", "/v1/clusters/x", Some(&labelled), 422, "invalid-manifest"),
        ("PUT", "/v1/projects/payments", Some(&big), 413, "body-too-large"),
        ("POST", "/v1/epoch", Some(&json!({"reason": " "})), 422, "invalid-manifest"),
        ("POST", "/v1/epoch", Some(&json!({"why": "x"})), 422, "invalid-manifest"),
        ("POST", "/v1/epoch", Some(&json!({"reason": "x".repeat(1_025)})), 422, "invalid-manifest"),
    ] {
        let answer = api.send(method, path, &[], body).await?;
        let short: String = answer.text.chars().take(300).collect();
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{method} {path}: {short}");
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_json_is_told_where() -> Result<()> {
    let api = Api::start().await?;
    let put = |media_type: &'static str, body: &'static str| {
        let request = Request::builder().method("PUT").uri("/v1/projects/x").header("content-type", media_type);
        request.header("authorization", format!("Bearer {}", api.token)).body(Body::from(body))
    };
    let broken = api.raw(put("application/json", "{\"kind\":\n  oops}")?).await?;
    assert_eq!((broken.status.as_u16(), broken.code()), (400, "invalid-json"));
    assert!(broken.body["detail"].as_str().unwrap().contains("line 2 column 3"), "{}", broken.text);
    let deep = api
        .raw(
            Request::builder()
                .method("PUT")
                .uri("/v1/projects/x")
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer {}", api.token))
                .body(Body::from("[".repeat(100_000)))?,
        )
        .await?;
    assert_eq!(deep.code(), "invalid-json");
    let yaml = api.raw(put("application/yaml", "kind: Project")?).await?;
    assert_eq!((yaml.status.as_u16(), yaml.code()), (415, "unsupported-media-type"));
    Ok(())
}

#[tokio::test]
async fn limits_that_are_hit_and_requests_are_counted() -> Result<()> {
    let api = Api::start().await?;
    let big = Value::String("x".repeat(2 << 20));
    assert_eq!(api.put("/v1/projects/x", &big).await?.status, 413);
    api.send("FROB", "/v1/projects", &[], None).await?;
    let text = api.app.metrics.text()?;
    for line in [
        "lockstep_limit_hits_total{limit=\"rest_body\"} 1",
        "lockstep_http_requests_total{method=\"PUT\",status=\"413\"} 1",
        "lockstep_http_requests_total{method=\"other\",status=\"405\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    Ok(())
}
