//! Versions where Vault has no number for them: each state that differs from the one known is the next, and we count.
//!
//! KV version 1 says nothing of the past, so whatever is another than what is known is newer. A static role has the time of its last
//! rotation, which tells newer from older. Of a pair of roles only the one that is delivered makes versions by itself: the other is for a
//! rotation to choose.

use std::cmp::Ordering;

use chrono::{DateTime, SubsecRound as _, Utc};

use super::{Change, Incarnation, Known, Mark, Observation, SecretState, Verdict, Version, VersionId, VersionNumber};
use crate::engine::Member;

/// What one look showed of a secret whose versions we count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// What KV version 1 holds, as a keyed fingerprint.
    Fingerprint([u8; 16]),
    /// When a static role's password was last rotated.
    Rotated(DateTime<Utc>),
    /// The same of both roles of a pair; `None` of one that is not there.
    Pair {
        /// Of the first.
        first: Option<DateTime<Utc>>,
        /// Of the second.
        second: Option<DateTime<Utc>>,
    },
}

impl Known {
    /// Which role of a pair is delivered. After the secret was unbound and bound again, it is still the one that was.
    pub fn active_member(&self) -> Member {
        self.counted_from().and_then(|version| version.mark.member()).unwrap_or(Member::First)
    }

    /// The version that would come next, where we count.
    pub fn next_counted(&self, created: DateTime<Utc>, mark: Mark) -> Version {
        let next = self.latest.map_or(1, |latest| latest.id.number.get().saturating_add(1));
        // One at least, so it is a number.
        let number = VersionNumber::new(next).unwrap_or(VersionNumber::FIRST);
        Version { id: VersionId { incarnation: Incarnation::COUNTED, number }, created, mark }
    }

    /// What a look is compared with: what is delivered, which a rollback may have moved to an earlier one.
    fn counted_from(&self) -> Option<Version> {
        self.chosen.or(self.latest)
    }
}

/// Decides what such a look means; `None`: there is nothing.
pub(super) fn observe(known: &Known, observation: &Observation, counted: Counted) -> Option<Verdict> {
    let (created, mark) = match counted {
        Counted::Fingerprint(fingerprint) => (observation.at.trunc_subsecs(6), Mark::Fingerprint(fingerprint)),
        Counted::Rotated(at) => (at, Mark::None),
        Counted::Pair { first, second } => {
            let member = known.active_member();
            let stamp = match member {
                Member::First => first,
                Member::Second => second,
            };
            (stamp?, Mark::Member(member))
        }
    };
    let order = match (known.counted_from(), counted) {
        (Some(before), Counted::Fingerprint(_)) if before.mark == mark => Ordering::Equal,
        (None, _) | (Some(_), Counted::Fingerprint(_)) => Ordering::Greater,
        (Some(before), Counted::Rotated(_) | Counted::Pair { .. }) => created.cmp(&before.created),
    };
    let changed = |state, latest| Verdict::Changed(Change { state, latest });
    Some(match (order, known.state) {
        (Ordering::Greater, _) => changed(SecretState::Live, Some(known.next_counted(created, mark))),
        (Ordering::Equal, SecretState::Live) | (Ordering::Less, SecretState::WentBack) => Verdict::Unchanged,
        (Ordering::Equal, _) => changed(SecretState::Live, None),
        (Ordering::Less, _) if !observation.confirmed => Verdict::Confirm,
        (Ordering::Less, _) => changed(SecretState::WentBack, None),
    })
}

#[cfg(test)]
mod tests;
