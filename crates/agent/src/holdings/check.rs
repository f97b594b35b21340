//! Comparing what is there with what was applied.

use lockstep_core::id::BindingId;

use super::Holdings;
use crate::sink::{Observed, SinkError};
use crate::state::ledger::{Compared, Held, Holding, REACHED_MAX};

/// How a binding's target stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checked {
    /// As it was applied, or the binding is not held. Also where some places refused the content: the server was told, and sends it
    /// again by itself.
    Same,
    /// Changed or missing; the content would bring it back.
    Drifted {
        /// Where, and by whom, if that is known.
        by: Option<(String, String)>,
    },
    /// As it was applied, but the content is wanted anew: for a place that the target has only now, for the binding's word on one that
    /// it has no longer, or to be compared.
    Wanting,
    /// Somebody else's now. Content would be refused until a person moves it away.
    Taken,
    /// It could not be looked at.
    Unknown,
}

/// What one binding's places look like.
#[derive(Debug)]
pub(super) struct Look {
    /// What should be there, by what the look showed.
    pub(super) held: Held,
    pub(super) observed: Result<Observed, SinkError>,
    /// Whether a delivery was interrupted, and nobody knows of it yet.
    interrupted: bool,
}

impl Holdings {
    /// Looks at one binding's target, and completes what a crash interrupted.
    pub(crate) async fn check(&self, binding: BindingId) -> Checked {
        let _turn = self.turns.take(binding).await;
        if let Some(Holding::Observed(compared)) = self.holding(binding).await {
            return self.check_compared(binding, &compared).await;
        }
        match self.look(binding).await {
            Some(look) => self.standing(binding, &look),
            None => Checked::Same,
        }
    }

    /// What a look says.
    pub(super) fn standing(&self, binding: BindingId, look: &Look) -> Checked {
        let Look { held, observed, interrupted } = look;
        let as_applied = || {
            if *interrupted || self.sinks.lost(held.place(), binding, &held.reached) { Checked::Wanting } else { Checked::Same }
        };
        match observed {
            Ok(Observed::Content(digests, _)) => match digests.under(&held.digest.key) {
                Some(digest) if *digest == held.digest => as_applied(),
                // What came nowhere yet leaves the content before it, and the server knows.
                Some(_) if held.unfinished => as_applied(),
                Some(_) => self.drifted(binding),
                // An unknown key means "unknown", never "changed".
                None => Checked::Unknown,
            },
            Ok(Observed::Mixed(_)) if !held.unfinished => self.drifted(binding),
            Ok(Observed::Mixed(_) | Observed::Nowhere | Observed::Refused) => as_applied(),
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
        match self.sinks.is_compared(compared.place(), binding, &compared.digest, &compared.versions).await {
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

    /// Looks at what is held, and takes up what a crash left between two steps of a write; what stands at former places is still to be
    /// given up. `None`: the binding is not held.
    pub(super) async fn look(&self, binding: BindingId) -> Option<Look> {
        let held = self.held(binding).await?;
        let observed = self.observe(binding, &held).await;
        let taken_up = observed.as_ref().ok().and_then(|observed| self.taken_up(binding, &held, observed));
        let look = match taken_up {
            None => Look { held, observed, interrupted: false },
            Some(newer) => {
                tracing::info!(%binding, revision = %newer.revision, "recorded what was applied before the agent was stopped");
                let recorded = newer.clone();
                if let Err(error) = self.books(move |books| books.ledger.record(binding, Holding::Held(recorded), None)).await {
                    tracing::warn!(%binding, cause = %error, "cannot record what was applied");
                }
                let interrupted = newer.unfinished && !held.unfinished;
                Look { held: newer, observed, interrupted }
            }
        };
        self.give_up_former(binding).await;
        Some(look)
    }

    /// What the ledger should say by what is there: content under valid marks that are newer was applied, everywhere or in some places.
    fn taken_up(&self, binding: BindingId, held: &Held, observed: &Observed) -> Option<Held> {
        let mut now = held.clone();
        match observed {
            Observed::Content(digests, stamp) => {
                let whole = digests.under(&stamp.digest.key) == Some(&stamp.digest);
                let finished = held.unfinished && stamp.revision == held.revision && stamp.digest == held.digest;
                if whole && (stamp.revision > held.revision || finished) {
                    (now.revision, now.digest, now.unfinished) = (stamp.revision, stamp.digest.clone(), false);
                }
            }
            Observed::Mixed(newest) if newest.revision > held.revision => {
                (now.revision, now.digest, now.unfinished) = (newest.revision, newest.digest.clone(), true);
            }
            _ => {}
        }
        // An agent that did not write them down may have delivered there.
        let room = REACHED_MAX.saturating_sub(now.reached.len());
        let found = self.sinks.found(held.place(), binding);
        let more: Vec<_> = found.difference(&held.reached).take(room).cloned().collect();
        now.reached.extend(more);
        (now != *held).then_some(now)
    }

    pub(super) async fn held(&self, binding: BindingId) -> Option<Held> {
        match self.holding(binding).await {
            Some(Holding::Held(held)) => Some(held),
            _ => None,
        }
    }

    pub(super) async fn holding(&self, binding: BindingId) -> Option<Holding> {
        self.books(move |books| books.ledger.get(binding).cloned()).await
    }
}
