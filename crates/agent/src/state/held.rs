//! What is held, in a Secret of its own: compressed, and written behind.
//!
//! A delivery does not wait for it. What the last seconds changed is lost when the agent is killed, and found again: the marks on the
//! objects say what was applied, and the server sends what the next greeting does not name.

mod packed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::ByteString;
use lockstep_core::history::Mark;
use lockstep_core::id::BindingId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ledger::Holding;
use super::object::{Data, SecretObject, Writer};
use super::{StateError, damaged};
use crate::agent::Surroundings;
use crate::blocking::blocking;
use crate::kubernetes::Kubernetes;
use crate::loops::STATE;

/// The only key in it.
const KEY: &str = "held.json.gz";
/// A Secret has at most 1 MiB of data; the rest is left for what Kubernetes may count beside it.
pub(crate) const HELD_MAX_BYTES: usize = (1 << 20) - (64 << 10);
/// At most once in this time, where bindings or targets came, changed or went.
const SHAPED_INTERVAL: Duration = Duration::from_secs(1);
/// The same where a write takes long: [`SHARE`] times as long as it took, but no longer than this.
const SHAPED_INTERVAL_MAX: Duration = Duration::from_secs(3);
/// All of it is written each time, which for ten thousand bindings that come one by one would be what the agent does most.
const SHARE: u32 = 50;
/// At most once in this time, where only revisions moved: the marks on the objects tell these as well.
const MOVED_INTERVAL: Duration = Duration::from_secs(10);

/// All that is held, and the newest point of the history. No head for each binding: one floor is enough where one write has all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) floor: Option<Mark>,
    pub(super) held: BTreeMap<BindingId, Arc<Holding>>,
}

/// What changed since it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Revisions and digests only.
    Moved,
    /// Bindings or targets.
    Shaped,
}

/// The Secret, and what it is to say.
#[derive(Debug)]
pub(crate) struct HeldSecret {
    /// `None` where it is only looked at.
    object: Option<SecretObject>,
    /// What it is to say, and what of that is not written yet.
    wanted: Mutex<(Contents, Option<Change>)>,
    changed: Notify,
}

impl HeldSecret {
    pub(super) async fn open(kubernetes: &Kubernetes, name: &str, writer: Writer) -> Result<Self, StateError> {
        let (object, data) = SecretObject::open(kubernetes, name, writer).await?;
        let contents = contents(&object.what(), &data)?;
        Ok(Self { object: Some(object), wanted: Mutex::new((contents, None)), changed: Notify::new() })
    }

    pub(super) async fn look(kubernetes: &Kubernetes, name: &str) -> Result<Self, StateError> {
        let data = SecretObject::look(kubernetes, name).await?.unwrap_or_default();
        let contents = contents(&format!("Secret {}/{name}", kubernetes.namespace), &data)?;
        Ok(Self { object: None, wanted: Mutex::new((contents, None)), changed: Notify::new() })
    }

    /// What it is to say.
    pub(super) fn contents(&self) -> Contents {
        self.with(|wanted| wanted.0.clone())
    }

    /// Changes what it is to say; it is written soon.
    pub(super) fn change(&self, change: Change, work: impl FnOnce(&mut Contents)) {
        self.with(|(contents, pending)| {
            work(contents);
            *pending = (*pending).max(Some(change));
        });
        self.changed.notify_one();
    }

    fn with<T>(&self, work: impl FnOnce(&mut (Contents, Option<Change>)) -> T) -> T {
        work(&mut self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes behind until `stop` is cancelled, and then once more what is left.
    pub(crate) async fn write_behind(&self, surroundings: &Surroundings, stop: &CancellationToken) {
        let turning = STATE.begin(&surroundings.metrics);
        let mut written: Option<Written> = None;
        loop {
            let pending = self.with(|wanted| wanted.1);
            let wait = pending.map(|change| due(written.as_ref(), change).saturating_sub(surroundings.clock.uptime()));
            let is_due = async {
                tokio::select! {
                    () = stop.cancelled() => None,
                    // What is waited for may be due earlier now.
                    () = self.changed.notified() => Some(false),
                    () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => Some(true),
                }
            };
            match turning.wait(is_due).await {
                None => break,
                Some(false) => {}
                Some(true) => {
                    let at = surroundings.clock.uptime();
                    if self.write(surroundings).await {
                        turning.progressed();
                    }
                    written = Some(Written { at, took: surroundings.clock.uptime().saturating_sub(at) });
                }
            }
        }
        self.write(surroundings).await;
    }

    /// Whether it was written, or there was nothing to write.
    async fn write(&self, surroundings: &Surroundings) -> bool {
        let (Some(object), (contents, Some(change))) =
            (&self.object, self.with(|(contents, pending)| (contents.clone(), pending.take())))
        else {
            return true;
        };
        let bindings = contents.held.len();
        let packed = match blocking(move || packed::pack(&contents)).await {
            Ok(packed) => packed,
            Err(error) => {
                tracing::error!(%error, "what is held cannot be written down");
                return false;
            }
        };
        surroundings.metrics.state_bytes.set(i64::try_from(packed.len()).unwrap_or(i64::MAX));
        if packed.len() > HELD_MAX_BYTES {
            surroundings.metrics.state_oversize.inc();
            let (bytes, limit) = (packed.len(), HELD_MAX_BYTES);
            tracing::error!(
                bindings,
                bytes,
                limit,
                "what is held does not fit into {}: after a restart the newest bindings are sent again; bind fewer to this cluster",
                object.what()
            );
            return false;
        }
        if let Err(error) = object.replace([(KEY.to_owned(), ByteString(packed))].into()).await {
            tracing::warn!(%error, "what is held is not written down yet");
            self.change(change, |_| {});
            return false;
        }
        true
    }
}

/// A write that was made.
struct Written {
    at: Duration,
    took: Duration,
}

/// When to write what changed, after it was last written.
fn due(written: Option<&Written>, change: Change) -> Duration {
    let Some(Written { at, took }) = written else { return Duration::ZERO };
    let interval = match change {
        Change::Moved => MOVED_INTERVAL,
        Change::Shaped => (*took * SHARE).clamp(SHAPED_INTERVAL, SHAPED_INTERVAL_MAX),
    };
    *at + interval
}

fn contents(what: &str, data: &Data) -> Result<Contents, StateError> {
    match data.get(KEY) {
        None => Ok(Contents::default()),
        Some(packed) => packed::unpack(packed).map_err(|place| damaged(format!("{KEY} of {what}"), place)),
    }
}

#[cfg(test)]
mod tests;
