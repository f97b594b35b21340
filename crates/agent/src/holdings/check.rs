//! Comparing what is there with what was applied.

use lockstep_core::id::BindingId;

use super::Holdings;
use crate::sink::{Observed, Stamp};
use crate::state::ledger::{Compared, Held, Holding};

/// How a binding's target stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checked {
    /// As it was applied, or the binding is not held.
    Same,
    /// Changed or missing; the content would bring it back.
    Drifted {
        /// Where, and by whom, if that is known.
        by: Option<(String, String)>,
    },
    /// As it was applied, but the content is wanted anew: for a place that the target has only now, or to be compared.
    Wanting,
    /// Somebody else's now. Content would be refused until a person moves it away.
    Taken,
    /// It could not be looked at.
    Unknown,
}

impl Holdings {
    /// Looks at one binding's target, and completes what a crash interrupted.
    pub(crate) async fn check(&self, binding: BindingId) -> Checked {
        let _turn = self.turns.take(binding).await;
        self.complete_in_turn(binding).await;
        let held = match self.holding(binding).await {
            Some(Holding::Held(held)) => held,
            Some(Holding::Observed(compared)) => return self.check_compared(binding, &compared).await,
            Some(Holding::GivenUp { .. }) | None => return Checked::Same,
        };
        match self.observe(binding, held.place(), &held.digest).await {
            Ok(Observed::Content(digests, _)) => match digests.under(&held.digest.key) {
                Some(digest) if *digest == held.digest => Checked::Same,
                Some(_) => self.drifted(binding),
                // An unknown key means "unknown", never "changed".
                None => Checked::Unknown,
            },
            Ok(Observed::Nowhere) => Checked::Same,
            Ok(Observed::Incomplete) => Checked::Wanting,
            Ok(Observed::Absent | Observed::Altered) => self.drifted(binding),
            Ok(Observed::Foreign) => Checked::Taken,
            Err(error) => {
                tracing::warn!(%binding, cause = %error, "a target cannot be looked at");
                Checked::Unknown
            }
        }
    }

    async fn check_compared(&self, binding: BindingId, compared: &Compared) -> Checked {
        match self.sinks.is_compared(compared.place(), binding, &compared.digest).await {
            Ok(true) => Checked::Same,
            Ok(false) => Checked::Wanting,
            Err(error) => {
                tracing::warn!(%binding, cause = %error, "a target cannot be looked at");
                Checked::Unknown
            }
        }
    }

    fn drifted(&self, binding: BindingId) -> Checked {
        Checked::Drifted { by: self.sinks.changed_by(binding) }
    }

    /// Takes up what a crash left between two steps of a write: content that is there whole, under a valid mark newer than the
    /// ledger, was applied; and what stands under a former name is still to be removed.
    pub(super) async fn complete(&self, binding: BindingId) {
        let _turn = self.turns.take(binding).await;
        self.complete_in_turn(binding).await;
    }

    async fn complete_in_turn(&self, binding: BindingId) {
        if let Some(newer) = self.applied_unrecorded(binding).await {
            tracing::info!(%binding, revision = %newer.revision, "recorded what was applied before the agent was stopped");
            if let Err(error) = self.books(move |books| books.ledger.record(binding, Holding::Held(newer), None)).await {
                tracing::warn!(%binding, cause = %error, "cannot record what was applied");
            }
        }
        self.remove_former(binding).await;
    }

    async fn applied_unrecorded(&self, binding: BindingId) -> Option<Held> {
        let held = self.held(binding).await?;
        let Ok(Observed::Content(digests, Stamp { revision, digest })) = self.observe(binding, held.place(), &held.digest).await
        else {
            return None;
        };
        let whole = digests.under(&digest.key) == Some(&digest);
        (revision > held.revision && whole).then_some(Held { revision, digest, ..held })
    }

    pub(super) async fn held(&self, binding: BindingId) -> Option<Held> {
        match self.holding(binding).await {
            Some(Holding::Held(held)) => Some(held),
            _ => None,
        }
    }

    async fn holding(&self, binding: BindingId) -> Option<Holding> {
        self.books(move |books| books.ledger.get(binding).cloned()).await
    }
}
