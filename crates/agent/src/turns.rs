//! Turns: work on one binding goes one after the other, work on different bindings side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lockstep_core::id::BindingId;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Who works on which binding. A binding nobody works on is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<BindingId, Weak<Turn<()>>>>);

impl Turns {
    /// Waits until nobody else works on `binding`; in the order of asking.
    pub(crate) async fn take(&self, binding: BindingId) -> OwnedMutexGuard<()> {
        self.turn(binding).lock_owned().await
    }

    fn turn(&self, binding: BindingId) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&binding).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        turns.insert(binding, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use uuid::Uuid;

    #[test]
    fn one_binding_is_worked_on_by_one_at_a_time_and_then_forgotten() {
        let turns = Turns::default();
        let (one, two) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
        let first = turns.take(one).now_or_never().unwrap();
        let second = turns.take(one);
        assert!(second.now_or_never().is_none());
        let other = turns.take(two).now_or_never().unwrap();
        drop((first, other));
        let again = turns.take(one).now_or_never().unwrap();
        assert_eq!(turns.0.lock().unwrap().len(), 1);
        drop(again);
    }
}
