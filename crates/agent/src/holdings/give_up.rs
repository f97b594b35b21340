//! Giving a binding up.

use super::Holdings;
use crate::delivery::{Answer, Applied, Delete, Refusal};
use crate::state::ledger::Holding;

impl Holdings {
    /// Removes or only forgets what was delivered, or says why not. A binding that was never held is given up at once.
    pub(crate) fn delete(&mut self, delete: &Delete) -> Answer {
        let result = self.try_delete(delete).map(|()| Applied::Delete);
        Answer { binding: delete.binding, revision: delete.revision, trace: None, result }
    }

    fn try_delete(&mut self, delete: &Delete) -> Result<(), Refusal> {
        self.refuse_older(delete.binding, delete.revision)?;
        if let (true, Some(Holding::Held(held)), Some(owner)) =
            (delete.purge, self.ledger.get(delete.binding), self.owner(delete.binding))
        {
            for target in held.former.iter().chain([&held.target]) {
                self.sinks.remove(target, owner, &self.ring)?;
            }
        }
        Ok(self.ledger.record(delete.binding, Holding::GivenUp { revision: delete.revision }, Some(delete.head))?)
    }
}
