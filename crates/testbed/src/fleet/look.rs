//! Looking at a running Lockstep, and waiting until it looks as it should.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::fleet::{Fleet, KV};
use crate::wait;

/// Ten times what is promised, on a machine that does other things too.
pub const STORY_LIMIT: Duration = Duration::from_secs(30);

impl Fleet {
    /// Waits until a binding stands like this in a cluster; answers the delivery.
    pub async fn await_delivery(&self, cluster: &str, binding: &str, status: &str) -> Result<Value> {
        wait::until(&format!("{binding} in {cluster} to be {status}"), STORY_LIMIT, async || {
            let deliveries = self.deliveries().await?;
            let found = deliveries.iter().find(|d| d["cluster"] == cluster && d["binding"] == binding).cloned();
            let found = found.with_context(|| format!("there is no delivery of {binding} in {cluster}"))?;
            ensure!(found["status"] == status, "{found}");
            Ok(found)
        })
        .await
    }

    /// Waits until a cluster has this text in this file of this target; `None`: until it has no such file.
    pub async fn await_file(&self, cluster: &str, target: &str, file: &str, text: Option<&str>) -> Result<()> {
        wait::until(&format!("{target}/{file} in {cluster} to be {text:?}"), STORY_LIMIT, async || {
            let found = self.file(cluster, target, file)?;
            ensure!(found.as_deref() == text, "it is {found:?}");
            anyhow::Ok(())
        })
        .await
    }

    /// What a cluster has in this file of this target.
    pub fn file(&self, cluster: &str, target: &str, file: &str) -> Result<Option<String>> {
        let agent =
            self.agents.iter().find(|a| a.name() == cluster).with_context(|| format!("there is no agent of {cluster}"))?;
        let bytes = agent.read(target).and_then(|mut content| content.remove(file));
        Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    }

    /// Waits until the registry shows a secret of `corp` in this state with this version; answers it.
    pub async fn await_secret(&self, path: &str, state: &str, version: u64) -> Result<Value> {
        wait::until(&format!("{path} to be {state} with version {version}"), STORY_LIMIT, async || {
            let found = self.cli(&["get", "secret", &format!("corp/{KV}/{path}"), "-o", "json"]).await?.json()?;
            ensure!(found["state"] == state && found["version"] == version, "{found}");
            anyhow::Ok(found)
        })
        .await
    }

    /// Waits until every agent says that it is linked to a server.
    pub async fn await_linked(&self) -> Result<()> {
        for agent in &self.agents {
            let what = format!("the agent of {} to be linked", agent.name());
            wait::until(&what, STORY_LIMIT, async || {
                let metrics = agent.metrics().await?;
                ensure!(metrics.lines().any(|line| line == "lockstep_agent_connected 1"), "it is not");
                anyhow::Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until so many deliveries are in sync, and no others are there.
    pub async fn await_in_sync(&self, count: usize, limit: Duration) -> Result<()> {
        wait::until(&format!("{count} deliveries to be in sync"), limit, async || {
            let mut connection = PgConnection::connect(self.database.url()).await?;
            let rows: (i64, i64) =
                sqlx::query_as("select count(*), count(*) filter (where status = 'InSync') from delivery_status")
                    .fetch_one(&mut connection)
                    .await?;
            ensure!(rows == (i64::try_from(count)?, i64::try_from(count)?), "{} of {}", rows.1, rows.0);
            anyhow::Ok(())
        })
        .await
    }

    /// How many reads of secrets' data the source answered so far, by its own audit.
    pub fn data_reads(&self) -> Result<usize> {
        let prefix = format!("{KV}/data/");
        self.bao.count_requests(|path, operation| operation == "read" && path.starts_with(&prefix))
    }

    /// How many looks at metadata, one by one or in scans, the source answered, by its own audit, since that was so long.
    pub fn metadata_looks_since(&self, size: usize) -> Result<usize> {
        let (one, many) = (format!("{KV}/metadata/"), format!("{KV}/detailed-metadata"));
        self.bao.count_requests_since(size, |path, operation| {
            matches!(operation, "read" | "list" | "scan") && (path.starts_with(&one) || path.starts_with(&many))
        })
    }

    /// How many sweeps over the source the running replicas made, since they run.
    pub async fn sweeps(&self) -> Result<u64> {
        let mut sweeps = 0;
        for replica in self.replicas.iter().filter(|r| r.is_running()) {
            let metrics = replica.metrics().await?;
            let counts =
                metrics.lines().filter(|l| l.starts_with("lockstep_watch_sweeps_total{") && l.contains("outcome=\"swept\""));
            for count in counts.filter_map(|line| line.rsplit(' ').next()) {
                sweeps += count.parse::<u64>().with_context(|| format!("a counter of sweeps: {count}"))?;
            }
        }
        Ok(sweeps)
    }

    /// Waits for `count` more sweeps.
    pub async fn await_sweeps(&self, count: u64) -> Result<()> {
        let before = self.sweeps().await?;
        wait::until(&format!("{count} sweeps"), STORY_LIMIT * 4, async || {
            let now = self.sweeps().await?;
            ensure!(now >= before + count, "{} so far", now - before);
            anyhow::Ok(())
        })
        .await
    }
}
