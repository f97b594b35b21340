//! While this replica stands by, it keeps what the one that works has: pods then start whichever of them is there.

mod finding;
mod taken;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::Revision;
use lockstep_telemetry::loops::Turning;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::following::LEVEL_INTERVAL;
use super::handover::{self, Handover};
use crate::backoff::Backoff;
use crate::blocking::blocking;
use crate::cache::CacheKeys;
use crate::clock::Clock;
use crate::command::RunArguments;
use crate::kubernetes::Kubernetes;
use crate::lease::Standing;
use crate::loops::FOLLOW;
use crate::metrics::Metrics;
use crate::sink::csi::Csi;
use crate::state::secret::StateSecret;
use crate::state::{State, cache_keys, identity};
use finding::Peer;
use taken::{Taken, take};

/// How long it may take to find the replica that works, among all addresses.
const FIND_LIMIT: Duration = Duration::from_secs(30);
/// How long nothing may be heard.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);
const _: () = assert!(SILENCE_LIMIT.as_secs() >= 3 * LEVEL_INTERVAL.as_secs());
/// How long until what could not be used is asked for again: keys may be exchanged meanwhile, here or there.
const AGAIN_INTERVAL: Duration = Duration::from_secs(30);
/// The longest step between two turns of its loop.
#[cfg(test)]
pub(crate) const STEP_MAX: Duration = FIND_LIMIT;

/// What a replica sees of the other parts.
pub(super) struct Seen {
    pub(super) standing: watch::Receiver<Standing>,
    /// The CAs to trust, as PEM.
    pub(super) trusted: watch::Receiver<String>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
}

/// What it takes to follow.
pub(super) struct Follower {
    csi: Arc<Csi>,
    kubernetes: Kubernetes,
    /// The agent's state Secret, with the cluster's id and, unless a file has them, the cache's keys.
    state_secret: String,
    cache_dir: PathBuf,
    key_file: Option<PathBuf>,
    peer: Peer,
    seen: Seen,
    /// Whether this replica was told everything once.
    handover: watch::Sender<Handover>,
    /// What could not be used of what the other one has, and why.
    refused: BTreeMap<BindingId, String>,
    /// Of that, what was said.
    said: BTreeMap<BindingId, String>,
}

/// How following ended without an error.
enum Ended {
    /// The other replica ended it.
    There,
    /// What could not be used is to be asked for again.
    Here,
}

impl Follower {
    /// `None`: it has no peer. With one, `handover` waits from now on.
    pub(super) fn new(
        all: &RunArguments,
        kubernetes: &Kubernetes,
        csi: Arc<Csi>,
        seen: Seen,
        handover: watch::Sender<Handover>,
    ) -> Option<Self> {
        let RunArguments { volumes, cache, cluster, .. } = all;
        let (address, token_file) = (volumes.peer.clone()?, volumes.peer_token_file.clone()?);
        let cache_dir = cache.dir.clone()?;
        handover.send_replace(Handover::begin(seen.clock.uptime()));
        Some(Self {
            csi,
            kubernetes: kubernetes.clone(),
            state_secret: cluster.state_secret.clone(),
            cache_dir,
            key_file: cache.key_file.clone(),
            peer: Peer { address, token_file, trusted: seen.trusted.clone() },
            seen,
            handover,
            refused: BTreeMap::new(),
            said: BTreeMap::new(),
        })
    }

    /// Follows whenever this replica stands by, until told to stop.
    pub(super) async fn keep(mut self, stop: &CancellationToken) {
        let turning = FOLLOW.begin(&self.seen.metrics);
        let (mut random, mut backoff, mut said) = (StdRng::from_os_rng(), Backoff::default(), String::new());
        loop {
            let mut standing = self.seen.standing.clone();
            let stands_by = turning.wait(standing.wait_for(|standing| *standing == Standing::Standby));
            tokio::select! {
                ready = stands_by => if ready.is_err() { return },
                () = stop.cancelled() => return,
            }
            let mut standing = self.seen.standing.clone();
            let leads = standing.wait_for(|standing| *standing != Standing::Standby);
            let began = self.seen.clock.uptime();
            let ended = tokio::select! {
                ended = self.follow(&turning) => Some(ended),
                _ = leads => None,
                () = stop.cancelled() => return,
            };
            turning.turned();
            backoff.note_link(self.seen.clock.uptime().saturating_sub(began));
            if matches!(ended, Some(Ok(Ended::Here))) {
                continue;
            }
            let csi = self.csi.clone();
            blocking(move || csi.set_linked(false)).await;
            // It leads now: what it has stays, and the ledger has the last word on it.
            let Some(ended) = ended else { continue };
            let why = ended.err().map_or_else(|| "the other replica ended it".to_owned(), |error| format!("{error:#}"));
            handover::wait(&self.handover, &why);
            if why != said {
                tracing::info!(why, "this replica does not follow the one that works; what it has is stale");
                said = why;
            }
            tokio::select! {
                () = turning.wait(tokio::time::sleep(backoff.next(&mut random))) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn follow(&mut self, turning: &Turning) -> anyhow::Result<Ended> {
        let known = self.known().await?;
        turning.turned();
        let found = timeout(FIND_LIMIT, self.peer.follow(&known)).await;
        let mut changes = found.with_context(|| format!("{} did not answer within {FIND_LIMIT:?}", self.peer.address))??;
        // All of it is told anew but what is known.
        self.refused.clear();
        handover::wait(&self.handover, "the replica that works is telling it");
        tracing::info!("this replica follows the one that works");
        let again = self.seen.clock.uptime() + AGAIN_INTERVAL;
        while let Some(change) = timeout(SILENCE_LIMIT, changes.message()).await.context("nothing was heard for too long")?? {
            let csi = self.csi.clone();
            let taken = blocking(move || take(&csi, change)).await?;
            turning.turned();
            self.note(taken, turning);
            if !self.refused.is_empty() && self.seen.clock.uptime() >= again {
                return Ok(Ended::Here);
            }
        }
        Ok(Ended::There)
    }

    fn note(&mut self, taken: Taken, turning: &Turning) {
        match taken {
            Taken::AsTold(binding) => {
                self.refused.remove(&binding);
                self.said.remove(&binding);
            }
            Taken::Refused(binding, why) => {
                if self.said.insert(binding, why.clone()).as_ref() != Some(&why) {
                    tracing::warn!(%binding, why, "what the other replica has of a binding cannot be used here; it is asked for again");
                }
                self.refused.insert(binding, why);
            }
            // It is said after everything else.
            Taken::Level => match self.refused.values().next() {
                None => {
                    turning.progressed();
                    handover::done(&self.handover);
                }
                Some(why) => {
                    let why = format!("of {} bindings it cannot be used here, of one because {why}", self.refused.len());
                    handover::wait(&self.handover, &why);
                }
            },
        }
    }

    /// What this replica has. It is opened once: what it has is given as long as it may be, also while nobody works.
    async fn known(&self) -> anyhow::Result<BTreeMap<BindingId, Revision>> {
        let csi = self.csi.clone();
        if !csi.has_cache() {
            let ((cluster, keys), dir) = (self.secrets().await?, self.cache_dir.clone());
            return Ok(blocking(move || csi.follow(&dir, cluster, keys)).await?);
        }
        if !self.refused.is_empty() {
            // With what its keys are by now it may be used.
            let (_, keys) = self.secrets().await?;
            csi.exchange_keys(keys);
        }
        Ok(self.csi.revisions())
    }

    /// The cluster's id and the keys, as the replica that works has written them down.
    async fn secrets(&self) -> anyhow::Result<(ClusterId, CacheKeys)> {
        let state = State::Secret(StateSecret::look(&self.kubernetes, &self.state_secret).await?.into());
        let identity = identity::load(&state).await?.context("no replica has joined the cluster yet")?;
        let keys = match &self.key_file {
            Some(file) => Some(CacheKeys::read(file)?),
            None => cache_keys::read(&state).await?,
        };
        Ok((identity.cluster, keys.context("no replica has made keys for the cache yet")?))
    }
}
