//! One sweep: looks at every bound secret of a source and records what changed.

mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::id::SecretId;
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::name::SourceName;
use lockstep_core::version::{Began, Seen};
use lockstep_store::lease::{self, Lease};
use lockstep_store::secret::{self, SecretRecord};
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
    /// The lease term that `ordinal` counts in.
    token: u64,
    ordinal: u64,
    /// When the next regular look is due.
    due: Option<Instant>,
    /// What the present look has seen. It may take longer than the lease lives, or than the interval: it is gone on with after the
    /// lease was renewed, and comes to its end before the next one begins.
    covered: BTreeSet<SecretId>,
    noted: Option<Instant>,
}

/// A look under way.
struct Look<'a> {
    vault: &'a Vault,
    lease: &'a Lease,
    lease_end: Instant,
}

impl Sweeper {
    pub(super) fn new(app: App, name: SourceName) -> Self {
        let budget = Budget::new(app.config.watch.requests_per_second, app.sources.metrics().clone(), name.as_str());
        Self { app, name, budget, scans: BTreeMap::new(), token: 0, ordinal: 0, due: None, covered: BTreeSet::new(), noted: None }
    }

    /// A new lease term: everything is looked at at once, and that all is well is written at once.
    pub(super) fn begin_term(&mut self, lease: &Lease) {
        self.token = lease.token;
        self.ordinal = 0;
        self.due = None;
        self.covered.clear();
        self.noted = None;
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
        let (spec, bound) = {
            let mut connection = pool::acquire(&self.app.pool).await?;
            let (id, spec) = source::spec(&mut connection, &self.name).await?;
            (spec, secret::bound(&mut connection, id).await?)
        };
        let is_due = self.due.is_none_or(|due| due <= Instant::now());
        if is_due && bound.iter().all(|s| self.covered.contains(&s.id)) {
            self.covered.clear();
        }
        let begins = is_due && self.covered.is_empty();
        let wanted: Vec<SecretRecord> = bound.into_iter().filter(|s| !self.covered.contains(&s.id)).collect();
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
        let look = Look { vault: &vault, lease, lease_end };
        let mut by_mount: BTreeMap<KvMount, BTreeMap<KvPath, SecretRecord>> = BTreeMap::new();
        for secret in wanted {
            by_mount.entry(secret.mount.clone()).or_default().insert(secret.path.clone(), secret);
        }
        for (mount, secrets) in by_mount {
            self.sweep_mount(&look, &mount, &secrets).await?;
        }
        Ok(true)
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
            let scanned = self.scan(look, mount, prefix, page).await;
            let outcome = scanned.as_ref().map(|(_, seen)| seen.len());
            let support = match &outcome {
                Ok(entries) => support.after(Ok(*entries), now()),
                Err(SweepError::Vault(error)) => support.after(Err(error), now()),
                Err(_) => support,
            };
            self.scans.insert(mount.clone(), support);
            match scanned {
                Ok((began, seen)) => {
                    let seen = secrets.iter().map(|(path, secret)| (secret, seen.get(path).copied().unwrap_or(Seen::Nothing)));
                    return self.judge(look, mount, seen.map(|(s, seen)| (s.clone(), seen)).collect(), began, false).await;
                }
                // This server or policy has no scan: one by one then, at once.
                Err(SweepError::Vault(
                    VaultError::Unsupported { .. }
                    | VaultError::Forbidden { .. }
                    | VaultError::TooLarge { .. }
                    | VaultError::NoMount { .. },
                )) => reads = paths.into_iter().map(Read::Get).collect(),
                Err(error) => return Err(error),
            }
        }
        for read in reads {
            if let Read::Get(path) = read {
                let secret = &secrets[&path];
                if let Some((began, seen)) = self.get(look, mount, secret).await? {
                    self.judge(look, mount, vec![(secret.clone(), seen)], began, true).await?;
                }
                self.covered.insert(secret.id);
            }
        }
        Ok(())
    }

    async fn scan(
        &mut self,
        look: &Look<'_>,
        mount: &KvMount,
        prefix: &str,
        page: usize,
    ) -> Result<(Began, BTreeMap<KvPath, Seen>), SweepError> {
        let mut seen = BTreeMap::new();
        let mut after: Option<String> = None;
        let mut first = None;
        loop {
            let began = self.begin(look).await?;
            first = first.or(Some(began));
            let answer = look.vault.scan(mount, prefix, after.as_deref(), page).await.inspect_err(|e| self.heed(e))?;
            seen.extend(answer.entries);
            match answer.last {
                Some(last) => after = Some(last),
                None => return Ok((first.unwrap_or(began), seen)),
            }
        }
    }

    /// Looks at one path. What concerns only this path is noted there and stops no other.
    async fn get(
        &mut self,
        look: &Look<'_>,
        mount: &KvMount,
        secret: &SecretRecord,
    ) -> Result<Option<(Began, Seen)>, SweepError> {
        let began = self.begin(look).await?;
        let problem = match look.vault.metadata(mount, &secret.path).await {
            Ok(seen) => {
                self.note_problem(look, secret, None).await?;
                return Ok(Some((began, seen)));
            }
            Err(
                error @ (VaultError::Forbidden { .. }
                | VaultError::NoMount { .. }
                | VaultError::NotFound { .. }
                | VaultError::Protocol { .. }
                | VaultError::TooLarge { .. }
                | VaultError::Refused { .. }),
            ) => error,
            Err(error) => {
                self.heed(&error);
                return Err(error.into());
            }
        };
        tracing::warn!(source = %self.name, error = %problem, "one secret could not be looked at");
        self.note_problem(look, secret, Some(&problem.to_string())).await?;
        Ok(None)
    }

    async fn note_problem(&self, look: &Look<'_>, secret: &SecretRecord, problem: Option<&str>) -> Result<(), SweepError> {
        if secret.problem.as_deref() != problem {
            let mut fenced = lease::begin_fenced(&self.app.pool, look.lease).await?;
            secret::note_problem(&mut fenced, secret.id, problem).await?;
            fenced.commit().await.map_err(StoreError::from)?;
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
