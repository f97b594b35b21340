//! While this replica stands by, it keeps what the one that works has: pods then start whichever of them is there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use chrono::DateTime;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::Revision;
use lockstep_proto::MESSAGE_MAX_BYTES;
use lockstep_proto::convert::binding_id;
use lockstep_proto::node::cache_change::Change;
use lockstep_proto::node::standby_client::StandbyClient;
use lockstep_proto::node::{CacheChange, FollowRequest, KnownEntry};
use rand::{SeedableRng as _, rngs::StdRng};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Streaming};

use super::following::LEVEL_INTERVAL;
use super::handover::{self, Handover};
use crate::address::ServerAddress;
use crate::backoff::Backoff;
use crate::bearer;
use crate::blocking::blocking;
use crate::connect::connect_at;
use crate::kubernetes::Kubernetes;
use crate::lease::Standing;
use crate::sink::csi::{CacheKeys, Csi, Level};
use crate::state::secret::StateSecret;
use crate::state::{State, cache_keys, identity};
use crate::tls::{self, Trust};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long nothing may be heard.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);
const _: () = assert!(SILENCE_LIMIT.as_secs() >= 3 * LEVEL_INTERVAL.as_secs());

/// What it takes to follow.
pub(super) struct Follower {
    pub(super) csi: Arc<Csi>,
    pub(super) kubernetes: Kubernetes,
    /// The agent's state Secret, with the cluster's id and, unless a file has them, the cache's keys.
    pub(super) state_secret: String,
    pub(super) cache_dir: PathBuf,
    pub(super) key_file: Option<PathBuf>,
    pub(super) peer: ServerAddress,
    pub(super) token_file: PathBuf,
    /// The CAs to trust, as PEM.
    pub(super) trusted: watch::Receiver<String>,
    pub(super) standing: watch::Receiver<Standing>,
    /// Whether this replica was told everything once.
    pub(super) handover: watch::Sender<Handover>,
}

impl Follower {
    /// Follows whenever this replica stands by, until told to stop.
    pub(super) async fn keep(mut self, stop: &CancellationToken) {
        let (mut random, mut backoff, mut said) = (StdRng::from_os_rng(), Backoff::default(), String::new());
        loop {
            let mut standing = self.standing.clone();
            let stands_by = standing.wait_for(|standing| *standing == Standing::Standby);
            tokio::select! {
                ready = stands_by => if ready.is_err() { return },
                () = stop.cancelled() => return,
            }
            let mut standing = self.standing.clone();
            let leads = standing.wait_for(|standing| *standing != Standing::Standby);
            let ended = tokio::select! {
                ended = self.follow() => Some(ended),
                _ = leads => None,
                () = stop.cancelled() => return,
            };
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
                () = tokio::time::sleep(backoff.next(&mut random)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn follow(&mut self) -> anyhow::Result<()> {
        let known = self.known().await?;
        let mut changes = self.open(&known).await?;
        handover::wait(&self.handover, "the replica that works is telling it");
        tracing::info!("this replica follows the one that works");
        while let Some(change) = timeout(SILENCE_LIMIT, changes.message()).await.context("nothing was heard for too long")?? {
            // It is said after everything else.
            let is_all = matches!(change.change, Some(Change::Level(_)));
            let csi = self.csi.clone();
            blocking(move || take(&csi, change)).await?;
            if is_all {
                handover::done(&self.handover);
            }
        }
        Ok(())
    }

    /// What this replica has. It is opened once: what it has is given as long as it may be, also while nobody works.
    async fn known(&self) -> anyhow::Result<BTreeMap<BindingId, Revision>> {
        if self.csi.has_cache() {
            return Ok(self.csi.revisions());
        }
        let (cluster, keys) = self.secrets().await?;
        let (csi, dir) = (self.csi.clone(), self.cache_dir.clone());
        Ok(blocking(move || csi.follow(&dir, cluster, keys)).await?)
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

    /// The stream of whichever replica works.
    async fn open(&self, known: &BTreeMap<BindingId, Revision>) -> anyhow::Result<Streaming<CacheChange>> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(self.trusted.borrow().as_bytes()).collect::<Result<_, _>>()?;
        let config = tls::for_join(Trust::Roots(&roots))?;
        let bearer = bearer::read(&self.token_file).await.map_err(|why| anyhow!("this agent's own token {why}"))?;
        let mut why = anyhow!("{} has no address", self.peer);
        for at in lookup_host(self.peer.authority()).await.with_context(|| format!("looking {} up", self.peer))? {
            let channel = match connect_at(&self.peer, at, config.clone(), CONNECT_LIMIT).await {
                Ok(channel) => channel,
                Err(error) => {
                    why = error.into();
                    continue;
                }
            };
            let known = known.iter().map(|(binding, revision)| KnownEntry {
                binding: binding.uuid().as_bytes().to_vec(),
                epoch: revision.epoch.get(),
                seq: revision.seq.get(),
            });
            let mut request = Request::new(FollowRequest { known: known.collect() });
            request.metadata_mut().insert("authorization", bearer.clone());
            let mut client = StandbyClient::new(channel).max_decoding_message_size(MESSAGE_MAX_BYTES);
            match client.follow(request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                // It stands by too: it may be this one.
                Err(status) if status.code() == Code::FailedPrecondition => why = anyhow!("no replica works at the moment"),
                Err(status) => why = anyhow!("{}", status.message().to_owned()),
            }
        }
        Err(why)
    }
}

fn take(csi: &Csi, change: CacheChange) -> anyhow::Result<()> {
    match change.change {
        Some(Change::Put(entry)) => {
            let binding = binding_id(&entry.binding)?;
            // What was there before is not the newest any more.
            if let Err(why) = csi.take(binding, &entry.sealed) {
                tracing::warn!(%binding, %why, "what the other replica has of a binding cannot be used here");
                csi.remove(binding);
            }
        }
        Some(Change::Removed(binding)) => csi.remove(binding_id(&binding)?),
        Some(Change::Level(level)) => {
            let confirmed = Some(level.confirmed_s).filter(|s| *s > 0).and_then(|s| DateTime::from_timestamp(s, 0));
            csi.set_level(Level { is_linked: level.linked, confirmed });
        }
        None => bail!("a change of a newer agent, which this one does not know"),
    }
    Ok(())
}
