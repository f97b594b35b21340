//! What is tidied now and then: sessions of dead replicas, removed clusters, and the [`gauges`] that come from the registry.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_store::change::{Entry, Writing};
use lockstep_store::{Result, cluster, delivery, join_token, log_filter, pool, refusal, session};
use serde_json::json;
use tokio::time::Instant;

use crate::actor;
use crate::app::App;
use crate::gauges;

/// How long one round may take.
pub const ROUND_LIMIT: Duration = Duration::from_secs(30);

/// Tidies. Any number of replicas may do it at once.
#[derive(Default)]
pub struct Hygiene {
    /// Since when every round went through.
    well_since: Mutex<Option<Instant>>,
}

impl Hygiene {
    /// One round.
    pub async fn activate(&self, app: &App) {
        gauges::show_own(app);
        let now = Instant::now();
        let well_for = self.lock().map_or(Duration::ZERO, |since| now - since);
        match pool::within(ROUND_LIMIT, tidy(app, well_for)).await {
            Ok(()) => {
                self.lock().get_or_insert(now);
            }
            Err(error) => {
                *self.lock() = None;
                tracing::warn!(%error, "tidying waits for the registry");
            }
        }
        app.metrics.loops.turned("hygiene");
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.well_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tidy(app: &App, well_for: Duration) -> Result<()> {
    let mut connection = gauges::acquire(app).await?;
    // While Postgres was away no session could be noted as heard of: that must not end the streams that stayed.
    if well_for >= session::SILENCE_LIMIT {
        session::forget_silent(&mut connection).await?;
    }
    delivery::bury_unplaced(&mut connection).await?;
    refusal::tidy(&mut connection).await?;
    join_token::tidy(&mut connection).await?;
    let removable = cluster::removable(&mut connection).await?;
    let read = gauges::read(&mut connection).await?;
    let logged = log_filter::wanted(&mut connection).await?;
    drop(connection);
    app.logs.activate(logged.as_ref().map(|wanted| wanted.filter.as_str()));
    for (id, name) in removable {
        let mut writing = Writing::begin(&app.pool).await?;
        if cluster::removable(writing.connection()).await?.iter().all(|(other, _)| *other != id) {
            writing.abandon().await?;
            continue;
        }
        cluster::delete(writing.connection(), id).await?;
        let entry = Entry {
            actor: actor::server(&app.config.replica),
            kind: "ClusterRemoved",
            subject: format!("cluster/{name}"),
            detail: json!({ "id": id.to_string() }),
        };
        writing.commit(&entry).await?;
    }
    read.show(&app.metrics, &app.config);
    app.metrics.progressed("hygiene");
    Ok(())
}
