//! How many requests are answered at once, and how much content is on its way: of one node, so that none takes the others' turns, and of all; and
//! how many may wait, whoever sent them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::refusal::Refusal;
use super::service::CONTENT_MAX_BYTES;

/// Requests of all nodes together.
const REQUESTS_MAX: usize = 256;
/// With those that wait, also those of whom it is not known yet whether they may ask.
const ENTERED_MAX: usize = 1_024;
/// Content that is on its way to all nodes together, in bytes. A node that reads slowly keeps its part in memory here.
const CARRIED_MAX_BYTES: usize = 32 << 20;
/// And to one node: two of the largest volumes.
const NODE_CARRIED_MAX_BYTES: usize = 8 << 20;
const _: () = assert!(CONTENT_MAX_BYTES <= NODE_CARRIED_MAX_BYTES);
/// How finely content is counted, in bytes: a semaphore counts to 2^32.
const PIECE_BYTES: usize = 1 << 10;
/// How long a request waits for its turn, for that among its node's, and as long again for room for its content.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(2);

/// Who may go on.
pub(super) struct Turns {
    entered: Semaphore,
    all: Arc<Places>,
    of_node: Mutex<HashMap<String, Arc<Places>>>,
    node_max: usize,
    wait: Duration,
}

/// Room for requests, and for what they are answered with.
#[derive(Debug)]
struct Places {
    requests: Arc<Semaphore>,
    /// In pieces.
    carried: Arc<Semaphore>,
}

impl Places {
    fn new(requests: usize, carried_bytes: usize) -> Arc<Self> {
        let carried = Arc::new(Semaphore::new(carried_bytes / PIECE_BYTES));
        Arc::new(Self { requests: Arc::new(Semaphore::new(requests)), carried })
    }
}

/// May go on until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    node: String,
    /// Of the node first, then of all: who waits for the others keeps nothing of theirs.
    places: [Arc<Places>; 2],
    _taken: [OwnedSemaphorePermit; 2],
    carried: Vec<OwnedSemaphorePermit>,
    wait: Duration,
}

impl Turns {
    pub(super) fn new(node_max: u16, wait: Duration) -> Self {
        let all = Places::new(REQUESTS_MAX, CARRIED_MAX_BYTES);
        Self { entered: Semaphore::new(ENTERED_MAX), all, of_node: Mutex::default(), node_max: node_max.into(), wait }
    }

    /// Lets a request in, to be looked at, or refuses it at once.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        self.entered.try_acquire().map_err(|_| Refusal::Busy(format!("more than {ENTERED_MAX} requests at once: try again")))
    }

    /// A turn for a request of this node, after a wait at most.
    pub(super) async fn take(&self, node: &str) -> Result<Turn, Refusal> {
        let places = [self.places(node), self.all.clone()];
        let of_node = within(self.wait, &places[0].requests, 1).await;
        let of_node = of_node.ok_or_else(|| busy(&format!("node {node} asks for more than {}", self.node_max)))?;
        let of_all = within(self.wait, &places[1].requests, 1).await;
        let of_all = of_all.ok_or_else(|| busy(&format!("nodes ask for more than {REQUESTS_MAX}")))?;
        Ok(Turn { node: node.to_owned(), places, _taken: [of_node, of_all], carried: Vec::new(), wait: self.wait })
    }

    /// Of nodes that ask for nothing nothing is kept.
    fn places(&self, node: &str) -> Arc<Places> {
        let mut nodes = self.of_node.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has a turn or waits for one holds it too.
        nodes.retain(|name, places| name == node || Arc::strong_count(places) > 1);
        nodes.entry(node.to_owned()).or_insert_with(|| Places::new(self.node_max, NODE_CARRIED_MAX_BYTES)).clone()
    }
}

impl Turn {
    /// Room for so much content, after a wait at most; it is free again when the turn ends.
    pub(super) async fn carry(&mut self, bytes: usize) -> Result<(), Refusal> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX);
        let to_node = format!("more than {NODE_CARRIED_MAX_BYTES} bytes are on their way to node {}", self.node);
        let to_all = format!("more than {CARRIED_MAX_BYTES} bytes are on their way to nodes");
        for (places, too_much) in self.places.iter().zip([to_node, to_all]) {
            let room = within(self.wait, &places.carried, pieces).await;
            self.carried.push(room.ok_or_else(|| busy(&too_much))?);
        }
        Ok(())
    }
}

async fn within(wait: Duration, places: &Arc<Semaphore>, many: u32) -> Option<OwnedSemaphorePermit> {
    timeout(wait, places.clone().acquire_many_owned(many)).await.ok()?.ok()
}

fn busy(what: &str) -> Refusal {
    Refusal::Busy(format!("{what} at once: try again"))
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
    async fn so_much_is_on_its_way_to_a_node_and_to_all_and_who_waits_for_room_is_told_so() {
        let turns = Turns::new(u16::MAX, SHORT);
        let large = async |node: &str| {
            let mut turn = turns.take(node).await.unwrap();
            turn.carry(NODE_CARRIED_MAX_BYTES / 2).await.map(|()| turn)
        };
        let (first, _second) = (large("n1").await.unwrap(), large("n1").await.unwrap());
        let Err(Refusal::Busy(why)) = large("n1").await else { panic!("more than there is room for") };
        assert!(why.contains("on their way to node n1"), "{why}");
        let mut others = Vec::new();
        for node in 2..=CARRIED_MAX_BYTES / NODE_CARRIED_MAX_BYTES {
            others.extend([large(&format!("n{node}")).await.unwrap(), large(&format!("n{node}")).await.unwrap()]);
        }
        let Err(Refusal::Busy(why)) = large("late").await else { panic!("more than there is room for") };
        assert!(why.contains("on their way to nodes"), "{why}");
        let mut small = turns.take("n1").await.unwrap();
        assert!(small.carry(1).await.is_err(), "not even a byte");
        drop(first);
        large("n1").await.unwrap();
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
