use std::time::{Duration, Instant};

use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;

use crate::cluster::{Agent, Cluster, LEASE_SECONDS, PATIENCE};
use crate::fixture::{content, put, revision};
use crate::server::Link;

/// One that leads and is linked, and one that stands by.
async fn two(cluster: &mut Cluster) -> (Agent, Link, Agent) {
    cluster.allow().await;
    let first = cluster.start("first");
    let (link, hello) = cluster.linked().await;
    assert_eq!(hello.lease_term, 1);
    let second = cluster.start("second");
    second.answers(200, "standing by").await;
    (first, link, second)
}

#[tokio::test]
async fn one_leads_and_the_other_stands_by_ready_to_take_over() {
    let mut cluster = Cluster::new().await;
    let (first, _link, second) = two(&mut cluster).await;
    first.answers(200, "linked").await;
    for (agent, leads) in [(&first, "1"), (&second, "0")] {
        assert_eq!(agent.metric("lockstep_agent_leader ").await, leads);
        assert_eq!(agent.probe("/healthz").await.unwrap().0, 200);
    }
    assert_eq!(second.metric("lockstep_agent_connected ").await, "0", "it does not dial");
    for (agent, judged) in [(&first, &["drift", "lease", "link", "restarts", "state"][..]), (&second, &["lease"])] {
        assert_eq!(agent.judged().await, judged);
    }
    let lease = cluster.lease().await;
    assert!(lease["holderIdentity"].as_str().unwrap().starts_with("first_"), "{lease}");
    assert_eq!((&lease["leaseTransitions"], &lease["leaseDurationSeconds"]), (&1.into(), &LEASE_SECONDS.into()));
}

#[tokio::test]
async fn a_killed_leader_is_followed_within_its_lease_and_nothing_is_lost() {
    let mut cluster = Cluster::new().await;
    let (first, mut link, second) = two(&mut cluster).await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    cluster.held_says("checkout-db").await;
    // Only the revision moves, so this one is not written down yet: the mark in the target tells it.
    link.say(FromServer::Put(put(6, "out", &content(&[("K", "w")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    first.process.kill9().unwrap();
    let killed = Instant::now();
    let (_link, hello) = cluster.linked().await;
    println!("killed: the other linked after {:?}, the lease being {LEASE_SECONDS} s", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(LEASE_SECONDS) * 10);
    assert_eq!((hello.lease_term, hello.inventory[0].revision), (2, revision(6)));
    second.answers(200, "linked").await;
    assert_eq!(second.metric("lockstep_agent_leader ").await, "1");
}

#[tokio::test]
async fn a_leader_that_is_asked_to_end_is_followed_at_once() {
    let mut cluster = Cluster::new().await;
    let (first, mut link, _second) = two(&mut cluster).await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    link.say(FromServer::Put(put(6, "out", &content(&[("K", "w")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    let asked = Instant::now();
    first.process.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    // The server's side of the stream ends only when this is dropped.
    drop(link);
    assert_eq!(first.process.exit_within(PATIENCE).await.unwrap(), 0);
    let ended = asked.elapsed();
    let (_link, hello) = cluster.linked().await;
    println!("asked to end: ended after {ended:?}, the other linked after {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!((hello.lease_term, hello.inventory[0].revision, hello.floor.unwrap().seq), (2, revision(6), 6));
}

#[tokio::test]
async fn a_leader_that_slept_through_its_lease_writes_nothing_any_more_and_ends() {
    let mut cluster = Cluster::new().await;
    let (first, link, _second) = two(&mut cluster).await;
    first.process.pause().unwrap();
    let (mut second_link, _) = cluster.linked().await;
    second_link.say(FromServer::Put(put(7, "second", &content(&[("K", "v")]))));
    assert!(matches!(second_link.hear().await, FromAgent::Ack(_)));
    let held = cluster.held_says("\"second\"").await;
    let writer = async || {
        let both = [cluster.get("secrets/lockstep-agent").await, cluster.get("secrets/lockstep-agent-held").await];
        both.map(|secret| secret["metadata"]["annotations"]["lockstep.dev/writer"].as_str().unwrap_or_default().to_owned())
    };
    let before = writer().await;
    assert!(before[1].starts_with("second_"), "{before:?}");
    // Something that the sleeper would write down, were it let.
    link.say(FromServer::Put(put(8, "first", &content(&[("K", "v")]))));
    first.process.resume().unwrap();
    assert_eq!(first.process.exit_within(PATIENCE).await.unwrap(), 1);
    let log = first.process.log();
    assert!(log.contains("lease was lost"), "{log}");
    assert_eq!((writer().await, cluster.held_says("").await), (before, held));
    // Started again, it stands by.
    let first = cluster.start("first");
    first.answers(200, "standing by").await;
}

#[tokio::test]
async fn a_leader_that_cannot_renew_ends_when_its_lease_is_over_and_keeps_what_it_holds() {
    let mut cluster = Cluster::new().await;
    let (first, mut link, second) = two(&mut cluster).await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    let binding = cluster.path("apis/rbac.authorization.k8s.io/v1:rolebindings/agent");
    cluster.kubernetes.request("DELETE", &binding, None).await.unwrap();
    let taken = Instant::now();
    assert_eq!(first.process.exit_within(PATIENCE).await.unwrap(), 1);
    println!("cannot renew: ended after {:?}, the lease being {LEASE_SECONDS} s", taken.elapsed());
    let log = first.process.log();
    assert!(log.contains("lease was lost") && log.contains("could not be renewed in time") && log.contains("403"), "{log}");
    assert_eq!(std::fs::read_to_string(cluster.fixture.target("out/K")).unwrap(), "v");
    second.answers(503, "403").await;
}

#[tokio::test]
async fn a_lease_that_somebody_removes_is_not_taken_over_before_its_time() {
    let mut cluster = Cluster::new().await;
    let (first, _link, second) = two(&mut cluster).await;
    let lease = cluster.path("apis/coordination.k8s.io/v1:leases/lockstep-agent");
    cluster.kubernetes.request("DELETE", &lease, None).await.unwrap();
    assert_eq!(first.process.exit_within(PATIENCE).await.unwrap(), 1);
    assert_eq!(second.metric("lockstep_agent_leader ").await, "0", "the one that led ends first");
    assert!(first.process.log().contains("somebody removed it"));
    cluster.linked().await;
}
