//! The sessions on this replica, by cluster.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lockstep_core::cluster::{Admittance, Life};
use lockstep_core::history::Mark;
use lockstep_core::id::{ClusterId, InstanceId, SessionId};
use lockstep_core::revision::Seq;
use lockstep_store::desired::Facts;
use tokio::sync::{mpsc, watch};

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
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A newer stream, or one with a higher lease term; or the installation is no more its cluster's.
    Superseded,
    /// The cluster was revoked.
    Revoked,
    /// The same, and its agent is to remove what was delivered: on a stream that is good for nothing else.
    Purging,
}

/// The most commands that wait for one session. One that does not fit becomes a reload.
const QUEUE_MAX: usize = 16;

/// The sessions on this replica.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<ClusterId, Handle>>);

struct Handle {
    id: SessionId,
    what: Stream,
    commands: mpsc::Sender<Command>,
    /// Capacity 1: a reload that is asked for twice is done once.
    reload: mpsc::Sender<()>,
    /// Apart from the commands: it waits behind none of them, and none of them can make it be lost.
    end: watch::Sender<Option<End>>,
}

/// Whose a stream is, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// From the certificate.
    pub(super) instance: InstanceId,
    /// Whether it is one on which the agent of a revoked cluster removes what was delivered.
    pub(super) purges: bool,
}

/// What a session receives.
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) reload: mpsc::Receiver<()>,
    pub(super) end: watch::Receiver<Option<End>>,
}

impl Inbox {
    /// Waits until the session is to end, and says why.
    pub(super) async fn ended(end: &mut watch::Receiver<Option<End>>) -> End {
        // Its handle goes only where another stream takes its place.
        end.wait_for(Option::is_some).await.ok().and_then(|why| *why).unwrap_or(End::Superseded)
    }
}

impl Stream {
    /// Why it is to end, if its cluster's life is as this.
    fn ending(self, life: &Life) -> Option<End> {
        match (life.admittance(self.instance), self.purges) {
            (Admittance::Full, false) | (Admittance::Purging, true) => None,
            (Admittance::Purging, false) => Some(End::Purging),
            (Admittance::Revoked, _) => Some(End::Revoked),
            (Admittance::Full, true) | (Admittance::Replaced, _) => Some(End::Superseded),
        }
    }
}

impl Sessions {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ClusterId, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a session; an older one of the same cluster on this replica is told to end.
    pub(super) fn enter(&self, cluster: ClusterId, id: SessionId, what: Stream) -> Inbox {
        let (commands, inbox) = mpsc::channel(QUEUE_MAX);
        let (reload, reloads) = mpsc::channel(1);
        let (end, ends) = watch::channel(None);
        if let Some(older) = self.lock().insert(cluster, Handle { id, what, commands, reload, end }) {
            let _ = older.end.send(Some(End::Superseded));
        }
        Inbox { commands: inbox, reload: reloads, end: ends }
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

    /// The sessions here.
    pub fn ids(&self) -> Vec<(ClusterId, SessionId)> {
        self.lock().iter().map(|(cluster, handle)| (*cluster, handle.id)).collect()
    }

    /// Ends a session if the cluster's life is not one any more in which it may go on. One that took its place since the registry
    /// was read is left alone: it knows better.
    pub fn judge(&self, cluster: ClusterId, id: SessionId, life: &Life) {
        if let Some(handle) = self.lock().get(&cluster).filter(|handle| handle.id == id)
            && let Some(end) = handle.what.ending(life)
        {
            let _ = handle.end.send(Some(end));
        }
    }

    /// Ends a session, if it is still the cluster's here.
    pub(super) fn supersede(&self, cluster: ClusterId, id: SessionId) {
        if let Some(handle) = self.lock().get(&cluster).filter(|handle| handle.id == id) {
            let _ = handle.end.send(Some(End::Superseded));
        }
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

#[cfg(test)]
mod tests {
    use lockstep_core::cluster::{ClusterState, Purge};
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_when_its_cluster_is_revoked_or_joined_anew_however_much_waits_before_it() {
        use ClusterState::{Active, Pending, Revoked};
        let (cluster, id) = (ClusterId::from(Uuid::from_u128(1)), SessionId::from(Uuid::from_u128(2)));
        let own = InstanceId::from(Uuid::from_u128(3));
        let life = |state, purge, instance| Life { state, purge, instance };
        for (purges, life, want) in [
            (false, life(Active, Purge::NotAsked, Some(own)), None),
            (false, life(Revoked, Purge::NotAsked, Some(own)), Some(End::Revoked)),
            (false, life(Revoked, Purge::Asked, Some(own)), Some(End::Purging)),
            (true, life(Revoked, Purge::Asked, Some(own)), None),
            (true, life(Revoked, Purge::Done, Some(own)), Some(End::Revoked)),
            (true, life(Active, Purge::NotAsked, Some(own)), Some(End::Superseded)),
            (false, life(Pending, Purge::NotAsked, None), Some(End::Superseded)),
            (true, life(Pending, Purge::NotAsked, None), Some(End::Superseded)),
        ] {
            let sessions = Sessions::default();
            let mut inbox = sessions.enter(cluster, id, Stream { instance: own, purges });
            for _ in 0..2 * QUEUE_MAX {
                let offer = Command::Offer { head: Mark::ORIGIN, withheld: None, confirmed: Seq::default(), facts: Vec::new() };
                sessions.tell(cluster, offer);
            }
            sessions.judge(cluster, Uuid::from_u128(9).into(), &life);
            assert_eq!(*inbox.end.borrow(), None, "that was about another stream");
            sessions.judge(cluster, id, &life);
            let told = *inbox.end.borrow();
            assert_eq!(told, want, "{purges} {life:?}");
            if let Some(want) = want {
                assert_eq!(Inbox::ended(&mut inbox.end).await, want);
            }
        }
    }

    #[tokio::test]
    async fn a_newer_stream_ends_the_older_one() {
        let cluster = ClusterId::from(Uuid::from_u128(1));
        let what = Stream { instance: Uuid::from_u128(3).into(), purges: false };
        let sessions = Sessions::default();
        let mut older = sessions.enter(cluster, Uuid::from_u128(2).into(), what);
        let newer = sessions.enter(cluster, Uuid::from_u128(4).into(), what);
        assert_eq!(Inbox::ended(&mut older.end).await, End::Superseded);
        sessions.supersede(cluster, Uuid::from_u128(2).into());
        assert_eq!(*newer.end.borrow(), None, "that was the other one");
    }
}
