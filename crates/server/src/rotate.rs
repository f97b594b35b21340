//! Rotations: begins runs that are due, and goes on with those under way.
//!
//! `claim` makes one run of each due time, `drive` goes a run's way step by step, `act` does what a step asks for: `kv` and `database` what is
//! done at the source, `deliver` what makes it reach clusters. `values` and `making` make values. What comes next is decided in
//! [`lockstep_core::rotation::step`] and nowhere else. Any number of replicas may do all of it at once.

mod act;
mod claim;
mod client;
mod database;
mod deliver;
mod drive;
mod fail_point;
mod history;
mod kv;
pub mod making;
pub mod probe;
mod trouble;
mod values;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_core::id::RotationRunId;
use lockstep_core::rotation::key::RotationKey;
use lockstep_store::rotation_run::{self, Hold};
use lockstep_store::{Result, pool};

use crate::app::App;

pub(crate) use values::names as keys_of;

/// How long one look for what is due may take.
pub const ROUND_LIMIT: Duration = Duration::from_secs(20);

/// Rotates, on this replica.
pub struct Rotator {
    app: App,
    key: RotationKey,
    /// Held during a round.
    round: tokio::sync::Mutex<()>,
    /// Runs that are gone on with here.
    driven: Arc<Mutex<BTreeSet<RotationRunId>>>,
}

impl Rotator {
    /// One that does nothing yet. By the key it knows again what it wrote.
    pub fn new(app: App, key: RotationKey) -> Self {
        Self { app, key, round: tokio::sync::Mutex::default(), driven: Arc::default() }
    }

    /// One round: begins what is due, and takes up every run that nobody works on. Nothing while the one before is not over: rounds that overlap would
    /// only be in each other's way, the more the longer each takes.
    pub async fn activate(self: &Arc<Self>) {
        let Ok(_alone) = self.round.try_lock() else { return };
        match pool::within(ROUND_LIMIT, self.round()).await {
            Ok(()) => self.app.metrics.progressed("rotate"),
            Err(error) => tracing::warn!(%error, "rotations wait for the registry"),
        }
        self.app.metrics.loops.turned("rotate");
    }

    async fn round(self: &Arc<Self>) -> Result<()> {
        self.take_all().await?;
        for id in claim::due_ones(&self.app).await? {
            // What began is worked on while others are looked at.
            if claim::look(&self.app, id).await? {
                self.take_all().await?;
            }
        }
        self.take_all().await
    }

    async fn take_all(self: &Arc<Self>) -> Result<()> {
        while let Some(hold) = self.take().await? {
            let this = self.clone();
            tokio::spawn(async move {
                drive::drive(&this, hold).await;
                this.driven().remove(&hold.run);
            });
        }
        Ok(())
    }

    /// Takes a run, while this replica has not too many.
    async fn take(&self) -> Result<Option<Hold>> {
        if self.is_full() {
            self.app.metrics.limit_hits.with_label_values(&["rotation_runs"]).inc();
            return Ok(None);
        }
        let driven: Vec<_> = self.driven().iter().copied().collect();
        let mut connection = pool::acquire(&self.app.pool).await?;
        let taken = rotation_run::take(&mut connection, &self.app.config.replica, self.life(), &driven).await?;
        if let Some(hold) = &taken {
            self.driven().insert(hold.run);
        }
        Ok(taken)
    }

    /// Whether this replica goes on with as many runs as it may at once.
    fn is_full(&self) -> bool {
        self.driven().len() >= self.app.config.rotation.concurrent_runs as usize
    }

    /// How long a run is this replica's alone without being renewed.
    fn life(&self) -> Duration {
        Duration::from_millis(self.app.config.lease_ms)
    }

    /// How long one request to a source may take.
    fn call_limit(&self) -> Duration {
        self.app.config.watch_call_limit()
    }

    fn driven(&self) -> std::sync::MutexGuard<'_, BTreeSet<RotationRunId>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
