//! The place of a process that may be stopped and started again.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::Process;

/// Holds the running process, if it runs.
#[derive(Debug)]
pub(crate) struct Slot {
    /// For errors.
    name: &'static str,
    process: Mutex<Option<Arc<Process>>>,
}

impl Slot {
    /// An empty place.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, process: Mutex::new(None) }
    }

    /// The process, or an error when it is stopped.
    pub(crate) fn get(&self) -> Result<Arc<Process>> {
        self.lock().clone().with_context(|| format!("{} is stopped", self.name))
    }

    /// Puts a process there.
    pub(crate) fn put(&self, process: Process) -> Arc<Process> {
        let process = Arc::new(process);
        *self.lock() = Some(Arc::clone(&process));
        process
    }

    /// Stops the process; nothing happens when it is stopped already.
    pub(crate) async fn stop(&self) -> Result<()> {
        let process = self.lock().take();
        match process {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Ends the process as `kill -9` does.
    pub(crate) fn kill9(&self) -> Result<()> {
        match self.lock().take() {
            Some(process) => process.kill9(),
            None => Ok(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Process>>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
