//! Every object, judged by a real kube-apiserver with strict field validation.

use anyhow::{Context as _, Result};
use lockstep_testbed::charts::Chart;
use lockstep_testbed::{Kubernetes, Refused};
use serde_json::{Value, json};

use crate::cases::{cases, example};

const STRICT: &str = "dryRun=All&fieldValidation=Strict";

async fn namespaces(kubernetes: &Kubernetes, names: &[&str]) -> Result<()> {
    for name in names {
        kubernetes.apply_object(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }), "").await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_object_of_every_case_is_valid_to_the_last_field() -> Result<()> {
    let kubernetes = Kubernetes::shared().await?;
    namespaces(kubernetes, &["objects", "shop-prod", "shop-test"]).await?;
    let (mut count, mut cases_count) = (0, 0);
    for (name, chart, values) in cases() {
        cases_count += 1;
        for object in chart.objects("objects", &values)? {
            let shown = format!("{name}: {} {}", object["kind"], object["metadata"]["name"]);
            kubernetes.apply_object(&object, STRICT).await.with_context(|| shown)?;
            count += 1;
        }
    }
    println!("{count} objects of {cases_count} cases are valid");
    Ok(())
}

#[tokio::test]
async fn a_field_that_does_not_exist_would_be_noticed() -> Result<()> {
    let kubernetes = Kubernetes::shared().await?;
    namespaces(kubernetes, &["objects"]).await?;
    for (kind, pointer) in [
        ("Deployment", "/spec/template/spec"),
        ("NetworkPolicy", "/spec"),
        ("PodDisruptionBudget", "/spec"),
        ("Service", "/spec"),
    ] {
        let mut object = of_kind(Chart::Agent.objects("objects", &example(Chart::Agent))?, kind)?;
        object.pointer_mut(pointer).context("nothing there")?["nonsense"] = json!(1);
        let error = kubernetes.apply_object(&object, STRICT).await.expect_err(kind);
        let refused = error.downcast_ref::<Refused>().context("no answer")?;
        assert!(refused.body["message"].as_str().unwrap_or_default().contains("nonsense"), "{kind}: {error}");
    }
    Ok(())
}

fn of_kind(objects: Vec<Value>, kind: &str) -> Result<Value> {
    objects.into_iter().find(|object| object["kind"] == kind).with_context(|| format!("no {kind}"))
}
