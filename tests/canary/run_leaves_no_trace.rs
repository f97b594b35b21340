//! A run in which much goes wrong, with every log as loud as it goes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, Settings};
use lockstep_testbed::{Fleet, wait};
use lockstep_tests::otlp::Receiver;
use reqwest::Method;
use serde_json::{Value, json};

use crate::gathered::{answer, logs, metrics, printed, states, tables};
use crate::rotated::rotated_values;
use crate::search::{Canary, Place};
use crate::traces::Traces;

const LIMIT: Duration = Duration::from_secs(60);

/// Also asks for what prints frames, bodies and statements: nobody may be given that, however he asks.
const LOUD: &str = "trace,h2=trace,h2::codec=trace,hyper::proto=trace,hyper_util::client=trace,rustify::client=trace,\
                    vaultrs::api=trace,reqwest::connect=trace,tonic::transport=trace,sqlx::query=trace,tower::buffer=trace";

#[tokio::test]
async fn no_canary_is_found_in_logs_database_metrics_answers_or_state() -> Result<()> {
    let receiver = Receiver::start().await?;
    let settings = Settings { clusters: 2, log: LOUD.to_owned(), otlp: Some(receiver.endpoint()), ..Settings::default() };
    let mut fleet = Fleet::start(settings).await?;
    let mut traces = Traces::default();
    fleet.apply(&fleet.basics()).await?;
    good_values(&fleet, &mut traces).await?;
    rotated_values(&fleet, &mut traces).await?;
    bad_values(&fleet, &mut traces).await?;
    changed_targets(&fleet, &mut traces).await?;
    refused_vault(&fleet, &mut traces).await?;
    lent_tokens(&mut fleet, &mut traces).await?;
    fleet.add_cluster("cluster-3", &["env=prod"]).await?;
    restarts_and_an_epoch(&mut fleet).await?;
    wrong_requests(&fleet, &mut traces).await?;
    wait::until("the good values everywhere", LIMIT, async || {
        let in_step = fleet.deliveries().await?.iter().filter(|d| d["binding"] == "good" && d["status"] == "InSync").count();
        ensure!(in_step == 3, "{in_step} of 3");
        anyhow::Ok(())
    })
    .await?;
    keys_and_tokens(&fleet, &mut traces).await?;

    traces.gather(views(&fleet).await?);
    traces.gather(metrics(&fleet).await?);
    traces.gather(tables(fleet.database.url()).await?);
    traces.gather(states(&fleet)?);
    traces.gather(logs(&fleet)?);
    traces.gather([Place { name: "exported spans".to_owned(), text: receiver.text() }]);
    for (place, text) in [
        ("server-", "an agent connected"),
        ("server-", "TRACE"),
        ("server-", "rotation.progress"),
        ("cluster-3/agent.log", "linked"),
        ("bootstrap.log", ""),
        ("table change", "EpochOpened"),
        ("table delivery", "Applied"),
        ("table rotation_run", "Retiring"),
        ("table change", "RotationDone"),
        ("lockstep rotation history", "Done"),
        ("digest-keys.json", "key"),
        ("metrics of a", "lockstep_reads_total"),
        ("exported spans", "delivery.applied"),
        ("lockstep get deliveries", "more than the"),
        ("lockstep get deliveries", "is not base64"),
        ("answer to PUT /v1/bindings/good", "problem+json"),
    ] {
        ensure!(traces.mention(place, text), "{place} with {text:?} was not gathered");
    }
    eprintln!("searched {} bytes of logs, {} of tables", traces.bytes_of(".log"), traces.bytes_of("table "));
    let verdict = traces.verdict();
    assert!(verdict.is_empty(), "{verdict:#?}");
    Ok(())
}

/// A canary in a secret `shop/<name>` under this key.
async fn put(fleet: &Fleet, traces: &mut Traces, name: &str, key: &str) -> Result<()> {
    let canary = Canary::new(&format!("{name}, key {key}"));
    fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ key: canary.text() })).await?;
    traces.forbid(canary);
    Ok(())
}

async fn good_values(fleet: &Fleet, traces: &mut Traces) -> Result<()> {
    put(fleet, traces, "good", "password").await?;
    fleet.apply(&Fleet::binding("good")).await?;
    fleet.await_deliveries("InSync", 2, LIMIT).await?;
    put(fleet, traces, "good", "password").await
}

/// Content that is read and then cannot be delivered.
async fn bad_values(fleet: &Fleet, traces: &mut Traces) -> Result<()> {
    put(fleet, traces, "bad-key", "no/such key").await?;
    put(fleet, traces, "missing-key", "password").await?;
    put(fleet, traces, "conflict", "password").await?;
    put(fleet, traces, "twice", "password").await?;
    put(fleet, traces, "not-base64", "password").await?;
    let nested = Canary::new("a nested value");
    let list = json!([nested.text(), { "deep": nested.text() }]);
    fleet.bao.kv_put(KV, "shop/nested", &json!({ "object": { "password": nested.text() }, "list": list })).await?;
    traces.forbid(nested);
    let large = Canary::new("a large value");
    // Two secrets that each fit into one of Vault's, and together into no Secret.
    let half = large.text().repeat((600 << 10) / large.bytes.len());
    for number in 0..2 {
        fleet.bao.kv_put(KV, &format!("shop/large-{number}"), &json!({ format!("half-{number}"): half })).await?;
    }
    traces.forbid(large);
    put(fleet, traces, "deleted", "password").await?;
    for agent in &fleet.agents {
        std::fs::create_dir_all(agent.targets().join("conflict"))?;
        std::fs::write(agent.targets().join("conflict/mine"), "somebody else's")?;
    }
    let names = ["bad-key", "conflict", "nested", "deleted"];
    let mut manifests: String = names.iter().map(|name| Fleet::binding(name)).collect();
    let item = |path: &str, keys: &str| format!("{{source: corp, mount: {KV}, path: shop/{path}{keys}}}");
    manifests +=
        &Fleet::binding("missing-key").replace("path: shop/missing-key}", "path: shop/missing-key, keys: {absent: ABSENT}}");
    manifests += &Fleet::binding("not-base64").replace("path: shop/not-base64}", "path: shop/not-base64, base64: [password]}");
    manifests += &Fleet::binding("twice").replace(
        &item("twice", ""),
        &format!("{}, {}", item("twice", ", keys: {password: P}"), item("good", ", keys: {password: P}")),
    );
    manifests +=
        &Fleet::binding("large").replace(&item("large", ""), &format!("{}, {}", item("large-0", ""), item("large-1", "")));
    fleet.apply(&manifests).await?;
    fleet.bao.kv_soft_delete(KV, "shop/deleted", &[1]).await?;
    for (name, status) in [
        ("bad-key", "Failed"),
        ("missing-key", "Failed"),
        ("not-base64", "Failed"),
        ("twice", "Failed"),
        ("large", "Failed"),
        ("conflict", "Conflict"),
    ] {
        wait::until(&format!("{name} to be {status}"), LIMIT, async || {
            let deliveries = fleet.deliveries().await?;
            let mut of_it = deliveries.iter().filter(|d| d["binding"] == name);
            ensure!(of_it.all(|d| d["status"] == status && d["cause"].is_string()), "{}", Value::from(deliveries));
            anyhow::Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Somebody writes to a target in a cluster: the agent sees it, says so, and it is repaired.
async fn changed_targets(fleet: &Fleet, traces: &mut Traces) -> Result<()> {
    let foreign = Canary::new("what somebody wrote into a target");
    let agent = &fleet.agents[0];
    let path = agent.targets().join("good/password");
    std::fs::write(&path, &foreign.bytes)?;
    wait::until("the target to be repaired", LIMIT, async || std::fs::read(&path).is_ok_and(|now| now != foreign.bytes)).await?;
    traces.forbid(foreign);
    Ok(())
}

/// Vault refuses the servers' token, is sealed, and comes back.
async fn refused_vault(fleet: &Fleet, traces: &mut Traces) -> Result<()> {
    let file = fleet.folder().join("vault.token");
    let (token, wrong) = (std::fs::read_to_string(&file)?, format!("s.{}", uuid::Uuid::new_v4().simple()));
    std::fs::write(&file, &wrong)?;
    put(fleet, traces, "good", "password").await?;
    await_stale(fleet).await?;
    std::fs::write(&file, token)?;
    traces.forbid(Canary::of("a wrong Vault token", wrong));
    wait::until("the right token to be used", LIMIT, async || {
        let deliveries = fleet.deliveries().await?;
        ensure!(deliveries.iter().any(|d| d["binding"] == "good" && d["status"] == "InSync"), "{}", Value::from(deliveries));
        anyhow::Ok(())
    })
    .await?;
    fleet.bao.seal().await?;
    await_stale(fleet).await?;
    fleet.bao.unseal().await
}

/// An agent shows a token of its service account, and the Vault will have none of it.
async fn lent_tokens(fleet: &mut Fleet, traces: &mut Traces) -> Result<()> {
    let signature = format!("{0}{0}", uuid::Uuid::new_v4().simple());
    let part = |value: Value| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, value.to_string());
    let token =
        format!("{}.{}.{signature}", part(json!({ "alg": "RS256" })), part(json!({ "iss": "https://i", "aud": ["vault"] })));
    fleet.agents[0].project("vault", &token)?;
    fleet.agents[0].start()?;
    traces.forbid(Canary::of("the signature of a service account's token", signature));
    put(fleet, traces, "own", "password").await?;
    let source = format!(
        "apiVersion: lockstep.dev/v1\nkind: Source\nmetadata: {{name: own}}\nspec: {{addresses: [\"{}\"], credentials: home, \
         readAs: Cluster, clusterLogin: {{method: JWT, mount: jwt, role: r}}}}\n---\n",
        fleet.bao.addr()
    );
    let grant = format!(
        "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: own}}\nspec: {{project: shop, \
         paths: [{{source: own, mount: {KV}, globs: [\"**\"]}}], clusters: {{}}}}\n---\n"
    );
    fleet.bao.enable_auth("jwt", "jwt").await?;
    fleet.apply(&(source + &grant + &Fleet::binding("own").replace("source: corp", "source: own"))).await?;
    // The one cluster cannot log in, and the other has nothing to show.
    fleet.await_delivery("cluster-1", "own", "Denied").await?;
    fleet.await_delivery("cluster-2", "own", "Failed").await.map(drop)
}

/// Waits until the source is shown as failing, which it is on every secret that comes from it.
async fn await_stale(fleet: &Fleet) -> Result<()> {
    wait::until("the good values to be stale", LIMIT, async || {
        let deliveries = fleet.deliveries().await?;
        let mut good = deliveries.iter().filter(|d| d["binding"] == "good");
        ensure!(good.all(|d| d["status"] == "Stale"), "{}", Value::from(deliveries));
        anyhow::Ok(())
    })
    .await
}

async fn restarts_and_an_epoch(fleet: &mut Fleet) -> Result<()> {
    for index in 0..fleet.agents.len() {
        fleet.agents[index].process()?.stop().await?;
        fleet.agents[index].start()?;
    }
    fleet.replicas[1].process()?.kill9()?;
    fleet.start_replica(1).await?;
    fleet.cli(&["epoch", "open", "--reason", "to see that nothing leaks"]).await.map(drop)
}

/// Requests that fail: wrong tokens, wrong bodies.
async fn wrong_requests(fleet: &Fleet, traces: &mut Traces) -> Result<()> {
    let token = std::fs::read_to_string(fleet.folder().join("admin.token"))?.trim().to_owned();
    let wrong = format!("lockstep_{}", uuid::Uuid::new_v4().simple());
    let file = fleet.folder().join("wrong.token");
    std::fs::write(&file, &wrong)?;
    let (server, ca) = (fleet.replicas[0].rest_url(), fleet.root_file().to_string_lossy().into_owned());
    let file = file.to_string_lossy().into_owned();
    traces
        .gather([printed(fleet, &["login", "--server", &server, "--certificate-authority", &ca, "--token-file", &file]).await?]);
    let requests = [
        (Method::GET, "/v1/deliveries?status=Nonsense", ""),
        (Method::GET, "/v1/bindings/none", ""),
        (Method::PUT, "/v1/bindings/good", "{"),
        (
            Method::POST,
            "/v1/bindings",
            "{\"apiVersion\":\"lockstep.dev/v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"x\"},\"spec\":{}}",
        ),
        (Method::POST, "/v1/clusters/none/join-tokens", "{}"),
        (Method::DELETE, "/v1/sources/corp", ""),
        (Method::GET, "/none", ""),
    ];
    for (method, path, body) in requests {
        for token in [&token, &wrong] {
            traces.gather([answer(fleet, token, method.clone(), path, body).await?]);
        }
    }
    fleet.use_replica(0).await?;
    traces.forbid(Canary::of("a wrong API token", wrong));
    Ok(())
}

/// What opens doors, and where alone it may be.
async fn keys_and_tokens(fleet: &Fleet, traces: &mut Traces) -> Result<()> {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()));
    let token = read(fleet.folder().join("admin.token"))?;
    traces.forbid(Canary::of("the API token", token.trim()));
    let token = read(fleet.folder().join("vault.token"))?;
    traces.forbid(Canary::of("the servers' Vault token", token.trim()));
    traces.forbid(Canary::of("Vault's root token", fleet.bao.root_token()));
    let root = fleet.bao.kv_get("lockstep", "digest-root").await?;
    let root = root["key"].as_str().context("the digests' root key")?.to_owned();
    traces.forbid(Canary::of("the digests' root key", hex::decode(&root)?));
    traces.forbid(Canary::of("the digests' root key in hex", root));
    for agent in &fleet.agents {
        let token = read(agent.state().with_file_name("join.token"))?;
        traces.forbid(Canary::of(&format!("the join token of {}", agent.name()), token.trim()));
        let keys: Value = serde_json::from_str(&read(agent.state().join("digest-keys.json"))?)?;
        let key = keys[0]["key"].as_str().context("the cluster's digest key")?;
        traces.forbid_but(
            Canary::of(&format!("the digest key of {}", agent.name()), hex::decode(key)?),
            &["state/digest-keys.json"],
        );
        let identity: Value = serde_json::from_str(&read(agent.state().join("identity.json"))?)?;
        let pem = identity["key"].as_str().context("the agent's private key")?;
        let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let private = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).context("the key's PEM")?;
        // PKCS#8 begins with what every key begins with, and may end with the public key.
        let scalar = private.get(36..60).context("the key is shorter than a key")?;
        traces.forbid_but(Canary::of(&format!("the private key of {}", agent.name()), scalar), &["state/identity.json"]);
    }
    Ok(())
}

/// Everything that people and programs are shown.
async fn views(fleet: &Fleet) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for arguments in [
        &["status"][..],
        &["get", "deliveries", "-o", "json"],
        &["get", "secrets", "-o", "json"],
        &["get", "bindings", "-o", "json"],
        &["get", "clusters", "-o", "json"],
        &["get", "sources", "-o", "json"],
        &["get", "changes", "-o", "json"],
        &["get", "placements", "-o", "json"],
        &["get", "rotations", "-o", "json"],
        &["rotation", "history", "pair", "-o", "json"],
        &["rotation", "history", "rotated", "-o", "wide"],
        &["describe", "binding", "large"],
        &["describe", "cluster", "cluster-1"],
        &["describe", "source", "corp"],
        &["context", "list"],
        &["epoch", "show"],
        &["get", "nonsense"],
    ] {
        places.push(printed(fleet, arguments).await?);
    }
    Ok(places)
}
