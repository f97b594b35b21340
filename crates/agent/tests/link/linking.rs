use std::fs;

use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{self, Delete, Drain, Revoked, reject};
use uuid::Uuid;

use crate::capture;
use crate::fixture::{BINDING, Fixture, PATIENCE, REGISTRY, content, digest, head, put, revision, welcome};

const CANARY: &str = "canary-value-93c1d0";

#[tokio::test]
async fn a_put_is_applied_acked_and_in_the_next_inventory() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let wanted = content(&[("DB_PASSWORD", "p"), ("DB_USER", "u")]);
    link.say(FromServer::Put(put(5, "checkout", &wanted)));
    let FromAgent::Ack(ack) = link.hear().await else { panic!("an ack") };
    assert_eq!((ack.revision, ack.digest, ack.trace), (revision(5), digest(&wanted), vec![9; 16]));
    assert_eq!((ack.targets_applied, ack.targets_total), (1, 1));
    assert_eq!(fs::read_to_string(fixture.target("checkout/DB_USER")).unwrap(), "u");
    assert_eq!(
        (fixture.metric("lockstep_agent_applied_total"), fixture.metric("lockstep_agent_bindings")),
        ("1".into(), "1".into())
    );
    drop(link);
    let (_link, hello) = fixture.linked().await;
    assert_eq!(hello.floor, head(5));
    let held = v1::Held { binding: BINDING.as_bytes().to_vec(), revision: revision(5), digest: digest(&wanted) };
    assert_eq!(hello.inventory, [held]);
    running.end().await.unwrap();
}

#[tokio::test]
async fn the_same_revision_repairs_and_an_older_one_is_rejected() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let (new, old) = (content(&[("K", "new")]), content(&[("K", "old")]));
    for _ in 0..2 {
        link.say(FromServer::Put(put(5, "out", &new)));
        assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    }
    let older_epoch = v1::Put { revision: Some(v1::Revision { epoch: 0, seq: 99 }), ..put(99, "out", &old) };
    for older in [put(4, "out", &old), older_epoch] {
        link.say(FromServer::Put(older));
        let FromAgent::Reject(reject) = link.hear().await else { panic!("a reject") };
        assert_eq!(reject.kind(), reject::Kind::Older);
    }
    let torn = v1::Put { digest: digest(&old), ..put(6, "out", &new) };
    let secret = v1::SecretTarget {
        name: "s".into(),
        namespaces: vec!["n".into()],
        r#type: "Opaque".into(),
        ..v1::SecretTarget::default()
    };
    let secret = v1::target::Target::Secret(secret);
    let no_sink = v1::Put { target: Some(v1::Target { target: Some(secret) }), ..put(6, "out", &new) };
    for (failing, part) in [(torn, "digest does not match"), (no_sink, "does not run in Kubernetes")] {
        link.say(FromServer::Put(failing));
        let FromAgent::Reject(reject) = link.hear().await else { panic!("a reject") };
        assert_eq!(reject.kind(), reject::Kind::Failed);
        assert!(reject.cause.contains(part), "{}", reject.cause);
    }
    assert_eq!(fs::read_to_string(fixture.target("out/K")).unwrap(), "new");
    assert_eq!(fixture.metric("lockstep_agent_rejected_total"), "4");
    running.end().await.unwrap();
}

#[tokio::test]
async fn deliveries_of_one_binding_are_applied_in_the_order_they_were_sent() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    for seq in 1..=40 {
        link.say(FromServer::Put(put(seq, "out", &content(&[("K", &seq.to_string())]))));
    }
    for seq in 1..=40 {
        let FromAgent::Ack(ack) = link.hear().await else { panic!("an ack") };
        assert_eq!(ack.revision, revision(seq));
    }
    assert_eq!(fs::read_to_string(fixture.target("out/K")).unwrap(), "40");
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_delete_purges_or_forgets_and_is_acked_also_when_asked_again() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    link.hear().await;
    let delete = Delete { binding: BINDING.as_bytes().to_vec(), revision: revision(6), head: head(6), purge: true };
    for _ in 0..2 {
        link.say(FromServer::Delete(delete.clone()));
        let FromAgent::Ack(ack) = link.hear().await else { panic!("an ack") };
        assert_eq!((ack.revision, ack.digest), (revision(6), None));
        assert!(!fixture.target("out").exists());
    }
    drop(link);
    let (_link, hello) = fixture.linked().await;
    assert_eq!((hello.inventory[0].revision, &hello.inventory[0].digest), (revision(6), &None));
    running.end().await.unwrap();
}

#[tokio::test]
async fn no_value_is_in_logs_or_state() {
    let lines = capture::begin();
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", CANARY)]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    let torn = v1::Put { digest: digest(&content(&[])), ..put(6, "out", &content(&[("K", CANARY)])) };
    link.say(FromServer::Put(torn));
    assert!(matches!(link.hear().await, FromAgent::Reject(_)));
    running.end().await.unwrap();
    let text = lines.text();
    assert!(text.contains("delivery.apply") && !text.contains(CANARY));
    // As bytes in a debug print, too.
    let printed = format!("{:?}", CANARY.as_bytes());
    assert!(!text.contains(&printed[1..printed.len() - 1]));
    let holds = |path: &std::path::Path| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(CANARY);
    assert!(holds(&fixture.target("out/K")));
    let mut folders = vec![fixture.state()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                assert!(!holds(&entry), "{}", entry.display());
            }
        }
    }
}

#[tokio::test]
async fn another_registry_is_refused_and_everything_kept() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    link.hear().await;
    drop(link);
    let mut link = fixture.server.link().await;
    assert!(matches!(link.hear().await, FromAgent::Hello(_)));
    link.say(FromServer::Welcome(welcome(Uuid::from_u128(0xbad))));
    // The agent hangs up and tries again.
    let (_link, hello) = fixture.linked().await;
    assert_eq!(hello.inventory.len(), 1);
    assert_ne!(REGISTRY, Uuid::from_u128(0xbad));
    assert!(fixture.target("out/K").exists());
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_draining_server_gets_the_last_answers_and_another_is_dialed() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    for seq in 1..=20 {
        link.say(FromServer::Put(put(seq, "out", &content(&[("K", &seq.to_string())]))));
    }
    link.say(FromServer::Drain(Drain { reason: "rollout".into() }));
    for _ in 0..20 {
        assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    }
    drop(link);
    let (_link, hello) = fixture.linked().await;
    assert_eq!(hello.inventory[0].revision, revision(20));
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_revoked_agent_ends_and_keeps_what_it_has() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    link.hear().await;
    link.say(FromServer::Revoked(Revoked { reason: "lost laptop".into() }));
    let error = tokio::time::timeout(PATIENCE, running.ended).await.unwrap().unwrap().unwrap_err().to_string();
    assert!(error.contains("lost laptop"), "{error}");
    assert_eq!(fs::read_to_string(fixture.target("out/K")).unwrap(), "v");
}

#[tokio::test]
async fn a_link_that_breaks_amid_deliveries_is_dialed_again_with_what_was_applied() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let mut seq = 0;
    for _ in 0..5 {
        let (mut link, _) = fixture.linked().await;
        for _ in 0..50 {
            seq += 1;
            link.say(FromServer::Put(put(seq, "out", &content(&[("K", &seq.to_string())]))));
        }
        assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    }
    let (_link, hello) = fixture.linked().await;
    let applied = hello.inventory[0].revision.unwrap().seq;
    assert_eq!(fs::read_to_string(fixture.target("out/K")).unwrap(), applied.to_string());
    assert_eq!(fixture.metric("lockstep_agent_reconnects_total"), "5");
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_passed_over() {
    let mut fixture = Fixture::new().await;
    for _ in 0..3 {
        fixture.arguments.servers.push("https://127.0.0.1:1".parse().unwrap());
    }
    let running = fixture.start();
    fixture.linked().await;
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_and_dialed_again() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let mut link = fixture.server.link().await;
    link.hear().await;
    let limits = v1::Limits { heartbeat_interval_ms: 50, in_flight: 8, verify_interval_ms: 0 };
    link.say(FromServer::Welcome(v1::Welcome { limits: Some(limits), ..welcome(REGISTRY) }));
    let mut heartbeats = 0;
    while let Ok(Some(message)) = link.heard.message().await {
        heartbeats += usize::from(matches!(message.message, Some(FromAgent::Heartbeat(_))));
    }
    assert!(heartbeats >= 2, "the agent itself spoke, {heartbeats} times");
    fixture.linked().await;
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_held_cluster_keeps_everything_and_asks_for_nothing() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    link.hear().await;
    drop(link);
    let mut link = fixture.server.link().await;
    link.hear().await;
    link.say(FromServer::Welcome(v1::Welcome { held: "the history was cut".into(), ..welcome(REGISTRY) }));
    fs::write(fixture.target("out/K"), "edited").unwrap();
    assert!(matches!(link.hear().await, FromAgent::Report(_)), "drift is said all the same");
    let next = tokio::time::timeout(std::time::Duration::from_millis(300), link.hear()).await;
    assert!(next.is_err(), "{next:?}");
    running.end().await.unwrap();
}
