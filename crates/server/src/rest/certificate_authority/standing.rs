//! How far a rotation is, and what its next step waits for. Pure.

use lockstep_api::certificate_authority::{self as shown, CertificateAuthority, Counts};
use lockstep_store::trust::{Counted, NAMES_MAX, Replica};

use crate::authority::{KeyHash, Root, fingerprint};

/// What is known of the roots, each with its counts, the oldest first.
pub(super) struct Standing<'a> {
    pub(super) roots: &'a [Root],
    pub(super) counted: &'a [Counted],
    pub(super) replicas: &'a [Replica],
    pub(super) agents: u64,
}

/// What a root is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Signs,
    Next,
    Former,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Signs => "Signs",
            Self::Next => "Next",
            Self::Former => "Former",
        }
    }
}

impl Standing<'_> {
    pub(super) fn show(&self) -> CertificateAuthority {
        let roots: Vec<shown::Root> =
            self.roots.iter().zip(self.counted).map(|(root, counted)| self.root(root, counted)).collect();
        let has = |role: Role| roots.iter().find(|root| root.role == role.as_str());
        let (phase, message) = match (has(Role::Next), has(Role::Former)) {
            (Some(next), _) if next.ready == Some(true) => {
                ("Announcing", "the next root is known: make its issuer the default one".to_owned())
            }
            (Some(_), _) => {
                ("Announcing", "the next root is not known everywhere yet: do not make its issuer the default one".to_owned())
            }
            (None, Some(former)) if former.ready == Some(true) => {
                ("Switched", "nobody needs the former root any more: remove its issuer".to_owned())
            }
            (None, Some(_)) => ("Switched", "the former root is still needed: do not remove its issuer".to_owned()),
            (None, None) => ("Steady", "one root; nothing is under way".to_owned()),
        };
        let replicas = self.replicas.iter().map(|replica| shown::Replica {
            name: replica.replica.clone(),
            root: replica.root.as_deref().map(fingerprint),
            certificate_expires_at: replica.not_after,
            certificate_life_seconds: replica.certificate_life_s,
        });
        CertificateAuthority { phase: phase.to_owned(), message, roots, replicas: replicas.collect(), agents: self.agents }
    }

    fn role(&self, root: &Root) -> Role {
        let signer = self.roots.iter().find(|root| root.signs);
        match signer {
            _ if root.signs => Role::Signs,
            // Two of the same second: the one that does not sign yet is taken for the newer, which asks for more before anything is done.
            Some(signer) if root.not_before < signer.not_before => Role::Former,
            Some(_) | None => Role::Next,
        }
    }

    fn root(&self, root: &Root, counted: &Counted) -> shown::Root {
        let role = self.role(root);
        let waits = match role {
            Role::Signs => Vec::new(),
            Role::Next => self.before_signing(root, counted),
            Role::Former => self.before_removal(root, counted),
        };
        let mut notes = waits.clone();
        if role == Role::Next && waits.is_empty() && !counted.without.is_empty() {
            let (count, names) = (self.agents - counted.trusting, names(&counted.without));
            notes.push(format!(
                "{count} agents do not know it yet, and will find the way by its cross-signed certificate: {names}"
            ));
        }
        shown::Root {
            key: fingerprint(&root.key),
            issuers: root.issuers.clone(),
            role: role.as_str().to_owned(),
            cross_signed_by: root.vouched_for_by.iter().map(|key| fingerprint(key)).collect(),
            expires_at: root.not_after,
            trusted_by: Counts { replicas: self.replicas_trusting(&root.key), agents: counted.trusting },
            certificates: Counts { replicas: self.replicas_showing(&root.key), agents: counted.certificates },
            ready: (role != Role::Signs).then_some(waits.is_empty()),
            notes,
        }
    }

    /// What must be before certificates are signed under it.
    fn before_signing(&self, root: &Root, counted: &Counted) -> Vec<String> {
        let mut waits = Vec::new();
        let without = self.replicas.iter().filter(|replica| !replica.roots.contains(&root.key));
        let without: Vec<&str> = without.map(|replica| replica.replica.as_str()).collect();
        if !without.is_empty() {
            waits.push(format!("replicas that do not trust it yet: {}", without.join(", ")));
        }
        if self.replicas.is_empty() {
            waits.push("no replica has said yet what it trusts".to_owned());
        }
        // Whoever trusts the root that signs believes what it vouches for.
        let signer = self.roots.iter().find(|root| root.signs);
        let is_vouched_for = signer.is_some_and(|signer| root.vouched_for_by.contains(&signer.key));
        if !counted.without.is_empty() && !is_vouched_for {
            let (count, names) = (self.agents - counted.trusting, names(&counted.without));
            waits.push(format!("{count} agents do not know it, and it has no cross-signed certificate: {names}"));
        }
        waits
    }

    /// What must be before it is removed.
    fn before_removal(&self, root: &Root, counted: &Counted) -> Vec<String> {
        let mut waits = Vec::new();
        let showing: Vec<&str> = self
            .replicas
            .iter()
            .filter(|r| r.root.as_ref().is_none_or(|own| *own == root.key))
            .map(|r| r.replica.as_str())
            .collect();
        if !showing.is_empty() {
            waits.push(format!("replicas whose certificate chains to it: {}", showing.join(", ")));
        }
        if counted.with_count > 0 {
            let names = names(&counted.with);
            waits.push(format!("{} agents whose certificate chains to it, or is not known: {names}", counted.with_count));
        }
        let signer = self.roots.iter().position(|root| root.signs).and_then(|index| self.counted.get(index));
        if let Some(signer) = signer.filter(|signer| !signer.without.is_empty()) {
            let (count, names) = (self.agents - signer.trusting, names(&signer.without));
            waits.push(format!("{count} agents do not know the root that signs: {names}"));
        }
        waits
    }

    fn replicas_trusting(&self, key: &KeyHash) -> u64 {
        self.replicas.iter().filter(|replica| replica.roots.contains(key)).count() as u64
    }

    fn replicas_showing(&self, key: &KeyHash) -> u64 {
        self.replicas.iter().filter(|replica| replica.root.as_ref() == Some(key)).count() as u64
    }
}

fn names(names: &[String]) -> String {
    let more = if names.len() >= NAMES_MAX { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests;
