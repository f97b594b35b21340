//! The independent reader: knows nothing of Lockstep, only folders. Notes which bytes it finds where, and when it first found them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lockstep_testbed::Fleet;

use crate::shop::{KEY, SECRETS};

/// The pause between two looks at all targets; part of every latency that is shown.
const PAUSE: Duration = Duration::from_millis(5);

/// When each value was first found: by cluster (index) and value.
pub(crate) type Sightings = HashMap<(usize, String), Instant>;

/// Reads in a thread of its own until dropped.
pub(crate) struct Reader {
    sightings: Arc<Mutex<Sightings>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Of all targets of all clusters.
    pub(crate) fn start(fleet: &Fleet) -> Self {
        let files: Vec<(usize, PathBuf)> = fleet
            .agents
            .iter()
            .enumerate()
            .flat_map(|(index, agent)| SECRETS.map(|secret| (index, agent.targets().join(secret).join(KEY))))
            .collect();
        let (sightings, stop) = (Arc::new(Mutex::new(Sightings::new())), Arc::new(AtomicBool::new(false)));
        let (found, stopped) = (sightings.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (cluster, file) in &files {
                    let Ok(value) = std::fs::read_to_string(file) else { continue };
                    found.lock().unwrap_or_else(PoisonError::into_inner).entry((*cluster, value)).or_insert_with(Instant::now);
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { sightings, stop, thread: Some(thread) }
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

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
