//! `Standby/Follow`: a replica that stands by is told everything that it lacks, sealed, and then what changes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::id::BindingId;
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_proto::convert::binding_id;
use lockstep_proto::node::cache_change::Change;
use lockstep_proto::node::standby_server::Standby;
use lockstep_proto::node::{self, CacheChange, FollowRequest, SealedEntry};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::review::Reviewer;
use super::service::bearer;
use crate::blocking::blocking;
use crate::lease::Standing;
use crate::sink::csi::{Caching, Csi, Level};

/// How often it is said how fresh all of it is.
pub(super) const LEVEL_INTERVAL: Duration = Duration::from_secs(5);
/// Replicas that may follow at once: another one, and one more for a moment of a rollout.
pub(super) const FOLLOWERS_MAX: usize = 4;
/// Entries under way: each may have a mebibyte.
const AHEAD_MAX: usize = 4;

/// Answers replicas that stand by.
pub(super) struct Following {
    pub(super) csi: Arc<Csi>,
    pub(super) reviewer: Arc<Reviewer>,
    pub(super) standing: watch::Receiver<Standing>,
    /// How many may follow at once.
    pub(super) turns: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Standby for Following {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<CacheChange, Status>> + Send>>;

    async fn follow(&self, request: Request<FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        let (metadata, _, FollowRequest { known }) = request.into_parts();
        self.reviewer.replica(&bearer(&metadata)?).await?;
        may_be_followed(&self.standing.borrow(), self.csi.caching())?;
        let following = self.turns.clone().try_acquire_owned();
        let following = following.map_err(|_| Status::resource_exhausted("other replicas follow already"))?;
        let mut parsed = BTreeMap::new();
        for entry in known {
            let binding = binding_id(&entry.binding).map_err(|error| Status::invalid_argument(error.to_string()))?;
            parsed.insert(binding, Revision { epoch: Epoch::new(entry.epoch), seq: Seq::new(entry.seq) });
        }
        let (sender, receiver) = mpsc::channel(AHEAD_MAX);
        let telling = tell(self.csi.clone(), parsed, sender);
        tokio::spawn(async move {
            telling.await;
            drop(following);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Whoever looks for the replica that works takes [`Code::FailedPrecondition`](tonic::Code) for "another one", and everything else for its answer.
fn may_be_followed(standing: &Standing, caching: Caching) -> Result<(), Status> {
    match (standing, caching) {
        (Standing::Leader, Caching::Settled) => Ok(()),
        // What it has counts only once its ledger has had the last word.
        (Standing::Leader, Caching::NotYet) => Err(Status::unavailable("the replica that works has not opened its cache yet")),
        (Standing::Leader, Caching::Without) => Err(Status::unavailable(
            "the replica that works has no cache, so there is nothing to follow: see its log, and --cache-dir",
        )),
        (Standing::Standby | Standing::Unknown(_), _) => {
            Err(Status::failed_precondition("this replica stands by: follow the one that works"))
        }
    }
}

/// Until nobody listens any more.
async fn tell(csi: Arc<Csi>, mut known: BTreeMap<BindingId, Revision>, out: mpsc::Sender<Result<CacheChange, Status>>) {
    let mut changes = csi.changes();
    loop {
        changes.mark_unchanged();
        let now = csi.revisions();
        let lacked = csi.lacked();
        let is_gone = |binding: &&BindingId| !now.contains_key(binding) && !lacked.contains(binding);
        for binding in known.keys().filter(is_gone).copied().collect::<Vec<_>>() {
            known.remove(&binding);
            if say(&out, Change::Removed(binding.uuid().as_bytes().to_vec())).await.is_none() {
                return;
            }
        }
        for (binding, revision) in now {
            if known.get(&binding) == Some(&revision) {
                continue;
            }
            let of = csi.clone();
            let change = match blocking(move || of.sealed(binding, revision)).await {
                Some(sealed) => {
                    known.insert(binding, revision);
                    Change::Put(SealedEntry { binding: binding.uuid().as_bytes().to_vec(), sealed })
                }
                // The disk was full, or it has changed again: the next round may have it, and the former one is not the newest.
                None if known.remove(&binding).is_some() => Change::Removed(binding.uuid().as_bytes().to_vec()),
                None => continue,
            };
            if say(&out, change).await.is_none() {
                return;
            }
        }
        let Level { is_linked, confirmed } = csi.level();
        let level = node::Level { linked: is_linked, confirmed_s: confirmed.map_or(0, |at| at.timestamp()) };
        if say(&out, Change::Level(level)).await.is_none() {
            return;
        }
        tokio::select! {
            moved = changes.changed() => if moved.is_err() { return },
            () = tokio::time::sleep(LEVEL_INTERVAL) => {}
            () = out.closed() => return,
        }
    }
}

async fn say(out: &mpsc::Sender<Result<CacheChange, Status>>, change: Change) -> Option<()> {
    out.send(Ok(CacheChange { change: Some(change) })).await.ok()
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn only_who_works_and_has_a_cache_that_the_ledger_has_looked_through_is_followed_and_the_others_say_why_not() {
        for (standing, caching, code, part) in [
            (Standing::Leader, Caching::Settled, Code::Ok, ""),
            (Standing::Leader, Caching::NotYet, Code::Unavailable, "not opened its cache yet"),
            (Standing::Leader, Caching::Without, Code::Unavailable, "has no cache"),
            (Standing::Standby, Caching::Settled, Code::FailedPrecondition, "stands by"),
            (Standing::Unknown(String::new()), Caching::NotYet, Code::FailedPrecondition, "stands by"),
        ] {
            let refusal = may_be_followed(&standing, caching).err();
            assert_eq!(refusal.as_ref().map_or(Code::Ok, Status::code), code, "{standing:?} {caching:?}");
            assert!(refusal.is_none_or(|status| status.message().contains(part)), "{standing:?} {caching:?}");
        }
    }
}
