//! What the registry says that the cluster should hold: offered on changes, and read whole where that is not enough.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lockstep_core::history::{Mark, Standing};
use lockstep_store::desired::{self, Snapshot, Which};
use lockstep_store::{StoreError, cluster, pool};
use tokio::time::Instant;

use super::{NEED_PAUSE, RELOAD_LIMIT, Session};
use crate::gateway::admission::hold;

impl Session {
    /// Reads all of this cluster's placements: at the beginning, after an epoch, when told too much at once.
    pub(super) fn reload(&self) -> BoxFuture<'static, Result<Snapshot, StoreError>> {
        let (pool, cluster) = (self.gateway.app.pool.clone(), self.admitted.identity.cluster);
        let (held, seen) = (self.ledger.held(), self.seen);
        let read = async move {
            let mut connection = pool::acquire(&pool).await?;
            let snapshot = desired::read(&mut connection, &[cluster], Which::All, &seen).await?;
            let unknown = held.iter().filter(|id| snapshot.facts.iter().all(|f| f.binding.id != **id)).count();
            cluster::note_unknown_bindings(&mut connection, cluster, unknown).await?;
            Ok(snapshot)
        };
        pool::within(RELOAD_LIMIT, read).boxed()
    }

    pub(super) async fn reloaded(&mut self, reloaded: Result<Snapshot, StoreError>) {
        let cluster = self.admitted.identity.cluster;
        match reloaded {
            Ok(snapshot) if snapshot.standing == Standing::Known && is_before(&snapshot.registry.head, &self.seen) => {
                // An offer overtook it: beside that, it would look as if the history had been cut.
                self.reload_at = Some(Instant::now());
            }
            Ok(mut snapshot) => {
                let cut = snapshot.standing == Standing::Cut;
                if let (false, Some(life)) = (cut, snapshot.revoked.get(&cluster)) {
                    self.gateway.sessions.judge(cluster, self.admitted.session, life);
                }
                let withheld = snapshot.registry.held.or(snapshot.withheld.remove(&cluster));
                self.ledger.confirm_deletions(snapshot.confirmed.remove(&cluster).unwrap_or_default());
                self.offer(snapshot.facts, snapshot.registry.head, withheld, cut).await;
                self.ledger.complete();
            }
            Err(error) => {
                tracing::warn!(%error, cluster = %self.admitted.name, "what this cluster should hold cannot be read; trying again");
                self.reload_at = Some(Instant::now() + NEED_PAUSE);
            }
        }
    }

    /// Takes placements as they are. `cut`: they come from a history that lacks what was seen here.
    pub(super) async fn offer(&mut self, facts: Vec<desired::Facts>, head: Mark, withheld: Option<String>, cut: bool) {
        self.withheld = withheld;
        let cut = self.ledger.offer(facts, head) || cut;
        if !cut {
            self.seen = head;
        }
        if cut && self.withheld.is_none() {
            let holding = hold(
                &self.gateway.app.pool,
                &self.gateway.app.config.replica,
                self.admitted.identity.cluster,
                &self.admitted.name,
            );
            self.withheld = Some(match holding.await {
                Ok(reason) => reason,
                Err(error) => error.to_string(),
            });
        }
    }
}

/// Whether what was read there was read before this.
pub(super) fn is_before(head: &Mark, seen: &Mark) -> bool {
    (head.epoch, head.seq) < (seen.epoch, seen.seq)
}
