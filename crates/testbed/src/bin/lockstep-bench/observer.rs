//! The independent observer: watches the clusters' API, and knows nothing of Lockstep.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::NAMESPACE;
use tokio::sync::Notify;

/// By cluster, Secret and value of [`KEY`]: when that was first seen.
type Sightings = HashMap<(usize, String, Vec<u8>), Instant>;

/// The key whose value tells versions apart.
pub(crate) const KEY: &str = "password";

/// Watches until dropped.
pub(crate) struct Observer {
    seen: Arc<(Mutex<Sightings>, Notify)>,
    watches: tokio::task::JoinSet<()>,
}

impl Observer {
    /// Of the Secrets in [`NAMESPACE`] of every cluster.
    pub(crate) async fn start(fleet: &Fleet) -> Result<Self> {
        let seen: Arc<(Mutex<Sightings>, Notify)> = Arc::default();
        let mut watches = tokio::task::JoinSet::new();
        for (cluster, agent) in fleet.agents.iter().enumerate() {
            let mut told = agent.kubernetes()?.watch_secrets(NAMESPACE).await?;
            let seen = seen.clone();
            watches.spawn(async move {
                while let Some(secret) = told.recv().await {
                    let Some(value) = secret.data.and_then(|mut data| data.remove(KEY)) else { continue };
                    seen.0
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .entry((cluster, secret.name, value))
                        .or_insert(secret.at);
                    seen.1.notify_waiters();
                }
            });
        }
        Ok(Self { seen, watches })
    }

    /// When the last of `clusters` clusters was seen to hold this value.
    pub(crate) async fn everywhere(&self, clusters: usize, secret: &str, value: &str, limit: Duration) -> Result<Instant> {
        let key = |cluster| (cluster, secret.to_owned(), value.as_bytes().to_vec());
        self.until(limit, secret, |seen| {
            (0..clusters).map(|c| seen.get(&key(c)).copied()).collect::<Option<Vec<_>>>()?.into_iter().max()
        })
        .await
    }

    /// When the last of `count` Secrets whose names begin like this was seen for the first time, in the first cluster.
    pub(crate) async fn all(&self, prefix: &str, count: usize, limit: Duration) -> Result<Instant> {
        self.until(limit, prefix, |seen| {
            let times: HashMap<&str, Instant> = seen
                .iter()
                .filter(|((_, name, _), _)| name.starts_with(prefix))
                .map(|((_, name, _), at)| (name.as_str(), *at))
                .collect();
            (times.len() == count).then(|| times.into_values().max())?
        })
        .await
    }

    /// How many states of Secrets were seen so far.
    pub(crate) fn count(&self) -> usize {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    async fn until(&self, limit: Duration, what: &str, found: impl Fn(&Sightings) -> Option<Instant>) -> Result<Instant> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let woken = self.seen.1.notified();
            if let Some(at) = found(&self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)) {
                return Ok(at);
            }
            if self.watches.is_empty() {
                bail!("the API server ended a watch");
            }
            // Also without news: what came between the look and the wait would be missed.
            let _ = tokio::time::timeout(Duration::from_millis(50), woken).await;
            if tokio::time::Instant::now() > deadline {
                bail!("{what} did not arrive within {limit:?}");
            }
        }
    }
}
