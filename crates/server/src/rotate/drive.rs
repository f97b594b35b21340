//! One run's way, as far as it goes now.
//!
//! Every step begins with what is recorded and ends with a record, so it does not matter who goes it. What must not happen twice is preceded
//! by a record of what there was before ([`lockstep_core::rotation::stage`]), and is done only while the run is held for longer than it may take.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::binding::SecretRef;
use lockstep_core::rotation::consumer::Consumer;
use lockstep_core::rotation::stage::Stage;
use lockstep_core::rotation::step::{Next, Standing, Step, next};
use lockstep_core::rotation::{By, RotationSpec};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::meta::Registered;
use lockstep_store::rotation::{self, RotationRecord};
use lockstep_store::rotation_run::{self, Hold, Run, consumers};
use lockstep_store::{Result, StoreError, pool, registry};
use serde_json::json;
use tokio::time::Instant;

use super::fail_point;
use super::history::{subject, told};
use super::trouble::Trouble;
use super::{Rotator, act};
use crate::actor;

/// How often it is looked whether clusters have confirmed.
const LOOK: Duration = Duration::from_millis(200);
/// How long a run that waits is kept at hand before it is left to whoever comes next.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon it is looked at again that waits, and that is held: these may be many, and for long.
const WAITING: Duration = Duration::from_secs(1);
const HELD: Duration = Duration::from_secs(5);
/// From the first to the longest pause before what did not work is tried again.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How much longer the pause may get with each check-and-set that was lost.
const LOST: Duration = Duration::from_millis(200);

/// A run under way on this replica.
pub(super) struct Drive<'a> {
    pub(super) rotator: &'a Rotator,
    pub(super) hold: Hold,
    pub(super) rotation: Registered<RotationRecord>,
    pub(super) run: Run,
    /// What the rotation rotates.
    secret: SecretRef,
}

/// Goes on with a run until it has to wait or comes to its end.
pub(super) async fn drive(rotator: &Rotator, hold: Hold) {
    match go(rotator, hold).await {
        Ok(()) => {}
        Err(StoreError::Fenced { .. }) => {
            rotator.app.metrics.fenced.inc();
            tracing::warn!(run = %hold.run, "another replica goes on with this rotation run");
        }
        Err(error) => tracing::warn!(run = %hold.run, %error, "a rotation run waits for the registry"),
    }
}

async fn go(rotator: &Rotator, hold: Hold) -> Result<()> {
    let life = rotator.life();
    // It was taken just now.
    let (mut waited_from, mut renewed) = (Instant::now(), Instant::now());
    loop {
        let (drive, users, now) = {
            let mut connection = pool::acquire(&rotator.app.pool).await?;
            let run = rotation_run::held(&mut connection, &hold).await?;
            // Nobody holds what has ended: renewing it would look as if it had been taken over.
            if run.stage.is_end() {
                return Ok(());
            }
            if renewed.elapsed() > life / 3 {
                renewed = Instant::now();
                rotation_run::renew(&mut connection, &hold, life).await?;
            }
            let Some(rotation) = rotation::by_id(&mut connection, run.rotation).await? else { return Ok(()) };
            // One whose clusters have their own has no runs; its parts do.
            let Some(secret) = rotation.spec.spec.kind.secret().cloned() else { return Ok(()) };
            let users = if run.stage.looks_at_consumers() { consumers(&mut connection, &secret).await? } else { Vec::new() };
            (Drive { rotator, hold, rotation, run, secret }, users, registry::now(&mut connection).await?)
        };
        let Next { step, held } = next(drive.standing(&users), now);
        match step {
            Step::Enter(stage) => drive.enter(stage).await?,
            Step::Do(action) => {
                // With all its life before it, whatever is done now ends while nobody else may do it.
                let mut connection = pool::acquire(&rotator.app.pool).await?;
                renewed = Instant::now();
                rotation_run::renew(&mut connection, &hold, life).await?;
                drop(connection);
                match act::act(&drive, action, renewed + life).await {
                    Ok(()) => {}
                    Err(Trouble::Never(why)) => drive.enter(Stage::Failed(why)).await?,
                    Err(Trouble::Again(why)) => {
                        tracing::warn!(rotation = drive.rotation.name, run = %hold.run, error = why, "a rotation step did not work and is tried again");
                        return drive.rest(drive.pause(), held.as_deref(), Some(&why)).await;
                    }
                    Err(Trouble::Registry(error)) => return Err(error),
                }
            }
            Step::Wait(until) => {
                let remaining = until.and_then(|until| (until - now).to_std().ok());
                // Those that wait do not count against the limit of runs, and may be many: none keeps one from going on that could.
                if held.is_some() || waited_from.elapsed() >= PATIENCE || rotator.is_full() {
                    let pause = if held.is_some() { HELD } else { WAITING };
                    return drive.rest(remaining.map_or(pause, |r| r.min(pause)), held.as_deref(), None).await;
                }
                tokio::time::sleep(remaining.map_or(LOOK, |r| r.min(LOOK))).await;
                continue;
            }
        }
        waited_from = Instant::now();
    }
}

impl Drive<'_> {
    pub(super) fn spec(&self) -> &RotationSpec {
        &self.rotation.spec.spec
    }

    pub(super) const fn secret(&self) -> &SecretRef {
        &self.secret
    }

    fn standing<'a>(&'a self, consumers: &'a [Consumer]) -> Standing<'a> {
        Standing {
            course: self.spec().kind.course(),
            confirm: &self.spec().confirm,
            stage: &self.run.stage,
            since: self.run.since,
            trouble: self.run.trouble.as_deref(),
            consumers,
            renew_at: self.renew_at(),
        }
    }

    /// When the certificate that this run issued is to be replaced, if that is what makes its rotation due.
    fn renew_at(&self) -> Option<DateTime<Utc>> {
        match self.spec().timing.by {
            By::Schedule(_) => None,
            By::Life(share) => self.run.stage.life().map(|life| life.at(share)),
        }
    }

    /// Longer each time, and not all runs at once.
    fn pause(&self) -> Duration {
        let doubled = RETRY * 2_u32.saturating_pow(self.run.attempts.min(10));
        doubled.min(RETRY_MAX).mul_f64(rand::random_range(0.75..=1.25))
    }

    /// The same after a check-and-set that was lost: within the life of the run, and longer the more often it was.
    pub(super) fn stand_back(&self) -> Duration {
        let lost = self.run.passed.iter().filter(|passed| passed.stage == Stage::Preparing.as_str()).count();
        let longest = LOST.saturating_mul(u32::try_from(lost).unwrap_or(u32::MAX)).min(self.rotator.life() / 4);
        longest.mul_f64(rand::random_range(0.0..=1.0))
    }

    /// What a test may kill the process at.
    pub(super) fn point(&self, point: &str) {
        fail_point::hit(self.spec().kind.as_str(), point);
    }

    /// Comes to another stage, as a change of its own.
    pub(super) async fn enter(&self, stage: Stage) -> Result<()> {
        let mut writing = Writing::begin(&self.rotator.app.pool).await?;
        rotation_run::enter(writing.connection(), &self.hold, &stage).await?;
        self.commit(writing, &stage, json!({})).await
    }

    /// Commits what was written together with the stage that was entered, and tells of it.
    pub(super) async fn commit(&self, writing: Writing, stage: &Stage, more: serde_json::Value) -> Result<()> {
        let kind = match stage {
            Stage::Done(_) => "RotationDone",
            Stage::Failed(_) => "RotationFailed",
            Stage::RollingBack(..) => "RotationRollingBack",
            _ => "RotationProgressed",
        };
        let mut detail = told(&self.rotation, json!({"run": self.run.id.to_string(), "stage": stage.as_str()}));
        if let Stage::Failed(why) | Stage::RollingBack(_, why) = stage {
            detail["reason"] = json!(why);
        }
        if let (Some(detail), Some(more)) = (detail.as_object_mut(), more.as_object()) {
            detail.extend(more.clone());
        }
        let entry =
            Entry { actor: actor::server(&self.rotator.app.config.replica), kind, subject: subject(&self.rotation), detail };
        writing.commit(&entry).await?;
        tracing::info!(rotation = self.rotation.name, run = %self.run.id, stage = stage.as_str(), "rotation.progress");
        if stage.is_end() {
            let result = if matches!(stage, Stage::Done(_)) { "done" } else { "failed" };
            self.rotator.app.metrics.rotation_runs.with_label_values(&[self.spec().kind.as_str(), result]).inc();
        }
        self.point(stage.as_str());
        Ok(())
    }

    /// Leaves it until it is to be looked at again. That it is held now, or is no longer, is a change.
    async fn rest(&self, pause: Duration, held: Option<&str>, trouble: Option<&str>) -> Result<()> {
        if held.is_some() == self.run.held.is_some() {
            let mut connection = pool::acquire(&self.rotator.app.pool).await?;
            return rotation_run::rest(&mut connection, &self.hold, pause, held, trouble).await;
        }
        let mut writing = Writing::begin(&self.rotator.app.pool).await?;
        rotation_run::rest(writing.connection(), &self.hold, pause, held, trouble).await?;
        let entry = Entry {
            actor: actor::server(&self.rotator.app.config.replica),
            kind: if held.is_some() { "RotationHeld" } else { "RotationWentOn" },
            subject: subject(&self.rotation),
            detail: told(&self.rotation, json!({"run": self.run.id.to_string(), "reason": held})),
        };
        writing.commit(&entry).await?;
        if let Some(held) = held {
            tracing::warn!(rotation = self.rotation.name, run = %self.run.id, reason = held, "rotation run is held");
        }
        Ok(())
    }
}
