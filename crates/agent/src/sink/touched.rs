//! Bindings whose targets may have changed: sinks that see changes tell of them, and whoever verifies waits for them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use lockstep_core::id::BindingId;
use tokio::sync::Notify;

/// A set, so that many changes of one binding are one.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    bindings: Mutex<BTreeSet<BindingId>>,
    told: Notify,
}

impl Touched {
    /// These may have changed.
    pub(crate) fn add(&self, bindings: Vec<BindingId>) {
        if !bindings.is_empty() {
            self.bindings.lock().unwrap_or_else(PoisonError::into_inner).extend(bindings);
            self.told.notify_one();
        }
    }

    /// Waits until there are some, and takes them.
    pub(crate) async fn next(&self) -> BTreeSet<BindingId> {
        loop {
            let bindings = std::mem::take(&mut *self.bindings.lock().unwrap_or_else(PoisonError::into_inner));
            if !bindings.is_empty() {
                return bindings;
            }
            self.told.notified().await;
        }
    }
}
