//! Which version of a secret an item delivers, and which change that answer comes from.

use crate::binding::{DeletionPolicy, Item};
use crate::revision::Seq;
use crate::version::{Incarnation, Known, Version, VersionNumber};

/// What one item delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The newest version that was seen live.
    Newest(Version),
    /// A pinned version of the present incarnation.
    Pinned(Incarnation, VersionNumber),
    /// Nothing: the secret is gone at its source and the binding says to follow.
    Gone,
    /// Nothing yet: no version was seen live since some binding uses it.
    Nothing,
}

impl Choice {
    /// The number of the version, if there is one.
    pub fn number(&self) -> Option<VersionNumber> {
        match self {
            Self::Newest(version) => Some(version.id.number),
            Self::Pinned(_, number) => Some(*number),
            Self::Gone | Self::Nothing => None,
        }
    }
}

/// Chooses for `item`. The seq grows exactly when the choice changes under the same item and policy.
///
/// With `Retain` a secret that is gone keeps its last live version. A pinned item is never taken away because a newer version is
/// gone: its own version is still readable, or its last good value is kept.
pub fn choose(item: &Item, policy: DeletionPolicy, known: &Known) -> (Choice, Seq) {
    let seqs = known.seqs;
    match (known.chosen, item.pin, policy) {
        (None, _, _) => (Choice::Nothing, Seq::default()),
        (Some(chosen), Some(number), _) => (Choice::Pinned(chosen.id.incarnation, number), seqs.incarnation),
        (Some(chosen), None, DeletionPolicy::Retain) => (Choice::Newest(chosen), seqs.chosen),
        (Some(_), None, DeletionPolicy::Delete) if known.state.is_gone() => (Choice::Gone, seqs.chosen.max(seqs.presence)),
        (Some(chosen), None, DeletionPolicy::Delete) => (Choice::Newest(chosen), seqs.chosen.max(seqs.presence)),
    }
}
