use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;

use crate::cluster::Cluster;
use crate::fixture::{content, put, revision};

#[tokio::test]
async fn an_agent_that_is_started_again_is_the_same_one_and_needs_no_token() {
    let mut cluster = Cluster::new().await;
    cluster.allow().await;
    let agent = cluster.start("only");
    let (mut link, _) = cluster.linked().await;
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    drop(link);
    agent.process.stop().await.unwrap();
    drop(agent);
    // The token was used; who would use it again would be refused.
    std::fs::write(cluster.fixture.arguments.token_file.as_ref().unwrap(), "used").unwrap();
    for term in [2, 3] {
        let agent = cluster.start("only");
        let (_link, hello) = cluster.linked().await;
        assert_eq!((hello.lease_term, hello.inventory[0].revision), (term, revision(5)));
        agent.process.kill9().unwrap();
    }
    let shared = &cluster.fixture.server.shared;
    assert_eq!(shared.requests.lock().unwrap().len(), 1, "joined once");
    let shown = shared.shown.lock().unwrap();
    assert!(shown.len() >= 3 && shown.iter().all(|leaf| *leaf == shown[0]), "always the same certificate");
}

#[tokio::test]
async fn an_agent_without_rights_says_what_it_lacks_and_goes_on_once_it_has_them() {
    let mut cluster = Cluster::new().await;
    let agent = cluster.start("only");
    agent.answers(503, "403").await;
    agent.answers(503, "Role").await;
    assert_eq!(agent.probe("/healthz").await.unwrap().0, 200);
    cluster.allow().await;
    cluster.linked().await;
}

#[tokio::test]
async fn status_tells_what_is_held_from_anywhere_in_the_cluster() {
    let mut cluster = Cluster::new().await;
    cluster.allow().await;
    let _agent = cluster.start("only");
    let (mut link, _) = cluster.linked().await;
    link.say(FromServer::Put(put(7, "out", &content(&[("K", "canary-value")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    cluster.held_says("checkout-db").await;
    let output = cluster.command("status", "another").arg("-o").arg("json").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let status: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&status["bindings"][0]["name"], &status["floor"]["seq"]), (&"checkout-db".into(), &7.into()));
    assert!(!shown.contains("canary") && !shown.contains("PRIVATE"), "{shown}");
}
