//! Recording what was observed: several observations, one transaction, one change.

use std::collections::BTreeMap;

use lockstep_core::engine::{Engine, member};
use lockstep_core::name::SourceName;
use lockstep_core::trace::TraceId;
use lockstep_core::version::{Known, Observation, SecretState, Verdict, observe};
use lockstep_store::StoreError;
use lockstep_store::change::{Entry, SEEN_BEFORE_MS, VERSIONS_OBSERVED, Writing};
use lockstep_store::lease::{self, Lease};
use lockstep_store::secret::{self, SecretRecord};
use lockstep_telemetry::traces::{Key, Name, Span};
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::actor;
use crate::app::App;
use crate::clock;

/// Records what changed. The secrets are read again under the registry's lock and judged anew, so that nothing is decided on an
/// older state than the one that is written.
pub(super) async fn record(
    app: &App,
    source: &SourceName,
    lease: &Lease,
    observations: Vec<(SecretRecord, Observation)>,
) -> Result<(), StoreError> {
    if observations.is_empty() {
        return Ok(());
    }
    let seen = Instant::now();
    let trace = TraceId::new(rand::random());
    let span = tracing::info_span!("version.record", %trace, source = %source);
    write(app, source, lease, observations, (trace, seen)).instrument(span).await
}

async fn write(
    app: &App,
    source: &SourceName,
    lease: &Lease,
    observations: Vec<(SecretRecord, Observation)>,
    (trace, seen): (TraceId, Instant),
) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut writing = Writing::begin(&app.pool).await?;
    // The change was dated just now.
    let seen_before_ms = u64::try_from(seen.elapsed().as_millis()).unwrap_or(u64::MAX);
    let seq = writing.seq;
    lease::fence(writing.connection(), lease).await?;
    let observations: BTreeMap<_, _> =
        observations.into_iter().map(|(seen, observation)| (seen.id, (seen, observation))).collect();
    let ids: Vec<_> = observations.keys().copied().collect();
    let (mut changed, mut detail, mut unexpected) = (Vec::new(), Vec::new(), 0);
    for record in secret::still_bound(writing.connection(), &ids).await? {
        let Some((then, observation)) = observations.get(&record.id) else { continue };
        let mut known = record.known;
        // Drawn from something else by now, or a rotation chose another role: this look was one of before that.
        if record.engine != then.engine || known.active_member() != then.known.active_member() {
            continue;
        }
        // Bound anew since it was read: this look was one of before that.
        if known.state == SecretState::Unseen && then.known.state != SecretState::Unseen {
            continue;
        }
        let Verdict::Changed(change) = observe(&known, observation) else { continue };
        let before = known;
        known.apply(&change, seq);
        known.began = observation.began;
        if let Some(version) = known.chosen.filter(|_| known.seqs.chosen == seq) {
            let secret = record.named(source.clone());
            app.materials.read_ahead(app, secret, record.id, version).await;
        }
        changed.push((record.id, known));
        let version = known.latest.map(|v| v.id.number.get());
        tracing::info!(mount = %record.mount, path = %record.path, state = known.state.as_str(), version, "secret changed");
        let mut told = json!({
            "engine": record.engine.as_str(), "mount": record.mount.as_str(), "path": record.path.as_str(), "state": known.state.as_str(), "version": version,
        });
        if is_unexpected(&record, &before, &known) {
            unexpected += 1;
            told["unexpected"] = true.into();
            let role = member(&record.path, known.active_member());
            let role = role.as_ref().unwrap_or(&record.path);
            tracing::warn!(mount = %record.mount, %role, version, "the source changed the password of a pair's role that clusters use: what they had was void at once");
        }
        detail.push(told);
    }
    if detail.is_empty() {
        return writing.abandon().await;
    }
    secret::write(writing.connection(), &changed, seq, Some(trace)).await?;
    let entry = Entry {
        actor: actor::watch(source.as_str()),
        kind: VERSIONS_OBSERVED,
        subject: format!("source/{source}"),
        detail: json!({ "trace": trace.to_string(), SEEN_BEFORE_MS: seen_before_ms, "secrets": detail }),
    };
    writing.commit(&entry).await?;
    let versions = changed.len().to_string();
    let attributes = || vec![(Key::Source, source.to_string()), (Key::Seq, seq.to_string()), (Key::Versions, versions.clone())];
    let span = |name, took| Span { trace, name, ended: clock::now(), took, is_good: true, attributes: attributes() };
    app.traces.record(|| span(Name::Committed, began.elapsed()));
    app.traces.record(|| span(Name::Observed, seen.elapsed()));
    app.metrics.propagation.committed(seen.elapsed(), changed.len());
    app.metrics.versions_observed.with_label_values(&[source.as_str()]).inc_by(changed.len() as u64);
    if unexpected > 0 {
        app.metrics.unexpected_rotations.with_label_values(&[source.as_str()]).inc_by(unexpected);
    }
    Ok(())
}

/// Whether a password was changed that nobody here had asked for. A rotation changes that of the role which clusters do not use, and then says
/// itself that they use it; so whatever is seen to be new of the role in use is somebody else's doing.
fn is_unexpected(record: &SecretRecord, before: &Known, after: &Known) -> bool {
    record.engine == Engine::RolePair && before.chosen.is_some() && before.chosen != after.chosen
}
