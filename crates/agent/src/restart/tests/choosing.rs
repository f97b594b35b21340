//! Which workloads are restarted, which are left alone, and what is said when it is not allowed.

use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::{Kubernetes, wait};
use serde_json::{Value, json};

use super::fixture::{Agent, LIMIT, Shop, settings, workload};
use crate::restart::{Kind, Policy, Settings};

#[tokio::test]
async fn deployments_stateful_sets_and_daemon_sets_that_use_the_secret_are_found_and_roll_out() -> Result<()> {
    let shop = Shop::new("kinds").await?;
    let mut by_volume = workload("StatefulSet", "by-volume", &[]);
    let volume = json!([{ "name": "v", "projected": { "sources": [{ "secret": { "name": "db", "optional": true } }] } }]);
    by_volume["spec"]["template"]["spec"]["volumes"] = volume;
    shop.apply("statefulsets", &by_volume).await?;
    shop.apply("statefulsets", &workload("StatefulSet", "other", &["db2"])).await?;
    shop.apply("daemonsets", &workload("DaemonSet", "by-node", &["db"])).await?;
    for name in ["by-volume", "by-node"] {
        shop.await_pod(name).await?;
    }
    shop.deploy("by-env", &["db"]).await?;
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    let report = agent.report(1, "three of them", |report| report.healthy == 3).await?;
    assert_eq!((report.total, report.stuck.len()), (3, 0), "{report:?}");
    for (plural, name, want) in [
        ("statefulsets", "by-volume", Some("1.10")),
        ("daemonsets", "by-node", Some("1.10")),
        ("deployments", "by-env", Some("1.10")),
        ("statefulsets", "other", None),
    ] {
        assert_eq!(shop.restarted_for(plural, name).await?.as_deref(), want, "{plural} {name}");
    }
    agent.stop().await
}

#[tokio::test]
async fn selected_workloads_are_restarted_by_name_and_by_label_and_no_others() -> Result<()> {
    let shop = Shop::new("selected").await?;
    for name in ["named", "labelled", "uses-it"] {
        shop.deploy(name, if name == "uses-it" { &["db"] } else { &[] }).await?;
    }
    let agent = Agent::start(settings()).await?;
    let mut change = shop.due(1, "db", 10);
    change.policy = Policy::Selected {
        workloads: vec![(Kind::Deployment, "named".into()), (Kind::DaemonSet, "nowhere".into())],
        selector: Some("app in (labelled)".parse()?),
    };
    agent.restarts.want(change.clone());
    let report = agent.report(1, "both", |report| report.healthy == 2).await?;
    assert_eq!((report.total, report.restarted), (2, 2));
    assert_eq!(report.skipped, ["DaemonSet nowhere: there is none in selected"]);
    let mut counts = Vec::new();
    for name in ["named", "labelled", "uses-it"] {
        counts.push(shop.replica_sets(name).await?);
    }
    assert_eq!(counts, [2, 2, 1]);
    agent.stop().await
}

#[tokio::test]
async fn paused_and_on_delete_workloads_are_left_alone_and_named_until_that_changes() -> Result<()> {
    let shop = Shop::new("alone").await?;
    let on_delete = |kind, name| {
        let mut manifest = workload(kind, name, &["db"]);
        manifest["spec"]["updateStrategy"] = json!({ "type": "OnDelete" });
        manifest
    };
    shop.apply("statefulsets", &on_delete("StatefulSet", "manual-set")).await?;
    shop.apply("daemonsets", &on_delete("DaemonSet", "manual-daemon")).await?;
    for name in ["manual-set", "manual-daemon"] {
        shop.await_pod(name).await?;
    }
    shop.deploy("paused", &["db"]).await?;
    shop.deploy("kept", &["db"]).await?;
    let set =
        async |name: &str, change: Value| shop.cluster.request("PATCH", &shop.path("deployments", name), Some(change)).await;
    set("paused", json!({ "spec": { "paused": true } })).await?;
    set("kept", json!({ "metadata": { "annotations": { "lockstep.dev/restart": "false" } } })).await?;
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    let report = agent.has_looked(1, 10).await?;
    assert_eq!(
        report.skipped,
        [
            "Deployment alone/kept: it is annotated lockstep.dev/restart: \"false\"",
            "Deployment alone/paused: it is paused; it is restarted once it is resumed",
            "StatefulSet alone/manual-set: its update strategy is OnDelete; delete its pods to renew them",
            "DaemonSet alone/manual-daemon: its update strategy is OnDelete; delete its pods to renew them",
        ]
    );
    assert_eq!((report.total, report.stuck.len()), (0, 0));
    assert_eq!(shop.restarted_for("deployments", "paused").await?, None);

    set("paused", json!({ "spec": { "paused": false } })).await?;
    let report = agent.report(1, "the resumed one", |report| report.healthy == 1).await?;
    assert_eq!((report.total, report.skipped.len()), (1, 3));
    assert_eq!((shop.replica_sets("paused").await?, shop.replica_sets("kept").await?), (2, 1));
    agent.stop().await
}

#[tokio::test]
async fn a_stateful_set_whose_partition_keeps_pods_back_is_named() -> Result<()> {
    let shop = Shop::new("partition").await?;
    let with = |name: &str, partition: u32| {
        let mut manifest = workload("StatefulSet", name, &["db"]);
        manifest["spec"]["replicas"] = json!(2);
        manifest["spec"]["updateStrategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": partition } });
        manifest
    };
    for (name, partition) in [("all", 2), ("some", 1)] {
        shop.apply("statefulsets", &with(name, partition)).await?;
    }
    let ready = async |name: &str| {
        let status = shop.get("statefulsets", name).await?["status"].clone();
        anyhow::ensure!(status["readyReplicas"] == 2, "{status}");
        anyhow::Ok(())
    };
    for name in ["all", "some"] {
        wait::until("both pods", LIMIT, async || ready(name).await).await?;
    }
    let agent = Agent::start(settings()).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    let report = agent.report(1, "the other to be healthy", |report| report.healthy == 1).await?;
    assert_eq!((report.restarted, report.total, report.stuck.len()), (1, 1, 0), "{report:?}");
    assert_eq!(
        report.skipped,
        [
            "StatefulSet partition/all: its partition 2 keeps all its pods; it is restarted once that is lower",
            "StatefulSet partition/some: its partition keeps 1 of 2 pods from being restarted; lower it, or delete them to renew them",
        ]
    );
    assert_eq!(shop.restarted_for("statefulsets", "all").await?, None);
    for name in ["all", "some"] {
        shop.apply("statefulsets", &with(name, 0)).await?;
    }
    let report = agent.report(1, "nothing to be kept back", |report| report.healthy == 2 && report.skipped.is_empty()).await?;
    assert_eq!((report.restarted, report.total), (2, 2));
    agent.stop().await
}

/// A kubeconfig of a service account with this rule on Deployments, and leave to list the other kinds.
async fn kubeconfig(shop: &Shop, account: &str, verbs: &[&str]) -> Result<std::path::PathBuf> {
    let (cluster, namespace) = (shop.cluster, shop.namespace);
    cluster.create_service_account(namespace, account).await?;
    grant(shop, account, verbs).await?;
    let binding = json!({
        "metadata": { "name": account },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account },
        "subjects": [{ "kind": "ServiceAccount", "namespace": namespace, "name": account }],
    });
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
    cluster.request("POST", &path, Some(binding)).await?;
    cluster.kubeconfig_for(&cluster.token(namespace, account, &[]).await?)
}

async fn grant(shop: &Shop, account: &str, verbs: &[&str]) -> Result<()> {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": account },
        "rules": [
            { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs },
            { "apiGroups": ["apps"], "resources": ["statefulsets", "daemonsets"], "verbs": ["list"] },
        ],
    });
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/{account}", shop.namespace);
    shop.cluster.apply(&path, role).await.map(drop)
}

#[tokio::test]
async fn a_missing_rule_is_named_and_made_up_for_once_it_is_there() -> Result<()> {
    let shop = Shop::new("rules").await?;
    shop.deploy("checkout", &["db"]).await?;
    let agent = Agent::start_with(&kubeconfig(&shop, "agent", &["get"]).await?, settings()).await?;
    agent.restarts.want(shop.due(1, "db", 10));
    let missing = |what: &str, verb: &str| {
        format!(
            "{what}the agent may not {verb} deployments in namespace rules: allow it with the rule {{apiGroups: [apps], resources: [deployments], verbs: [{verb}]}}"
        )
    };
    let report = agent.has_looked(1, 10).await?;
    assert_eq!((report.total, &report.stuck), (0, &vec![missing("", "list")]));
    grant(&shop, "agent", &["get", "list"]).await?;
    let want = [missing("Deployment rules/checkout: ", "patch")];
    let report = agent.report(1, "the next missing rule", |report| report.stuck == want).await?;
    assert_eq!((report.restarted, report.total), (0, 1));
    grant(&shop, "agent", &["get", "list", "patch"]).await?;
    let report = agent.report(1, "it to be healthy", |report| report.healthy == 1).await?;
    assert!(report.stuck.is_empty());
    assert_eq!(shop.replica_sets("checkout").await?, 2);
    agent.stop().await
}

#[tokio::test]
async fn a_change_while_the_api_server_is_away_is_made_up_for() -> Result<()> {
    // Its own cluster, because others need theirs.
    let mut cluster = Kubernetes::start().await?;
    cluster.start_workloads().await?;
    let cluster: &'static Kubernetes = Box::leak(Box::new(cluster));
    let shop = Shop { cluster, namespace: "default" };
    shop.deploy("checkout", &["db"]).await?;
    let agent = Agent::start_with(cluster.kubeconfig(), Settings { poll_slowly: Duration::from_secs(1), ..settings() }).await?;
    cluster.stop_api().await?;
    agent.restarts.want(shop.due(1, "db", 10));
    // It takes longer to start than a change takes to settle.
    cluster.start_api_again().await?;
    agent.report(1, "it to be healthy", |report| report.healthy == 1).await?;
    assert_eq!(shop.replica_sets("checkout").await?, 2);
    agent.stop().await
}
