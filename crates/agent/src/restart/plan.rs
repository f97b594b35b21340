//! What is to be done, from what was seen: no I/O, no clock.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;

use super::Changed;
use super::annotation::Restarted;
use super::kind::Workload;
use super::left_alone::LeftAlone;
use super::pods::Content;
use super::rollout::Rollout;
use super::seen::Seen;
use super::taken::Tries;

/// A workload that is followed until it is healthy.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) seen: Seen,
    /// Whose content it uses.
    pub(super) bindings: BTreeSet<BindingId>,
    /// Why the API server would not let it be looked at or restarted.
    pub(super) refused: Option<String>,
    /// It did not finish in time. Kept until it is healthy or restarted again, so that one whose controller tries once more
    /// does not take a slot back that another has by now.
    pub(super) is_stuck: bool,
    /// This agent saw its restart begin, so its end counts.
    pub(super) is_counted: bool,
    /// Of its restarts, what became of the annotation.
    pub(super) tries: Tries,
    /// When to look at it again, by `uptime`; `None`: no look is needed.
    pub(super) look_at: Option<Duration>,
}

impl Tracked {
    /// A workload that was just found.
    pub(super) fn new(seen: Seen, bindings: BTreeSet<BindingId>) -> Self {
        Self { seen, bindings, refused: None, is_stuck: false, is_counted: false, tries: Tries::default(), look_at: None }
    }
}

/// Where a workload is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stand {
    /// It is not restarted, or not waited for, and why.
    LeftAlone(LeftAlone),
    /// It has to be restarted.
    Due,
    /// It gets new pods anyway, by its owner's own rollout, and takes no slot.
    Renewing,
    /// It was restarted and takes one of the budget's slots until it is rolled out.
    Moving,
    /// It needs somebody's help, and why. It takes no slot.
    Stuck(String),
    /// It is rolled out with the new content.
    Healthy,
}

/// The moment at which workloads are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: DateTime<Utc>,
    /// See [`super::Settings`].
    pub(super) stuck_after: Duration,
}

/// Whether a change is this workload's concern. One that was made later began with the new content, and so did the pods of one whose
/// owner made new ones since: it uses the Secret only now, say.
pub(super) fn concerns(seen: &Seen, changed: &Changed, moment: Moment) -> bool {
    seen.created < changed.at && !(is_uncovered(seen, changed) && content(seen, changed, moment) == Content::New)
}

/// Whether a workload's pods may lack the changed content.
pub(super) fn is_due(seen: &Seen, changed: &Changed, moment: Moment) -> bool {
    is_uncovered(seen, changed) && content(seen, changed, moment) != Content::New
}

fn content(seen: &Seen, changed: &Changed, moment: Moment) -> Content {
    let Moment { now, stuck_after } = moment;
    seen.pods.map_or(Content::Old, |pods| pods.content(changed, &seen.rollout, now, stuck_after))
}

/// Whether no restart of ours covers the change: then the pods tell.
///
/// The annotation is one for all bindings, and their changes need not arrive in the order of revisions: a binding may have been
/// in conflict for an hour. So a change of a lower revision is covered only if it was here when the restart happened. One of the
/// same revision always is, whatever the clocks say.
pub(super) fn is_uncovered(seen: &Seen, changed: &Changed) -> bool {
    let Some(restarted) = &seen.restarted else { return true };
    restarted.revision < changed.revision || (restarted.revision > changed.revision && restarted.at < changed.at.trunc_subsecs(6))
}

/// What to write for a restart now. Neither the revision nor the time goes back, so that clocks that disagree cannot make a
/// workload due again by its own restart.
pub(super) fn restart_for(seen: &Seen, changes: &[Changed], moment: Moment) -> Option<Restarted> {
    let due = || changes.iter().filter(|changed| is_due(seen, changed, moment));
    let newest = due().map(|changed| changed.revision).max()?;
    let before = seen.restarted.map(|restarted| restarted.revision);
    let at = due().map(|changed| changed.at).max()?.max(moment.now).trunc_subsecs(6);
    Some(Restarted { revision: before.map_or(newest, |before| before.max(newest)), at })
}

/// Whether it takes a slot: a restart of ours is not rolled out yet, and there is still hope. Read from the workload, not
/// remembered, so an agent that was restarted goes on with the same slots taken.
pub(super) fn in_motion(tracked: &Tracked, moment: Moment) -> bool {
    let Moment { now, stuck_after } = moment;
    let is_in_time = |at: DateTime<Utc>| (now - at).to_std().is_ok_and(|age| age <= stuck_after) || now < at;
    matches!(tracked.seen.rollout, Rollout::Moving(_))
        && tracked.seen.restarted.is_some_and(|restarted| is_in_time(restarted.at))
        && tracked.seen.left_alone.is_none()
        && tracked.refused.is_none()
        && !tracked.is_stuck
}

/// Whether its last restart is so new that the next has to wait for its end. Content that changes every few seconds would
/// otherwise keep it from ever being rolled out; and content that is wrong and then right must not wait until it is stuck.
pub(super) fn has_just_begun(tracked: &Tracked, now: DateTime<Utc>, again_after: Duration) -> bool {
    let restarted = tracked.seen.restarted.filter(|_| matches!(tracked.seen.rollout, Rollout::Moving(_)));
    restarted.is_some_and(|restarted| (now - restarted.at).to_std().is_ok_and(|age| age < again_after))
}

/// Where a workload is as to these changes.
pub(super) fn stand(tracked: &Tracked, changes: &[Changed], moment: Moment) -> Stand {
    let seen = &tracked.seen;
    let mut due = changes.iter().filter(|changed| is_due(seen, changed, moment)).peekable();
    let is_due = due.peek().is_some();
    let is_coming = due.all(|changed| content(seen, changed, moment) == Content::Coming);
    match (&tracked.refused, is_due, seen.left_alone, &seen.rollout) {
        (Some(why), ..) | (None, false, _, Rollout::Failed(why)) => Stand::Stuck(why.clone()),
        (None, false, _, Rollout::Done) => Stand::Healthy,
        (None, true, Some(why), _) | (None, false, Some(why), Rollout::Moving(_)) => Stand::LeftAlone(why),
        (None, true, None, _) if is_coming => Stand::Renewing,
        (None, true, None, _) => tracked.tries.waits(moment.now).map_or(Stand::Due, Stand::Stuck),
        (None, false, None, Rollout::Moving(_)) if in_motion(tracked, moment) => Stand::Moving,
        (None, false, None, Rollout::Moving(what)) => Stand::Stuck(format!("still not rolled out: {what}")),
    }
}

/// A workload that is due.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) workload: &'a Workload,
    /// Its place in the list of all workloads of its binding, those that are done included; of several bindings the least.
    pub(super) position: usize,
    /// The oldest change that it is due for.
    pub(super) revision: Revision,
    /// It has a slot already: content changed again while it rolls out. It is restarted in that slot.
    pub(super) in_motion: bool,
}

/// Which of them are restarted now. By position first, so that a binding with one workload does not wait for one with five
/// hundred; the same always for the same workloads.
pub(super) fn choose(mut candidates: Vec<Candidate<'_>>, in_motion: usize, budget: usize) -> Vec<Workload> {
    candidates.sort_by_key(|candidate| (candidate.position, candidate.revision, candidate.workload));
    let mut free = budget.saturating_sub(in_motion);
    let mut takes_slot = |candidate: &Candidate<'_>| {
        let takes = candidate.in_motion || free > 0;
        free = free.saturating_sub(usize::from(takes && !candidate.in_motion));
        takes
    };
    candidates.into_iter().filter(|candidate| takes_slot(candidate)).map(|candidate| candidate.workload.clone()).collect()
}
