//! Comparing what is there with what was applied.

use lockstep_core::id::BindingId;

use super::Holdings;
use crate::sink::{Observed, Stamp};
use crate::state::ledger::{Held, Holding};

/// How a binding's target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// As it was applied, or the binding is not held.
    Same,
    /// Changed or missing; the content would bring it back.
    Drifted,
    /// Somebody else's now. Content would be refused until a person moves it away.
    Taken,
    /// It could not be looked at.
    Unknown,
}

impl Holdings {
    /// Looks at one binding's target, and completes what a crash interrupted.
    pub(crate) fn check(&mut self, binding: BindingId) -> Checked {
        self.complete(binding);
        let Some(Holding::Held(held)) = self.ledger.get(binding) else { return Checked::Same };
        match self.observe(binding, &held.target) {
            Ok(Observed::Content(content, _)) => match self.ring.get(&held.digest.key) {
                Some(key) if key.digest(&content) == held.digest => Checked::Same,
                Some(_) => Checked::Drifted,
                // An unknown key means "unknown", never "changed".
                None => Checked::Unknown,
            },
            Ok(Observed::Absent | Observed::Altered) => Checked::Drifted,
            Ok(Observed::Foreign) => Checked::Taken,
            Err(error) => {
                tracing::warn!(%binding, cause = %error, "a target cannot be looked at");
                Checked::Unknown
            }
        }
    }

    /// Takes up what a crash left between two steps of a write: content that is there whole, under a valid mark newer than the
    /// ledger, was applied; and what stands under a former name is still to be removed.
    pub(super) fn complete(&mut self, binding: BindingId) {
        if let Some(newer) = self.applied_unrecorded(binding) {
            tracing::info!(%binding, revision = %newer.revision, "recorded what was applied before the agent was stopped");
            if let Err(error) = self.ledger.record(binding, Holding::Held(newer), None) {
                tracing::warn!(%binding, cause = %error, "cannot record what was applied");
            }
        }
        self.remove_former(binding);
    }

    fn applied_unrecorded(&self, binding: BindingId) -> Option<Held> {
        let Some(Holding::Held(held)) = self.ledger.get(binding) else { return None };
        let Ok(Observed::Content(content, Stamp { revision, digest })) = self.observe(binding, &held.target) else { return None };
        let whole = self.ring.get(&digest.key).is_some_and(|key| key.digest(&content) == digest);
        (revision > held.revision && whole).then(|| Held { revision, digest, ..held.clone() })
    }
}
