//! One sweep: looks at every bound secret of a source and records what changed.

mod doubts;
mod get;
mod judge;
mod scan;
mod see;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::engine::Engine;
use lockstep_core::id::SecretId;
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::name::SourceName;
use lockstep_core::version::{Began, SecretState, Seen};
use lockstep_store::lease::Lease;
use lockstep_store::secret::{self, Bound, SecretRecord};
use lockstep_store::{StoreError, pool, source};
use lockstep_vault::budget::Budget;
use lockstep_vault::read_plan::{Read, ScanSupport, plan};
use lockstep_vault::{Vault, VaultError};
use rand::Rng as _;
use thiserror::Error;
use tokio::time::Instant;

use crate::app::App;
use crate::clock;
use crate::watch::pace;
use crate::watch::sweep::doubts::Doubts;
use crate::watch::sweep::scan::Pages;

/// How often a quiet source's state is written.
const NOTE_INTERVAL: Duration = Duration::from_secs(10);

/// Why a sweep did not get through.
#[derive(Debug, Error)]
pub(super) enum SweepError {
    /// Too little of the lease is left for another request.
    #[error("the lease is about to end")]
    LeaseEnding,
    /// The registry.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source as a whole; what concerns one secret only is recorded there.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What a watcher remembers between sweeps. All of it can be lost: it saves requests, nothing else.
pub(super) struct Sweeper {
    app: App,
    name: SourceName,
    budget: Budget,
    scans: BTreeMap<KvMount, ScanSupport>,
    /// The pages of a scan that the lease's end interrupted.
    scanned: Option<Pages>,
    /// The lease term that `ordinal` counts in.
    token: u64,
    ordinal: u64,
    /// When the next regular look is due.
    due: Option<Instant>,
    /// What had its turn in the present look, however that went. A look may take longer than the lease lives, or than the interval: it is
    /// gone on with after the lease was renewed or the source failed, and comes to its end before the next one begins.
    covered: BTreeMap<SecretId, Turn>,
    doubts: Doubts,
    /// Whether the present look has come to its end: all that was bound when that was read had its turn.
    ended: bool,
    /// The last failure in the present look that may be the source's.
    unanswered: Option<VaultError>,
    noted: Option<Instant>,
}

/// How a secret's turn went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// What it showed was judged and recorded.
    Seen,
    /// It could not be looked at.
    Failed,
}

/// A look under way.
struct Look<'a> {
    vault: &'a Vault,
    lease: &'a Lease,
    lease_end: Instant,
    /// Whether material is read by the server, and not by each cluster.
    server_reads: bool,
}

impl Sweeper {
    pub(super) fn new(app: App, name: SourceName) -> Self {
        let budget = Budget::new(app.config.watch.requests_per_second, app.sources.metrics().clone(), name.as_str());
        Self {
            app,
            name,
            budget,
            scans: BTreeMap::new(),
            scanned: None,
            token: 0,
            ordinal: 0,
            due: None,
            covered: BTreeMap::new(),
            ended: false,
            doubts: Doubts::default(),
            unanswered: None,
            noted: None,
        }
    }

    /// A new lease term: everything is looked at at once, and that all is well is written at once.
    pub(super) fn begin_term(&mut self, lease: &Lease) {
        self.token = lease.token;
        self.ordinal = 0;
        self.due = None;
        self.covered.clear();
        self.ended = false;
        self.scanned = None;
        self.noted = None;
    }

    /// The next look is due now: somebody asked for it.
    pub(super) fn hasten(&mut self) {
        self.due = self.due.map(|due| due.min(Instant::now()));
    }

    /// How long until the next look is due.
    pub(super) fn until_due(&self, interval: Duration) -> Duration {
        self.due.map_or(interval, |due| due.saturating_duration_since(Instant::now()))
    }

    /// Whether it is time to write that all is well.
    pub(super) fn note_is_due(&mut self) -> bool {
        let due = self.noted.is_none_or(|at| at.elapsed() >= NOTE_INTERVAL);
        if due {
            self.noted = Some(Instant::now());
        }
        due
    }

    /// Looks at every bound secret if that is due, else only at those that the present look has not seen yet: it was interrupted, or they
    /// were bound since. `Ok(false)`: nothing was due.
    pub(super) async fn sweep(&mut self, lease: &Lease, lease_end: Instant) -> Result<bool, SweepError> {
        let outcome = self.look(lease, lease_end).await;
        self.ended = outcome.is_ok();
        if matches!(outcome, Err(SweepError::Vault(_))) && !self.doubts.heard() {
            for support in self.scans.values_mut() {
                *support = support.forget_failure();
            }
        }
        outcome
    }

    async fn look(&mut self, lease: &Lease, lease_end: Instant) -> Result<bool, SweepError> {
        // Until the next one is due, only what was bound since is of interest: each commit hints, and there may be many of both.
        let which = if self.ended && !self.is_due() { Bound::Unseen } else { Bound::All };
        self.ended = false;
        let (spec, bound) = {
            let mut connection = pool::acquire(&self.app.pool).await?;
            let (id, spec) = source::spec(&mut connection, &self.name).await?;
            (spec, secret::bound(&mut connection, id, which).await?)
        };
        let begins = which == Bound::All && self.begins(&bound);
        // Seen, and yet unseen: it was bound anew since.
        for unseen in bound.iter().filter(|s| s.known.state == SecretState::Unseen) {
            if self.covered.get(&unseen.id) == Some(&Turn::Seen) {
                self.covered.remove(&unseen.id);
            }
        }
        let wanted: Vec<SecretRecord> = bound.into_iter().filter(|s| !self.covered.contains_key(&s.id)).collect();
        if wanted.is_empty() {
            if begins {
                self.schedule();
            }
            return Ok(begins);
        }
        let vault = self.app.sources.client(&self.name, &spec).await?;
        if begins {
            self.schedule();
        }
        let look = Look { vault: &vault, lease, lease_end, server_reads: spec.read_as.is_server() };
        let (mut suspects, trusted): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|s| self.doubts.turn_of(s.id).is_some());
        let mut by_mount: BTreeMap<KvMount, BTreeMap<KvPath, SecretRecord>> = BTreeMap::new();
        // A scan shows what KV version 2 has, and nothing else.
        let (listed, single): (Vec<_>, Vec<_>) = trusted.into_iter().partition(|s| s.engine == Engine::KvV2);
        for secret in listed {
            by_mount.entry(secret.mount.clone()).or_default().insert(secret.path.clone(), secret);
        }
        for (mount, secrets) in by_mount {
            self.sweep_mount(&look, &mount, &secrets).await?;
        }
        for secret in single {
            self.look_at(&look, &secret).await?;
        }
        suspects.sort_by_key(|s| self.doubts.turn_of(s.id));
        for secret in suspects {
            if self.doubts.has_enough() {
                self.covered.insert(secret.id, Turn::Failed);
            } else {
                self.look_at(&look, &secret).await?;
            }
        }
        match self.unanswered.take() {
            // Too few secrets to be sure of, but not one answer.
            Some(error) if !self.doubts.heard() => Err(error.into()),
            _ => Ok(true),
        }
    }

    /// Whether a look begins now: it is due, and the one before has come to its end.
    fn begins(&mut self, bound: &[SecretRecord]) -> bool {
        let begins = self.is_due() && bound.iter().all(|s| self.covered.contains_key(&s.id)) || self.due.is_none();
        if begins {
            self.covered.clear();
            self.unanswered = None;
            self.doubts.begin_look(&bound.iter().map(|s| s.id).collect());
        }
        begins
    }

    fn is_due(&self) -> bool {
        self.due.is_none_or(|due| due <= Instant::now())
    }

    /// The next look is due an interval after this one began, give or take a tenth: replicas and sources must not knock in step.
    fn schedule(&mut self) {
        let interval = Duration::from_millis(self.app.config.watch.interval_ms);
        self.due = Some(Instant::now() + interval.mul_f64(rand::rng().random_range(0.9..=1.1)));
    }

    async fn sweep_mount(
        &mut self,
        look: &Look<'_>,
        mount: &KvMount,
        secrets: &BTreeMap<KvPath, SecretRecord>,
    ) -> Result<(), SweepError> {
        let paths: BTreeSet<KvPath> = secrets.keys().cloned().collect();
        let support = self.scans.get(mount).copied().unwrap_or_default();
        let page = self.app.config.watch.scan_page;
        let mut reads = plan(&paths, support, page, now());
        if let [Read::Scan { prefix }] = &reads[..] {
            let scanned = self.scan(look, mount, prefix, page).await?;
            match scanned {
                Some((began, seen)) => {
                    let seen = secrets.iter().map(|(path, secret)| (secret, seen.get(path).copied().unwrap_or(Seen::Nothing)));
                    return self.judge(look, seen.map(|(s, seen)| (s.clone(), seen)).collect(), began, false).await;
                }
                // It failed and others may not: one by one then, at once.
                None => reads = paths.into_iter().map(Read::Get).collect(),
            }
        }
        for read in reads {
            if let Read::Get(path) = read {
                self.look_at(look, &secrets[&path]).await?;
            }
        }
        Ok(())
    }

    /// Every request passes here: the budget, the rest of the lease, and the order of beginnings.
    async fn begin(&mut self, look: &Look<'_>) -> Result<Began, SweepError> {
        self.budget.take().await;
        if look.lease_end.saturating_duration_since(Instant::now()) < self.app.config.watch_call_limit() {
            return Err(SweepError::LeaseEnding);
        }
        self.ordinal += 1;
        Ok(Began { token: self.token, ordinal: self.ordinal })
    }

    fn heed(&self, error: &VaultError) {
        if let Some(pause) = error.retry_after() {
            self.budget.hold(pace::bounded(pause));
        }
    }
}

/// Vault's `deletion_time` is judged by this host's clock: it decides a state that is shown, nothing that is due.
fn now() -> DateTime<Utc> {
    clock::now()
}
