//! Watching sources: each by one replica at a time, under a fenced lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::name::SourceName;
use lockstep_store::page::{PAGE_MAX, Page};
use lockstep_store::pool;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;

mod record;
mod sweep;
mod watcher;

pub use watcher::Watcher;

/// How often the list of sources is read, besides after each commit.
const SUPERVISE_INTERVAL: Duration = Duration::from_secs(15);

/// Hints that secrets may have changed, or that the list of sources has. They only wake: what is true is read anew.
#[derive(Clone, Default)]
pub struct Hints(Arc<Notify>);

impl Hints {
    /// Something may have changed.
    pub fn hint(&self) {
        self.0.notify_waiters();
    }

    async fn hinted(&self) {
        self.0.notified().await;
    }
}

/// Keeps one watcher running for each registered source, until told to stop.
pub async fn supervise(app: App, hints: Hints, stop: CancellationToken) {
    let mut watchers: BTreeMap<SourceName, (CancellationToken, JoinHandle<()>)> = BTreeMap::new();
    while !stop.is_cancelled() {
        match sources(&app).await {
            Ok(names) => {
                reconcile(&app, &hints, &stop, &mut watchers, names);
                app.metrics.progressed("watch.supervise");
            }
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "the list of sources cannot be read; watching goes on as it was"),
        }
        tokio::select! {
            () = tokio::time::sleep(SUPERVISE_INTERVAL) => {}
            () = hints.hinted() => {}
            () = stop.cancelled() => {}
        }
    }
    for (_, watcher) in watchers.into_values() {
        // Each gives its lease up, so that another replica need not wait for its end.
        let _ = watcher.await;
    }
}

async fn sources(app: &App) -> anyhow::Result<Vec<SourceName>> {
    let mut connection = pool::acquire(&app.pool).await?;
    let page = Page { limit: PAGE_MAX, ..Page::default() };
    let (sources, _) = lockstep_store::source::list(&mut connection, &page).await?;
    sources.into_iter().map(|s| Ok(s.name.parse()?)).collect()
}

fn reconcile(
    app: &App,
    hints: &Hints,
    stop: &CancellationToken,
    watchers: &mut BTreeMap<SourceName, (CancellationToken, JoinHandle<()>)>,
    names: Vec<SourceName>,
) {
    watchers.retain(|name, (token, task)| {
        let keep = names.contains(name) && !task.is_finished();
        if !keep {
            token.cancel();
        }
        keep
    });
    for name in names {
        watchers.entry(name.clone()).or_insert_with(|| {
            let token = stop.child_token();
            let watcher = Watcher::new(app.clone(), name, hints.clone());
            (token.clone(), tokio::spawn(watcher.run(token)))
        });
    }
}
