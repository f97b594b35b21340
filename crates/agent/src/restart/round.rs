//! The loop: take up what changed, look at what moves, restart what is due, say how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use lockstep_core::id::BindingId;
use tokio_util::sync::CancellationToken;

use super::api::ApiError;
use super::discovery::discover;
use super::kind::Workload;
use super::plan::{Candidate, Moment, Stand, Tracked, choose, has_just_begun, is_due, restart_for};
use super::settle::Settle;
use super::{Changed, Desk, Due};
use crate::backoff::Backoff;
use crate::loops::RESTARTS;

/// Looks at workloads in one round; the others have their turn in the next.
const LOOKS_MAX: usize = 20;

/// The way of one binding's newest change.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) due: Arc<Due>,
    /// When its workloads are looked for, by `uptime`; `None`: they are known.
    pub(super) discover_at: Option<Duration>,
    /// They were looked for, with or without success: there is something to report.
    pub(super) is_begun: bool,
    pub(super) troubles: BTreeSet<String>,
    pub(super) missing: Vec<String>,
}

/// What the loop knows. All of it can be lost.
pub(super) struct Round {
    pub(super) desk: Arc<Desk>,
    pub(super) courses: BTreeMap<BindingId, Course>,
    pub(super) tracked: BTreeMap<Workload, Tracked>,
    settle: Settle,
    backoff: Backoff,
    /// The API server did not answer: nothing is asked before.
    away_until: Option<Duration>,
}

/// Works until `stop` is cancelled. It may be cut between any two requests.
pub(super) async fn run(desk: Arc<Desk>, stop: CancellationToken) {
    let mut round = Round::new(desk.clone());
    let turning = RESTARTS.begin(&desk.metrics);
    let work = async {
        loop {
            if round.advance().await {
                turning.progressed();
            }
            let wake = round.wake_after();
            let sleep = async {
                match wake {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => pending().await,
                }
            };
            let woken = async {
                tokio::select! {
                    () = sleep => {}
                    () = desk.woken.notified() => {}
                }
            };
            turning.wait(woken).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
    desk.metrics.restarts_in_motion.set(0);
}

impl Round {
    fn new(desk: Arc<Desk>) -> Self {
        let (courses, tracked, settle) = (BTreeMap::new(), BTreeMap::new(), Settle::default());
        Self { desk, courses, tracked, settle, backoff: Backoff::default(), away_until: None }
    }

    /// One round; whether all was done that there is to do now.
    async fn advance(&mut self) -> bool {
        self.take_up_wants();
        if self.away_until.is_some_and(|until| self.desk.clock.uptime() < until) {
            return false;
        }
        self.away_until = None;
        let worked = self.work().await;
        let done = worked.is_ok();
        match worked {
            Ok(()) => self.backoff = Backoff::default(),
            Err(why) => {
                let wait = self.backoff.next(&mut rand::rng());
                tracing::warn!(%why, ?wait, "restarts wait for the API server");
                self.away_until = Some(self.desk.clock.uptime() + wait);
            }
        }
        self.publish();
        done
    }

    /// Fails only if the API server is away.
    async fn work(&mut self) -> Result<(), ApiError> {
        self.discover().await?;
        self.look().await?;
        self.restart().await
    }

    fn take_up_wants(&mut self) {
        let desk = self.desk.clone();
        let wants = desk.wants.lock().unwrap_or_else(PoisonError::into_inner);
        let now = desk.clock.uptime();
        let gone = |binding: &BindingId| !wants.contains_key(binding);
        let gone: Vec<_> = self.courses.keys().filter(|binding| gone(binding)).copied().collect();
        for binding in gone {
            self.drop_course(binding);
        }
        for (binding, due) in wants.iter() {
            if self.courses.get(binding).is_some_and(|course| Arc::ptr_eq(&course.due, due)) {
                continue;
            }
            self.let_go(*binding);
            let (troubles, missing) = (BTreeSet::new(), Vec::new());
            let course = Course { due: due.clone(), discover_at: Some(now), is_begun: false, troubles, missing };
            self.courses.insert(*binding, course);
            self.settle.note(now);
        }
    }

    async fn discover(&mut self) -> Result<(), ApiError> {
        let (now, settings) = (self.desk.clock.uptime(), self.desk.settings);
        if self.settle.until(settings.settle, settings.settle_max).is_some_and(|until| now < until) {
            return Ok(());
        }
        let is_due = |course: &&Course| course.discover_at.is_some_and(|at| at <= now);
        let dues: Vec<_> = self.courses.values().filter(is_due).map(|course| course.due.clone()).collect();
        if dues.is_empty() {
            return Ok(());
        }
        let mut found = discover(&self.desk.api, &dues, self.moment()).await?;
        self.settle.clear();
        for due in &dues {
            let Some(course) = self.courses.get_mut(&due.binding) else { continue };
            course.is_begun = true;
            course.troubles = found.troubles.remove(&due.binding).unwrap_or_default();
            course.missing = found.missing.remove(&due.binding).unwrap_or_default();
            course.discover_at = (!course.troubles.is_empty()).then(|| now + settings.poll_slowly);
        }
        for (workload, (seen, bindings)) in found.workloads {
            let tracked = self.tracked.entry(workload.clone()).or_insert_with(|| Tracked::new(seen.clone(), BTreeSet::new()));
            tracked.bindings.extend(bindings);
            tracked.seen = seen;
            self.settle_stand(&workload);
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), ApiError> {
        let now = self.desk.clock.uptime();
        let due = |(workload, tracked): (&Workload, &Tracked)| {
            let at = tracked.look_at.filter(|at| *at <= now)?;
            Some((!self.is_in_motion(tracked), at, workload.clone()))
        };
        let mut due: Vec<_> = self.tracked.iter().filter_map(due).collect();
        due.sort();
        for (_, _, workload) in due.into_iter().take(LOOKS_MAX) {
            self.look_at(&workload).await?;
        }
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), ApiError> {
        for workload in self.chosen() {
            if !(self.desk.fence)() {
                return Ok(());
            }
            // What is known of it may be old: it waited for a slot.
            self.look_at(&workload).await?;
            let changes = self.changes(&workload);
            let moment = self.moment();
            let Some(tracked) = self.tracked.get(&workload) else { continue };
            let Some(restarted) = restart_for(&tracked.seen, &changes, moment) else { continue };
            if self.stand(&workload) != Some(Stand::Due) {
                continue;
            }
            // Again, because that look may have taken as long as a request may.
            if !(self.desk.fence)() {
                return Ok(());
            }
            self.patch(&workload, restarted).await?;
        }
        Ok(())
    }

    /// Due workloads that have or get a slot, in the order in which they are restarted.
    fn chosen(&self) -> Vec<Workload> {
        let moment = self.moment();
        let mut positions: BTreeMap<BindingId, usize> = BTreeMap::new();
        let mut candidates = Vec::new();
        for (workload, tracked) in &self.tracked {
            let mut position = usize::MAX;
            for binding in &tracked.bindings {
                let next = positions.entry(*binding).or_default();
                position = position.min(*next);
                *next += 1;
            }
            if has_just_begun(tracked, moment.now, self.desk.settings.again_after) {
                continue;
            }
            let changes = self.changes(workload);
            let due = changes.iter().filter(|changed| is_due(&tracked.seen, changed, moment)).map(|changed| changed.revision);
            if let (Some(revision), Some(Stand::Due)) = (due.min(), self.stand(workload)) {
                candidates.push(Candidate { workload, position, revision, in_motion: self.is_in_motion(tracked) });
            }
        }
        choose(candidates, self.in_motion(), self.desk.settings.budget)
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { now: self.desk.clock.now(), stuck_after: self.desk.settings.stuck_after }
    }

    /// The newest changes of the bindings that a workload uses, each as it is in its namespace.
    pub(super) fn changes(&self, workload: &Workload) -> Vec<Changed> {
        let bindings = self.tracked.get(workload).into_iter().flat_map(|tracked| &tracked.bindings);
        bindings.filter_map(|binding| self.courses.get(binding)?.due.changed_for(workload)).collect()
    }

    /// How long nothing is to do, unless something is wanted; `None`: for ever.
    fn wake_after(&self) -> Option<Duration> {
        let (now, settings) = (self.desk.clock.uptime(), self.desk.settings);
        let settled = self.settle.until(settings.settle, settings.settle_max);
        let discover = self.courses.values().filter_map(|course| course.discover_at).min();
        let discover = discover.map(|at| settled.map_or(at, |settled| at.max(settled)));
        // A look that is late was one too many for this round.
        let look = self.tracked.values().filter_map(|tracked| tracked.look_at).min();
        let look = look.map(|at| if at <= now { now + settings.poll } else { at });
        let restart = (!self.chosen().is_empty()).then(|| now + settings.poll);
        let next = [discover, look, restart].into_iter().flatten().min()?;
        Some(self.away_until.map_or(next, |until| next.max(until)).saturating_sub(now))
    }
}
