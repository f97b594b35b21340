//! Watching sources: each by one replica at a time, under a fenced lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::name::SourceName;
use lockstep_store::{StoreError, pool, source};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;

mod pace;
mod record;
mod sweep;
mod watcher;

pub use watcher::Watcher;

/// How often the list of sources is read, besides after each commit.
const SUPERVISE_INTERVAL: Duration = Duration::from_secs(15);
/// How long reading it may take.
const SUPERVISE_LIMIT: Duration = Duration::from_secs(10);

/// Hints that secrets may have changed, or that the list of sources has. They only wake: what is true is read anew.
#[derive(Clone)]
pub struct Hints(Arc<watch::Sender<Told>>);

/// How often something was hinted, and how often a look at which source was asked for.
#[derive(Default)]
struct Told {
    hints: u64,
    looks: BTreeMap<SourceName, u64>,
}

/// Hears hints. One that comes while its owner is busy is kept: the next wait ends at once.
pub struct Hinted(watch::Receiver<Told>);

impl Default for Hints {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Told::default())))
    }
}

impl Hints {
    /// Something may have changed.
    pub fn hint(&self) {
        self.0.send_modify(|told| told.hints = told.hints.wrapping_add(1));
    }

    /// This source is to be looked at now, and not when that is due.
    pub fn look(&self, source: SourceName) {
        self.0.send_modify(|told| *told.looks.entry(source).or_default() += 1);
    }

    /// Hears what is hinted from now on.
    pub fn listen(&self) -> Hinted {
        Hinted(self.0.subscribe())
    }
}

impl Hinted {
    /// How often a look at this source was asked for.
    fn looks(&self, source: &SourceName) -> u64 {
        self.0.borrow().looks.get(source).copied().unwrap_or_default()
    }

    async fn hinted(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody can hint any more; timers go on.
            std::future::pending::<()>().await;
        }
    }
}

/// Keeps one watcher running for each registered source, until told to stop.
pub async fn supervise(app: App, hints: Hints, stop: CancellationToken) {
    let mut watchers: BTreeMap<SourceName, (CancellationToken, JoinHandle<()>)> = BTreeMap::new();
    let mut hinted = hints.listen();
    app.metrics.loops.begin("watch.supervise", SUPERVISE_INTERVAL, SUPERVISE_LIMIT);
    while !stop.is_cancelled() {
        match pool::within(SUPERVISE_LIMIT, names(&app)).await {
            Ok(names) => {
                reconcile(&app, &hints, &stop, &mut watchers, names);
                app.metrics.progressed("watch.supervise");
            }
            Err(error) => {
                tracing::warn!(%error, "the list of sources cannot be read; watching goes on as it was");
            }
        }
        app.metrics.loops.turned("watch.supervise");
        tokio::select! {
            () = tokio::time::sleep(SUPERVISE_INTERVAL) => {}
            () = hinted.hinted() => {}
            () = stop.cancelled() => {}
        }
    }
    for (_, watcher) in watchers.into_values() {
        // Each gives its lease up, so that another replica need not wait for its end.
        let _ = watcher.await;
    }
}

async fn names(app: &App) -> Result<Vec<SourceName>, StoreError> {
    source::names(&mut *pool::acquire(&app.pool).await?).await
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
            let watcher = Watcher::new(app.clone(), name, hints.listen());
            (token.clone(), tokio::spawn(watcher.run(token)))
        });
    }
}
