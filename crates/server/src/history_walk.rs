//! Whether the history is what was written: one replica walks along the hash chain, slowly, and goes on with what is new. Once a day it begins at the
//! first change again. What it finds is a gauge and an error in the log: nothing is held for it, because what is delivered does not come from the
//! history; whoever can change rows of the past could change what is now as well.

use std::time::Duration;

use lockstep_store::change::{Verified, Walk};
use lockstep_store::lease::{self, Claim, Lease};
use lockstep_store::{Result, pool};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock;

/// Who holds it walks.
const LEASE: &str = "history/verify";
/// From one step of some thousand changes to the next.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long one step may take.
const ROUND_LIMIT: Duration = Duration::from_secs(30);
/// How long the lease lives: a few steps.
const LIFE: Duration = Duration::from_secs(90);
/// After how long it begins anew.
const AGAIN: Duration = Duration::from_hours(24);
const LOOP: &str = "history.verify";

/// The walk of one replica.
struct Walker {
    app: App,
    claim: Claim,
    held: Option<Lease>,
    walk: Walk,
    began: Instant,
    /// The walk before this one found the chain broken.
    doubted: bool,
}

/// Walks while it holds the lease, until told to stop.
pub async fn run(app: App, stop: CancellationToken) {
    app.metrics.loops.begin(LOOP, INTERVAL, ROUND_LIMIT);
    let mut walker =
        Walker { app, claim: Claim::Fresh, held: None, walk: Walk::BEGINNING, began: Instant::now(), doubted: false };
    loop {
        match pool::within(ROUND_LIMIT, walker.round()).await {
            Ok(()) => walker.app.metrics.progressed(LOOP),
            Err(error) => tracing::warn!(%error, "the history could not be walked along; it is gone on with"),
        }
        walker.app.metrics.loops.turned(LOOP);
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => break,
        }
    }
    if let Err(error) = pool::within(ROUND_LIMIT, walker.give_up()).await {
        tracing::debug!(%error, "the lease {LEASE} could not be given up; it ends by itself");
    }
}

impl Walker {
    async fn round(&mut self) -> Result<()> {
        let mut connection = pool::acquire(&self.app.pool).await?;
        let lease = lease::acquire(&mut connection, LEASE, &self.app.config.replica, self.claim, LIFE).await?;
        self.app.metrics.lease_held.with_label_values(&[LEASE]).set(i64::from(lease.is_some()));
        let Some(lease) = lease else {
            self.lost();
            return Ok(());
        };
        self.claim = Claim::Held(lease.token);
        // What the one before found is not known here: this begins at the first change.
        if self.held.as_ref() != Some(&lease) || self.began.elapsed() >= AGAIN {
            self.begin();
        }
        self.held = Some(lease);
        let found = self.walk.step(&mut connection).await?;
        let metrics = &self.app.metrics;
        metrics.history_verified.set(self.walk.at().get().try_into().unwrap_or(i64::MAX));
        match found {
            None => {}
            Some(Verified::UpTo(_)) => {
                metrics.history_verified_at.set(clock::now().timestamp());
                metrics.history_broken.set(0);
                self.doubted = false;
            }
            Some(Verified::BrokenAt(seq)) => {
                // The registry may have been replaced by an older one during the walk, and be whole: from the beginning, before anything is said.
                if self.doubted && metrics.history_broken.get() == 0 {
                    metrics.history_broken.set(1);
                    tracing::error!(%seq, "the history is broken: this change, or the one before it, is not what was written");
                }
                self.begin();
                self.doubted = true;
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        (self.walk, self.began) = (Walk::BEGINNING, Instant::now());
    }

    fn lost(&mut self) {
        if self.held.take().is_some() {
            self.claim = Claim::Lost;
        }
        let metrics = &self.app.metrics;
        for gauge in [&metrics.history_verified, &metrics.history_verified_at, &metrics.history_broken] {
            gauge.set(0);
        }
    }

    async fn give_up(self) -> Result<()> {
        let Some(lease) = self.held else { return Ok(()) };
        lease::release(&mut *pool::acquire(&self.app.pool).await?, &lease).await
    }
}
