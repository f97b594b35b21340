use lockstep_proto::v1::Welcome;
use lockstep_proto::v1::server_message::Message as FromServer;
use serde_json::{Value, json};

use crate::fixture::{REGISTRY, welcome};
use crate::shop::{CANARY, PATIENCE, Shop, value};

impl Shop {
    /// Waits for an Event on the Secret `db`, and answers its note.
    async fn event(&self, reason: &str) -> String {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", self.namespace);
        let find = async || {
            let list = self.kubernetes.request("GET", &path, None).await?;
            let events: Vec<&Value> = list["items"].as_array().into_iter().flatten().collect();
            let found = events.iter().find(|event| event["reason"] == reason && event["regarding"]["name"] == "db");
            anyhow::Ok(found.map(|event| event["note"].as_str().unwrap().to_owned()))
        };
        lockstep_testbed::wait::until(reason, PATIENCE, async || find().await.ok().flatten()).await.unwrap()
    }
}

#[tokio::test]
async fn people_find_on_the_secret_what_became_of_it() {
    let mut shop = Shop::open().await;
    shop.make("helm", json!({ "metadata": { "name": "db" }, "stringData": { "K": value("theirs") } })).await;
    shop.deliver(&shop.delivery(5, &[("K", "ours")])).await.unwrap_err();
    let conflict = shop.event("Conflict").await;
    shop.deliver(&shop.delivery(6, &[("OURS", "ours")])).await.unwrap();
    let applied = shop.event("Applied").await;
    shop.end().await;
    shop.running = Some(shop.fixture.start());
    let mut link = tokio::time::timeout(PATIENCE, shop.fixture.server.link()).await.unwrap();
    link.hear().await;
    link.say(FromServer::Welcome(Welcome { held: "its history was cut".to_owned(), ..welcome(REGISTRY) }));
    let held = shop.event("Held").await;
    println!("Conflict: {conflict}\nApplied: {applied}\nHeld: {held}");
    assert!(conflict.contains("\"helm\"") && applied.contains("1.6") && held.contains("history was cut"));
    assert!(![conflict, applied, held].concat().contains(CANARY));
    shop.link = link;
    shop.close().await;
}

#[tokio::test]
async fn an_agent_that_may_not_write_events_delivers_all_the_same() {
    let rules =
        json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "create", "patch", "delete"] }]);
    let mut shop = Shop::with(lockstep_agent::command::SecretAccess::Namespaces, &rules).await;
    shop.deliver(&shop.delivery(5, &[("K", "a")])).await.unwrap();
    let refused = async || (shop.requests("create", Some("403")) > 0).then_some(());
    lockstep_testbed::wait::until("the Event to be refused", PATIENCE, refused).await.unwrap();
    shop.close().await;
}
