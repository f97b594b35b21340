//! One source's watcher on this replica: waits for the lease, sweeps while it holds it.

use std::time::Duration;

use lockstep_core::name::SourceName;
use lockstep_store::lease::{self, Claim, Lease};
use lockstep_store::{StoreError, pool, source};
use lockstep_vault::VaultError;
use rand::Rng as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::watch::Hinted;
use crate::watch::pace::{Pace, Round};
use crate::watch::sweep::{SweepError, Sweeper};

/// Sweeps that must fail in a row before the source is said to be failing: one lost packet is no news.
const FAILING_AFTER: u32 = 3;
/// How long after its lease's end a sweep is given up. It asks nothing of the source then, and waits for Postgres only.
const SWEEP_GRACE: Duration = Duration::from_secs(30);

/// One source's watcher.
pub struct Watcher {
    app: App,
    name: SourceName,
    hints: Hinted,
    sweeper: Sweeper,
    pace: Pace,
    /// How many looks that somebody asked for were begun.
    looks: u64,
}

impl Watcher {
    /// For the source of this name.
    pub fn new(app: App, name: SourceName, hints: Hinted) -> Self {
        let sweeper = Sweeper::new(app.clone(), name.clone());
        let pace = Pace::new(Duration::from_millis(app.config.watch.interval_ms), app.config.lease_life());
        let looks = hints.looks(&name);
        Self { app, name, hints, sweeper, pace, looks }
    }

    /// Runs until told to stop; then gives the lease up.
    pub async fn run(mut self, stop: CancellationToken) {
        let lease_name = format!("watch/{}", self.name);
        let life = self.app.config.lease_life();
        let mut held: Option<Lease> = None;
        let mut claim = Claim::Fresh;
        // A round asks for the lease, looks, and may note how that went: each within a limit of its own.
        self.app.metrics.loops.begin(&lease_name, life, life * 2 + SWEEP_GRACE * 2);
        while !stop.is_cancelled() {
            // The lease's life counts from before it was asked for: on our clock it ends no later than on Postgres'.
            let asked = Instant::now();
            let pause = match self.acquire(&lease_name, claim, life).await {
                Ok(Some(lease)) => {
                    if held.as_ref() != Some(&lease) {
                        tracing::info!(source = %self.name, token = lease.token, "watching this source");
                        self.sweeper.begin_term(&lease);
                        self.pace.begin_term();
                    }
                    self.gauge(1);
                    claim = Claim::Held(lease.token);
                    held = Some(lease.clone());
                    tokio::select! {
                        pause = self.round(&lease, asked + life) => pause,
                        () = stop.cancelled() => break,
                    }
                }
                Ok(None) => {
                    self.gauge(0);
                    if held.take().is_some() {
                        claim = Claim::Lost;
                        tracing::warn!(source = %self.name, "another process watches this source now; each replica needs a name of its own");
                    }
                    life / 5
                }
                Err(error) => {
                    self.gauge(0);
                    tracing::warn!(source = %self.name, %error, "the watch lease cannot be asked for");
                    life / 5
                }
            };
            self.app.metrics.loops.turned(&lease_name);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.hints.hinted(), if held.is_some() && self.pace.is_well() => {
                    // A commit may have bound new secrets; several commits together are one look.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                () = stop.cancelled() => {}
            }
        }
        self.app.metrics.loops.end(&lease_name);
        self.give_up(held).await;
    }

    async fn acquire(&self, name: &str, claim: Claim, life: Duration) -> Result<Option<Lease>, StoreError> {
        let acquire = async {
            let mut connection = pool::acquire(&self.app.pool).await?;
            lease::acquire(&mut connection, name, &self.app.config.replica, claim, life).await
        };
        // One that took longer than it lives is of no use.
        pool::within(life, acquire).await
    }

    /// One round of the lease, which was just renewed, and how long to rest before the next.
    async fn round(&mut self, lease: &Lease, lease_end: Instant) -> Duration {
        let wanted = match self.pace.round(Instant::now()) {
            Round::Look => self.sweep(lease, lease_end).await,
            Round::RenewOnly => Duration::ZERO,
        };
        self.pace.rest(wanted, Instant::now())
    }

    /// One sweep, and after how long the next is wanted, whether or not the source is to be left alone.
    async fn sweep(&mut self, lease: &Lease, lease_end: Instant) -> Duration {
        let interval = Duration::from_millis(self.app.config.watch.interval_ms);
        let looks = self.hints.looks(&self.name);
        if std::mem::replace(&mut self.looks, looks) != looks {
            self.sweeper.hasten();
        }
        // What is written late is fenced; this only ends what would wait for ever.
        let outcome = tokio::time::timeout_at(lease_end + SWEEP_GRACE, self.sweeper.sweep(lease, lease_end)).await;
        let outcome = outcome.unwrap_or(Err(SweepError::Store(StoreError::Silent { after: SWEEP_GRACE })));
        let word = match &outcome {
            Ok(true) => "swept",
            Ok(false) => "idle",
            Err(SweepError::LeaseEnding) => "lease_ending",
            Err(SweepError::Store(StoreError::Fenced { .. })) => "fenced",
            Err(SweepError::Store(_)) => "registry_failed",
            Err(SweepError::Vault(_)) => "source_failed",
        };
        self.app.metrics.watch_sweeps.with_label_values(&[self.name.as_str(), word]).inc();
        match &outcome {
            Ok(true) => self.app.metrics.source_is(self.name.as_str(), Some("ok")),
            Err(SweepError::Vault(error)) => self.app.metrics.source_is(self.name.as_str(), Some(error.outcome())),
            // Nothing was learnt of the source.
            Ok(false) | Err(SweepError::LeaseEnding | SweepError::Store(_)) => {}
        }
        match outcome {
            Ok(false) => self.sweeper.until_due(interval),
            Ok(true) => {
                self.app.metrics.progressed(&format!("watch/{}", self.name));
                let recovered = self.pace.succeeded();
                self.note(lease, None, recovered).await;
                self.sweeper.until_due(interval)
            }
            Err(SweepError::LeaseEnding) => Duration::ZERO,
            Err(SweepError::Store(error)) => {
                self.note_fence(&error);
                tracing::warn!(source = %self.name, %error, "what was seen could not be recorded; it is looked at again");
                interval
            }
            Err(SweepError::Vault(error)) => {
                self.failed(lease, &error).await;
                Duration::ZERO
            }
        }
    }

    async fn failed(&mut self, lease: &Lease, error: &VaultError) {
        let failures = self.pace.failed(error.retry_after(), rand::rng().random_range(0.0..=1.0), Instant::now());
        tracing::warn!(source = %self.name, %error, failures, "the source could not be looked at");
        if failures >= FAILING_AFTER || !error.is_transient() {
            self.note(lease, Some(&error.to_string()), true).await;
        }
    }

    /// Notes how watching goes; only when it changed, or now and then, so that a quiet source costs no writes.
    async fn note(&mut self, lease: &Lease, failing: Option<&str>, changed: bool) {
        if !changed && !self.sweeper.note_is_due() {
            return;
        }
        let note = async {
            let mut fenced = lease::begin_fenced(&self.app.pool, lease).await?;
            let (id, _) = source::spec(&mut fenced, &self.name).await?;
            let interval = Duration::from_millis(self.app.config.watch.interval_ms);
            source::note_watch(&mut fenced, id, interval, failing).await?;
            Ok(fenced.commit().await?)
        };
        if let Err(error) = pool::within(SWEEP_GRACE, note).await {
            self.note_fence(&error);
            tracing::warn!(source = %self.name, %error, "the state of watching could not be noted");
        }
    }

    /// A write that is fenced says that the lease is another's now; the next round asks for it anew.
    fn note_fence(&self, error: &StoreError) {
        if matches!(error, StoreError::Fenced { .. }) {
            self.gauge(0);
            self.app.metrics.fenced.inc();
        }
    }

    async fn give_up(&self, held: Option<Lease>) {
        self.gauge(0);
        let Some(lease) = held else { return };
        let release = async {
            let mut connection = pool::acquire(&self.app.pool).await?;
            lease::release(&mut connection, &lease).await
        };
        if let Err(error) = release.await {
            tracing::warn!(source = %self.name, %error, "the watch lease could not be given up; it ends by itself");
        }
    }

    fn gauge(&self, held: i64) {
        if held == 0 {
            self.app.metrics.source_is(self.name.as_str(), None);
        }
        self.app.metrics.lease_held.with_label_values(&[&format!("watch/{}", self.name)]).set(held);
    }
}
