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
    /// As it should be, but for places that never had content.
    Incomplete,
    /// As it should be, but for places that refused the content. The server knows, and sends it again by itself.
    Refused,
    /// The target has no place at all now.
    Nowhere,
    /// It is this owner's, but not in the shape that the sink writes.
    Altered,
    /// It is this owner's: the digests of the content as a reader sees it, and what its mark says.
    Content(Digests, Stamp),
    /// Each place has content just as its own mark says, and not all have the same: the newest of them.
    Mixed(Stamp),
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

    /// Content that is not what its own mark says was altered. Under a key that is not known any more nobody can say.
    pub(super) fn or_altered(self) -> Self {
        match self {
            Self::Content(digests, stamp) if digests.under(&stamp.digest.key).is_some_and(|digest| *digest != stamp.digest) => {
                Self::Altered
            }
            other => other,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nowhere, other) | (other, Self::Nowhere) => other,
            (Self::Absent, Self::Absent) => Self::Absent,
            // What content can bring back comes before what only a person can, and what nobody was told before what somebody was.
            (Self::Altered | Self::Absent, _) | (_, Self::Altered | Self::Absent) => Self::Altered,
            (Self::Incomplete, _) | (_, Self::Incomplete) => Self::Incomplete,
            (Self::Foreign, _) | (_, Self::Foreign) => Self::Foreign,
            (Self::Refused, _) | (_, Self::Refused) => Self::Refused,
            (Self::Content(one, old), Self::Content(other, new)) if one == other => {
                Self::Content(one, if old.revision <= new.revision { old } else { new })
            }
            (Self::Content(_, one) | Self::Mixed(one), Self::Content(_, other) | Self::Mixed(other)) => {
                Self::Mixed(if one.revision >= other.revision { one } else { other })
            }
        }
    }
}

#[cfg(test)]
mod tests;
