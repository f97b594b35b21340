//! Giving a binding up.

use super::Holdings;
use crate::delivery::{Answer, Applied, Delete, Refusal};
use crate::state::ledger::Holding;

impl Holdings {
    /// Removes or only forgets what was delivered, or says why not. A binding that was never held is given up at once.
    pub(crate) async fn delete(&self, delete: Delete) -> Answer {
        let _turn = self.turns.take(delete.binding).await;
        let result = self.try_delete(delete).await.map(|()| Applied::Delete);
        Answer { binding: delete.binding, revision: delete.revision, trace: None, result }
    }

    async fn try_delete(&self, delete: Delete) -> Result<(), Refusal> {
        let Delete { binding, revision, head, purge } = delete;
        let (held, owner, keys) = self
            .books(move |books| {
                books.refuse_older(binding, revision)?;
                Ok::<_, Refusal>((books.ledger.get(binding).cloned(), books.owner(binding), books.ring.keys()))
            })
            .await?;
        if let (true, Some(Holding::Held(held)), Some(owner)) = (purge, held, owner) {
            // One place that does not let go must not keep the others.
            let mut refused = None;
            for target in held.former.iter().chain([&held.everywhere()]) {
                let removed = self.sinks.remove(held.place_of(target), owner, &held.digest, &keys, None).await;
                refused = refused.or(removed.err());
            }
            refused.map_or(Ok(()), Err)?;
        }
        self.sinks.leave(binding);
        self.forget_restarts(binding);
        self.forget_kept(binding).await;
        Ok(self.books(move |books| books.ledger.record(binding, Holding::GivenUp { revision }, Some(head))).await?)
    }
}
