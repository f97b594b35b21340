//! Keeping session rows true: those served here are heard of; those that passed to another replica, or were revoked, end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_store::{pool, session};
use lockstep_telemetry::loops;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::gateway::sessions::Sessions;

/// How often.
const INTERVAL: Duration = Duration::from_secs(3);

/// How long one round may take.
const ROUND_LIMIT: Duration = Duration::from_secs(10);

/// Runs until told to stop.
pub async fn keep(app: App, sessions: Arc<Sessions>, stop: CancellationToken) {
    app.metrics.loops.begin("sessions", INTERVAL, ROUND_LIMIT);
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = pool::within(ROUND_LIMIT, activate(&app, &sessions)).await {
            tracing::warn!(%error, "sessions could not be kept");
        }
        loops::hang_point("sessions").await;
        app.metrics.loops.turned("sessions");
    }
}

async fn activate(app: &App, sessions: &Sessions) -> lockstep_store::Result<()> {
    let here = sessions.ids();
    let ids: Vec<_> = here.iter().map(|(_, id)| *id).collect();
    let mut connection = pool::acquire(&app.pool).await?;
    let kept: HashMap<_, _> = session::touch(&mut connection, &ids).await?.into_iter().collect();
    for (cluster, id) in here {
        match kept.get(&id) {
            None => sessions.supersede(cluster, id),
            Some(life) => sessions.judge(cluster, id, life),
        }
    }
    app.metrics.progressed("sessions");
    Ok(())
}
