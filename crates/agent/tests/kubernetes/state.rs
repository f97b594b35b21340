use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE};
use crate::fixture::{content, put};

const CANARY: &str = "canary-value-51e0b7";

#[tokio::test]
async fn the_state_has_what_was_delivered_where_and_no_value_of_it() {
    let mut cluster = Cluster::new().await;
    cluster.allow().await;
    let _agent = cluster.start("only");
    let (mut link, _) = cluster.linked().await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", CANARY)]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    let held = cluster.held_says("checkout-db").await;
    assert_eq!(std::fs::read_to_string(cluster.fixture.target("out/K")).unwrap(), CANARY);
    let state = cluster.secret("lockstep-agent").await;
    assert_eq!(state.keys().collect::<Vec<_>>(), ["digest-keys.json", "identity.json", "registry.json"]);
    let whole = format!("{held} {state:?} {}", cluster.lease().await);
    assert!(!whole.contains(CANARY));
    for name in ["lockstep-agent", "lockstep-agent-held"] {
        let secret = cluster.get(&format!("secrets/{name}")).await;
        assert_eq!(secret["type"], "Opaque");
        let labels: Vec<_> = secret["metadata"]["labels"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(labels, ["lockstep.dev/component"], "nobody else's labels");
    }
}

#[tokio::test]
async fn a_label_that_a_person_puts_on_it_does_no_harm_and_another_writer_ends_the_agent() {
    let mut cluster = Cluster::new().await;
    cluster.allow().await;
    let agent = cluster.start("only");
    let (mut link, _) = cluster.linked().await;
    link.say(FromServer::Put(put(5, "one", &content(&[("K", "v")]))));
    link.hear().await;
    cluster.held_says("\"one\"").await;
    let path = cluster.path("secrets/lockstep-agent-held");
    let label = json!({ "metadata": { "labels": { "team": "platform" } } });
    cluster.kubernetes.request("PATCH", &path, Some(label)).await.unwrap();
    link.say(FromServer::Put(put(6, "two", &content(&[("K", "v")]))));
    link.hear().await;
    cluster.held_says("\"two\"").await;
    let other = json!({ "metadata": { "annotations": { "lockstep.dev/writer": "another" } } });
    cluster.kubernetes.request("PATCH", &path, Some(other)).await.unwrap();
    link.say(FromServer::Put(put(7, "three", &content(&[("K", "v")]))));
    assert_eq!(agent.process.exit_within(PATIENCE).await.unwrap(), 1);
    let log = agent.process.log();
    assert!(
        log.contains("lease was lost") && log.contains("lockstep-agent-held was written or removed by somebody else"),
        "{log}"
    );
    assert!(!cluster.held_says("\"two\"").await.contains("\"three\""), "refused");
    assert!(cluster.fixture.target("one").exists() || cluster.fixture.target("three").exists(), "what is held stays");
}
