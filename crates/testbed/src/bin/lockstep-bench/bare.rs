//! The bare loop: a KV read and a server-side apply, nothing else. What Lockstep's figures are divided by.
//!
//! It has the rights that Lockstep has, no more: the replicas' Vault token and the agents' service accounts. With a root token Vault, and as
//! a member of `system:masters` the API server, would not look at any policy.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, NAMESPACE};
use reqwest::{Certificate, Client};
use serde_json::{Map, Value, json};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Clients whose connections are kept, as any serious loop's are.
pub(crate) struct Bare {
    vault: Client,
    vault_addr: String,
    vault_token: String,
    clusters: Vec<Cluster>,
}

struct Cluster {
    client: Client,
    addr: String,
    token: String,
}

impl Bare {
    /// For OpenBao and every cluster of a fleet.
    pub(crate) async fn new(fleet: &Fleet) -> Result<Self> {
        let builder = || Client::builder().no_proxy().timeout(LIMIT).tcp_nodelay(true);
        let mut clusters = Vec::new();
        for agent in &fleet.agents {
            let kubernetes = agent.kubernetes()?;
            let ca = Certificate::from_pem(kubernetes.ca_pem().as_bytes())?;
            let client = builder().tls_certs_only([ca]).build()?;
            clusters.push(Cluster { client, addr: kubernetes.addr().to_owned(), token: agent.service_account_token(&[]).await? });
        }
        Ok(Self {
            vault: builder().build()?,
            vault_addr: fleet.bao.addr().to_owned(),
            vault_token: fleet.vault_token()?,
            clusters,
        })
    }

    /// Reads one secret and applies it as Secret `name` to every cluster; answers when it began.
    pub(crate) async fn propagate(&self, path: &str, name: &str) -> Result<Instant> {
        let began = Instant::now();
        let data = self.read(path).await?;
        futures::future::try_join_all(self.clusters.iter().map(|cluster| cluster.apply(name, &data))).await?;
        Ok(began)
    }

    /// Reads all `paths` and applies each to the first cluster as Secret `prefix<index>`, so many at a time.
    pub(crate) async fn sync(&self, paths: &[String], prefix: &str, in_flight: usize) -> Result<()> {
        let cluster = self.clusters.first().context("there is no cluster")?;
        let all = paths.iter().enumerate().map(async |(index, path)| {
            let data = self.read(path).await?;
            cluster.apply(&format!("{prefix}{index}"), &data).await
        });
        stream::iter(all).buffer_unordered(in_flight).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    async fn read(&self, path: &str) -> Result<Map<String, Value>> {
        let url = format!("{}/v1/{KV}/data/{path}", self.vault_addr);
        let answer = self.vault.get(url).header("X-Vault-Token", &self.vault_token).send().await?.error_for_status()?;
        let mut answer: Value = answer.json().await?;
        match answer["data"]["data"].take() {
            Value::Object(data) => Ok(data),
            _ => anyhow::bail!("Vault's answer has no data"),
        }
    }
}

impl Cluster {
    async fn apply(&self, name: &str, data: &Map<String, Value>) -> Result<()> {
        let data: Map<String, Value> =
            data.iter().map(|(key, value)| (key.clone(), STANDARD.encode(value.as_str().unwrap_or_default()).into())).collect();
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": data });
        let url = format!("{}/api/v1/namespaces/{NAMESPACE}/secrets/{name}?fieldManager=bare&force=true", self.addr);
        let request = self.client.patch(url).bearer_auth(&self.token).header("Content-Type", "application/apply-patch+yaml");
        let answer = request.body(secret.to_string()).send().await?;
        ensure!(answer.status().is_success(), "the API server answered {}", answer.status());
        // Read to its end, so that the connection is kept.
        answer.bytes().await?;
        Ok(())
    }
}
