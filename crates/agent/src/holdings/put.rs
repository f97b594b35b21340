//! Taking content.

use lockstep_core::binding::Target;
use lockstep_core::digest::Digest;
use lockstep_core::id::BindingId;

use super::Holdings;
use crate::delivery::{Answer, Applied, Put, Refusal};
use crate::sink::{SinkError, Stamp};
use crate::state::ledger::{Held, Holding};

impl Holdings {
    /// Applies content, or says why not. The same revision again is a repair.
    pub(crate) fn put(&mut self, put: &Put) -> Answer {
        let result = self.try_put(put).map(Applied::Put);
        Answer { binding: put.binding, revision: put.revision, trace: put.trace, result }
    }

    fn try_put(&mut self, put: &Put) -> Result<Digest, Refusal> {
        self.refuse_older(put.binding, put.revision)?;
        let key = self.ring.get(&put.digest.key).ok_or_else(|| {
            Refusal::failed(format!("the digest is made with key {}, which this agent was not told", put.digest.key.as_str()))
        })?;
        if key.digest(&put.content) != put.digest {
            return Err(Refusal::failed("digest does not match the content: nothing was changed, it must be sent again"));
        }
        let owner = self.owner(put.binding).ok_or_else(|| Refusal::failed("no registry has greeted this agent yet"))?;
        let stamp = Stamp { revision: put.revision, digest: put.digest.clone() };
        self.sinks.apply(&put.target, owner, &stamp, &put.content, &self.ring)?;
        let held = Held {
            name: put.name.clone(),
            revision: put.revision,
            digest: put.digest.clone(),
            target: put.target.clone(),
            former: self.former_targets(put.binding, &put.target),
        };
        self.ledger.record(put.binding, Holding::Held(held), Some(put.head))?;
        self.remove_former(put.binding);
        let observed = self.observe(put.binding, &put.target)?;
        Ok(self.digest_of(&observed, &put.digest))
    }

    fn former_targets(&self, binding: BindingId, now: &Target) -> Vec<Target> {
        let Some(Holding::Held(held)) = self.ledger.get(binding) else { return Vec::new() };
        held.former.iter().chain([&held.target]).filter(|target| *target != now).cloned().collect()
    }

    /// Removes what was delivered under names that the binding no longer has. What fails is tried again at the next look.
    pub(super) fn remove_former(&mut self, binding: BindingId) {
        let Some(Holding::Held(held)) = self.ledger.get(binding) else { return };
        if held.former.is_empty() {
            return;
        }
        let mut held = held.clone();
        let Some(owner) = self.owner(binding) else { return };
        held.former.retain(|target| match self.sinks.remove(target, owner, &self.ring) {
            Ok(()) => false,
            Err(SinkError::Io { .. }) => true,
            Err(error) => {
                tracing::warn!(%binding, cause = %error, "what was delivered under a former name is left: it is not ours any more");
                false
            }
        });
        if let Err(error) = self.ledger.record(binding, Holding::Held(held), None) {
            tracing::warn!(%binding, cause = %error, "a former target's removal cannot be recorded; it is tried again");
        }
    }
}
