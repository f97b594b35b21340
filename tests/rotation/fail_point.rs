//! A replica that kills itself at a point of a run's way, as `kill -9` would, once.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::STORY_LIMIT;
use lockstep_testbed::wait;

use crate::shop::Shop;

/// What `wait` tells of a process that SIGKILL ended.
const KILLED: i32 = 128 + 9;

/// A point at which all replicas are armed; one of them dies there.
pub(crate) struct FailPoint {
    /// As in `generate/Making`.
    point: String,
    /// Made by the one that dies.
    marker: PathBuf,
}

impl FailPoint {
    /// Starts all replicas anew, armed with this.
    pub(crate) async fn arm(shop: &mut Shop, kind: &str, point: &str) -> Result<Self> {
        let point = format!("{kind}/{point}");
        let name = format!("hit-{}", uuid::Uuid::new_v4().simple());
        let this = Self { marker: shop.fleet.folder().join(name), point };
        for replica in &mut shop.fleet.replicas {
            replica.set_env("LOCKSTEP_FAIL_POINT", &this.point);
            replica.set_env("LOCKSTEP_FAIL_ONCE", &this.marker);
        }
        restart(shop).await?;
        Ok(this)
    }

    /// Waits until a replica has died of it: which.
    pub(crate) async fn killed(&self, shop: &Shop) -> Result<usize> {
        let replicas = &shop.fleet.replicas;
        let dead = wait::until(&format!("{} to be hit", self.point), STORY_LIMIT, async || {
            replicas.iter().position(|replica| !replica.is_running())
        })
        .await?;
        let code = replicas[dead].process()?.wait_exit().await?;
        ensure!(code == KILLED, "replica {} ended with {code}", replicas[dead].name());
        ensure!(self.marker.exists(), "a replica was killed, and not at {}", self.point);
        Ok(dead)
    }

    /// That nobody else died of it.
    pub(crate) fn others_live(&self, shop: &Shop, dead: Option<usize>) -> Result<()> {
        let fallen = shop.fleet.replicas.iter().enumerate().find(|(index, r)| Some(*index) != dead && !r.is_running());
        ensure!(fallen.is_none(), "{} was hit again", self.point);
        Ok(())
    }
}

/// Starts all replicas again, as they are armed. Their agents start anew as well: links that were short make them dial seldom.
pub(crate) async fn restart(shop: &mut Shop) -> Result<()> {
    for index in 0..shop.fleet.replicas.len() {
        if shop.fleet.replicas[index].is_running() {
            shop.fleet.replicas[index].process()?.kill9()?;
        }
        shop.fleet.launch_replica(index)?;
    }
    for index in 0..shop.fleet.agents.len() {
        if shop.fleet.agents[index].process()?.is_running() {
            shop.fleet.agents[index].start()?;
        }
    }
    for replica in &shop.fleet.replicas {
        replica.ready(STORY_LIMIT).await.context("starting a replica again")?;
    }
    Ok(())
}
