//! The roots of a PKI mount, from its issuers, and when one is trusted no more. Pure.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use lockstep_vault::Issuer;
use rustls_pki_types::CertificateDer;

use super::KeyHash;
use super::link::Link;

/// A root, known by its key: its certificate may be made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// SHA-256 of its SubjectPublicKeyInfo: what new agents pin.
    pub key: KeyHash,
    /// Its certificate.
    pub der: CertificateDer<'static>,
    /// The issuers of the mount that are this root or chain to it, by name, or by id where they have none.
    pub issuers: Vec<String>,
    /// Whether certificates are signed under it now.
    pub signs: bool,
    /// Roots that signed its key too: whoever trusts one of them believes its certificates.
    pub vouched_for_by: BTreeSet<KeyHash>,
    /// Since when it is good.
    pub not_before: DateTime<Utc>,
    /// Until when.
    pub not_after: DateTime<Utc>,
}

/// The roots of these issuers, in order of their keys.
pub(super) fn of(issuers: &[Issuer]) -> anyhow::Result<Vec<Root>> {
    let ders: Vec<&Vec<u8>> = issuers.iter().flat_map(|issuer| &issuer.chain_der).collect();
    let links = ders.iter().map(|der| Link::of(der)).collect::<anyhow::Result<Vec<_>>>().context("an issuer's certificate")?;
    let mut roots: BTreeMap<KeyHash, Root> = BTreeMap::new();
    let mut enter = |link: &Link| {
        let der = links.iter().position(|other| other == link).map(|index| CertificateDer::from(ders[index].clone()));
        let Some(der) = der else { return };
        let (key, not_before, not_after) = (link.key.clone(), link.not_before, link.not_after);
        let root = Root { key, der, issuers: Vec::new(), signs: false, vouched_for_by: BTreeSet::new(), not_before, not_after };
        roots.entry(link.key.clone()).or_insert(root);
    };
    links.iter().filter(|link| link.is_self_signed()).for_each(&mut enter);
    // Where a root is elsewhere, the topmost certificate that is here takes its place.
    let rooted: BTreeSet<&KeyHash> = links.iter().filter(|link| link.is_self_signed()).map(|link| &link.key).collect();
    let tops = links.iter().map(|link| link.top(&links)).filter(|top| !rooted.contains(&top.key));
    tops.collect::<Vec<_>>().into_iter().for_each(&mut enter);
    for issuer in issuers {
        let own = Link::of(issuer.chain_der.first().context("an issuer without a certificate")?)?;
        let top = own.top(&links).key.clone();
        let root = if roots.contains_key(&own.key) { own.key.clone() } else { top.clone() };
        let Some(root) = roots.get_mut(&root) else { continue };
        if top != root.key {
            root.vouched_for_by.insert(top);
        }
        root.issuers.push(if issuer.name.is_empty() { issuer.id.clone() } else { issuer.name.clone() });
        root.signs |= issuer.signs;
    }
    Ok(roots.into_values().collect())
}

/// The roots to trust, after `read` was read, and those that are absent from it. A root is trusted until two readings in a row, both whole,
/// did not have it: a Vault node that lags behind, or one that was restored, is no reason to cut agents off. `own` is that of this replica's
/// certificate: without it nobody who was told would find the way back.
pub(super) fn settle(
    trusted: &[Root],
    read: Vec<Root>,
    absent: &BTreeSet<KeyHash>,
    own: Option<&KeyHash>,
) -> (Vec<Root>, BTreeSet<KeyHash>) {
    let gone: Vec<&Root> = trusted.iter().filter(|root| read.iter().all(|other| other.key != root.key)).collect();
    let now_absent = gone.iter().map(|root| root.key.clone()).collect();
    let kept = gone.into_iter().filter(|root| !absent.contains(&root.key) || own == Some(&root.key));
    let kept = kept.map(|root| Root { issuers: Vec::new(), signs: false, ..root.clone() }).collect();
    let mut roots = [read, kept].concat();
    roots.sort_by(|a, b| a.key.cmp(&b.key));
    (roots, now_absent)
}

#[cfg(test)]
mod tests;
