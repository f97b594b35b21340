//! How rotations are.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_api::manifest::Condition;
use lockstep_api::rotation::{PassedStage, RotationCluster, RotationRun, RotationStatus};
use lockstep_core::id::RotationId;
use lockstep_core::name::ClusterName;
use lockstep_core::rotation::Kind;
use lockstep_core::rotation::stage::{Made, Stage};
use lockstep_core::version::VersionNumber;
use lockstep_store::meta::Registered;
use lockstep_store::rotation::{OVERDUE_GRACE_S, Own, RotationRecord, own};
use lockstep_store::rotation_run::{self, Run};
use lockstep_store::{PgConnection, registry, secret};

use crate::rest::condition::{fails, holds, unknown};
use crate::rest::problem::ApiError;

/// How late a run may begin before it is said to be overdue, beside its jitter.
const GRACE: TimeDelta = TimeDelta::seconds(OVERDUE_GRACE_S);

pub(super) async fn statuses(
    connection: &mut PgConnection,
    records: &[Registered<RotationRecord>],
) -> Result<Vec<RotationStatus>, ApiError> {
    let parents: Vec<RotationId> = records.iter().map(|record| record.id.into()).collect();
    let parts = own::of(connection, &parents).await?;
    let ids: Vec<RotationId> = records.iter().chain(&parts).map(|record| record.id.into()).collect();
    let by_rotation = |runs: Vec<Run>| runs.into_iter().map(|run| (run.rotation, run)).collect::<BTreeMap<_, _>>();
    let running = by_rotation(rotation_run::all_open(connection, &ids).await?);
    let last = by_rotation(rotation_run::last(connection, &ids).await?);
    let now = registry::now(connection).await?;
    let secrets: Vec<_> = records.iter().chain(&parts).filter_map(|record| record.spec.spec.kind.secret()).collect();
    let made: Vec<_> = secret::chosen_created(connection, &secrets).await?;
    let mut made = secrets.into_iter().zip(made);
    let mut one = |record: &Registered<RotationRecord>| {
        let (running, last) = (running.get(&record.id.into()), last.get(&record.id.into()));
        let secret = record.spec.spec.kind.secret();
        let shown = |run: &Run| shown(run, &record.spec.spec.kind);
        RotationStatus {
            next_due_at: record.spec.timetable.due_at,
            waits_for: record.spec.timetable.waits_for.clone(),
            running: running.map(shown),
            last: last.map(shown),
            secret_made_at: secret.and_then(|_| made.next()).and_then(|(_, at)| at),
            clusters: Vec::new(),
            conditions: vec![on_time(&record.spec, running, last, now)],
        }
    };
    let mut statuses: Vec<_> = records.iter().map(&mut one).collect();
    let mut own: BTreeMap<RotationId, Vec<(ClusterName, RotationStatus)>> = BTreeMap::new();
    for part in &parts {
        let status = one(part);
        if let Some(Own { parent, name, .. }) = &part.spec.own {
            own.entry(*parent).or_default().push((name.clone(), status));
        }
    }
    for (record, status) in records.iter().zip(&mut statuses) {
        if let Some(parts) = own.remove(&record.id.into()) {
            whole(status, parts);
        }
    }
    Ok(statuses)
}

/// The status of one with a part for each cluster: as the worst of them, and with them all.
fn whole(status: &mut RotationStatus, parts: Vec<(ClusterName, RotationStatus)>) {
    status.next_due_at = parts.iter().filter_map(|(_, part)| part.next_due_at).min();
    status.secret_made_at = parts.iter().filter_map(|(_, part)| part.secret_made_at).min();
    let worst = |of: fn(&RotationStatus) -> Option<&RotationRun>| {
        let runs = parts.iter().filter_map(|(name, part)| Some((name, of(part)?)));
        let worst = runs.min_by_key(|(_, run)| rank(&run.state));
        worst.map(|(name, run)| RotationRun { cluster: Some(name.to_string()), ..run.clone() })
    };
    status.running = worst(|part| part.running.as_ref());
    status.last = worst(|part| part.last.as_ref());
    let conditions = parts.iter().filter_map(|(name, part)| Some((name, part.conditions.first()?)));
    if let Some((name, condition)) = conditions.min_by_key(|(_, condition)| rank(&condition.reason)) {
        let message = format!("{name}: {}", condition.message);
        status.conditions = vec![Condition { message, ..condition.clone() }];
    }
    status.clusters = parts
        .into_iter()
        .map(|(name, part)| RotationCluster {
            cluster: name.to_string(),
            state: part.conditions.first().map_or_else(String::new, |condition| condition.reason.clone()),
            next_due_at: part.next_due_at,
            waits_for: part.waits_for,
        })
        .collect();
}

/// What is worse comes first.
fn rank(state: &str) -> usize {
    ["Held", "Overdue", "Failed", "Running", "Suspended", "Waiting"].iter().position(|word| *word == state).unwrap_or(usize::MAX)
}

fn on_time(record: &RotationRecord, running: Option<&Run>, last: Option<&Run>, now: DateTime<Utc>) -> Condition {
    const ON_TIME: &str = "OnTime";
    if let Some(held) = running.and_then(|run| run.held.as_ref()) {
        return fails(ON_TIME, "Held", held);
    }
    let jitter = TimeDelta::from_std(record.spec.timing.jitter).unwrap_or(TimeDelta::MAX);
    let overdue = record.timetable.due_at.filter(|due| running.is_none() && now - *due > jitter + GRACE);
    if let Some(due) = overdue {
        let why = record.timetable.waits_for.as_deref().unwrap_or("no replica has begun its run");
        return fails(ON_TIME, "Overdue", format!("due since {} UTC: {why}", due.format("%F %T")));
    }
    if let Some(Stage::Failed(why)) = last.filter(|_| running.is_none()).map(|run| &run.stage) {
        return fails(ON_TIME, "Failed", why);
    }
    if let Some(run) = running {
        return holds(ON_TIME, "Running", format!("a run is under way: {}", run.stage.as_str()));
    }
    if record.spec.suspend {
        return unknown(ON_TIME, "Suspended", "no run begins by itself: to go on, lockstep rotation resume");
    }
    match last {
        Some(_) => holds(ON_TIME, "Done", "its last run came to its end"),
        None => holds(ON_TIME, "Waiting", "no run was due yet"),
    }
}

/// A run as it is shown.
pub(super) fn shown(run: &Run, kind: &Kind) -> RotationRun {
    let (state, message) = match (&run.stage, &run.held) {
        (Stage::Done(done), _) => ("Done", done.without.as_ref().map(|without| format!("without {without}"))),
        (Stage::Failed(why), _) => ("Failed", Some(why.clone())),
        (_, Some(held)) => ("Held", Some(held.clone())),
        (_, None) => ("Running", run.trouble.clone()),
    };
    RotationRun {
        id: run.id.to_string(),
        cluster: run.cluster.clone(),
        due_at: run.due_at,
        actor: run.actor.clone(),
        state: state.to_owned(),
        stage: run.stage.as_str().to_owned(),
        message,
        version: version(&run.stage).map(VersionNumber::get),
        not_before: run.stage.life().map(|life| life.not_before),
        not_after: run.stage.life().map(|life| life.not_after),
        started_at: run.started_at,
        ended_at: run.ended_at,
        gap_seconds: gap(run, kind).map(|gap| format!("{:.3}", gap.as_seconds_f64())),
        stages: run.passed.iter().map(|passed| PassedStage { stage: passed.stage.clone(), at: passed.at }).collect(),
    }
}

fn version(stage: &Stage) -> Option<VersionNumber> {
    match stage {
        Stage::Done(done) => done.version,
        Stage::Confirming(delivered) | Stage::Overlapping(delivered) | Stage::Retiring(delivered, _) => delivered.version,
        Stage::Delivering(Made::Written { number, .. }) => Some(*number),
        _ => None,
    }
}

/// From just before the source changed the one password until the last cluster confirmed it: what was recorded before the call is taken, so it
/// is never shorter than it was.
fn gap(run: &Run, kind: &Kind) -> Option<TimeDelta> {
    let Kind::DatabaseStatic { .. } = kind else { return None };
    let first = |stage: &str| run.passed.iter().find(|passed| passed.stage == stage).map(|passed| passed.at);
    Some(first("Done")? - first("Making")?)
}
