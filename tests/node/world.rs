//! A node with its agents, and what must never be seen of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::Folder;
use lockstep_tests::csi_driver::{Class, Driver, Mounted, Pod};
use lockstep_tests::node_agent::NodeAgent;
use tonic::{Code, Status};

use crate::agent::{Agent, Content, Mind};
use crate::authority::Authority;

/// Of everything that is awaited.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const OWN_TOKEN: &str = "cAnaryOwnToken0c77";
pub(crate) const POD_TOKEN: &str = "cAnaryPodToken51e9";
pub(crate) const VALUE: &str = "cAnaryValue88ab";

pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) agents: Vec<Agent>,
    pub(crate) node: NodeAgent,
    pub(crate) driver: Driver,
    pub(crate) ca_file: PathBuf,
    pub(crate) token_file: PathBuf,
    _folder: Folder,
}

/// What agents hold in the beginning.
pub(crate) fn content() -> Content {
    let secret = |pairs: &[(&str, &[u8])]| pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
    let value = VALUE.as_bytes();
    BTreeMap::from([
        ("db".to_owned(), secret(&[("password", value), ("username", b"shop")])),
        ("tls".to_owned(), secret(&[("tls.crt", b"certificate"), ("tls.key", value)])),
        ("odd".to_owned(), secret(&[("base64", b"AP8="), ("bytes", b"\x00\xff"), ("hex", b"00ff")])),
        ("database/creds/shop".to_owned(), secret(&[("password", value), ("username", b"v-shop")])),
        ("secret/data/one".to_owned(), secret(&[("bar1", value)])),
        ("secret/data/two".to_owned(), secret(&[("bar2", value)])),
    ])
}

pub(crate) fn mind() -> Mind {
    Mind { content: content(), own_token: OWN_TOKEN.to_owned(), pod_token: POD_TOKEN.to_owned(), ..Mind::default() }
}

/// The pod that may.
pub(crate) fn pod() -> Pod {
    Pod {
        namespace: "shop".to_owned(),
        name: "checkout-7d9".to_owned(),
        uid: "3b1c".to_owned(),
        service_account: "checkout".to_owned(),
        tokens: BTreeMap::from([("lockstep".to_owned(), POD_TOKEN.to_owned())]),
    }
}

impl World {
    /// With this many agents.
    pub(crate) async fn start(agents: usize, more: &[&str]) -> Result<Self> {
        let authority = Authority::new("one")?;
        let mut running = Vec::new();
        for _ in 0..agents {
            running.push(Agent::start(authority.server("127.0.0.1")?, mind())?);
        }
        Self::of(authority, running, more).await
    }

    pub(crate) async fn of(authority: Authority, agents: Vec<Agent>, more: &[&str]) -> Result<Self> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = Folder::new("node-files")?;
        let (ca_file, token_file) = (folder.path().join("ca.crt"), folder.path().join("token"));
        std::fs::write(&ca_file, &authority.pem)?;
        std::fs::write(&token_file, format!("{OWN_TOKEN}\n"))?;
        let urls: Vec<String> = agents.iter().map(Agent::url).collect();
        let node = NodeAgent::start(&urls.join(","), &ca_file, &token_file, more).await?;
        Ok(Self { authority, agents, driver: node.driver(), node, ca_file, token_file, _folder: folder })
    }

    /// Of the pod that may.
    pub(crate) async fn mount(&self, objects: &str) -> Result<Mounted, Status> {
        self.driver.mount(&pod(), &Class::of(objects)).await
    }

    /// Refused, with this code, and a sentence that has this.
    pub(crate) async fn refused(&self, pod: &Pod, class: &Class, code: Code, part: &str) -> Result<()> {
        let status = self.driver.mount(pod, class).await.err().with_context(|| format!("{class:?} was mounted"))?;
        println!("{:?}: {}", status.code(), status.message());
        ensure!(status.code() == code && status.message().contains(part), "not {code:?} with {part:?}: {status:?}");
        silent(&format!("{status:?}"))
    }

    /// How often each agent was asked.
    pub(crate) fn asked(&self) -> Vec<usize> {
        self.agents.iter().map(|agent| agent.mind().asked.len()).collect()
    }

    /// In the end of each test: whatever happened in it, nothing was said of tokens and values.
    pub(crate) async fn leaves_no_trace(&self) -> Result<()> {
        let log = self.node.log()?;
        ensure!(log.contains("volumes are mounted here"), "{log}");
        silent(&log)?;
        silent(&self.node.probe("/metrics").await?.1)
    }
}

/// Has none of what must not be seen.
pub(crate) fn silent(text: &str) -> Result<()> {
    let found = [OWN_TOKEN, POD_TOKEN, VALUE, "cAnary"].into_iter().find(|canary| text.contains(canary));
    ensure!(found.is_none(), "{found:?} is in {text}");
    Ok(())
}
