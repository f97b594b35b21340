//! A source that is read as the cluster: Vault's own policy decides what each gets, and Vault's audit names it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{AGENT_NAMESPACE, KV, NAMESPACE, STORY_LIMIT, Settings, Sink};
use lockstep_testbed::{Fleet, OpenBao, wait};
use serde_json::json;

/// Secrets that every cluster may read; beside them there is one that none may.
const SECRETS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const FORBIDDEN: &str = "forbidden";
/// The life of a login's token where a right is withdrawn.
const SHORT_LIFE: Duration = Duration::from_secs(15);

/// How a cluster logs in.
#[derive(Clone, Copy)]
struct Method {
    /// As the source's manifest has it; also the cluster's and the source's name, in lower case.
    word: &'static str,
    token_life: &'static str,
}

const KUBERNETES: Method = Method { word: "Kubernetes", token_life: "1h" };
const JWT: Method = Method { word: "JWT", token_life: "15s" };

impl Method {
    fn name(self) -> String {
        self.word.to_lowercase()
    }
}

/// A cluster, its Vault login and its source, all called after the method; its bindings are called `SECRET-METHOD`.
async fn set_up(fleet: &mut Fleet, method: Method) -> Result<()> {
    let name = method.name();
    fleet.add_cluster(&name, &["env=prod", &format!("auth={name}")]).await?;
    let agent = fleet.agents.last().context("the cluster has no agent")?;
    let kubernetes = agent.kubernetes()?;
    let mount = format!("auth-{name}");
    let mut role = json!({ "token_policies": ["clusters"], "token_ttl": method.token_life });
    let account = json!({ "bound_service_account_names": ["lockstep-agent"], "bound_service_account_namespaces": [AGENT_NAMESPACE], "audience": "vault" });
    let subject = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "bound_subject": format!("system:serviceaccount:{AGENT_NAMESPACE}:lockstep-agent"),
    });
    let more = if method.word == "JWT" {
        fleet.bao.enable_auth(&mount, "jwt").await?;
        let keys = json!({
            "jwt_validation_pubkeys": [kubernetes.service_account_key_pem()?],
            "bound_issuer": kubernetes.service_account_issuer(),
        });
        fleet.bao.request("POST", &format!("auth/{mount}/config"), Some(keys)).await?;
        subject
    } else {
        kubernetes.create_service_account(AGENT_NAMESPACE, "reviewer").await?;
        kubernetes.bind_cluster_role(AGENT_NAMESPACE, "reviewer", "system:auth-delegator").await?;
        let reviewer = kubernetes.token(AGENT_NAMESPACE, "reviewer", &[]).await?;
        fleet.bao.enable_kubernetes_auth(&mount, kubernetes.addr(), kubernetes.ca_pem(), Some(&reviewer)).await?;
        account
    };
    role.as_object_mut().into_iter().for_each(|role| role.extend(more.as_object().cloned().unwrap_or_default()));
    fleet.bao.request("POST", &format!("auth/{mount}/role/of-{name}"), Some(role)).await?;
    let mut manifests = format!(
        "apiVersion: lockstep.dev/v1\nkind: Source\nmetadata: {{name: {name}}}\nspec:\n  addresses: [\"{}\"]\n  credentials: home\n  \
         readAs: Cluster\n  clusterLogin: {{method: {}, mount: \"auth-{{cluster}}\", role: \"of-{{cluster}}\"}}\n---\n\
         apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: {name}}}\nspec:\n  project: shop\n  \
         paths: [{{source: {name}, mount: {KV}, globs: [\"shop/**\"]}}]\n  clusters: {{matchLabels: {{env: prod}}}}\n  \
         namespaces: [{NAMESPACE}]\n---\n",
        fleet.bao.addr(),
        method.word,
    );
    for secret in SECRETS.iter().chain([&FORBIDDEN]) {
        let binding = Fleet::binding_to_secret(secret).replace("source: corp", &format!("source: {name}"));
        manifests += &binding
            .replace(&format!("metadata: {{name: {secret}}}"), &format!("metadata: {{name: {secret}-{name}}}"))
            .replace("{env: prod}", &format!("{{auth: {name}}}"));
    }
    fleet.apply(&manifests).await
}

/// Logins of a cluster, and who read data, by the audit's own words.
fn audited(bao: &OpenBao, method: Method) -> Result<(usize, BTreeSet<String>)> {
    let login = format!("auth/auth-{}/login", method.name());
    let logins = bao.count_requests(|path, _| path == login)?;
    let entries = bao.audit_entries()?;
    let reads = entries.iter().filter(|entry| {
        let request = &entry["request"];
        let is_data = request["path"].as_str().is_some_and(|path| path.starts_with(&format!("{KV}/data/shop/")));
        entry["type"] == "request" && is_data && request["operation"] == "read"
    });
    Ok((logins, reads.map(|entry| entry["auth"]["display_name"].as_str().unwrap_or_default().to_owned()).collect()))
}

fn policy(forbidden: &[&str]) -> String {
    let denied = forbidden.iter().map(|path| format!("path \"{KV}/data/shop/{path}\" {{ capabilities = [\"deny\"] }}\n"));
    format!("path \"{KV}/data/shop/*\" {{ capabilities = [\"read\"] }}\n{}", denied.collect::<String>())
}

#[tokio::test]
async fn vaults_policy_decides_for_each_cluster_and_its_audit_names_the_cluster() -> Result<()> {
    let settings = Settings { replicas: 1, clusters: 0, watch_interval_ms: 200, sink: Sink::Secret, ..Settings::default() };
    let mut fleet = Fleet::start(settings).await?;
    fleet.apply(&fleet.basics()).await?;
    // The server itself may see metadata only.
    let own = fleet.bao.request("GET", "sys/policies/acl/lockstep", None).await?;
    let own = own["data"]["policy"].as_str().context("no policy")?.to_owned();
    let watching: Vec<&str> = own.lines().filter(|line| !line.contains(&format!("{KV}/data/"))).collect();
    ensure!(watching.len() + 1 == own.lines().count(), "the server's policy is another than this test knows: {own}");
    fleet.bao.write_policy("lockstep", &watching.join("\n")).await?;
    fleet.bao.write_policy("clusters", &policy(&[FORBIDDEN])).await?;
    for secret in SECRETS.iter().chain([&FORBIDDEN]) {
        fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "password": "first" })).await?;
    }
    for method in [KUBERNETES, JWT] {
        set_up(&mut fleet, method).await?;
    }
    for agent in &mut fleet.agents {
        agent.project_token("vault", "vault").await?;
        agent.start()?;
    }

    for method in [KUBERNETES, JWT] {
        let name = method.name();
        for secret in SECRETS {
            fleet.await_delivery(&name, &format!("{secret}-{name}"), "InSync").await?;
        }
        let denied = fleet.await_delivery(&name, &format!("{FORBIDDEN}-{name}"), "Denied").await?;
        let cause = denied["cause"].as_str().unwrap_or_default();
        let wanted = format!(
            "denied by Vault: cluster {name}, as role of-{name} of auth/auth-{name}, may not read {KV}/data/shop/{FORBIDDEN}"
        );
        ensure!(cause.contains(&wanted), "{cause}");
    }
    let (_, readers) = audited(&fleet.bao, KUBERNETES)?;
    println!("the audit names as readers: {readers:?}");
    ensure!(readers.len() == 2 && readers.iter().all(|r| r.contains("lockstep-agent")), "somebody else read: {readers:?}");
    check_policy_and_source(&fleet).await?;

    // Its agent comes back, and exchanges its token: neither is another login, nor are versions.
    let agent = &mut fleet.agents[0];
    agent.project_token("vault", "vault").await?;
    agent.start()?;
    fleet.await_linked().await?;
    for secret in SECRETS {
        fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "password": "second" })).await?;
    }
    for secret in SECRETS {
        await_password(&fleet, 0, secret, "second").await?;
    }
    let (logins, _) = audited(&fleet.bao, KUBERNETES)?;
    println!("{logins} login of cluster kubernetes for {} secrets with two versions each", SECRETS.len());
    ensure!(logins == 1, "{logins} logins");
    withdrawn_and_given_back(&fleet).await
}

/// The least policies: the server's has no data, a cluster's has what it reads and nothing else.
async fn check_policy_and_source(fleet: &Fleet) -> Result<()> {
    let servers = fleet.cli(&["source", "policy", "jwt"]).await?.stdout;
    ensure!(servers.contains("kv/metadata/shop/a") && !servers.contains("kv/data/"), "{servers}");
    let clusters = fleet.cli(&["source", "policy", "jwt", "--cluster", "jwt"]).await?.stdout;
    ensure!(clusters.contains("kv/data/shop/a") && !clusters.contains("kv/metadata/"), "{clusters}");
    let refused = fleet.cli_any(&["source", "policy", "corp", "--cluster", "jwt"]).await?;
    ensure!(refused.code != 0 && refused.stderr.contains("readAs: Server"), "{}", refused.stderr);
    let checked = fleet.cli(&["source", "check", "jwt"]).await?.stdout;
    ensure!(checked.contains("each cluster reads for itself"), "{checked}");
    Ok(())
}

/// What is in step is not read, and yet a right that is withdrawn shows within a token's life; the cluster keeps what it has.
async fn withdrawn_and_given_back(fleet: &Fleet) -> Result<()> {
    let began = Instant::now();
    fleet.bao.write_policy("clusters", &policy(&[FORBIDDEN, "a"])).await?;
    let denied = fleet.await_delivery("jwt", "a-jwt", "Denied").await?;
    println!(
        "a withdrawn right was noticed after {:.1} s; a token lives {} s",
        began.elapsed().as_secs_f64(),
        SHORT_LIFE.as_secs()
    );
    ensure!(denied["cause"].as_str().is_some_and(|cause| cause.starts_with("denied by Vault")), "{denied}");
    fleet.await_delivery("jwt", "b-jwt", "InSync").await?;
    await_password(fleet, 1, "a", "second").await?;
    fleet.bao.write_policy("clusters", &policy(&[FORBIDDEN])).await?;
    fleet.await_delivery("jwt", "a-jwt", "InSync").await.map(drop)
}

async fn await_password(fleet: &Fleet, cluster: usize, secret: &str, password: &str) -> Result<()> {
    wait::until(&format!("Secret {secret} to have its password"), STORY_LIMIT, async || {
        let data: Option<_> = fleet.agents[cluster].kubernetes()?.secret(NAMESPACE, secret).await?;
        let has = data.and_then(|data| data.get("password").cloned());
        ensure!(has.as_deref() == Some(password.as_bytes()), "it has another");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_cluster_whose_agent_shows_no_token_is_told_what_is_missing_and_gets_it_with_the_token() -> Result<()> {
    let settings = Settings { replicas: 1, clusters: 0, watch_interval_ms: 200, sink: Sink::Secret, ..Settings::default() };
    let mut fleet = Fleet::start(settings).await?;
    fleet.apply(&fleet.basics()).await?;
    fleet.bao.write_policy("clusters", &policy(&[])).await?;
    for secret in SECRETS.iter().chain([&FORBIDDEN]) {
        fleet.bao.kv_put(KV, &format!("shop/{secret}"), &json!({ "password": "first" })).await?;
    }
    set_up(&mut fleet, Method { token_life: "1h", ..JWT }).await?;
    // A token that the API server takes never leaves the cluster.
    let agent = &mut fleet.agents[0];
    let issuer = agent.kubernetes()?.service_account_issuer().to_owned();
    agent.project_token("vault", &issuer).await?;
    agent.start()?;
    let failed = fleet.await_delivery("jwt", "a-jwt", "Failed").await?;
    let cause = failed["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains("has shown no token of the one audience \"vault\""), "{cause}");
    // That much was so before, too: the agent begins.
    wait::until("the agent to say what it keeps back", STORY_LIMIT, async || {
        ensure!(fleet.agents[0].process()?.log().contains("opens the API server"), "not yet");
        Ok(())
    })
    .await?;
    fleet.await_linked().await?;
    let failed = fleet.await_delivery("jwt", "a-jwt", "Failed").await?;
    ensure!(failed["cause"].as_str().is_some_and(|cause| cause.contains("has shown no token")), "{failed}");

    // The kubelet writes the right one: nobody restarts anything.
    fleet.agents[0].project_token("vault", "vault").await?;
    fleet.await_delivery("jwt", "a-jwt", "InSync").await.map(drop)
}
