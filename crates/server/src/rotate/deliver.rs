//! What makes a new value reach clusters: a version in the registry, as if the watcher had seen it. One transaction with the stage it leads to.

use chrono::{DateTime, Utc};
use lockstep_core::engine::Member;
use lockstep_core::rotation::stage::{Delivered, Made, Stage};
use lockstep_core::trace::TraceId;
use lockstep_core::version::{Change, Counted, Mark, Observation, SecretState, Seen, Verdict, VersionNumber, observe};
use lockstep_store::change::Writing;
use lockstep_store::secret::{self, SecretRecord};
use lockstep_store::{StoreError, rotation_run};
use lockstep_vault::Vault;
use serde_json::json;

use super::drive::Drive;
use super::trouble::Trouble;
use crate::clock;

/// A version of a KV secret was written.
pub(super) async fn written(drive: &Drive<'_>, vault: &Vault, made: &Made, number: VersionNumber) -> Result<(), Trouble> {
    let secret = drive.secret();
    let seen = vault.metadata(&secret.mount, &secret.path).await?;
    observed(drive, made, seen, Some(number)).await
}

/// The one role has a new password.
pub(super) async fn rotated(drive: &Drive<'_>, vault: &Vault, made: &Made) -> Result<(), Trouble> {
    let secret = drive.secret();
    let role = vault.static_role(&secret.mount, &secret.path).await?;
    let stamp = role.and_then(|role| role.last_rotation);
    let seen = stamp.map_or(Seen::Nothing, |at| Seen::Counted(Counted::Rotated(at)));
    observed(drive, made, seen, None).await
}

/// Records what is seen, if it is news: the watcher may have been faster. Without a number of the source's, clusters are to confirm what is chosen then.
async fn observed(drive: &Drive<'_>, made: &Made, seen: Seen, number: Option<VersionNumber>) -> Result<(), Trouble> {
    let mut writing = Writing::begin(&drive.rotator.app.pool).await?;
    let (mut version, mut former) = (number, None);
    if let Some(record) = secret::drawn_from(writing.connection(), drive.secret()).await? {
        let mut known = record.known;
        former = known.chosen.map(|chosen| chosen.id.number);
        // An answer that takes something away is not believed without being asked again, which is the watcher's to do.
        let observation = Observation { began: known.began, at: clock::now(), confirmed: false, seen };
        if let Verdict::Changed(change) = observe(&known, &observation) {
            let seq = writing.seq;
            known.apply(&change, seq);
            write(drive, &mut writing, &record, known).await?;
        }
        if number.is_none() {
            version = known.chosen.map(|chosen| chosen.id.number);
        }
    }
    confirming(drive, writing, Delivered { made: made.clone(), version, former, without: None }).await
}

/// The other role of the pair is what clusters get from here on.
pub(super) async fn turned(drive: &Drive<'_>, made: &Made, candidate: Member, at: DateTime<Utc>) -> Result<(), Trouble> {
    let mut writing = Writing::begin(&drive.rotator.app.pool).await?;
    let Some(record) = secret::drawn_from(writing.connection(), drive.secret()).await? else {
        writing.abandon().await?;
        return Err(Trouble::Never(
            "no binding draws from the pair any more: the other role has a password that nobody uses".to_owned(),
        ));
    };
    let mut known = record.known;
    let former = known.chosen.map(|chosen| chosen.id.number);
    let version = known.next_counted(at, Mark::Member(candidate));
    let seq = writing.seq;
    known.apply(&Change { state: SecretState::Live, latest: Some(version) }, seq);
    write(drive, &mut writing, &record, known).await?;
    let version = Some(version.id.number);
    confirming(drive, writing, Delivered { made: made.clone(), version, former, without: None }).await
}

/// The role that clusters had is what they get again.
pub(super) async fn turned_back(drive: &Drive<'_>, delivered: &Delivered, because: &str) -> Result<(), Trouble> {
    let mut writing = Writing::begin(&drive.rotator.app.pool).await?;
    let record = secret::drawn_from(writing.connection(), drive.secret()).await?;
    let former = match (&record, delivered.former) {
        (Some(record), Some(former)) => secret::counted(writing.connection(), record.id, former).await?,
        _ => None,
    };
    let (Some(record), Some(former)) = (record, former) else {
        writing.abandon().await?;
        return Err(Trouble::Never(format!("{because}; there is no former role to roll back to")));
    };
    let mut known = record.known;
    known.chosen = Some(former);
    known.seqs.chosen = writing.seq;
    write(drive, &mut writing, &record, known).await?;
    let stage = Stage::Failed(format!("rolled back to version {}: {because}", former.id.number));
    rotation_run::enter(writing.connection(), &drive.hold, &stage).await?;
    Ok(drive.commit(writing, &stage, json!({})).await?)
}

async fn write(
    drive: &Drive<'_>,
    writing: &mut Writing,
    record: &SecretRecord,
    known: lockstep_core::version::Known,
) -> Result<(), StoreError> {
    let app = &drive.rotator.app;
    if let Some(version) = known.chosen.filter(|_| known.seqs.chosen == writing.seq) {
        app.materials.read_ahead(app, drive.secret().clone(), record.id, version).await;
    }
    let (seq, trace) = (writing.seq, TraceId::new(rand::random()));
    secret::write(writing.connection(), &[(record.id, known)], seq, Some(trace)).await
}

async fn confirming(drive: &Drive<'_>, mut writing: Writing, delivered: Delivered) -> Result<(), Trouble> {
    let secret = drive.secret();
    let detail = json!({
        "source": secret.source, "mount": secret.mount, "path": secret.path,
        "version": delivered.version.map(VersionNumber::get), "former": delivered.former.map(VersionNumber::get),
    });
    let stage = Stage::Confirming(delivered);
    rotation_run::enter(writing.connection(), &drive.hold, &stage).await?;
    Ok(drive.commit(writing, &stage, detail).await?)
}
