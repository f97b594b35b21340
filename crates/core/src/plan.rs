//! What each cluster should hold, and the difference to what it said it holds.

use std::collections::BTreeMap;

use crate::binding::{Binding, DeletionPolicy};
use crate::choice::{Choice, choose};
use crate::digest::Digest;
use crate::grant::Ungranted;
use crate::id::BindingId;
use crate::placement::{Denial, Placement};
use crate::revision::{Epoch, Revision, Seq};
use crate::version::{Known, SecretState};

/// What one cluster should hold for one binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The change it comes from.
    pub revision: Revision,
    /// What.
    pub want: Want,
}

/// What to do about one binding in one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// Hold content rendered from these choices, one for each item.
    Content(Vec<Choice>),
    /// Give it up.
    Remove(DeletionPolicy),
    /// Send nothing; whatever the cluster holds, it keeps.
    Withhold(Withheld),
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// The placement is denied, and what is there is kept.
    Denied,
    /// A secret was never seen live since some binding uses it, or it is not known which one it is in this cluster.
    Nothing,
    /// A secret's source went back.
    WentBack,
}

/// The revision of a placement that is not denied: the greatest of the seqs of placement, binding spec and chosen versions.
///
/// It grows exactly when what the cluster should hold changes; the tests below hold it to that. The registry's `desired` view spells
/// the same rule in SQL, and a store test compares the two.
pub fn revision(epoch: Epoch, placement_seq: Seq, binding: Option<&Binding>, secrets: &[&Known]) -> Revision {
    let Some(binding) = binding else { return Revision { epoch, seq: placement_seq } };
    let policy = binding.spec.delivered.source_deletion_policy;
    let chosen = binding.spec.delivered.items.iter().zip(secrets).map(|(item, known)| choose(item, policy, known).1);
    Revision { epoch, seq: chosen.fold(placement_seq.max(binding.spec_seq), Seq::max) }
}

/// What a cluster should hold for one placement. `secrets` are those of the binding's items, in their order; `binding` is `None`
/// for a tombstone of a deleted binding.
pub fn desired(
    epoch: Epoch,
    placement: &Placement,
    placement_seq: Seq,
    binding: Option<&Binding>,
    secrets: &[&Known],
) -> Desired {
    let tombstone = |policy| Desired { revision: Revision { epoch, seq: placement_seq }, want: Want::Remove(policy) };
    let binding = match (placement, binding) {
        (Placement::Removed(policy), _) => return tombstone(*policy),
        // The planner writes tombstones in the transaction that deletes a binding; without one, keep what is there.
        (_, None) => return tombstone(DeletionPolicy::Retain),
        (_, Some(binding)) => binding,
    };
    if let Placement::Denied(denial) = placement {
        // Whatever its secrets do, nothing of them goes there.
        let revision = revision(epoch, placement_seq, Some(binding), &[]);
        return Desired { revision, want: denied(denial) };
    }
    let revision = revision(epoch, placement_seq, Some(binding), secrets);
    let delivered = &binding.spec.delivered;
    let want = if secrets.iter().any(|s| s.state == SecretState::WentBack) {
        Want::Withhold(Withheld::WentBack)
    } else {
        let policy = delivered.source_deletion_policy;
        let choices: Vec<Choice> = delivered.items.iter().zip(secrets).map(|(i, k)| choose(i, policy, k).0).collect();
        // Whatever is not known of is not gone: an item without its secret is one that nobody has looked for.
        if choices.contains(&Choice::Nothing) || choices.len() < delivered.items.len() {
            Want::Withhold(Withheld::Nothing)
        } else if choices.iter().all(|c| *c == Choice::Gone) {
            Want::Remove(DeletionPolicy::Delete)
        } else {
            Want::Content(choices)
        }
    };
    Desired { revision, want }
}

/// A grant that goes takes what it allowed with it, if the binding says so of its own end.
fn denied(denial: &Denial) -> Want {
    match denial {
        Denial::Ungranted(Ungranted { deletion_policy: DeletionPolicy::Delete, .. }) => Want::Remove(DeletionPolicy::Delete),
        Denial::Ungranted(_) | Denial::Revoked => Want::Withhold(Withheld::Denied),
    }
}

/// What an agent says it holds for one binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The revision it applied.
    pub revision: Revision,
    /// The digest of what is there now; `None` once it gave the binding up.
    pub digest: Option<Digest>,
}

/// What has to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Content to send, in order of revision.
    pub put: Vec<BindingId>,
    /// Bindings to give up.
    pub delete: Vec<BindingId>,
    /// The cluster holds a revision that this registry never made: its history was cut. Then nothing may be sent.
    pub history_cut: bool,
    /// Held by the cluster, unknown to the registry: shown, never deleted.
    pub unknown: Vec<BindingId>,
}

/// Compares. `acked` is the registry's own evidence: what each delivery's last ack said.
///
/// In step means: revision equal *and* the digest equal to the one stored at ack. A digest under another key says nothing, so there
/// the revision alone decides.
pub fn diff(
    desired: &BTreeMap<BindingId, Desired>,
    reported: &BTreeMap<BindingId, Reported>,
    acked: &BTreeMap<BindingId, Reported>,
) -> Difference {
    let mut difference = Difference::default();
    for (id, desired) in desired {
        let held = reported.get(id);
        difference.history_cut |= held.is_some_and(|r| r.revision > desired.revision);
        let at_revision = held.is_some_and(|r| r.revision == desired.revision);
        match &desired.want {
            Want::Content(_) => {
                if !(at_revision && unchanged(held, acked.get(id))) {
                    difference.put.push(*id);
                }
            }
            Want::Remove(_) => {
                if !(at_revision && held.is_some_and(|r| r.digest.is_none())) {
                    difference.delete.push(*id);
                }
            }
            Want::Withhold(_) => {}
        }
    }
    difference.unknown = reported.keys().filter(|id| !desired.contains_key(id)).copied().collect();
    difference.put.sort_by_key(|id| desired[id].revision);
    if difference.history_cut {
        difference.put.clear();
        difference.delete.clear();
    }
    difference
}

fn unchanged(held: Option<&Reported>, acked: Option<&Reported>) -> bool {
    match (held.and_then(|h| h.digest.as_ref()), acked.and_then(|a| a.digest.as_ref())) {
        (Some(held), Some(acked)) if held.key == acked.key => held == acked,
        (Some(_), Some(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
