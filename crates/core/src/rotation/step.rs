//! What a run does next: a pure function of what is recorded, who has what, and the time.

use chrono::{DateTime, TimeDelta, Utc};

use super::confirm::{Confirm, OnDeadline};
use super::consumer::{Consumer, behind, missing, names};
use super::stage::{Delivered, Done, Made, Stage};

/// The way that a kind of rotation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The new value is a new version of a KV secret, which clusters get because it is the newest. The one before can be written again.
    Replace,
    /// The source changes the password that everybody uses: the one before is void at once.
    InPlace,
    /// The source changes the password of the idle one of two roles; clusters get that role, and the other one's is changed when all have it.
    InTurn {
        /// How long both work after the last cluster has confirmed.
        min_overlap: TimeDelta,
    },
}

impl Course {
    /// Whether what was before can be delivered again once the new value is on its way.
    pub const fn can_roll_back(self) -> bool {
        match self {
            Self::Replace | Self::InTurn { .. } => true,
            Self::InPlace => false,
        }
    }
}

/// Something to be done outside of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look at what there is, and say what is about to be made: nothing is changed.
    Prepare,
    /// Make it, or see that it is there.
    Make,
    /// Log in with it.
    Verify,
    /// Have clusters get it.
    Deliver,
    /// Look at what is about to be made void: nothing is changed.
    PrepareRetiring,
    /// Make it void, or see that it is.
    Retire,
    /// Have clusters get what was before.
    Withdraw,
}

/// What a run does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Something outside of the registry; what comes of it is recorded.
    Do(Action),
    /// Goes to another stage.
    Enter(Stage),
    /// Nothing before this time, unless somebody confirms.
    Wait(Option<DateTime<Utc>>),
}

/// What a run does next, and what it is held by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What to do.
    pub step: Step,
    /// Why it does not come to its end, for whoever is to do something about it.
    pub held: Option<String>,
}

/// A run as it is recorded, and what there is to know about it.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Its way.
    pub course: Course,
    /// Who is waited for.
    pub confirm: &'a Confirm,
    /// Where it is.
    pub stage: &'a Stage,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why what the stage is for did not work when it was tried last.
    pub trouble: Option<&'a str>,
    /// Who uses the secret.
    pub consumers: &'a [Consumer],
    /// When what it delivers is itself due to be replaced: from then on nobody is waited for any longer. None: nothing but a schedule says so.
    pub renew_at: Option<DateTime<Utc>>,
}

/// What the run does next.
pub fn next(run: Standing<'_>, now: DateTime<Utc>) -> Next {
    let is_late = TimeDelta::from_std(run.confirm.deadline).is_ok_and(|deadline| now - run.since >= deadline);
    // What does not work for longer than clusters are waited for is for a person to see; it is tried on.
    let troubled = || run.trouble.filter(|_| is_late).map(str::to_owned);
    let go_on = |action| Next { step: Step::Do(action), held: troubled() };
    let give_up = |what: &str| {
        let trouble = run.trouble.filter(|_| is_late);
        trouble.map(|why| Next::enter(Stage::Failed(format!("{what}: {why}"))))
    };
    match run.stage {
        Stage::Preparing => {
            prepare(run, is_late).or_else(|| give_up("nothing was changed")).unwrap_or_else(|| go_on(Action::Prepare))
        }
        Stage::Making(_) => go_on(Action::Make),
        Stage::Verifying(_) => {
            give_up("the new credential could not be tried, and the one before stays").unwrap_or_else(|| go_on(Action::Verify))
        }
        Stage::Delivering(_) => go_on(Action::Deliver),
        Stage::Confirming(delivered) => confirm(run, delivered, is_late, now),
        Stage::Overlapping(delivered) => overlap(run, delivered, now).unwrap_or_else(|| go_on(Action::PrepareRetiring)),
        Stage::Retiring(..) => go_on(Action::Retire),
        Stage::RollingBack(..) => go_on(Action::Withdraw),
        Stage::Done(_) | Stage::Failed(_) => Next::wait(None, None),
    }
}

impl Next {
    fn enter(stage: Stage) -> Self {
        Self { step: Step::Enter(stage), held: None }
    }

    fn wait(until: Option<DateTime<Utc>>, held: Option<String>) -> Self {
        Self { step: Step::Wait(until), held }
    }
}

/// The idle role's password may be changed only while nobody uses it: a run before this one may have been rolled back, or gone on without
/// somebody who came back since.
fn prepare(run: Standing<'_>, is_late: bool) -> Option<Next> {
    let Course::InTurn { .. } = run.course else { return None };
    let behind = names(behind(run.consumers, run.confirm));
    if behind.is_empty() {
        return None;
    }
    // Whoever was gone on without before does not stop every run after that one.
    if is_late && run.confirm.on_deadline == OnDeadline::Proceed {
        return None;
    }
    let why = format!("the idle role may still be in use by {behind}");
    Some(if is_late { Next::enter(Stage::Failed(format!("nothing was changed: {why}"))) } else { Next::wait(None, Some(why)) })
}

fn confirm(run: Standing<'_>, delivered: &Delivered, is_late: bool, now: DateTime<Utc>) -> Next {
    let missing = delivered.version.map(|version| names(missing(run.consumers, run.confirm, version))).unwrap_or_default();
    if missing.is_empty() {
        return Next::enter(confirmed(run.course, delivered.clone()));
    }
    // Whoever missed this one waits for the next: nothing is made void here, and a run that waits must not cost the others their certificate.
    if run.renew_at.is_some_and(|at| now >= at) {
        return Next::enter(confirmed(run.course, Delivered { without: Some(missing), ..delivered.clone() }));
    }
    let why = format!("not confirmed by {missing}");
    if !is_late {
        let deadline = TimeDelta::from_std(run.confirm.deadline).ok().map(|deadline| run.since + deadline);
        return Next::wait(deadline.filter(|deadline| *deadline > now), None);
    }
    match run.confirm.on_deadline {
        OnDeadline::Proceed => Next::enter(confirmed(run.course, Delivered { without: Some(missing), ..delivered.clone() })),
        OnDeadline::RollBack if run.course.can_roll_back() => Next::enter(Stage::RollingBack(delivered.clone(), why)),
        OnDeadline::RollBack | OnDeadline::Hold => Next::wait(None, Some(why)),
    }
}

fn confirmed(course: Course, delivered: Delivered) -> Stage {
    match course {
        Course::Replace | Course::InPlace => Stage::Done(done(&delivered)),
        Course::InTurn { .. } => Stage::Overlapping(delivered),
    }
}

/// What is in the way of making the former credential void. Whoever was placed meanwhile gets the new one and has to confirm it like everybody.
fn overlap(run: Standing<'_>, delivered: &Delivered, now: DateTime<Utc>) -> Option<Next> {
    let Course::InTurn { min_overlap } = run.course else { return None };
    let over = run.since + min_overlap;
    if now < over {
        return Some(Next::wait(Some(over), None));
    }
    let missing = names(missing(run.consumers, run.confirm, delivered.version?));
    // Once it was decided to go on without some, their being away decides nothing any more.
    if missing.is_empty() || delivered.without.is_some() {
        return None;
    }
    Some(Next::wait(None, Some(format!("not confirmed by {missing}"))))
}

/// What follows when it is made.
pub fn made(course: Course, made: Made) -> Stage {
    match course {
        Course::InTurn { .. } => Stage::Verifying(made),
        Course::Replace | Course::InPlace => Stage::Delivering(made),
    }
}

/// What follows when the former credential is void.
pub fn retired(delivered: &Delivered) -> Stage {
    Stage::Done(done(delivered))
}

fn done(delivered: &Delivered) -> Done {
    Done { version: delivered.version, without: delivered.without.clone(), life: delivered.made.life() }
}
