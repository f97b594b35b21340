//! The sessions on this replica, by cluster.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lockstep_core::history::Mark;
use lockstep_core::id::{ClusterId, SessionId};
use lockstep_core::revision::Seq;
use lockstep_store::desired::Facts;
use tokio::sync::mpsc;

/// What a session is told.
#[derive(Debug)]
pub enum Command {
    /// Placements as they are now, and whether anything may be sent.
    Offer {
        /// The history's head when they were read.
        head: Mark,
        /// Why nothing may be sent now.
        withheld: Option<String>,
        /// Up to which change deletions were confirmed.
        confirmed: Seq,
        /// The placements.
        facts: Vec<Facts>,
    },
    /// Read everything anew: the epoch changed, or an offer did not fit the queue.
    Reload,
    /// End: another stream is the cluster's now, or it was revoked.
    End(End),
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A newer stream, or one with a higher lease term.
    Superseded,
    /// The cluster was revoked or removed.
    Revoked,
}

/// The most commands that wait for one session. One that does not fit becomes a reload.
const QUEUE_MAX: usize = 16;

/// The sessions on this replica.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<ClusterId, Handle>>);

struct Handle {
    id: SessionId,
    commands: mpsc::Sender<Command>,
    /// Capacity 1: a reload that is asked for twice is done once.
    reload: mpsc::Sender<()>,
}

/// What a session receives.
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) reload: mpsc::Receiver<()>,
}

impl Sessions {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ClusterId, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a session; an older one of the same cluster on this replica is told to end.
    pub(super) fn enter(&self, cluster: ClusterId, id: SessionId) -> Inbox {
        let (commands, inbox) = mpsc::channel(QUEUE_MAX);
        let (reload, reloads) = mpsc::channel(1);
        if let Some(older) = self.lock().insert(cluster, Handle { id, commands, reload }) {
            let _ = older.commands.try_send(Command::End(End::Superseded));
        }
        Inbox { commands: inbox, reload: reloads }
    }

    /// Takes a session out, if it is still the one.
    pub(super) fn leave(&self, cluster: ClusterId, id: SessionId) {
        let mut sessions = self.lock();
        if sessions.get(&cluster).is_some_and(|h| h.id == id) {
            sessions.remove(&cluster);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The clusters connected here.
    pub fn clusters(&self) -> Vec<ClusterId> {
        self.lock().keys().copied().collect()
    }

    /// The sessions here.
    pub fn ids(&self) -> Vec<(ClusterId, SessionId)> {
        self.lock().iter().map(|(cluster, handle)| (*cluster, handle.id)).collect()
    }

    /// Tells a cluster's session. Never waits: a session that is behind reloads instead, so nothing is lost.
    pub fn tell(&self, cluster: ClusterId, command: Command) {
        let sessions = self.lock();
        let Some(handle) = sessions.get(&cluster) else { return };
        if matches!(command, Command::Reload) || handle.commands.try_send(command).is_err() {
            let _ = handle.reload.try_send(());
        }
    }
}
