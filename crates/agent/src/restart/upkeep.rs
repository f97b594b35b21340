//! One workload's part in a round: looked at, restarted, judged, let go.

use std::collections::BTreeMap;

use lockstep_core::id::BindingId;

use super::Due;
use super::annotation::Restarted;
use super::api::ApiError;
use super::kind::Workload;
use super::look::see;
use super::object::Object;
use super::plan::{Stand, Tracked, concerns, in_motion, stand};
use super::report::{Report, Tally};
use super::round::Round;
use super::seen::Seen;
use super::taken::Pauses;
use crate::metrics::RestartOutcome;

impl Round {
    /// Looks at a workload. Fails only if the API server is away.
    pub(super) async fn look_at(&mut self, workload: &Workload) -> Result<(), ApiError> {
        match self.desk.api.get(workload).await {
            Ok(object) => {
                let seen = see(&self.desk.api, workload, &object, &self.changes(workload)).await?;
                self.note(workload, &object, seen);
            }
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
                tracked.tries.wrote(restarted);
                self.note(workload, &object, Seen::of(workload.kind, &object));
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

    fn note(&mut self, workload: &Workload, object: &Object, seen: Option<Seen>) {
        let (moment, settings) = (self.moment(), self.desk.settings);
        let pauses = Pauses { first: settings.again_after, longest: settings.stuck_after };
        let Some(tracked) = self.tracked.get_mut(workload) else { return };
        let seen = seen.filter(|seen| seen.uid == tracked.seen.uid);
        // Going away, or another one of that name: made after the change, so with the new content.
        let Some(seen) = seen else { return drop(self.tracked.remove(workload)) };
        tracked.refused = None;
        tracked.tries.note(seen.restarted, object.metadata.last_writer(), moment.now, pauses);
        // Its owner may have taken the reference out while it waited, or have made new pods.
        let courses = &self.courses;
        let is_concerned = |due: &Due| due.changed_for(workload).is_some_and(|changed| concerns(&seen, &changed, moment));
        tracked.bindings.retain(|binding| {
            courses.get(binding).is_some_and(|course| course.due.means(workload, object) && is_concerned(&course.due))
        });
        tracked.seen = seen;
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
        let moment = self.moment();
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
            Stand::Renewing => Some(now + settings.poll),
            Stand::LeftAlone(_) => Some(now + settings.poll_slowly),
            // Its look is the one before its restart, unless it holds a slot, which must not be held longer than it moves.
            Stand::Due => in_motion(tracked, moment).then(|| now + settings.poll),
            Stand::Healthy => {
                outcome = tracked.is_counted.then_some(RestartOutcome::Healthy);
                tracked.is_counted = false;
                tracked.is_stuck = false;
                // Its owner may let the others go, too.
                tracked.seen.kept_back.map(|_| now + settings.poll_slowly)
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
        Some(stand(tracked, &self.changes(workload), self.moment()))
    }

    pub(super) fn is_in_motion(&self, tracked: &Tracked) -> bool {
        in_motion(tracked, self.moment())
    }

    pub(super) fn in_motion(&self) -> usize {
        self.tracked.values().filter(|tracked| self.is_in_motion(tracked)).count()
    }

    /// A binding's change is no more a workload's concern. One that moves is kept, because it keeps its slot.
    pub(super) fn let_go(&mut self, binding: BindingId) {
        let moment = self.moment();
        self.tracked.retain(|_, tracked| {
            let was_there = tracked.bindings.remove(&binding);
            !was_there || !tracked.bindings.is_empty() || in_motion(tracked, moment)
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
        let moment = self.moment();
        let mut tallies: BTreeMap<BindingId, Tally> = self
            .courses
            .iter()
            .filter(|(_, course)| course.is_begun)
            .filter_map(|(id, course)| Some((*id, Tally::new(*id, course.due.revision()?, &course.troubles, &course.missing))))
            .collect();
        for (workload, tracked) in &self.tracked {
            for binding in &tracked.bindings {
                let changed = self.courses.get(binding).and_then(|course| course.due.changed_for(workload));
                if let (Some(tally), Some(changed)) = (tallies.get_mut(binding), changed) {
                    tally.count(workload, tracked, &changed, moment);
                }
            }
        }
        tallies.into_values().map(Tally::finish).collect()
    }
}
