//! Agents that die.

use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::Settings;

use crate::shop;

const NAMES: [&str; 4] = ["cache", "mail", "queue", "search"];

#[tokio::test]
async fn a_killed_agent_resumes_with_the_difference() -> Result<()> {
    let mut fleet = shop::open(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    let mut manifests = String::new();
    for name in NAMES {
        shop::set(&fleet, name, "one").await?;
        manifests.push_str(&Fleet::binding(name));
    }
    fleet.apply(&manifests).await?;
    fleet.await_deliveries("InSync", 2 * (NAMES.len() + 1), shop::LIMIT).await?;

    // In the middle of a row of writes, wherever that is.
    for n in 0..20 {
        shop::set(&fleet, "db", &format!("row {n}")).await?;
        if n == 10 {
            fleet.agents[0].process()?.kill9()?;
        }
    }
    shop::arrives(&fleet.agents[1], "db", "row 19", shop::LIMIT).await?;
    fleet.agents[0].start()?;
    shop::arrives_everywhere(&fleet, "db", "row 19", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2 * (NAMES.len() + 1), shop::LIMIT).await?;

    let before = shop::sent(&fleet, "cluster-1").await?;
    fleet.agents[0].process()?.kill9()?;
    for n in 0..3 {
        shop::set(&fleet, "mail", &format!("new {n}")).await?;
        shop::set(&fleet, "queue", &format!("new {n}")).await?;
    }
    shop::arrives(&fleet.agents[1], "mail", "new 2", shop::LIMIT).await?;
    shop::arrives(&fleet.agents[1], "queue", "new 2", shop::LIMIT).await?;
    for name in NAMES {
        let kept = shop::password(&fleet.agents[0], name);
        assert_eq!(kept.as_deref(), Some("one"), "{name}: programs read the last good value while the agent is down");
    }
    fleet.agents[0].start()?;
    fleet.await_deliveries("InSync", 2 * (NAMES.len() + 1), shop::LIMIT).await?;
    for (name, want) in [("mail", "new 2"), ("queue", "new 2"), ("cache", "one"), ("search", "one"), ("db", "row 19")] {
        assert_eq!(shop::password(&fleet.agents[0], name).as_deref(), Some(want), "{name}");
    }
    let after = shop::sent(&fleet, "cluster-1").await?;
    assert!((after - before - 2.0).abs() < 0.5, "two secrets changed, and {} deliveries were sent", after - before);

    // Nothing changed: nothing is sent, and nothing read.
    let reads = reads(&fleet).await?;
    let links = shop::links(&fleet.agents[0])?;
    fleet.agents[0].process()?.kill9()?;
    fleet.agents[0].start()?;
    lockstep_testbed::wait::until("the agent to be linked again", shop::LIMIT, async || {
        anyhow::Ok(shop::links(&fleet.agents[0])? > links).and_then(|is| if is { Ok(()) } else { anyhow::bail!("it is not") })
    })
    .await?;
    // A write to another secret comes after whatever the new link brought.
    shop::set(&fleet, "search", "two").await?;
    shop::arrives(&fleet.agents[0], "search", "two", shop::LIMIT).await?;
    let sent = shop::sent(&fleet, "cluster-1").await? - after;
    assert!((sent - 1.0).abs() < 0.5, "one secret changed, and {sent} deliveries were sent");
    let read = self::reads(&fleet).await? - reads;
    assert!((read - 1.0).abs() < 0.5, "one secret changed, and {read} were read for both clusters together");
    Ok(())
}

async fn reads(fleet: &Fleet) -> Result<f64> {
    Ok(fleet.replicas[0].metric("lockstep_reads_total{outcome=\"read\"}").await?.unwrap_or_default())
}
