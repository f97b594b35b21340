//! What is written down: ledger and digest keys. Everything here may block on the disk.

use lockstep_core::digest::ClusterKey;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::revision::Revision;

use super::WelcomeError;
use crate::delivery::{Refusal, RefusalKind};
use crate::sink::Owner;
use crate::state::keyring::KeyRing;
use crate::state::ledger::{Holding, Ledger};

/// Ledger and digest keys.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) ledger: Ledger,
    pub(super) ring: KeyRing,
}

impl Books {
    /// Takes what a greeting says.
    pub(super) fn welcome(&mut self, registry: RegistryId, key: &ClusterKey) -> Result<(), WelcomeError> {
        match self.ledger.registry() {
            Some(ours) if ours != registry => return Err(WelcomeError::Registry { ours, theirs: registry }),
            Some(_) => {}
            None => self.ledger.belong_to(registry)?,
        }
        Ok(self.ring.learn(key)?)
    }

    /// The bindings that have content, or observe some.
    pub(super) fn held_bindings(&self) -> Vec<BindingId> {
        self.ledger.iter().filter(|(_, h)| !matches!(h, Holding::GivenUp { .. })).map(|(binding, _)| binding).collect()
    }

    /// The bindings that were given up, and by which change.
    pub(super) fn given_up(&self) -> Vec<(BindingId, Revision)> {
        let given_up = |holding: &Holding| matches!(holding, Holding::GivenUp { .. });
        self.ledger.iter().filter(|(_, h)| given_up(h)).map(|(binding, h)| (binding, h.revision())).collect()
    }

    /// Under whose name content of `binding` is written; `None` before the first greeting.
    pub(super) fn owner(&self, binding: BindingId) -> Option<Owner> {
        self.ledger.registry().map(|registry| Owner { registry, binding })
    }

    /// Refuses to go back.
    pub(super) fn refuse_older(&self, binding: BindingId, revision: Revision) -> Result<(), Refusal> {
        match self.ledger.get(binding).map(Holding::revision) {
            Some(applied) if revision < applied => {
                let cause = format!("revision {revision} is older than {applied}, which is applied already: nothing was changed");
                Err(Refusal { kind: RefusalKind::Older, cause })
            }
            _ => Ok(()),
        }
    }
}
