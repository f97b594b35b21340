//! Whether a replica that stands by has what it should take over: a rollout waits for it, so that the last replica that has what pods mount does
//! not end before another has it.

use std::time::Duration;

use tokio::sync::watch;

/// How long it is waited for. A replica that works without a cache never tells anything, and must not block a rollout for ever; and a Deployment
/// calls a rollout failed that makes no progress for 600 s (`progressDeadlineSeconds`), in which a pod must also have been scheduled and started.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// What a replica that stands by waits for before it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handover {
    /// For nothing: nobody is followed, or it was told everything once. That it loses the other one later takes nothing from it.
    Done,
    /// To be told everything.
    Awaited {
        /// Why it was not yet.
        why: String,
        /// In the clock's uptime: then it waits no more.
        until: Duration,
    },
}

impl Handover {
    /// It begins to wait.
    pub(super) fn begin(uptime: Duration) -> Self {
        Self::Awaited { why: "it has just begun".to_owned(), until: uptime + WAIT_MAX }
    }

    /// Why it is not ready.
    pub(crate) fn lacks(&self, uptime: Duration) -> Option<&str> {
        match self {
            Self::Awaited { why, until } if uptime < *until => Some(why),
            Self::Awaited { .. } | Self::Done => None,
        }
    }
}

/// It still waits, if it did, and this is why.
pub(super) fn wait(handover: &watch::Sender<Handover>, why: &str) {
    handover.send_if_modified(|now| match now {
        Handover::Awaited { why: before, .. } if before != why => {
            why.clone_into(before);
            true
        }
        Handover::Awaited { .. } | Handover::Done => false,
    });
}

/// It has everything.
pub(super) fn done(handover: &watch::Sender<Handover>) {
    let is_news = handover.send_if_modified(|now| std::mem::replace(now, Handover::Done) != Handover::Done);
    if is_news {
        tracing::info!("this replica has what pods may mount, and can take over");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Duration = Duration::from_secs(7);

    fn after(handover: &watch::Sender<Handover>, seconds: u64) -> Option<String> {
        handover.borrow().lacks(BEGAN + Duration::from_secs(seconds)).map(str::to_owned)
    }

    #[test]
    fn it_is_awaited_until_it_is_done_or_five_minutes_are_over_and_says_why() {
        let handover = watch::Sender::new(Handover::begin(BEGAN));
        assert_eq!(after(&handover, 0).as_deref(), Some("it has just begun"));
        wait(&handover, "no replica works");
        assert_eq!(after(&handover, 299).as_deref(), Some("no replica works"), "another reason gives it no more time");
        assert_eq!(after(&handover, 300), None);
        done(&handover);
        assert_eq!(after(&handover, 0), None);
    }

    #[test]
    fn who_has_it_once_does_not_wait_again_when_the_other_one_is_lost() {
        let handover = watch::Sender::new(Handover::begin(BEGAN));
        done(&handover);
        wait(&handover, "no replica works");
        assert_eq!(after(&handover, 0), None);
    }
}
