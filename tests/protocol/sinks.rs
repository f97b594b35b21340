//! An agent is not sent what it has no place for, and the binding says what to do.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{Hello, Put};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, NAMESPACE};
use serde_json::json;

use crate::raw::Stream;
use crate::setting::{joined, servers};

/// The next thing that is sent, past what is said of roots.
async fn put(stream: &mut Stream) -> Result<Put> {
    loop {
        match stream.hear().await?.context("the stream ended")? {
            FromServer::Put(put) => return Ok(put),
            FromServer::Trust(_) => {}
            other => bail!("no Put but {other:?}"),
        }
    }
}

fn hello(sinks: &[&str]) -> Hello {
    Hello { sinks: sinks.iter().map(|&sink| sink.to_owned()).collect(), ..Hello::default() }
}

#[tokio::test]
async fn a_volume_is_not_sent_to_an_agent_without_them_which_is_said_and_is_once_it_has_them() -> Result<()> {
    let fleet = servers(1).await?;
    for name in ["before", "volume", "after"] {
        fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "password": "one" })).await?;
    }
    let of_volume = format!("{{csi: {{namespaces: [{NAMESPACE}], serviceAccounts: [web]}}}}");
    let volume =
        Fleet::bound("volume", "shop/volume", "deletionPolicy: Delete").replace("{directory: {name: volume}}", &of_volume);
    ensure!(volume.contains("csi"), "{volume}");
    let (before, after) = (Fleet::binding_to_secret("before"), Fleet::binding_to_secret("after"));
    fleet.apply(&format!("{}---\n{before}{volume}", fleet.basics())).await?;

    // As an agent from before there were volumes, and as one of which csi.enabled is false.
    let agent = joined(&fleet, "old", "env=prod").await?;
    let mut stream = agent.linked(&fleet, 0, hello(&["secret"])).await?;
    ensure!(put(&mut stream).await?.binding_name == "before");
    let refused = fleet.await_delivery("old", "volume", "Failed").await?;
    let cause = refused["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains("does not take volumes: upgrade it, or set csi.enabled"), "{refused}");
    // What came after it is next on the stream: nothing of the volume was sent, though it was tried again meanwhile.
    fleet.apply(&after).await?;
    ensure!(put(&mut stream).await?.binding_name == "after");

    // The same agent, upgraded; and one that says nothing of its sinks is asked.
    for sinks in [&["secret", "csi"][..], &[]] {
        let mut stream = agent.linked(&fleet, 0, hello(sinks)).await?;
        let mut names = BTreeSet::new();
        while names.len() < 3 {
            names.insert(put(&mut stream).await?.binding_name);
        }
        ensure!(names.contains("volume"), "{sinks:?}: {names:?}");
    }
    Ok(())
}
