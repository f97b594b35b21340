//! Which runs begin: one for each due time, whoever finds it first.

mod decided;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::binding::SecretPattern;
use lockstep_core::id::RotationId;
use lockstep_core::label::Labels;
use lockstep_core::maintenance::{self, Opening};
use lockstep_core::name::ClusterName;
use lockstep_core::rotation::{By, Kind};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::meta::Registered;
use lockstep_store::rotation::{self, RotationRecord, Timetable, own};
use lockstep_store::rotation_run::{self, SCHEDULE, consumers};
use lockstep_store::{PgConnection, Result, cluster, maintenance_window, pool, registry};
use serde_json::json;

use self::decided::Decided;
use super::fail_point;
use super::history::{subject, told};
use crate::actor;
use crate::app::App;

/// The most rotations looked at in one round.
const ROUND_MAX: u32 = 200;
/// How soon one that cannot begin yet is looked at again, at most.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(5);
/// The longest time that one is left alone: what it waits for may change.
const LOOK_AT_LEAST: TimeDelta = TimeDelta::seconds(60);
/// The same of one for which nothing is due, ever.
const LOOK_SELDOM: TimeDelta = TimeDelta::hours(1);

/// The rotations that are to be looked at by now.
pub(super) async fn due_ones(app: &App) -> Result<Vec<RotationId>> {
    let mut connection = pool::acquire(&app.pool).await?;
    rotation::to_look_at(&mut connection, ROUND_MAX).await
}

/// What is to be done about a rotation now.
enum Verdict {
    /// Nothing before the timetable's next look.
    Later(Timetable),
    /// Due times passed without a run, up to the timetable's; that is recorded.
    Missed { missed: u64, timetable: Timetable },
    /// The run of this due time begins.
    Begin { due_at: DateTime<Utc>, missed: u64, timetable: Timetable },
}

/// Begins its run, if one is due and may begin. Whether it did.
pub(super) async fn look(app: &App, id: RotationId) -> Result<bool> {
    let verdict = {
        let mut connection = pool::acquire(&app.pool).await?;
        let Some(found) = rotation::by_id(&mut connection, id).await? else { return Ok(false) };
        if let Kind::PkiPerCluster { secrets, .. } = &found.spec.spec.kind {
            return follow(&mut connection, &found, secrets).await.map(|()| false);
        }
        let verdict = judge(app, &mut connection, &found).await?;
        if let Verdict::Later(timetable) = &verdict {
            rotation::note(&mut connection, id, &found.spec.timetable, timetable).await?;
        }
        (found, verdict)
    };
    match verdict {
        (_, Verdict::Later(_)) => Ok(false),
        (found, Verdict::Missed { missed, timetable }) => note_missed(app, &found, missed, &timetable).await,
        (found, Verdict::Begin { due_at, missed, timetable }) => begin(app, &found, due_at, missed, &timetable).await,
    }
}

/// Has its clusters' parts follow it, which are looked at as any other rotation.
async fn follow(connection: &mut PgConnection, found: &Registered<RotationRecord>, secrets: &SecretPattern) -> Result<()> {
    own::follow(connection, found, secrets).await?;
    let now = registry::now(connection).await?;
    let timetable = Timetable { due_at: None, look_at: now + LOOK_AGAIN, waits_for: None, ..found.spec.timetable };
    rotation::note(connection, found.id.into(), &found.spec.timetable, &timetable).await.map(drop)
}

/// Records that due times passed without a run, once.
async fn note_missed(app: &App, found: &Registered<RotationRecord>, missed: u64, timetable: &Timetable) -> Result<bool> {
    let mut writing = Writing::begin(&app.pool).await?;
    if !rotation::note(writing.connection(), found.id.into(), &found.spec.timetable, timetable).await? {
        writing.abandon().await?;
        return Ok(false);
    }
    let entry = Entry {
        actor: actor::server(&app.config.replica),
        kind: "RotationMissed",
        subject: subject(found),
        detail: told(found, json!({"missed": missed, "through": timetable.settled_at})),
    };
    writing.commit(&entry).await?;
    tracing::warn!(rotation = found.name, through = %timetable.settled_at, missed, "due times passed without a run");
    Ok(false)
}

/// Begins the run of a due time, unless another replica has.
async fn begin(
    app: &App,
    found: &Registered<RotationRecord>,
    due_at: DateTime<Utc>,
    missed: u64,
    timetable: &Timetable,
) -> Result<bool> {
    let id = found.id.into();
    let mut writing = Writing::begin(&app.pool).await?;
    let same = rotation::by_id(writing.connection(), id).await?.is_some_and(|now| now.seq == found.seq)
        && own::is_current(writing.connection(), found).await?
        && own::is_granted(writing.connection(), found).await?;
    let is_free = rotation_run::count_open(writing.connection()).await? < u64::from(app.config.rotation.concurrent_runs);
    // Whoever judged by a timetable that another replica has moved on since judges anew.
    let is_first = same && is_free && rotation::note(writing.connection(), id, &found.spec.timetable, timetable).await?;
    let begun = if is_first { rotation_run::begin(writing.connection(), id, due_at, SCHEDULE).await? } else { None };
    let Some(run) = begun else {
        writing.abandon().await?;
        return Ok(false);
    };
    let entry = Entry {
        actor: actor::server(&app.config.replica),
        kind: "RotationStarted",
        subject: subject(found),
        detail: told(found, json!({"run": run.to_string(), "dueAt": due_at, "missed": missed})),
    };
    writing.commit(&entry).await?;
    tracing::info!(rotation = found.name, %run, due = %due_at, missed, "rotation run began");
    fail_point::hit(found.spec.spec.kind.as_str(), "begun");
    Ok(true)
}

async fn judge(app: &App, connection: &mut PgConnection, found: &Registered<RotationRecord>) -> Result<Verdict> {
    let RotationRecord { spec, timetable, .. } = &found.spec;
    let now = registry::now(connection).await?;
    let later = |due_at, look_at, waits_for| {
        Ok(Verdict::Later(Timetable { settled_at: timetable.settled_at, due_at, look_at, waits_for }))
    };
    if spec.suspend {
        let suspended = Timetable { settled_at: now, due_at: None, look_at: now + LOOK_SELDOM, waits_for: None };
        return Ok(Verdict::Later(suspended));
    }
    let running = rotation_run::open(connection, found.id.into()).await?;
    if let (By::Life(_), Some(run)) = (&spec.timing.by, &running) {
        // When the next one is due follows from the certificate that this run issues.
        return later(None, now + if run.held.is_some() { LOOK_AT_LEAST } else { LOOK_AGAIN }, None);
    }
    let decided = Decided::of(connection, found, now).await?;
    let Some(due_at) = decided.due.claim else {
        return match decided.due.skipped_through {
            Some(through) => Ok(Verdict::Missed { missed: decided.due.missed, timetable: decided.after(found, through, now) }),
            None => Ok(Verdict::Later(decided.after(found, timetable.settled_at, now))),
        };
    };
    let wait = |until: DateTime<Utc>, waits_for| later(Some(due_at), until.clamp(now, now + LOOK_AT_LEAST), waits_for);
    let start = decided.start(found, due_at);
    if start > now {
        return wait(start, None);
    }
    if let Some(run) = running {
        let why = format!("the run of {} is still {}", run.due_at.format("%F %T"), run.stage.as_str());
        return wait(now + LOOK_AGAIN, Some(why));
    }
    if rotation_run::count_open(connection).await? >= u64::from(app.config.rotation.concurrent_runs) {
        return wait(now + TimeDelta::seconds(1), Some("as many runs as may be are under way".to_owned()));
    }
    if !own::is_granted(connection, found).await? {
        let why =
            format!("no grant of project {} allows this cluster's path: the rotation delivers where it may", found.spec.project);
        return wait(now + LOOK_AGAIN, Some(why));
    }
    if let Opening::Closed { because, until } = open(connection, found, now).await? {
        let mut why = match until {
            Some(until) => format!("maintenance window {because}, until {} UTC", until.format("%F %T")),
            None => format!("maintenance window {because}"),
        };
        if let Some(end) = decided.end().filter(|end| until.is_none_or(|until| *end <= until)) {
            let _ = write!(why, "; its certificate ends before that, at {} UTC", end.format("%F %T"));
        }
        return wait(until.unwrap_or(now + LOOK_AT_LEAST), Some(why));
    }
    Ok(Verdict::Begin { due_at, missed: decided.due.missed, timetable: decided.after(found, due_at, now) })
}

/// Whether the windows of all clusters concerned, and of the project, let a run begin.
async fn open(connection: &mut PgConnection, found: &Registered<RotationRecord>, now: DateTime<Utc>) -> Result<Opening> {
    let windows = maintenance_window::all(connection).await?;
    if windows.is_empty() {
        return Ok(Opening::Open);
    }
    let users = match found.spec.spec.kind.secret() {
        Some(secret) => consumers(connection, secret).await?,
        None => Vec::new(),
    };
    let labels: BTreeMap<String, Labels> = cluster::labels(connection).await?;
    let concerned: BTreeMap<ClusterName, Labels> =
        users.into_iter().filter_map(|user| Some((user.cluster.parse().ok()?, labels.get(&user.cluster)?.clone()))).collect();
    let concerned: Vec<_> = concerned.into_iter().collect();
    Ok(maintenance::open_at(&windows, &found.spec.project, &concerned, now))
}
