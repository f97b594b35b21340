//! How many requests are answered at once: of one node, so that none takes the others' turns, and of all; and how many may wait, whoever
//! sent them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::refusal::Refusal;

/// Of all nodes together.
const REQUESTS_MAX: usize = 256;
/// With those that wait, also those of whom it is not known yet whether they may ask.
const ENTERED_MAX: usize = 1_024;
/// How long a request waits for its turn, and for that among its node's.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(2);

/// Who may go on.
pub(super) struct Turns {
    entered: Semaphore,
    all: Arc<Semaphore>,
    of_node: Mutex<HashMap<String, Arc<Semaphore>>>,
    node_max: usize,
    wait: Duration,
}

/// May go on until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _of_node: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(node_max: u16, wait: Duration) -> Self {
        let all = Arc::new(Semaphore::new(REQUESTS_MAX));
        Self { entered: Semaphore::new(ENTERED_MAX), all, of_node: Mutex::default(), node_max: node_max.into(), wait }
    }

    /// Lets a request in, to be looked at, or refuses it at once.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        self.entered.try_acquire().map_err(|_| Refusal::Busy(format!("more than {ENTERED_MAX} requests at once: try again")))
    }

    /// A turn for a request of this node, after a wait at most.
    pub(super) async fn take(&self, node: &str) -> Result<Turn, Refusal> {
        let places = self.places(node);
        let busy = |whose: String| Refusal::Busy(format!("{whose} at once: try again"));
        let of_node =
            self.within(places).await.ok_or_else(|| busy(format!("node {node} asks for more than {}", self.node_max)))?;
        let of_all =
            self.within(self.all.clone()).await.ok_or_else(|| busy(format!("nodes ask for more than {REQUESTS_MAX}")))?;
        Ok(Turn { _of_node: of_node, _of_all: of_all })
    }

    /// Of nodes that ask for nothing nothing is kept.
    fn places(&self, node: &str) -> Arc<Semaphore> {
        let mut nodes = self.of_node.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has a turn or waits for one holds it too.
        nodes.retain(|name, places| name == node || Arc::strong_count(places) > 1);
        nodes.entry(node.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.node_max))).clone()
    }

    async fn within(&self, places: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        timeout(self.wait, places.acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn one_node_has_so_many_turns_and_takes_none_of_anothers() {
        let turns = Turns::new(2, SHORT);
        let first = turns.take("n1").await.unwrap();
        let _second = turns.take("n1").await.unwrap();
        let Err(Refusal::Busy(why)) = turns.take("n1").await else { panic!("a third one at once") };
        assert!(why.contains("n1") && why.contains("more than 2"), "{why}");
        let _of_another = turns.take("n2").await.unwrap();
        drop(first);
        turns.take("n1").await.unwrap();
    }

    #[tokio::test]
    async fn all_nodes_together_have_so_many_and_who_waits_is_next() {
        let turns = Arc::new(Turns::new(1, WAIT_LIMIT));
        let mut all = Vec::new();
        for node in 0..REQUESTS_MAX {
            all.push(turns.take(&node.to_string()).await.unwrap());
        }
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take("late").await.is_ok() }
        });
        tokio::task::yield_now().await;
        all.pop();
        assert!(waiting.await.unwrap());
    }

    #[test]
    fn so_many_are_let_in_and_no_more_until_one_leaves() {
        let turns = Turns::new(1, SHORT);
        let mut all: Vec<_> = (0..ENTERED_MAX).map(|_| turns.enter().unwrap()).collect();
        assert!(matches!(turns.enter(), Err(Refusal::Busy(_))));
        all.pop();
        assert!(turns.enter().is_ok());
    }

    #[tokio::test]
    async fn who_waited_in_vain_is_told_so() {
        let turns = Turns::new(u16::MAX, SHORT);
        let mut all = Vec::new();
        for _ in 0..REQUESTS_MAX {
            all.push(turns.take("n1").await.unwrap());
        }
        let Err(Refusal::Busy(why)) = turns.take("n2").await else { panic!("one too many") };
        assert!(why.contains("256"), "{why}");
    }

    #[tokio::test]
    async fn a_node_that_asks_for_nothing_is_forgotten() {
        let turns = Turns::new(1, SHORT);
        drop(turns.take("n1").await.unwrap());
        let _turn = turns.take("n2").await.unwrap();
        let _another = turns.take("n3").await.unwrap();
        assert_eq!(turns.of_node.lock().unwrap().len(), 2);
    }
}
