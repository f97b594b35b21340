//! Places that a binding's target has no longer.
//!
//! What is there is given up once the content is where it belongs, as the binding's deletion policy says: kept and forgotten, or
//! deleted ([ADR 0019](../../../../docs/adr/0019-what-leaves-a-target.md)).

use std::collections::BTreeSet;

use lockstep_core::binding::Target;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;

use super::Holdings;
use super::books::Books;
use crate::sink::{Owner, SinkError};
use crate::state::keyring::Keys;
use crate::state::ledger::{Held, Holding};

/// The most targets that wait to be given up. Only one whose deliveries fail is given a new target so often; the oldest are kept.
const FORMER_MAX: usize = 64;

/// Where `before` may have content that is not among the places of `target`, which selects `selected` by label.
pub(super) fn former(before: &Held, target: &Target, selected: &BTreeSet<Namespace>) -> Vec<Target> {
    let present = by_name(before.everywhere());
    let mut former: Vec<Target> = Vec::new();
    for left in before.former.iter().cloned().chain([present]).filter_map(|one| without(one, target, selected)) {
        if !former.contains(&left) {
            former.push(left);
        }
    }
    former.split_off(former.len().saturating_sub(FORMER_MAX))
}

/// What of a target is not among the places of `now`.
fn without(mut target: Target, now: &Target, selected: &BTreeSet<Namespace>) -> Option<Target> {
    match (&mut target, now) {
        (Target::Secret(former), Target::Secret(now)) => {
            if (&former.name, former.immutable) == (&now.name, now.immutable) {
                former.namespaces.retain(|namespace| !now.namespaces.contains(namespace) && !selected.contains(namespace));
            }
            (!former.namespaces.is_empty() || former.namespace_selector.is_some()).then_some(target)
        }
        _ => (target != *now).then_some(target),
    }
}

/// What a former target selects is nobody's question any more: only where content came.
fn by_name(mut target: Target) -> Target {
    if let Target::Secret(secret) = &mut target {
        secret.namespace_selector = None;
    }
    target
}

impl Holdings {
    /// Gives up what was delivered to places that the target has no longer. What fails is tried again at the next look.
    pub(super) async fn give_up_former(&self, binding: BindingId) {
        let Some((held, owner, keys)) = self.books(move |books| books.former(binding)).await else { return };
        let mut left = Vec::new();
        // Otherwise it stays as it is, as what a binding that is given up without a purge leaves.
        for target in held.former.iter().filter(|_| held.purge_former) {
            match self.sinks.remove(held.place_of(target), owner, &held.digest, &keys, Some(held.place())).await {
                Ok(()) => {}
                Err(SinkError::Conflict(cause)) => {
                    tracing::warn!(%binding, cause, "what was delivered to a former place is left: it is not ours any more");
                }
                Err(error) => {
                    tracing::warn!(%binding, cause = %error, "what was delivered to a former place cannot be removed yet");
                    left.push(target.clone());
                }
            }
        }
        let held = Held { former: left, ..held };
        if let Err(error) = self.books(move |books| books.ledger.record(binding, Holding::Held(held), None)).await {
            tracing::warn!(%binding, cause = %error, "that former places were given up cannot be recorded; it is tried again");
        }
    }
}

impl Books {
    /// What stands at former places, if anything, and the content is where it belongs.
    fn former(&self, binding: BindingId) -> Option<(Held, Owner, Keys)> {
        match self.ledger.get(binding) {
            Some(Holding::Held(held)) if !held.former.is_empty() && !held.unfinished => {
                Some((held.clone(), self.owner(binding)?, self.ring.keys()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
