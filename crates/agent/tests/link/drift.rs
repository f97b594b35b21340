use std::fs;

use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;

use crate::fixture::{BINDING, Fixture, content, digest, put, revision};

#[tokio::test]
async fn drift_is_reported_asked_for_and_repaired_by_the_same_revision() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let wanted = content(&[("K", "v")]);
    link.say(FromServer::Put(put(5, "out", &wanted)));
    link.hear().await;
    fs::write(fixture.target("out/K"), "edited").unwrap();
    let FromAgent::Report(report) = link.hear().await else { panic!("a report") };
    let FromAgent::Need(need) = link.hear().await else { panic!("a need") };
    assert_eq!((report.drifted, need.bindings), (vec![BINDING.as_bytes().to_vec()], vec![BINDING.as_bytes().to_vec()]));
    link.say(FromServer::Put(put(5, "out", &wanted)));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    assert_eq!(fs::read_to_string(fixture.target("out/K")).unwrap(), "v");
    assert_eq!(fixture.metric("lockstep_agent_drift_total"), "1");
    running.end().await.unwrap();
}

#[tokio::test]
async fn an_inventory_tells_what_is_really_there() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let wanted = content(&[]);
    link.say(FromServer::Put(put(5, "out", &wanted)));
    link.hear().await;
    running.end().await.unwrap();
    drop(link);
    fs::remove_dir_all(fixture.target("out")).unwrap();
    let running = fixture.start();
    let (_link, hello) = fixture.linked().await;
    assert_eq!(hello.inventory[0].revision, revision(5));
    assert!(hello.inventory[0].digest.is_some(), "missing is not given up");
    assert_ne!(hello.inventory[0].digest, digest(&wanted), "not even where nothing is wanted");
    running.end().await.unwrap();
}

#[tokio::test]
async fn the_look_at_drift_is_judged_while_the_agent_is_linked_and_not_while_it_is_not() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (link, _) = fixture.linked().await;
    fixture.judges(&["drift", "link"]).await;
    // Nobody greets from here on: the agent dials, and waits.
    drop(link);
    fixture.judges(&["link"]).await;
    let (_link, _) = fixture.linked().await;
    fixture.judges(&["drift", "link"]).await;
    running.end().await.unwrap();
    fixture.judges(&["link"]).await;
}
