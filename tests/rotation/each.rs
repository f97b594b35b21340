//! A certificate for each cluster.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};
use x509_parser::prelude::{GeneralName, ParsedExtension};

use crate::fail_point::FailPoint;
use crate::renewed::by_age;
use crate::shop::{PKI, Shop};

const CLUSTERS: [&str; 4] = ["cluster-1", "cluster-2", "cluster-3", "cluster-4"];

/// The cluster's own secret, delivered to it alone.
fn own(cluster: &str) -> String {
    Fleet::bound(&format!("web-{cluster}"), &format!("shop/web/{cluster}/tls"), "deletionPolicy: Retain")
        .replace("matchLabels: {env: prod}", &format!("matchLabels: {{site: {cluster}}}"))
}

fn rotation(more: &str) -> String {
    let names =
        "commonName: \"{cluster}.shop.example\", altNames: [\"www.{cluster}.shop.example\"], uris: [\"spiffe://shop/{cluster}\"]";
    by_age("web", &format!("role: web, ttl: 30d, {names}, into: {{mount: {KV}, path: \"shop/web/{{cluster}}/tls\"}}"), more)
}

/// The run of this cluster, when it is in this state.
async fn run_of(shop: &Shop, cluster: &str, state: &str) -> Result<Value> {
    wait::until(&format!("{cluster}'s run to be {state}"), STORY_LIMIT * 2, async || {
        let runs = shop.runs("web").await?;
        let found = runs.iter().find(|run| run["cluster"] == cluster && run["state"] == state).cloned();
        found.with_context(|| format!("{runs:?}"))
    })
    .await
}

/// The names in a cluster's certificate, and its key.
fn certificate(shop: &Shop, cluster: &str) -> Result<(BTreeSet<String>, String)> {
    let file = |key| shop.fleet.file(cluster, &format!("web-{cluster}"), key)?.with_context(|| format!("{cluster} has no {key}"));
    let pem = file("tls.crt")?;
    ensure!(file("ca.crt")?.starts_with("-----BEGIN CERTIFICATE"), "its issuer");
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes())?;
    let parsed = block.parse_x509()?;
    let mut names = BTreeSet::new();
    for extension in parsed.extensions() {
        let ParsedExtension::SubjectAlternativeName(all) = extension.parsed_extension() else { continue };
        names.extend(all.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
            _ => None,
        }));
    }
    Ok((names, file("tls.key")?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cluster_has_a_certificate_of_its_own_and_none_waits_for_another() -> Result<()> {
    let mut shop = Shop::start(Settings { replicas: 2, clusters: 0, lease_ms: 2_000, ..Settings::default() }).await?;
    for cluster in CLUSTERS {
        shop.fleet.add_cluster(cluster, &["env=prod", &format!("site={cluster}")]).await?;
    }
    let role = json!({"allow_any_name": true, "enforce_hostnames": false, "key_type": "ec", "key_bits": 256, "max_ttl": "720h",
        "allowed_uri_sans": ["spiffe://shop/*"]});
    shop.fleet.bao.request("POST", &format!("{PKI}/roles/web"), Some(role)).await?;
    let bindings = CLUSTERS[..3].iter().map(|cluster| own(cluster)).collect::<String>();
    shop.fleet.apply(&bindings).await?;
    // One is offline: it is waited for, and nobody else is held up.
    shop.fleet.agents[2].process()?.stop().await?;
    let fail_point = FailPoint::arm(&mut shop, "pki", "made").await?;
    shop.fleet.apply(&rotation("")).await?;
    let dead = fail_point.killed(&shop).await?;
    shop.fleet.use_replica(1 - dead).await?;
    for cluster in ["cluster-1", "cluster-2"] {
        run_of(&shop, cluster, "Done").await?;
    }
    fail_point.others_live(&shop, Some(dead))?;
    let held = run_of(&shop, "cluster-3", "Held").await?;
    ensure!(held["message"].as_str().is_some_and(|why| why.contains("cluster-3")), "{held}");
    let status = shop.fleet.cli(&["get", "rotation", "web", "-o", "json"]).await?.json()?["status"].take();
    ensure!(status["conditions"][0]["reason"] == "Held" && status["clusters"].as_array().map(Vec::len) == Some(3), "{status}");
    ensure!(status["nextDueAt"].is_string() && status["running"]["cluster"] == "cluster-3", "{status}");
    println!("{}", shop.fleet.cli(&["rotation", "history", "web"]).await?.stdout);

    // A fourth is placed later, and the one that was away comes back.
    shop.fleet.apply(&own("cluster-4")).await?;
    run_of(&shop, "cluster-4", "Done").await?;
    shop.fleet.agents[2].start()?;
    run_of(&shop, "cluster-3", "Done").await?;

    let mut keys = BTreeSet::new();
    for cluster in CLUSTERS {
        let (names, key) = certificate(&shop, cluster)?;
        let wanted =
            [format!("{cluster}.shop.example"), format!("www.{cluster}.shop.example"), format!("spiffe://shop/{cluster}")];
        ensure!(names == BTreeSet::from(wanted.clone()), "{names:?}");
        ensure!(shop.kv_version(&format!("shop/web/{cluster}/tls")).await? == 1, "it was issued once");
        for other in CLUSTERS {
            let has = shop.fleet.file(cluster, &format!("web-{other}"), "tls.key")?.is_some();
            ensure!(has == (other == cluster), "{cluster} and the certificate of {other}");
        }
        println!("{cluster}: {names:?}");
        keys.insert(key);
    }
    ensure!(keys.len() == 4, "{} keys for four clusters", keys.len());

    // By hand, of one.
    shop.fleet.cli(&["rotation", "run", "web", "--cluster", "cluster-2"]).await?;
    wait::until("another certificate of one cluster", STORY_LIMIT, async || {
        ensure!(shop.kv_version("shop/web/cluster-2/tls").await? == 2, "not yet");
        anyhow::Ok(())
    })
    .await?;
    ensure!(shop.kv_version("shop/web/cluster-1/tls").await? == 1, "and of no other");

    // What is no longer placed goes from the rotation, and its certificate stays.
    run_of(&shop, "cluster-4", "Done").await?;
    shop.fleet.cli(&["delete", "binding", "web-cluster-4"]).await?;
    wait::until("three clusters to be left", STORY_LIMIT, async || {
        let status = shop.fleet.cli(&["get", "rotation", "web", "-o", "json"]).await?.json()?["status"].take();
        ensure!(status["clusters"].as_array().map(Vec::len) == Some(3), "{status}");
        anyhow::Ok(())
    })
    .await?;
    ensure!(shop.kv_version("shop/web/cluster-4/tls").await? == 1, "it was left alone");
    println!("{}", shop.fleet.cli(&["get", "rotations", "-o", "wide"]).await?.stdout);
    Ok(())
}
