//! Pods made from each chart's template, where the namespace enforces `restricted` Pod Security.

use anyhow::{Context as _, Result};
use lockstep_testbed::{Kubernetes, Refused};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::cases::cases;

const NAMESPACE: &str = "restricted";

async fn try_pod(kubernetes: &Kubernetes, template: &Value) -> Result<Value> {
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!("tried");
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] });
    kubernetes.request("POST", &format!("/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All&fieldValidation=Strict"), Some(pod)).await
}

#[tokio::test]
async fn a_pod_of_every_case_is_admitted_and_one_that_asks_for_more_is_not() -> Result<()> {
    let kubernetes = Kubernetes::shared().await?;
    let labels =
        json!({ "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest" });
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE, "labels": labels } });
    kubernetes.apply_object(&namespace, "").await?;
    // What the API server asks of a pod's account.
    for account in ["own", "lockstep-agent", "lockstep-server", "other"] {
        let account =
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": account, "namespace": NAMESPACE } });
        kubernetes.apply_object(&account, "").await?;
    }
    for (name, chart, values) in cases() {
        let objects = chart.objects(NAMESPACE, &values)?;
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").context("no Deployment")?;
        let template = &deployment["spec"]["template"];
        try_pod(kubernetes, template).await.with_context(|| format!("{name}: its pod is refused"))?;

        for (pointer, field, value, why) in [
            ("/spec/containers/0/securityContext", "allowPrivilegeEscalation", json!(true), "allowPrivilegeEscalation != false"),
            ("/spec/containers/0/securityContext", "capabilities", Value::Null, "unrestricted capabilities"),
            ("/spec/securityContext", "runAsUser", json!(0), "runAsUser=0"),
            ("/spec/securityContext", "runAsNonRoot", Value::Null, "runAsNonRoot != true"),
            ("/spec/securityContext", "seccompProfile", Value::Null, "seccompProfile"),
        ] {
            let mut wider = template.clone();
            wider.pointer_mut(pointer).context("nothing there")?[field] = value;
            let error = try_pod(kubernetes, &wider).await.expect_err(why);
            let refused = error.downcast_ref::<Refused>().context("no answer")?;
            let message = refused.body["message"].as_str().unwrap_or_default();
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{name}: {message}");
            assert!(message.contains("violates PodSecurity \"restricted:latest\"") && message.contains(why), "{name}: {message}");
        }
    }
    Ok(())
}

#[test]
fn what_pod_security_does_not_ask_for_is_there_too() -> Result<()> {
    for (name, chart, values) in cases() {
        let objects = chart.objects(NAMESPACE, &values)?;
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").context("no Deployment")?;
        let pod = &deployment["spec"]["template"]["spec"];
        for container in pod["containers"].as_array().context("no containers")? {
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
            assert!(
                container["resources"]["limits"]["memory"].is_string() && container["resources"]["requests"]["cpu"].is_string(),
                "{name}"
            );
            assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz", "{name}");
            assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz", "{name}");
        }
        // Only the agent calls the API server.
        assert_eq!(pod["automountServiceAccountToken"], chart == lockstep_testbed::charts::Chart::Agent, "{name}");
        let accounts = objects.iter().filter(|object| object["kind"] == "ServiceAccount");
        assert!(accounts.into_iter().all(|account| account["automountServiceAccountToken"] == false), "{name}");
        assert!(objects.iter().all(|object| object["kind"] != "Secret"), "{name}: a chart makes no Secret");
    }
    Ok(())
}
