//! Links that break, fall silent or are slow.

use std::time::{Duration, Instant};

use anyhow::Result;
use lockstep_testbed::fleet::{KV, Settings};
use lockstep_testbed::{Fleet, Relay};
use serde_json::json;

use crate::shop;

/// The fleet's heartbeat is 2 s, and three of them in silence are the end of a link. HTTP/2's own keepalive would take 20 s or more.
const HEARTBEAT_FINDS_IT: Duration = Duration::from_secs(15);

/// Together more than HTTP/2's windows and every queue take.
const BIG: usize = 16;
const BIG_BYTES: usize = 600_000;

#[tokio::test]
async fn an_agent_behind_a_bad_link_keeps_what_it_has_and_catches_up_by_itself() -> Result<()> {
    let mut fleet = shop::open(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.add_cluster("far", &["env=prod", "link=bad"]).await?;
    let relay = Relay::start(fleet.replicas[0].agents_address()).await?;
    fleet.agents[1].dial(vec![format!("https://{}", relay.addr())]);
    fleet.agents[1].start()?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;
    shop::connected(&fleet.replicas[0], 2, shop::LIMIT).await?;

    relay.cut();
    shop::connected(&fleet.replicas[0], 1, shop::LIMIT).await?;
    shop::set(&fleet, "db", "two").await?;
    shop::arrives(&fleet.agents[0], "db", "two", shop::LIMIT).await?;
    assert_eq!(shop::password(&fleet.agents[1], "db").as_deref(), Some("one"), "the last good value stays");
    shop::stands_at(&fleet, "far", "db", "Pending", "not connected").await?;
    relay.heal();
    shop::arrives(&fleet.agents[1], "db", "two", shop::LIMIT).await?;

    relay.half_open();
    shop::set(&fleet, "db", "three").await?;
    let began = Instant::now();
    shop::connected(&fleet.replicas[0], 1, HEARTBEAT_FINDS_IT).await?;
    println!("a link that fell silent was found after {:?}", began.elapsed());
    assert_eq!(shop::password(&fleet.agents[1], "db").as_deref(), Some("two"), "the last good value stays");
    relay.heal();
    shop::arrives(&fleet.agents[1], "db", "three", shop::LIMIT).await?;

    relay.delay(Duration::from_millis(300));
    shop::set(&fleet, "db", "four").await?;
    shop::arrives(&fleet.agents[1], "db", "four", shop::LIMIT).await?;
    fleet.await_deliveries("InSync", 2, shop::LIMIT).await?;
    shop::connected(&fleet.replicas[0], 2, shop::LIMIT).await
}

#[tokio::test]
async fn a_silent_link_is_found_also_when_its_queues_are_full() -> Result<()> {
    let mut fleet = shop::open(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.add_cluster("far", &["env=test", "link=bad"]).await?;
    let relay = Relay::start(fleet.replicas[0].agents_address()).await?;
    fleet.agents[1].dial(vec![format!("https://{}", relay.addr())]);
    fleet.agents[1].start()?;
    shop::connected(&fleet.replicas[0], 2, shop::LIMIT).await?;
    let write = async |fill: &str| fleet.bao.kv_put(KV, "shop/big", &json!({ "password": fill.repeat(BIG_BYTES) })).await;
    write("a").await?;
    let manifests: String = (0..BIG).map(|n| big(&format!("big-{n}"))).collect();
    let grant = "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {name: shop-bad}\nspec:\n  project: shop\n  \
                 paths: [{source: corp, mount: kv, globs: [\"shop/**\"]}]\n  clusters: {matchLabels: {link: bad}}\n---\n";
    fleet.apply(&format!("{grant}{manifests}")).await?;
    fleet.await_deliveries("InSync", BIG + 1, shop::LIMIT).await?;

    relay.half_open();
    write("b").await?;
    let began = Instant::now();
    shop::connected(&fleet.replicas[0], 1, HEARTBEAT_FINDS_IT).await?;
    println!("a silent link with full queues was found after {:?}", began.elapsed());
    // Others never noticed.
    shop::set(&fleet, "db", "two").await?;
    shop::arrives(&fleet.agents[0], "db", "two", shop::LIMIT).await?;
    relay.heal();
    for n in 0..BIG {
        shop::arrives(&fleet.agents[1], &format!("big-{n}"), &"b".repeat(BIG_BYTES), shop::LIMIT).await?;
    }
    fleet.await_deliveries("InSync", BIG + 1, shop::LIMIT).await?;
    Ok(())
}

fn big(name: &str) -> String {
    Fleet::binding(name).replace("env: prod", "link: bad").replace(&format!("path: shop/{name}"), "path: shop/big")
}
