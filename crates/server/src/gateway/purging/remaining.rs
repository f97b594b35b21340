//! What an agent has still to remove. Pure; time comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::id::BindingId;
use tokio::time::Instant;

/// How long an agent may take to answer before it is asked again.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// The first pause after it refused, doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LONGEST: Duration = Duration::from_secs(120);

/// What is left.
pub(super) struct Remaining {
    left: BTreeMap<BindingId, Left>,
    asked_max: usize,
    removed: usize,
}

struct Left {
    /// When it is to be asked for.
    due: Instant,
    /// Whether the agent was asked and has not answered.
    is_asked: bool,
    /// After the next refusal.
    pause: Duration,
}

impl Remaining {
    /// Of these, no more than so many are asked for at once.
    pub(super) fn new(held: BTreeSet<BindingId>, asked_max: usize, now: Instant) -> Self {
        let left = Left { due: now, is_asked: false, pause: RETRY_FIRST };
        let left = held.into_iter().map(|id| (id, Left { ..left })).collect();
        Self { left, asked_max, removed: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// How many were removed on this stream.
    pub(super) fn removed_count(&self) -> usize {
        self.removed
    }

    fn due(&self, now: Instant) -> Option<BindingId> {
        let (id, left) = self.left.iter().filter(|(_, left)| left.due <= now).min_by_key(|(_, left)| left.due)?;
        let asked = || self.left.values().filter(|left| left.is_asked && left.due > now).count();
        (left.is_asked || asked() < self.asked_max).then_some(*id)
    }

    /// Whether something is to be asked for now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due(now).is_some()
    }

    /// The next to ask for, which is then asked.
    pub(super) fn next(&mut self, now: Instant) -> Option<BindingId> {
        let id = self.due(now)?;
        let left = self.left.get_mut(&id)?;
        (left.due, left.is_asked) = (now + ANSWER_LIMIT, true);
        Some(id)
    }

    /// The agent removed it. `false`: nobody asked, or it had answered.
    pub(super) fn removed(&mut self, id: BindingId) -> bool {
        let was_asked = self.left.get(&id).is_some_and(|left| left.is_asked);
        if was_asked {
            self.left.remove(&id);
            self.removed += 1;
        }
        was_asked
    }

    /// The agent would not remove it: it is asked again after a pause. `false`: nobody asked, or it had answered.
    pub(super) fn refused(&mut self, id: BindingId, now: Instant) -> bool {
        let Some(left) = self.left.get_mut(&id).filter(|left| left.is_asked) else { return false };
        *left = Left { due: now + left.pause, is_asked: false, pause: (left.pause * 2).min(RETRY_LONGEST) };
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> BindingId {
        Uuid::from_u128(n).into()
    }

    #[test]
    fn each_is_asked_for_once_and_no_more_than_so_many_at_a_time() {
        let now = Instant::now();
        let mut remaining = Remaining::new((1..=3).map(id).collect(), 2, now);
        assert_eq!([remaining.next(now), remaining.next(now), remaining.next(now)], [Some(id(1)), Some(id(2)), None]);
        assert!(!remaining.removed(id(3)), "nobody asked for it");
        assert!(remaining.removed(id(1)) && !remaining.removed(id(1)));
        assert_eq!(remaining.next(now), Some(id(3)));
        assert!(remaining.removed(id(2)) && remaining.removed(id(3)));
        assert!(remaining.is_empty() && !remaining.is_due(now));
        assert_eq!(remaining.removed_count(), 3);
    }

    #[test]
    fn a_lost_answer_and_a_refusal_are_asked_again_with_longer_and_longer_pauses() {
        let now = Instant::now();
        let mut remaining = Remaining::new([id(1)].into(), 1, now);
        assert_eq!(remaining.next(now), Some(id(1)));
        assert_eq!(remaining.next(now + ANSWER_LIMIT / 2), None);
        let mut at = now + ANSWER_LIMIT;
        assert_eq!(remaining.next(at), Some(id(1)), "the answer was lost");
        for pause in [2, 4, 8, 16, 32, 64, 120, 120].map(Duration::from_secs) {
            assert!(remaining.refused(id(1), at));
            assert!(!remaining.refused(id(1), at), "once");
            assert_eq!(remaining.next(at + pause - Duration::from_millis(1)), None, "{pause:?}");
            at += pause;
            assert_eq!(remaining.next(at), Some(id(1)), "{pause:?}");
        }
    }
}
