//! What is cached of what is held, and how fresh it is.

use std::path::PathBuf;
use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::Revision;

use super::Holdings;
use super::books::Books;
use crate::agent::AgentError;
use crate::blocking::blocking;
use crate::cache::{Bookings, Cache, CacheKeys, Files, KeptSecret};
use crate::delivery::Put;
use crate::sink::csi::{Caching, Csi};
use crate::state::ledger::{Holding, Ledger};

impl Holdings {
    /// The same, with a cache.
    pub(crate) fn with_cache(self, cache: Option<Arc<Cache>>) -> Self {
        Self { cache, ..self }
    }

    /// Takes what the cache has of what is held, and keeps it from now on. A folder that cannot be used stops nothing else.
    pub(crate) async fn open_cache(&self, dir: PathBuf, cluster: ClusterId, keys: Result<CacheKeys, AgentError>) {
        let Some(cache) = self.cache.clone() else { return };
        let csi = self.sinks.csi.clone();
        self.books_blocking(move |books| {
            let opened = keys.map_err(|error| error.to_string());
            let opened = opened.and_then(|keys| cache.open(&dir, cluster, keys).map_err(|error| error.to_string()));
            let caching = match opened {
                Ok(files) => {
                    take(&cache, csi.as_deref(), files, books);
                    Caching::Settled
                }
                Err(why) => {
                    cache.unusable(&why);
                    Caching::Without
                }
            };
            if let Some(csi) = csi {
                csi.set_caching(caching);
            }
        })
        .await;
    }

    /// A server is there to say what is newest, or is not any more.
    pub(crate) async fn set_linked(&self, is_linked: bool) {
        if let Some(cache) = self.cache.clone() {
            blocking(move || cache.set_linked(is_linked)).await;
        }
    }

    /// The cluster was revoked.
    pub(crate) async fn purge_cached(&self) {
        let (cache, csi) = (self.cache.clone(), self.sinks.csi.clone());
        blocking(move || match (csi, cache) {
            (Some(csi), _) => csi.purge(),
            (None, Some(cache)) => drop(cache.purge()),
            (None, None) => {}
        })
        .await;
    }

    /// The bindings whose content is in Secrets.
    pub(crate) async fn held_secrets(&self) -> Vec<BindingId> {
        let is_secret = |holding: &Holding| matches!(holding, Holding::Held(held) if matches!(held.target, Target::Secret(_)));
        self.books(move |books| books.ledger.iter().filter(|(_, h)| is_secret(h)).map(|(binding, _)| binding).collect()).await
    }

    /// Keeps the content that came to a Secret target; a binding with another target has none any more.
    pub(super) async fn keep(&self, put: &Arc<Put>) {
        let Some(cache) = self.cache.clone().filter(|cache| cache.keeps_secrets()) else { return };
        let put = put.clone();
        blocking(move || match &put.target {
            Target::Secret(_) if !put.observe => cache.keep_secret(put.binding, put.revision, &KeptSecret::of(&put)),
            _ => cache.forget_secret(put.binding),
        })
        .await;
    }

    /// The binding is given up.
    pub(super) async fn forget_kept(&self, binding: BindingId) {
        if let Some(cache) = self.cache.clone() {
            blocking(move || cache.forget_secret(binding)).await;
        }
    }
}

/// Takes what there is as the ledger says, and goes on with those files.
fn take(cache: &Cache, csi: Option<&Csi>, files: Arc<Files>, books: &Books) {
    let bookings = books.bookings(cache.keeps_secrets());
    match csi {
        Some(csi) => csi.open(&files, &bookings),
        None => drop(cache.load(&files, &bookings, |_| None::<()>)),
    }
    match files.confirmed() {
        Ok(at) => cache.confirmed_at(at),
        Err(why) => tracing::info!(%why, "the cache does not say when a server was last there"),
    }
    cache.use_files(files);
}

impl Books {
    /// What the ledger says of what may be cached.
    fn bookings(&self, keeps_secrets: bool) -> Bookings {
        let mut bookings = Bookings { floor: floor(&self.ledger), ..Bookings::default() };
        for (binding, holding) in self.ledger.iter() {
            let list = match holding {
                Holding::Held(held) => match held.target {
                    Target::Csi(_) => &mut bookings.mounted,
                    Target::Secret(_) if keeps_secrets => &mut bookings.secrets,
                    Target::Secret(_) | Target::Directory { .. } => &mut bookings.gone,
                },
                Holding::Observed(_) | Holding::GivenUp { .. } => &mut bookings.gone,
            };
            list.insert(binding, holding.revision());
        }
        bookings
    }
}

fn floor(ledger: &Ledger) -> Option<Revision> {
    ledger.floor().map(|mark| Revision { epoch: mark.epoch, seq: mark.seq })
}
