//! The CA's root is exchanged in three steps, with agents connected, and with one that was away for the first two.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_testbed::fleet::{Agent, KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const PKI: &str = "lockstep-pki";
const STAYS: [&str; 2] = ["cluster-1", "cluster-2"];
const AWAY: &str = "cluster-3";
const LATE: &str = "cluster-4";
const WRITE_INTERVAL: Duration = Duration::from_millis(200);

/// Replicas that look at the CA every second, and three clusters with a binding.
async fn fleet() -> Result<Fleet> {
    let mut fleet = Fleet::start_replicas(Settings { replicas: 2, clusters: 0, ..Settings::default() }).await?;
    for index in 0..2 {
        let path = fleet.replicas[index].config_path().to_owned();
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        config["homeVault"]["issuersIntervalMs"] = 1_000.into();
        config["agents"]["rotationSpreadSeconds"] = 1.into();
        std::fs::write(&path, config.to_string())?;
        fleet.replicas[index].process()?.stop().await?;
        fleet.start_replica(index).await?;
    }
    for name in STAYS.iter().chain([&AWAY]) {
        fleet.add_cluster(name, &["env=prod"]).await?;
    }
    fleet.bao.kv_put(KV, "shop/count", &json!({ "n": "0" })).await?;
    fleet.apply(&fleet.basics()).await?;
    fleet.apply(&Fleet::binding("count")).await?;
    fleet.await_deliveries("InSync", 3, STORY_LIMIT).await?;
    Ok(fleet)
}

/// Writes a greater number in Vault, again and again, until dropped.
fn keep_writing(fleet: &Fleet) -> (Arc<AtomicU64>, tokio::task::AbortHandle) {
    let url = format!("{}/v1/{KV}/data/shop/count", fleet.bao.addr());
    let (token, written) = (fleet.bao.root_token().to_owned(), Arc::new(AtomicU64::new(0)));
    let counter = written.clone();
    let task = tokio::spawn(async move {
        let client = reqwest::Client::new();
        for n in 1_u64.. {
            let body = json!({ "data": { "n": n.to_string() } });
            let done = client.post(&url).header("X-Vault-Token", &token).json(&body).send().await;
            if done.is_ok_and(|answer| answer.status().is_success()) {
                counter.store(n, Ordering::Relaxed);
            }
            tokio::time::sleep(WRITE_INTERVAL).await;
        }
    });
    (written, task.abort_handle())
}

/// What was written until now arrives there.
async fn arrives(fleet: &Fleet, written: &AtomicU64, clusters: &[&str]) -> Result<()> {
    let until = written.load(Ordering::Relaxed);
    for cluster in clusters {
        wait::until(&format!("{until} to arrive in {cluster}"), STORY_LIMIT, async || {
            let n: u64 = fleet.file(cluster, "count", "n")?.context("nothing is there")?.parse()?;
            ensure!(n >= until, "{n} is there");
            anyhow::Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Waits until `lockstep ca status` shows that.
async fn shown(fleet: &Fleet, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    wait::until(what, STORY_LIMIT, async || {
        let status = fleet.cli(&["ca", "status", "-o", "json"]).await?.json()?;
        ensure!(is(&status), "{status}");
        anyhow::Ok(status)
    })
    .await
}

fn root<'a>(status: &'a Value, role: &str) -> &'a Value {
    status["roots"].as_array().into_iter().flatten().find(|root| root["role"] == role).unwrap_or(&Value::Null)
}

fn counts(root: &Value, field: &str) -> (u64, u64) {
    let count = |of: &str| root[field][of].as_u64().unwrap_or_default();
    (count("replicas"), count("agents"))
}

fn roots_of(ders: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for der in ders {
        roots.add(der.clone())?;
    }
    Ok(roots)
}

/// An agent's certificate as it was kept, and the roots that a client with it believes.
struct Kept(ClientConfig);

impl Kept {
    fn of(fleet: &Fleet, agent: usize, roots_pem: &str) -> Result<Self> {
        let identity: Value = serde_json::from_slice(&std::fs::read(fleet.agents[agent].state().join("identity.json"))?)?;
        let chain = identity["chain"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|der| anyhow::Ok(CertificateDer::from(STANDARD.decode(der.as_str().context("no text")?)?)));
        let key = PrivateKeyDer::from_pem_slice(identity["key"].as_str().context("no key")?.as_bytes())?;
        let roots = CertificateDer::pem_slice_iter(roots_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let mut config = ClientConfig::builder_with_provider(default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots_of(&roots)?)
            .with_client_auth_cert(chain.collect::<Result<_>>()?, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(config))
    }

    /// Whether the replica speaks to whoever shows it. In TLS 1.3 a refusal comes after the client's handshake is over.
    async fn is_taken(&self, fleet: &Fleet, replica: usize) -> Result<bool> {
        let tcp = TcpStream::connect(fleet.replicas[replica].agents_address()).await?;
        let connector = TlsConnector::from(Arc::new(self.0.clone()));
        let mut stream =
            connector.connect(ServerName::try_from("localhost")?, tcp).await.context("the server is not believed")?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
        Ok(stream.read(&mut [0; 9]).await.is_ok_and(|read| read > 0))
    }
}

/// The certificates of all issuers.
async fn issuers(fleet: &Fleet) -> Result<Vec<(String, String)>> {
    let mut issuers = Vec::new();
    let listed = fleet.bao.request("GET", &format!("{PKI}/issuers?list=true"), None).await?;
    for id in listed["data"]["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let issuer = fleet.bao.request("GET", &format!("{PKI}/issuer/{id}"), None).await?;
        issuers.push((id.to_owned(), issuer["data"]["certificate"].as_str().context("no certificate")?.to_owned()));
    }
    Ok(issuers)
}

async fn reconnects(fleet: &Fleet) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for agent in &fleet.agents {
        let metrics = agent.metrics().await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("lockstep_agent_reconnects_total "));
        all.push(line.context("no count of reconnects")?.parse()?);
    }
    Ok(all)
}

#[tokio::test]
async fn a_root_is_exchanged_under_connected_agents_and_one_that_was_away_comes_back_by_itself() -> Result<()> {
    let mut fleet = fleet().await?;
    let (written, writing) = keep_writing(&fleet);
    shown(&fleet, "the replicas to say what they trust", |status| {
        status["phase"] == "Steady" && counts(root(status, "Signs"), "certificates") == (2, 3)
    })
    .await?;
    fleet.agents[2].process()?.kill9()?;

    // Announce.
    let old = fleet.bao.next_root(PKI, "next").await?;
    let status = shown(&fleet, "the next root to be known by whoever is there", |status| {
        counts(root(status, "Next"), "trustedBy") == (2, 2)
    })
    .await?;
    let next = root(&status, "Next");
    assert!(status["phase"] == "Announcing" && next["ready"] == false, "{status}");
    assert!(next["notes"][0].as_str().is_some_and(|note| note.contains(AWAY) && note.contains("cross-signed")), "{next}");
    fleet.bao.cross_sign(PKI, "next", &old).await?;
    shown(&fleet, "the next root to be ready", |status| root(status, "Next")["ready"] == true).await?;
    let token_from_before = fleet.cli(&["cluster", "register", LATE, "--label", "env=prod", "-o", "json"]).await?.json()?;
    let old_root = std::fs::read_to_string(fleet.root_file())?;
    arrives(&fleet, &written, &STAYS).await?;

    // Switch.
    let all: String = issuers(&fleet).await?.into_iter().map(|(_, pem)| pem).collect();
    let kept = Kept::of(&fleet, 0, &all)?;
    fleet.bao.sign_with(PKI, "next").await?;
    let status = shown(&fleet, "certificates to be of the next root", |status| {
        status["phase"] == "Switched" && counts(root(status, "Signs"), "certificates") == (2, 2)
    })
    .await?;
    let former = root(&status, "Former");
    assert!(former["ready"] == false && former["notes"].to_string().contains(AWAY), "{status}");
    arrives(&fleet, &written, &STAYS).await?;
    assert!(kept.is_taken(&fleet, 0).await? && kept.is_taken(&fleet, 1).await?, "the former root is still trusted");

    // Whoever was away knows the former root only; whoever joins now pins it.
    fleet.agents[2].start()?;
    arrives(&fleet, &written, &[AWAY]).await?;
    let mut late = fleet.install_agent(LATE, &token_from_before)?;
    late.start()?;
    fleet.agents.push(late);
    fleet.await_cluster(LATE, "Ready", STORY_LIMIT).await?;
    arrives(&fleet, &written, &[LATE]).await?;
    shown(&fleet, "nobody to need the former root", |status| {
        root(status, "Former")["ready"] == true && counts(root(status, "Signs"), "certificates") == (2, 4)
    })
    .await?;
    println!(
        "reconnections of {:?} until then: {:?}",
        fleet.agents.iter().map(Agent::name).collect::<Vec<_>>(),
        reconnects(&fleet).await?
    );
    assert_eq!(reconnects(&fleet).await?[..2], [0.0, 0.0], "whoever was connected stayed so");

    // Retire, with what linked the two.
    for (id, pem) in issuers(&fleet).await? {
        let signs = fleet.bao.request("GET", &format!("{PKI}/config/issuers"), None).await?["data"]["default"] == id.as_str();
        if signs {
            std::fs::write(fleet.root_file(), format!("{old_root}\n{pem}"))?;
        } else {
            fleet.bao.remove_issuer(PKI, &id).await?;
        }
    }
    shown(&fleet, "one root to be left", |status| {
        status["phase"] == "Steady" && counts(root(status, "Signs"), "trustedBy") == (2, 4)
    })
    .await?;
    for replica in 0..2 {
        wait::until("a certificate of the former root to be refused", STORY_LIMIT, async || {
            ensure!(!kept.is_taken(&fleet, replica).await?, "replica {replica} takes it");
            anyhow::Ok(())
        })
        .await?;
    }
    arrives(&fleet, &written, &[STAYS[0], STAYS[1], AWAY, LATE]).await?;
    println!("reconnections in the end: {:?}", reconnects(&fleet).await?);
    assert_eq!(reconnects(&fleet).await?, [0.0; 4]);

    // What they kept is enough to come back with.
    for index in 0..4 {
        fleet.agents[index].process()?.kill9()?;
        fleet.agents[index].start()?;
    }
    fleet.await_linked().await?;
    arrives(&fleet, &written, &[STAYS[0], STAYS[1], AWAY, LATE]).await?;
    writing.abort();
    Ok(())
}
