//! A rollout of the agent while neither a server nor Vault is there.

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{Beside, STORY_LIMIT};
use lockstep_testbed::wait;
use serde_json::json;

use crate::world::{ACCOUNT, World};

const OBJECTS: &str = "- {objectName: password, binding: db, secretKey: password}";
const WAITS: &str = "standing by, and does not have yet what pods may mount";

/// As a Deployment waits for a new pod before it ends an old one.
async fn await_ready(replica: &Beside) -> Result<()> {
    wait::until("the new replica to be ready", STORY_LIMIT, async || {
        let (code, text) = replica.readiness().await?;
        ensure!(code == 200, "{code} {text}{}", replica.process.log_tail());
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn after_a_rollout_in_an_outage_replicas_that_never_saw_a_server_give_pods_what_the_former_ones_had() -> Result<()> {
    let world = World::start().await?;
    let agent = &world.fleet.agents[0];
    agent.project_peer_token().await?;
    let standby = agent.start_beside(1, 0)?;
    world.write("db", json!({ "password": "canary-of-a-rollout" })).await?;
    world.bind("db").await?;
    world.class("db", OBJECTS).await?;
    await_ready(&standby).await?;
    world.fleet.replicas[0].process()?.stop().await?;
    world.fleet.bao.stop().await?;

    // A new replica that cannot follow yet is not ready, so no old one is ended.
    agent.withdraw_peer_token()?;
    let third = agent.start_beside(2, 0)?;
    wait::until("the new replica to say why it is not ready", STORY_LIMIT, async || {
        let (code, text) = third.readiness().await?;
        ensure!(code == 503 && text.contains(WAITS) && text.contains("own token"), "{code} {text}");
        anyhow::Ok(())
    })
    .await?;
    agent.project_peer_token().await?;
    await_ready(&third).await?;
    // First the one that is not ready: without a server that is the one that works.
    agent.process()?.stop().await?;
    let leads = async || {
        let of = |replica: &Beside| replica.process.log().contains("this agent leads");
        [(1, &standby), (2, &third)].into_iter().find(|(_, replica)| of(replica)).map(|(number, _)| number)
    };
    let leader = wait::until("another one to work", STORY_LIMIT, leads).await?;
    let fourth = agent.start_beside(3, leader)?;
    await_ready(&fourth).await?;
    standby.process.stop().await?;

    for (name, gives) in [("checkout-0", &fourth), ("checkout-1", &third)] {
        let volume = world.pod(name, ACCOUNT, "db").await?;
        let given = async || world.driver.publish(&volume).await.with_context(|| gives.process.log_tail());
        wait::until("a pod to start after the rollout", STORY_LIMIT, given).await?;
        assert_eq!(world.files(&volume)?["password"].1, "canary-of-a-rollout");
        // Either has it: the other one is left alone.
        if name == "checkout-0" {
            fourth.process.kill9()?;
        }
    }
    Ok(())
}
