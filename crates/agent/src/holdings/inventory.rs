//! What `Hello` tells.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _};
use lockstep_core::history::Mark;
use lockstep_core::id::BindingId;
use lockstep_core::plan::Reported;

use super::check::{Checked, Look};
use super::{Holdings, digest_of};
use crate::sink::Observed;
use crate::state::ledger::Holding;

/// How many bindings are looked at side by side.
const LOOKS_MAX: usize = 16;

/// What the agent has.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// The newest point of the history the agent has seen.
    pub(crate) floor: Option<Mark>,
    /// What it holds, with digests of what is really there.
    pub(crate) held: Vec<(BindingId, Reported)>,
    /// How what it holds stands.
    pub(crate) checked: Vec<(BindingId, Checked)>,
}

impl Holdings {
    /// What the agent has, looked at now.
    pub(crate) async fn inventory(&self) -> Inventory {
        let looks: Vec<_> = self.held_bindings().await.into_iter().map(|binding| self.tell_of(binding)).collect();
        let found: Vec<_> = stream::iter(looks).buffered(LOOKS_MAX).collect().await;
        let (given_up, floor) = self.books(|books| (books.given_up(), books.ledger.floor())).await;
        let mut held = BTreeMap::new();
        let mut checked = Vec::new();
        for (binding, reported, standing) in found.into_iter().flatten() {
            held.extend(reported.map(|reported| (binding, reported)));
            checked.push((binding, standing));
        }
        held.extend(given_up.into_iter().map(|(binding, revision)| (binding, Reported { revision, digest: None })));
        Inventory { floor, held: held.into_iter().collect(), checked }
    }

    /// What is found of one binding: what to say of it, if anything, and how it stands.
    async fn tell_of(&self, binding: BindingId) -> Option<(BindingId, Option<Reported>, Checked)> {
        let _turn = self.turns.take(binding).await;
        if let Some(Holding::Observed(compared)) = self.holding(binding).await {
            // What was compared counts as there, so that it is not sent again and again. Looking begins the watch.
            let _ = self.sinks.is_compared(compared.place(), binding, &compared.digest, &compared.versions).await;
            let reported = Reported { revision: compared.revision, digest: Some(compared.digest) };
            return Some((binding, Some(reported), Checked::Same));
        }
        let look = self.look(binding).await?;
        // What a crash left undone is known again now.
        self.see_to_restarts(binding).await;
        let standing = self.standing(binding, &look);
        let Look { held, observed, .. } = look;
        // What was refused everywhere is nothing that the cluster has.
        if held.unfinished && observed.is_ok() && !self.sinks.is_anywhere(binding) {
            return Some((binding, None, standing));
        }
        let observed = match observed {
            Ok(observed) if !held.unfinished && standing != Checked::Wanting => observed,
            // What is not there everywhere, is somewhere that the target has no longer, or cannot be looked at now, is not "given up": say that
            // it differs, and let the server decide.
            Ok(_) | Err(_) => Observed::Altered,
        };
        let digest = Some(digest_of(&self.keys().await, &observed, &held.digest));
        Some((binding, Some(Reported { revision: held.revision, digest }), standing))
    }
}
