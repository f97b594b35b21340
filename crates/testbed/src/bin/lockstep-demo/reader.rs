//! The independent reader: knows nothing of Lockstep, only folders and Secrets. Notes which bytes it finds where, and when it first
//! found them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{NAMESPACE, Sink};

use lockstep_testbed::shop::{KEY, SECRETS};

/// The pause between two looks at all folders; part of every latency that is shown.
const PAUSE: Duration = Duration::from_millis(5);

/// When each value was first found: by cluster (index) and value.
pub(crate) type Sightings = HashMap<(usize, String), Instant>;

/// Reads until dropped.
pub(crate) struct Reader {
    sightings: Arc<Mutex<Sightings>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Of all targets of all clusters.
    pub(crate) async fn start(fleet: &Fleet) -> Result<Self> {
        let mut reader = Self { sightings: Arc::default(), stop: Arc::default(), thread: None };
        match fleet.sink() {
            Sink::Directory => reader.read_folders(fleet),
            Sink::Secret => reader.watch_secrets(fleet).await?,
        }
        Ok(reader)
    }

    /// In a thread of its own.
    fn read_folders(&mut self, fleet: &Fleet) {
        let agents = fleet.agents.iter().enumerate();
        let files: Vec<(usize, PathBuf)> =
            agents.flat_map(|(index, agent)| SECRETS.map(|secret| (index, agent.targets().join(secret).join(KEY)))).collect();
        let (sightings, stop) = (self.sightings.clone(), self.stop.clone());
        self.thread = Some(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for (cluster, file) in &files {
                    if let Ok(value) = std::fs::read_to_string(file) {
                        note(&sightings, *cluster, value, Instant::now());
                    }
                }
                std::thread::sleep(PAUSE);
            }
        }));
    }

    /// As each API server tells it.
    async fn watch_secrets(&self, fleet: &Fleet) -> Result<()> {
        for (cluster, agent) in fleet.agents.iter().enumerate() {
            let mut seen = agent.kubernetes()?.watch_secrets(NAMESPACE).await?;
            let (sightings, stop) = (self.sightings.clone(), self.stop.clone());
            tokio::spawn(async move {
                while let Some(secret) = seen.recv().await {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Some(value) = secret.data.and_then(|mut data| data.remove(KEY)) {
                        note(&sightings, cluster, String::from_utf8_lossy(&value).into_owned(), secret.at);
                    }
                }
            });
        }
        Ok(())
    }

    /// What was found so far.
    pub(crate) fn sightings(&self) -> Sightings {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When a cluster was first found to hold a value.
    pub(crate) fn seen(&self, cluster: usize, value: &str) -> Option<Instant> {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner).get(&(cluster, value.to_owned())).copied()
    }
}

fn note(sightings: &Mutex<Sightings>, cluster: usize, value: String, at: Instant) {
    sightings.lock().unwrap_or_else(PoisonError::into_inner).entry((cluster, value)).or_insert(at);
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
