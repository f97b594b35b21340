//! Kubernetes: the API server, logging in to OpenBao with its tokens, and rollouts.

use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::{Kubernetes, OpenBao, Refused};
use reqwest::StatusCode;
use serde_json::{Value, json};

const ROLLOUT_LIMIT: Duration = Duration::from_mins(1);

fn status(error: &anyhow::Error) -> Option<StatusCode> {
    error.downcast_ref::<Refused>().map(|refused| refused.status)
}

#[tokio::test]
async fn a_service_accounts_token_logs_in_to_openbao_and_only_with_the_right_audience() -> Result<()> {
    let kubernetes = Kubernetes::shared().await?;
    kubernetes.create_namespace("login").await?;
    kubernetes.create_service_account("login", "reviewer").await?;
    kubernetes.create_service_account("login", "agent").await?;
    kubernetes.bind_cluster_role("login", "reviewer", "system:auth-delegator").await?;
    let reviewer = kubernetes.token("login", "reviewer", &[]).await?;

    let bao = OpenBao::start().await?;
    bao.enable_kubernetes_auth("kubernetes", kubernetes.addr(), kubernetes.ca_pem(), Some(&reviewer)).await?;
    let role = json!({
        "bound_service_account_names": ["agent"],
        "bound_service_account_namespaces": ["login"],
        "audience": "vault",
        "token_policies": ["default"],
    });
    bao.request("POST", "auth/kubernetes/role/agent", Some(role)).await?;

    let jwt = kubernetes.token("login", "agent", &["vault"]).await?;
    let token = bao.login_kubernetes("kubernetes", "agent", &jwt).await?;
    let who = bao.request_as(&token, "GET", "auth/token/lookup-self", None).await?;
    assert_eq!(who["data"]["meta"]["service_account_name"], "agent");

    let wrong = kubernetes.token("login", "agent", &["elsewhere"]).await?;
    let error = bao.login_kubernetes("kubernetes", "agent", &wrong).await.expect_err("another audience");
    assert_eq!(status(&error), Some(StatusCode::FORBIDDEN));
    Ok(())
}

#[tokio::test]
async fn a_token_may_do_what_rbac_says() -> Result<()> {
    let kubernetes = Kubernetes::shared().await?;
    kubernetes.create_namespace("rbac").await?;
    kubernetes.create_service_account("rbac", "agent").await?;
    let token = kubernetes.token("rbac", "agent", &[]).await?;
    let path = "/api/v1/namespaces/rbac/secrets";
    let error = kubernetes.request_as(&token, "GET", path, None).await.expect_err("no role");
    assert_eq!(status(&error), Some(StatusCode::FORBIDDEN));
    kubernetes.bind_cluster_role("rbac", "agent", "cluster-admin").await?;
    kubernetes.request_as(&token, "GET", path, None).await?;
    let config: Value = serde_json::from_slice(&std::fs::read(kubernetes.kubeconfig_for(&token)?)?)?;
    assert_eq!(config["users"][0]["user"]["token"], token);
    Ok(())
}

#[tokio::test]
async fn a_deployment_rolls_out_and_again_when_its_template_changes_and_the_api_server_restarts() -> Result<()> {
    let mut kubernetes = Kubernetes::start().await?;
    kubernetes.start_workloads().await?;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = json!({
        "metadata": { "name": "checkout" },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "checkout" } },
            "template": {
                "metadata": { "labels": { "app": "checkout" } },
                "spec": { "nodeName": Kubernetes::NODE, "containers": [{ "name": "main", "image": "none" }] },
            },
        },
    });
    kubernetes.request("POST", deployments, Some(deployment)).await?;
    kubernetes.await_rollout("default", "checkout", ROLLOUT_LIMIT).await?;

    kubernetes.stop_api().await?;
    kubernetes.start_api_again().await?;
    let change = json!({ "spec": { "template": { "metadata": { "annotations": { "restarted": "now" } } } } });
    kubernetes.request("PATCH", &format!("{deployments}/checkout"), Some(change)).await?;
    kubernetes.await_rollout("default", "checkout", ROLLOUT_LIMIT).await?;
    let sets = kubernetes.request("GET", "/apis/apps/v1/namespaces/default/replicasets", None).await?;
    assert_eq!(sets["items"].as_array().map(Vec::len), Some(2));
    Ok(())
}
