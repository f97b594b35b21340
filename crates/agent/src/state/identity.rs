//! Who the agent is: the current slot, and the next one while a certificate is awaited.
//!
//! The key of the next slot is stored before anybody is asked to certify it, so a retry after a lost answer uses the same key.
//! Key and certificate of the current slot are one: no crash can leave one without the other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::id::ClusterId;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{State, StateError};
use crate::certificate::{CertificateFacts, facts};
use crate::key::AgentKey;

const CURRENT: &str = "identity.json";
const NEXT: &str = "next-key.pem";

/// The current slot.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The cluster it speaks for.
    pub(crate) cluster: ClusterId,
    /// That cluster's name, for people.
    pub(crate) cluster_name: String,
    /// Its private key.
    pub(crate) key: AgentKey,
    /// Its certificate, leaf first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// What it trusts.
    pub(crate) roots: Vec<CertificateDer<'static>>,
    /// What the leaf says.
    pub(crate) leaf: CertificateFacts,
}

impl Identity {
    /// Whether its certificate is of a root that is trusted no more: no server takes it.
    pub(crate) fn is_withdrawn(&self) -> bool {
        let keys = |ders: &[CertificateDer<'static>]| -> Vec<Vec<u8>> {
            ders.iter().filter_map(|der| facts(der).ok()).map(|facts| facts.public_key).collect()
        };
        let (issuers, roots) = (keys(self.chain.get(1..).unwrap_or_default()), keys(&self.roots));
        !issuers.is_empty() && issuers.iter().all(|issuer| !roots.contains(issuer))
    }
}

/// What a server issued.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The certificate, leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// What to trust from now on.
    pub(crate) roots: Vec<Vec<u8>>,
    /// For which cluster.
    pub(crate) cluster: ClusterId,
    /// That cluster's name.
    pub(crate) cluster_name: String,
}

/// Why an issued certificate is not taken.
#[derive(Debug, Error)]
pub(crate) enum IssueError {
    /// The server's answer makes no sense.
    #[error("the server's answer cannot be used: {0}")]
    Answer(&'static str),
    /// It cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Roots of a server that are of no use.
#[derive(Debug, Error)]
pub(crate) enum TrustError {
    /// Without a root no server could be believed any more.
    #[error("it names no roots to trust")]
    None,
    /// They cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// As stored.
#[derive(Serialize, Deserialize)]
struct IdentityFile {
    cluster: ClusterId,
    cluster_name: String,
    key: Zeroizing<String>,
    chain: Vec<String>,
    roots: Vec<String>,
}

/// The current slot; `None` before the agent joined.
pub(crate) async fn load(state: &State) -> Result<Option<Identity>, StateError> {
    let Some(file) = state.read_json::<IdentityFile>(CURRENT).await? else { return Ok(None) };
    let damaged = |place| state.damaged(CURRENT, place);
    let key = AgentKey::from_pem(&file.key).map_err(|_| damaged("the key"))?;
    let chain = decode(&file.chain).ok_or_else(|| damaged("the chain"))?;
    let roots = decode(&file.roots).ok_or_else(|| damaged("the roots"))?;
    let leaf = chain.first().and_then(|der| facts(der).ok()).ok_or_else(|| damaged("the chain"))?;
    Ok(Some(Identity { cluster: file.cluster, cluster_name: file.cluster_name, key, chain, roots, leaf }))
}

/// The key of the next slot, made and stored if there is none. A key that is already the current one is a leftover of a crash.
pub(crate) async fn next_key(state: &State, current: Option<&Identity>) -> Result<AgentKey, StateError> {
    if let Some(bytes) = state.read(NEXT).await? {
        let pem = std::str::from_utf8(&bytes).map_err(|_| state.damaged(NEXT, "not text"))?;
        let key = AgentKey::from_pem(pem).map_err(|_| state.damaged(NEXT, "not a private key"))?;
        if current.is_none_or(|c| c.leaf.public_key != key.public_key()) {
            return Ok(key);
        }
    }
    let key = AgentKey::generate().map_err(|e| state.damaged(NEXT, e.to_string()))?;
    state.write(NEXT, key.to_pem().as_bytes()).await?;
    Ok(key)
}

/// Makes `key` and what was issued for it the current slot, and empties the next one.
pub(crate) async fn adopt(state: &State, key: AgentKey, issued: Issued) -> Result<Identity, IssueError> {
    let leaf = issued.chain.first().and_then(|der| facts(der).ok()).ok_or(IssueError::Answer("it has no certificate"))?;
    if leaf.public_key != key.public_key() {
        return Err(IssueError::Answer("the certificate is for another key"));
    }
    if leaf.agent.as_ref().is_none_or(|agent| agent.cluster != issued.cluster) {
        return Err(IssueError::Answer("the certificate does not name this cluster's agent"));
    }
    if issued.roots.is_empty() || issued.roots.iter().any(|der| facts(der).is_err()) {
        return Err(IssueError::Answer("it names no roots to trust"));
    }
    let file = IdentityFile {
        cluster: issued.cluster,
        cluster_name: issued.cluster_name,
        key: key.to_pem(),
        chain: issued.chain.iter().map(|der| STANDARD.encode(der)).collect(),
        roots: issued.roots.iter().map(|der| STANDARD.encode(der)).collect(),
    };
    state.write_json(CURRENT, &file).await?;
    state.remove(NEXT).await?;
    let own = |der: Vec<Vec<u8>>| der.into_iter().map(CertificateDer::from).collect();
    let (chain, roots) = (own(issued.chain), own(issued.roots));
    Ok(Identity { cluster: file.cluster, cluster_name: file.cluster_name, key, chain, roots, leaf })
}

/// The same with other roots to trust: kept first, and then used.
pub(crate) async fn trust(state: &State, current: &Identity, roots: Vec<Vec<u8>>) -> Result<Identity, TrustError> {
    if roots.is_empty() || roots.iter().any(|der| facts(der).is_err()) {
        return Err(TrustError::None);
    }
    let encode = |der: &[u8]| STANDARD.encode(der);
    let file = IdentityFile {
        cluster: current.cluster,
        cluster_name: current.cluster_name.clone(),
        key: current.key.to_pem(),
        chain: current.chain.iter().map(|der| encode(der)).collect(),
        roots: roots.iter().map(|der| encode(der)).collect(),
    };
    state.write_json(CURRENT, &file).await?;
    let key = AgentKey::from_pem(&file.key).map_err(|_| state.damaged(CURRENT, "the key"))?;
    Ok(Identity {
        cluster: file.cluster,
        cluster_name: file.cluster_name,
        key,
        chain: current.chain.clone(),
        roots: roots.into_iter().map(CertificateDer::from).collect(),
        leaf: current.leaf.clone(),
    })
}

fn decode(texts: &[String]) -> Option<Vec<CertificateDer<'static>>> {
    texts.iter().map(|text| STANDARD.decode(text).ok().map(CertificateDer::from)).collect()
}

#[cfg(test)]
mod tests;
