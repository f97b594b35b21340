//! What most tests begin with: a shop whose database password is delivered to every cluster.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{Agent, KV, Replica, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};

/// The lease of the one source.
pub(crate) const LEASE: &str = "watch/corp";

/// Ten times what is promised for anything that needs no lease to end and no pause to pass.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A fleet with `kv/shop/db` delivered everywhere as `db`, with the password `one`.
pub(crate) async fn open(settings: Settings) -> Result<Fleet> {
    let fleet = Fleet::start(settings).await?;
    set(&fleet, "db", "one").await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    let count = fleet.agents.len();
    fleet.await_deliveries("InSync", count, LIMIT).await?;
    Ok(fleet)
}

/// Writes the password of `kv/shop/<name>`.
pub(crate) async fn set(fleet: &Fleet, name: &str, password: &str) -> Result<()> {
    fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "password": password })).await.map(drop)
}

/// The password that a program beside this agent reads from target `name`.
pub(crate) fn password(agent: &Agent, name: &str) -> Option<String> {
    let bytes = agent.read(name)?.remove("password")?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Waits until all agents have it.
pub(crate) async fn arrives_everywhere(fleet: &Fleet, name: &str, want: &str, limit: Duration) -> Result<()> {
    for agent in &fleet.agents {
        arrives(agent, name, want, limit).await?;
    }
    Ok(())
}

/// Waits until one agent has it.
pub(crate) async fn arrives(agent: &Agent, name: &str, want: &str, limit: Duration) -> Result<()> {
    wait::until(&format!("{want:?} in {}/{name}", agent.name()), limit, async || {
        let got = password(agent, name);
        ensure!(got.as_deref() == Some(want), "{got:?} is there; the agent's log ends with:\n{}", agent.process()?.log_tail());
        anyhow::Ok(())
    })
    .await
}

/// Waits until exactly these many streams are on the replica.
pub(crate) async fn connected(replica: &Replica, count: usize, limit: Duration) -> Result<()> {
    let want = f64::from(u32::try_from(count)?);
    wait::until(&format!("{count} agents on replica {}", replica.name()), limit, async || {
        let now = replica.metric("lockstep_agents_connected").await?;
        ensure!(now == Some(want), "{now:?} are");
        anyhow::Ok(())
    })
    .await
}

/// How many deliveries were sent to a cluster, by all running replicas.
pub(crate) async fn sent(fleet: &Fleet, cluster: &str) -> Result<f64> {
    let mut sum = 0.0;
    for replica in fleet.replicas.iter().filter(|r| r.is_running()) {
        sum += replica.metric(&format!("lockstep_deliveries_sent_total{{cluster=\"{cluster}\"}}")).await?.unwrap_or_default();
    }
    Ok(sum)
}

/// Waits until some replica says that it holds the source's lease, and says which.
pub(crate) async fn watching(fleet: &Fleet) -> Result<usize> {
    wait::until("a replica to watch the source", LIMIT, async || fleet.lease_holder(LEASE).await).await
}

/// Makes one agent dial these replicas only, from a new start on.
pub(crate) fn redial(fleet: &mut Fleet, agent: usize, replicas: &[usize]) -> Result<()> {
    let servers = replicas.iter().map(|r| fleet.replicas[*r].agents_url()).collect();
    fleet.agents[agent].dial(servers);
    fleet.agents[agent].start()
}

/// Waits until a binding's deliveries all have this status with a cause that says this.
pub(crate) async fn stands(fleet: &Fleet, binding: &str, status: &str, cause: &str) -> Result<()> {
    stand(fleet, |d| d["binding"] == binding, &format!("binding {binding}"), status, cause).await
}

/// Waits until one delivery has this status with a cause that says this.
pub(crate) async fn stands_at(fleet: &Fleet, cluster: &str, binding: &str, status: &str, cause: &str) -> Result<()> {
    let of_both = |d: &Value| d["binding"] == binding && d["cluster"] == cluster;
    stand(fleet, of_both, &format!("binding {binding} in {cluster}"), status, cause).await
}

async fn stand(fleet: &Fleet, which: impl Fn(&Value) -> bool, what: &str, status: &str, cause: &str) -> Result<()> {
    wait::until(&format!("{what} to be {status}: …{cause}…"), LIMIT, async || {
        let mut deliveries = fleet.deliveries().await?;
        deliveries.retain(&which);
        let said = |d: &Value| d["status"] == status && d["cause"].as_str().unwrap_or_default().contains(cause);
        ensure!(!deliveries.is_empty() && deliveries.iter().all(said), "{}", Value::from(deliveries));
        anyhow::Ok(())
    })
    .await
}

/// Looks for as long as `period` lasts whether something stays true.
pub(crate) async fn holds_for(what: &str, period: Duration, mut look: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let began = tokio::time::Instant::now();
    while began.elapsed() < period {
        look().await.with_context(|| format!("after {:?} no longer: {what}", began.elapsed()))?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// How often the agent came to a link so far.
pub(crate) fn links(agent: &Agent) -> Result<usize> {
    Ok(agent.process()?.log().matches("\"linked\"").count())
}
