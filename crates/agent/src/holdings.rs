//! What this cluster holds: ledger, digest keys and sinks together, and the rules by which content comes and goes.
//!
//! Everything here blocks on the disk. Callers on the async side go through `spawn_blocking`.

mod check;
mod give_up;
mod put;

use lockstep_core::binding::Target;
use lockstep_core::digest::{ClusterKey, Digest};
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::material::Material;
use lockstep_core::plan::Reported;
use lockstep_core::render::Rendered;
use lockstep_core::revision::Revision;
use thiserror::Error;

use crate::delivery::{Refusal, RefusalKind};
use crate::sink::{Observed, Owner, SinkError, Sinks};
use crate::state::StateError;
use crate::state::keyring::KeyRing;
use crate::state::ledger::{Holding, Ledger};

pub(crate) use check::Checked;

/// What this cluster holds.
#[derive(Debug)]
pub(crate) struct Holdings {
    ledger: Ledger,
    ring: KeyRing,
    sinks: Sinks,
}

/// What `Hello` tells.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// The newest point of the history the agent has seen.
    pub(crate) floor: Option<Mark>,
    /// What it holds, with digests of what is really there.
    pub(crate) held: Vec<(BindingId, Reported)>,
}

/// Why the agent does not work with a server that greeted it.
#[derive(Debug, Error)]
pub(crate) enum WelcomeError {
    /// It is another registry's.
    #[error(
        "the server belongs to registry {theirs}, this agent to {ours}: everything is kept and nothing is taken from it; correct --server, or join anew with an empty --state-dir"
    )]
    Registry {
        /// The agent's.
        ours: RegistryId,
        /// The server's.
        theirs: RegistryId,
    },
    /// What it said cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Holdings {
    /// From what was loaded and opened.
    pub(crate) fn new(ledger: Ledger, ring: KeyRing, sinks: Sinks) -> Self {
        Self { ledger, ring, sinks }
    }

    /// Takes what a greeting says of registry and digest key.
    pub(crate) fn welcome(&mut self, registry: RegistryId, key: &ClusterKey) -> Result<(), WelcomeError> {
        match self.ledger.registry() {
            Some(ours) if ours != registry => return Err(WelcomeError::Registry { ours, theirs: registry }),
            Some(_) => {}
            None => self.ledger.belong_to(registry)?,
        }
        Ok(self.ring.learn(key)?)
    }

    /// How many bindings have content.
    pub(crate) fn held_count(&self) -> usize {
        self.ledger.held_count()
    }

    /// The bindings that have content.
    pub(crate) fn held_bindings(&self) -> Vec<BindingId> {
        self.ledger.iter().filter(|(_, h)| matches!(h, Holding::Held(_))).map(|(binding, _)| binding).collect()
    }

    /// What the agent has, looked at now.
    pub(crate) fn inventory(&mut self) -> Inventory {
        for binding in self.held_bindings() {
            self.complete(binding);
        }
        let held = self.ledger.iter().map(|(binding, holding)| (binding, self.reported(binding, holding))).collect();
        Inventory { floor: self.ledger.floor(), held }
    }

    fn reported(&self, binding: BindingId, holding: &Holding) -> Reported {
        let digest = match holding {
            Holding::GivenUp { .. } => None,
            Holding::Held(held) => Some(match self.observe(binding, &held.target) {
                // A target that cannot be looked at now is not "given up": say that it differs, and let the server decide.
                Ok(observed) => self.digest_of(&observed, &held.digest),
                Err(_) => self.digest_of(&Observed::Absent, &held.digest),
            }),
        };
        Reported { revision: holding.revision(), digest }
    }

    /// The digest of what is there, under the present key; `known` tells the key to use should there be no present one.
    fn digest_of(&self, observed: &Observed, known: &Digest) -> Digest {
        let Some(key) = self.ring.current().or_else(|| self.ring.get(&known.key)) else { return known.clone() };
        match observed {
            Observed::Content(content, _) => key.digest(content),
            Observed::Absent | Observed::Foreign | Observed::Altered => key.digest(&nothing()),
        }
    }

    fn observe(&self, binding: BindingId, target: &Target) -> Result<Observed, SinkError> {
        let Some(owner) = self.owner(binding) else { return Ok(Observed::Absent) };
        self.sinks.observe(target, owner, &self.ring)
    }

    fn owner(&self, binding: BindingId) -> Option<Owner> {
        self.ledger.registry().map(|registry| Owner { registry, binding })
    }

    /// Refuses to go back.
    fn refuse_older(&self, binding: BindingId, revision: Revision) -> Result<(), Refusal> {
        match self.ledger.get(binding).map(Holding::revision) {
            Some(applied) if revision < applied => {
                let cause = format!("revision {revision} is older than {applied}, which is applied already: nothing was changed");
                Err(Refusal { kind: RefusalKind::Older, cause })
            }
            _ => Ok(()),
        }
    }
}

/// Content that no binding can have, for the digest of a target that holds nothing or something strange: an empty content is a
/// possible one, so its digest could equal the one that is wanted.
fn nothing() -> Rendered {
    Rendered::of([("..".to_owned(), Material::new(Vec::new()))]).unwrap_or_default()
}

impl From<SinkError> for Refusal {
    fn from(error: SinkError) -> Self {
        let kind = match error {
            SinkError::Conflict(_) => RefusalKind::Conflict,
            SinkError::NoSecretSink | SinkError::UnknownKey(_) | SinkError::Io { .. } => RefusalKind::Failed,
        };
        Self { kind, cause: error.to_string() }
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests;
