//! The alarm clock: calls `activate()` on what must happen now and then. It decides nothing; every round converges from nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lockstep_store::{pool, trust};
use tokio::time::timeout;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::app::App;
use crate::history_mark::HistoryMark;
use crate::hygiene::{self, Hygiene};
use crate::rotate::{self, Rotator};
use crate::tls::Tls;
use crate::{clock, history_mark};

/// How often the registry is tidied.
pub const HYGIENE_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is looked which rotations are due.
const ROTATE_INTERVAL: Duration = Duration::from_secs(1);

/// How long the registry may take to note what this replica trusts.
const NOTE_LIMIT: Duration = Duration::from_secs(3);

/// How long one look at the CA, or at the history mark, may take: their clients' own limits are shorter.
const ROUND_LIMIT: Duration = Duration::from_mins(1);

/// Starts it.
pub async fn start(app: App, history: Arc<HistoryMark>, tls: Arc<Tls>, rotator: Arc<Rotator>) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await.context("starting the scheduler")?;
    let loops = &app.metrics.loops;
    let issuers = Duration::from_millis(app.config.home_vault.issuers_interval_ms);
    loops.begin("history.mark", history_mark::INTERVAL, ROUND_LIMIT);
    loops.begin("certify", issuers, ROUND_LIMIT);
    loops.begin("hygiene", HYGIENE_INTERVAL, hygiene::ROUND_LIMIT);
    loops.begin("rotate", ROTATE_INTERVAL, rotate::ROUND_LIMIT);
    let marking = app.clone();
    let mark = Job::new_repeated_async(history_mark::INTERVAL, move |_, _| {
        let (app, history) = (marking.clone(), history.clone());
        Box::pin(async move { round(&app, "history.mark", history.activate()).await })
    })?;
    let (certifying, first) = (app.clone(), tls.clone());
    let certificate = Job::new_repeated_async(issuers, move |_, _| {
        let (app, tls) = (certifying.clone(), tls.clone());
        Box::pin(async move { round(&app, "certify", Box::pin(certify(&app, &tls))).await })
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

/// One round, which says whether it did what it is for.
async fn round(app: &App, name: &str, round: impl Future<Output = bool>) {
    match timeout(ROUND_LIMIT, round).await {
        Ok(true) => app.metrics.progressed(name),
        Ok(false) => {}
        Err(_) => tracing::warn!(limit_s = ROUND_LIMIT.as_secs(), "{name} took too long and was given up; it is tried again"),
    }
    app.metrics.loops.turned(name);
}

/// Looks at the CA, and tells the registry what this replica makes of it. Whether both went well.
async fn certify(app: &App, tls: &Tls) -> bool {
    let looked = tls.activate(clock::now()).await;
    app.metrics.certificate.set(tls.not_after().timestamp());
    app.metrics.certificate_life.set(tls.life().num_seconds());
    if let Err(error) = &looked {
        let error = format!("{error:#}");
        tracing::warn!(error, "the CA could not be looked at, or this replica's certificate not renewed; what is there stays");
    }
    let note = async {
        let mut connection = pool::acquire(&app.pool).await?;
        trust::note_replica(&mut connection, &own(app, tls)).await
    };
    let noted = pool::within(NOTE_LIMIT, note).await;
    if let Err(error) = &noted {
        tracing::warn!(%error, "what this replica trusts could not be noted");
    }
    looked.is_ok() && noted.is_ok()
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
        certificate_life_s: Some(tls.life().num_seconds()),
    }
}
