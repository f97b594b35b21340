//! Programs that log in all the time with what they last read from their cluster's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::Database;

use crate::shop::Shop;

const PERIOD: Duration = Duration::from_millis(100);

/// One program in each cluster, until this is dropped.
pub(super) struct Logins {
    programs: Vec<(Arc<Counters>, tokio::task::JoinHandle<()>)>,
}

#[derive(Default)]
struct Counters {
    good: AtomicUsize,
    refused: AtomicUsize,
}

/// What came of one program's logins so far.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) good: usize,
    pub(super) refused: usize,
}

impl Logins {
    /// Begins with what is in this target.
    pub(super) fn begin(shop: &Shop, target: &str) -> Self {
        let begin = |folder: PathBuf| {
            let counters = Arc::<Counters>::default();
            (counters.clone(), tokio::spawn(program(folder, shop.database.clone(), counters)))
        };
        Self { programs: shop.fleet.agents.iter().map(|agent| begin(agent.targets().join(target))).collect() }
    }

    /// Of each cluster.
    pub(super) fn counts(&self) -> Vec<Counts> {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        self.programs.iter().map(|(of, _)| Counts { good: count(&of.good), refused: count(&of.refused) }).collect()
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        self.programs.iter().for_each(|(_, program)| program.abort());
    }
}

async fn program(folder: PathBuf, database: Database, counters: Arc<Counters>) {
    loop {
        if let Ok((user, password)) = read(&folder) {
            match database.lets_in(&user, &password).await {
                Ok(true) => counters.good.fetch_add(1, Ordering::Relaxed),
                Ok(false) | Err(_) => counters.refused.fetch_add(1, Ordering::Relaxed),
            };
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Both of one version, as a program does that follows the link once. An error: the folder was exchanged meanwhile.
fn read(folder: &Path) -> Result<(String, String)> {
    let folder = folder.join("..data").canonicalize()?;
    let file = |name: &str| std::fs::read_to_string(folder.join(name));
    Ok((file("username")?, file("password")?))
}
