//! The alarm clock: calls `activate()` on what must happen now and then. It decides nothing; every round converges from nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lockstep_store::{pool, trust};
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::app::App;
use crate::history_mark::HistoryMark;
use crate::hygiene::Hygiene;
use crate::rotate::Rotator;
use crate::tls::Tls;
use crate::{clock, history_mark};

/// How often the registry is tidied.
const HYGIENE_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is looked which rotations are due.
const ROTATE_INTERVAL: Duration = Duration::from_secs(1);

/// How long the registry may take to note what this replica trusts.
const NOTE_LIMIT: Duration = Duration::from_secs(3);

/// Starts it.
pub async fn start(app: App, history: Arc<HistoryMark>, tls: Arc<Tls>, rotator: Arc<Rotator>) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await.context("starting the scheduler")?;
    let mark = Job::new_repeated_async(history_mark::INTERVAL, move |_, _| {
        let history = history.clone();
        Box::pin(async move { history.activate().await })
    })?;
    let interval = Duration::from_millis(app.config.home_vault.issuers_interval_ms);
    let (certifying, first) = (app.clone(), tls.clone());
    let certificate = Job::new_repeated_async(interval, move |_, _| {
        let (app, tls) = (certifying.clone(), tls.clone());
        Box::pin(async move { certify(&app, &tls).await })
    })?;
    let (hygiene, tidied) = (Arc::new(Hygiene::default()), app.clone());
    let tidy = Job::new_repeated_async(HYGIENE_INTERVAL, move |_, _| {
        let (app, hygiene) = (tidied.clone(), hygiene.clone());
        Box::pin(async move { hygiene.activate(&app).await })
    })?;
    let rotate = Job::new_repeated_async(ROTATE_INTERVAL, move |_, _| {
        let rotator = rotator.clone();
        Box::pin(async move { rotator.activate().await })
    })?;
    certify(&app, &first).await;
    for job in [mark, certificate, tidy, rotate] {
        scheduler.add(job).await.context("scheduling")?;
    }
    scheduler.start().await.context("starting the scheduler")?;
    Ok(scheduler)
}

/// Looks at the CA, and tells the registry what this replica makes of it.
async fn certify(app: &App, tls: &Tls) {
    if let Err(error) = tls.activate(clock::now()).await {
        let error = format!("{error:#}");
        tracing::warn!(error, "the CA could not be looked at, or this replica's certificate not renewed; what is there stays");
    }
    let note = async {
        let mut connection = pool::acquire(&app.pool).await?;
        trust::note_replica(&mut connection, &own(app, tls)).await
    };
    if let Err(error) = pool::within(NOTE_LIMIT, note).await {
        tracing::warn!(%error, "what this replica trusts could not be noted");
    }
}

/// Tells the registry that this replica ends: an operator need not wait for it.
pub async fn forget(app: &App) {
    let forget = async {
        let mut connection = pool::acquire(&app.pool).await?;
        trust::forget_replica(&mut connection, &app.config.replica).await
    };
    if let Err(error) = pool::within(NOTE_LIMIT, forget).await {
        tracing::debug!(%error, "this replica could not be taken off the list of those that run");
    }
}

fn own(app: &App, tls: &Tls) -> trust::Replica {
    let trusted = app.authority.trust();
    trust::Replica {
        replica: app.config.replica.clone(),
        root: trusted.own.clone(),
        roots: trusted.keys(),
        not_after: tls.not_after(),
    }
}
