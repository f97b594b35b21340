//! One workload's part in a round: looked at, restarted, judged, let go.

use std::collections::BTreeMap;

use lockstep_core::id::BindingId;

use super::annotation::Restarted;
use super::api::ApiError;
use super::kind::Workload;
use super::object::Object;
use super::plan::{Stand, Tracked, in_motion, stand};
use super::report::{Report, Tally};
use super::round::Round;
use super::seen::Seen;
use crate::metrics::RestartOutcome;

impl Round {
    /// Looks at a workload. Fails only if the API server is away.
    pub(super) async fn look_at(&mut self, workload: &Workload) -> Result<(), ApiError> {
        match self.desk.api.get(workload).await {
            Ok(object) => self.note(workload, &object),
            Err(ApiError::Gone) => drop(self.tracked.remove(workload)),
            Err(ApiError::Changed) => {}
            Err(ApiError::Refused(why)) => self.refuse(workload, why),
            Err(away @ ApiError::Away(_)) => return Err(away),
        }
        Ok(())
    }

    /// Restarts a workload that was just looked at. Fails only if the API server is away.
    pub(super) async fn patch(&mut self, workload: &Workload, restarted: Restarted) -> Result<(), ApiError> {
        let now = self.desk.clock.uptime();
        let Some(tracked) = self.tracked.get_mut(workload) else { return Ok(()) };
        // If no answer comes, it may still have happened: a look comes before anything else gets a slot.
        tracked.look_at = Some(now);
        let patch = restarted.patch(workload, &tracked.seen);
        match self.desk.api.apply(workload, &patch).await {
            Ok(object) => {
                tracing::info!(%workload, revision = %restarted.revision, "restarting");
                tracked.is_counted = true;
                tracked.is_stuck = false;
                self.note(workload, &object);
            }
            Err(ApiError::Gone) => drop(self.tracked.remove(workload)),
            // Somebody else was quicker; the next round looks what he did.
            Err(ApiError::Changed) => {}
            Err(ApiError::Refused(why)) => {
                self.desk.metrics.count_restart(RestartOutcome::Refused);
                self.refuse(workload, why);
            }
            Err(away @ ApiError::Away(_)) => return Err(away),
        }
        Ok(())
    }

    fn note(&mut self, workload: &Workload, object: &Object) {
        let Some(tracked) = self.tracked.get_mut(workload) else { return };
        let seen = Seen::of(workload.kind, object).filter(|seen| seen.uid == tracked.seen.uid);
        // Going away, or another one of that name: made after the change, so with the new content.
        let Some(seen) = seen else { return drop(self.tracked.remove(workload)) };
        tracked.seen = seen;
        tracked.refused = None;
        // Its owner may have taken the reference out while it waited.
        let courses = &self.courses;
        tracked.bindings.retain(|binding| courses.get(binding).is_some_and(|course| course.due.means(workload, object)));
        self.settle_stand(workload);
    }

    fn refuse(&mut self, workload: &Workload, why: String) {
        let look_at = self.desk.clock.uptime() + self.desk.settings.poll_slowly;
        if let Some(tracked) = self.tracked.get_mut(workload) {
            if tracked.refused.as_ref() != Some(&why) {
                tracing::warn!(%workload, why, "cannot restart");
            }
            tracked.refused = Some(why);
            tracked.look_at = Some(look_at);
        }
    }

    /// What a workload's newest look means: when the next is, and what counts.
    pub(super) fn settle_stand(&mut self, workload: &Workload) {
        let Some(stand) = self.stand(workload) else { return };
        let (now, settings) = (self.desk.clock.uptime(), self.desk.settings);
        let Some(tracked) = self.tracked.get_mut(workload) else { return };
        let mut outcome = None;
        tracked.look_at = match &stand {
            Stand::Moving => {
                tracked.is_counted = true;
                Some(now + settings.poll)
            }
            Stand::Stuck(why) => {
                if !tracked.is_stuck {
                    tracing::warn!(%workload, why, "its restart is stuck");
                    outcome = Some(RestartOutcome::Stuck);
                }
                tracked.is_stuck = true;
                tracked.is_counted = true;
                Some(now + settings.poll_slowly)
            }
            Stand::LeftAlone(_) => Some(now + settings.poll_slowly),
            // Its look is the one before its restart, unless it holds a slot, which must not be held longer than it moves.
            Stand::Due => in_motion(tracked, self.desk.clock.now(), settings.stuck_after).then(|| now + settings.poll),
            Stand::Healthy => {
                outcome = tracked.is_counted.then_some(RestartOutcome::Healthy);
                tracked.is_counted = false;
                tracked.is_stuck = false;
                None
            }
        };
        if let Some(outcome) = outcome {
            self.desk.metrics.count_restart(outcome);
        }
        if tracked.bindings.is_empty() && stand != Stand::Moving {
            self.tracked.remove(workload);
        }
    }

    pub(super) fn stand(&self, workload: &Workload) -> Option<Stand> {
        let tracked = self.tracked.get(workload)?;
        Some(stand(tracked, &self.changes(workload), self.desk.clock.now(), self.desk.settings.stuck_after))
    }

    pub(super) fn is_in_motion(&self, tracked: &Tracked) -> bool {
        in_motion(tracked, self.desk.clock.now(), self.desk.settings.stuck_after)
    }

    pub(super) fn in_motion(&self) -> usize {
        self.tracked.values().filter(|tracked| self.is_in_motion(tracked)).count()
    }

    /// A binding's change is no more a workload's concern. One that moves is kept, because it keeps its slot.
    pub(super) fn let_go(&mut self, binding: BindingId) {
        let desk = self.desk.clone();
        let now = desk.clock.now();
        self.tracked.retain(|_, tracked| {
            let was_there = tracked.bindings.remove(&binding);
            !was_there || !tracked.bindings.is_empty() || in_motion(tracked, now, desk.settings.stuck_after)
        });
    }

    /// The binding is forgotten.
    pub(super) fn drop_course(&mut self, binding: BindingId) {
        self.courses.remove(&binding);
        self.let_go(binding);
        self.desk.reports.send_if_modified(|reports| reports.remove(&binding).is_some());
    }

    /// Says how far everything is, where that changed, and lets go of what is finished.
    pub(super) fn publish(&mut self) {
        self.desk.metrics.restarts_in_motion.set(i64::try_from(self.in_motion()).unwrap_or(i64::MAX));
        for report in self.reports() {
            let binding = report.binding;
            let is_finished = report.is_finished();
            self.desk.reports.send_if_modified(|reports| {
                let is_new = reports.get(&binding) != Some(&report);
                if is_new {
                    reports.insert(binding, report);
                }
                is_new
            });
            if let Some(course) = self.courses.get_mut(&binding).filter(|_| is_finished) {
                course.is_begun = false;
                self.let_go(binding);
            }
        }
    }

    fn reports(&self) -> Vec<Report> {
        let (now, stuck_after) = (self.desk.clock.now(), self.desk.settings.stuck_after);
        let mut tallies: BTreeMap<BindingId, Tally> = self
            .courses
            .iter()
            .filter(|(_, course)| course.is_begun)
            .map(|(id, course)| (*id, Tally::new(*id, course.due.changed, &course.troubles, &course.missing)))
            .collect();
        for (workload, tracked) in &self.tracked {
            for binding in &tracked.bindings {
                if let Some(tally) = tallies.get_mut(binding) {
                    tally.count(workload, tracked, now, stuck_after);
                }
            }
        }
        tallies.into_values().map(Tally::finish).collect()
    }
}
