//! The alarm clock: calls `activate()` on what must happen now and then. It decides nothing; every round converges from nothing.

use std::sync::Arc;

use anyhow::Context as _;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::app::App;
use crate::history_mark::HistoryMark;
use crate::hygiene::Hygiene;
use crate::tls::Tls;
use crate::{clock, history_mark, tls};

/// How often the registry is tidied.
const HYGIENE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);

/// Starts it.
pub async fn start(app: App, history: Arc<HistoryMark>, tls: Arc<Tls>) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await.context("starting the scheduler")?;
    let mark = Job::new_repeated_async(history_mark::INTERVAL, move |_, _| {
        let history = history.clone();
        Box::pin(async move { history.activate().await })
    })?;
    let certificate = Job::new_repeated_async(tls::CHECK_INTERVAL, move |_, _| {
        let tls = tls.clone();
        Box::pin(async move {
            if let Err(error) = tls.activate(clock::now()).await {
                tracing::warn!(error = %format!("{error:#}"), "this replica's certificate could not be renewed; the present one stays");
            }
        })
    })?;
    let hygiene = Arc::new(Hygiene::default());
    let tidy = Job::new_repeated_async(HYGIENE_INTERVAL, move |_, _| {
        let (app, hygiene) = (app.clone(), hygiene.clone());
        Box::pin(async move { hygiene.activate(&app).await })
    })?;
    for job in [mark, certificate, tidy] {
        scheduler.add(job).await.context("scheduling")?;
    }
    scheduler.start().await.context("starting the scheduler")?;
    Ok(scheduler)
}
