//! The independent observer: watches the clusters' API, and knows nothing of Lockstep.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::NAMESPACE;
use tokio::sync::Notify;

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// By cluster, Secret and value of [`KEY`]: when that was first seen.
    first: HashMap<(usize, String, Vec<u8>), Instant>,
    /// All states told, also of Secrets whose value did not move: every write that changed anything of an object.
    states: usize,
}

/// The key whose value tells versions apart.
pub(crate) const KEY: &str = "password";

/// The longest pause between two looks at what was seen.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches until dropped.
pub(crate) struct Observer {
    seen: Arc<(Mutex<Seen>, Notify)>,
    watches: tokio::task::JoinSet<()>,
}

impl Observer {
    /// Of the Secrets in [`NAMESPACE`] of every cluster.
    pub(crate) async fn start(fleet: &Fleet) -> Result<Self> {
        let seen: Arc<(Mutex<Seen>, Notify)> = Arc::default();
        let mut watches = tokio::task::JoinSet::new();
        for (cluster, agent) in fleet.agents.iter().enumerate() {
            let mut told = agent.kubernetes()?.watch_secrets(NAMESPACE).await?;
            let seen = seen.clone();
            watches.spawn(async move {
                while let Some(secret) = told.recv().await {
                    {
                        let mut seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
                        seen.states += 1;
                        if let Some(value) = secret.data.and_then(|mut data| data.remove(KEY)) {
                            seen.first.entry((cluster, secret.name, value)).or_insert(secret.at);
                        }
                    }
                    seen.1.notify_waiters();
                }
            });
        }
        Ok(Self { seen, watches })
    }

    /// When the last of `clusters` clusters was seen to hold this value.
    pub(crate) async fn everywhere(&self, clusters: usize, secret: &str, value: &str, limit: Duration) -> Result<Instant> {
        let key = |cluster| (cluster, secret.to_owned(), value.as_bytes().to_vec());
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let woken = self.seen.1.notified();
            let found = {
                let seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
                (0..clusters).map(|cluster| seen.first.get(&key(cluster)).copied()).collect::<Option<Vec<_>>>()
            };
            if let Some(at) = found.and_then(|times| times.into_iter().max()) {
                return Ok(at);
            }
            self.give_up_after(deadline, secret, limit)?;
            // Also without news: what came between the look and the wait would be missed.
            let _ = tokio::time::timeout(PAUSE, woken).await;
        }
    }

    /// When the last of `count` Secrets whose names begin like this was seen for the first time, in the first cluster. Looks now and then only: a look
    /// at ten thousand for each that comes would take the time that is measured.
    pub(crate) async fn all(&self, prefix: &str, count: usize, limit: Duration) -> Result<Instant> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Some(at) = self.last_of(prefix, count) {
                return Ok(at);
            }
            self.give_up_after(deadline, prefix, limit)?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn last_of(&self, prefix: &str, count: usize) -> Option<Instant> {
        let seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.first.len() < count {
            return None;
        }
        let mut times: HashMap<&str, Instant> = HashMap::new();
        for ((_, name, _), at) in seen.first.iter().filter(|((_, name, _), _)| name.starts_with(prefix)) {
            let first = times.entry(name).or_insert(*at);
            *first = (*first).min(*at);
        }
        (times.len() == count).then(|| times.into_values().max())?
    }

    /// How many states of Secrets were told so far. A write that changes nothing makes none.
    pub(crate) fn states(&self) -> usize {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).states
    }

    fn give_up_after(&self, deadline: tokio::time::Instant, what: &str, limit: Duration) -> Result<()> {
        ensure!(!self.watches.is_empty(), "the API server ended a watch");
        ensure!(tokio::time::Instant::now() <= deadline, "{what} did not arrive within {limit:?}");
        Ok(())
    }
}
