//! What a sink finds in a target.

use super::Stamp;
use crate::state::keyring::Digests;

/// What is really in a target.
#[derive(Debug)]
pub(crate) enum Observed {
    /// Nothing.
    Absent,
    /// Something that does not carry this owner's mark.
    Foreign,
    /// As it should be, but for places that the target has only now.
    Incomplete,
    /// The target has no place at all now.
    Nowhere,
    /// It is this owner's, but not in the shape that the sink writes.
    Altered,
    /// It is this owner's: the digests of the content as a reader sees it, and what its mark says.
    Content(Digests, Stamp),
}

impl Observed {
    /// Of all places of a target together.
    pub(super) fn together(all: Vec<Self>) -> Self {
        let mut sum = Self::Nowhere;
        for one in all {
            sum = sum.and(one);
        }
        sum
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nowhere, other) | (other, Self::Nowhere) => other,
            (Self::Absent, Self::Absent) => Self::Absent,
            // What content can bring back comes before what only a person can.
            (Self::Altered | Self::Absent, _) | (_, Self::Altered | Self::Absent) => Self::Altered,
            (Self::Foreign, _) | (_, Self::Foreign) => Self::Foreign,
            (Self::Incomplete, _) | (_, Self::Incomplete) => Self::Incomplete,
            (Self::Content(one, old), Self::Content(other, new)) if one == other => {
                Self::Content(one, if old.revision <= new.revision { old } else { new })
            }
            (Self::Content(..), Self::Content(..)) => Self::Altered,
        }
    }
}
