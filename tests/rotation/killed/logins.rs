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
    counts: Arc<Counts>,
    programs: Vec<tokio::task::JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    good: AtomicUsize,
    refused: AtomicUsize,
}

impl Logins {
    /// Begins with what is in this target.
    pub(super) fn begin(shop: &Shop, target: &str) -> Self {
        let counts = Arc::<Counts>::default();
        let folders = shop.fleet.agents.iter().map(|agent| agent.targets().join(target));
        let programs =
            folders.map(|folder| tokio::spawn(program(folder, shop.database.clone(), counts.clone()))).collect();
        Self { counts, programs }
    }

    /// Logins that worked, and those that were refused, so far.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.counts.good.load(Ordering::Relaxed), self.counts.refused.load(Ordering::Relaxed))
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        self.programs.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn program(folder: PathBuf, database: Database, counts: Arc<Counts>) {
    loop {
        if let Ok((user, password)) = read(&folder) {
            match database.lets_in(&user, &password).await {
                Ok(true) => counts.good.fetch_add(1, Ordering::Relaxed),
                Ok(false) | Err(_) => counts.refused.fetch_add(1, Ordering::Relaxed),
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
