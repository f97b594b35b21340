//! Secrets that are lost while no server can be asked: they come back from the cache where it keeps them, and only there.

use std::net::SocketAddr;
use std::time::Duration;

use lockstep_agent::agent::AgentError;
use lockstep_proto::v1::Revoked;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_testbed::wait::until;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::shop::{Delivery, ONE, PATIENCE, Shop, value};

/// A second after a loss it should be back; so long after it, nobody brings it back.
const NEVER: Duration = Duration::from_secs(10);

/// The way to the server, which can be closed.
struct Gate {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Gate {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, is_open) = (listener.local_addr().unwrap(), watch::Sender::new(true));
        let opened = is_open.clone();
        tokio::spawn(async move {
            while let Ok((mut agent, _)) = listener.accept().await {
                let mut opened = opened.subscribe();
                tokio::spawn(async move {
                    if *opened.borrow() {
                        let mut server = TcpStream::connect(server).await.unwrap();
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut agent, &mut server) => {}
                            _ = opened.wait_for(|is_open| !is_open) => {}
                        }
                    }
                });
            }
        });
        Self { address, is_open }
    }
}

/// A shop whose agent has a cache, and the way to its server.
async fn shop(secrets: bool) -> (Shop, Gate) {
    let mut shop = Shop::open().await;
    shop.end().await;
    let gate = Gate::before(shop.fixture.server.agents).await;
    let arguments = &mut shop.fixture.arguments;
    arguments.servers = vec![format!("https://{}", gate.address).parse().unwrap()];
    (arguments.cache.dir, arguments.cache.secrets) = (Some(shop.fixture.folder.path().join("cache")), secrets);
    shop.restart_from_ended().await;
    (shop, gate)
}

/// The entries in the cache, which show nothing of what is in them.
fn entries(shop: &Shop) -> usize {
    let files = std::fs::read_dir(shop.fixture.folder.path().join("cache")).unwrap().map(|file| file.unwrap().path());
    let entries: Vec<_> = files.filter(|path| !path.ends_with("confirmed.sealed")).collect();
    for path in &entries {
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"), "{}", path.display());
    }
    entries.len()
}

async fn comes_back(shop: &Shop, delivery: &Delivery) -> Value {
    let whole: Value = delivery
        .values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone().into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    until("the Secret to come back", PATIENCE, async || shop.get("db").await.filter(|secret| secret["data"] == whole))
        .await
        .unwrap()
}

async fn stays_away(shop: &Shop) {
    tokio::time::sleep(NEVER).await;
    assert_eq!(shop.data().await, None);
}

/// What the mark says of the content.
fn mark(secret: &Value) -> [Value; 3] {
    let mark = &secret["metadata"]["annotations"][format!("lockstep.dev/binding.{ONE}")];
    let mark: Value = serde_json::from_str(mark.as_str().unwrap()).unwrap();
    ["revision", "digest", "registered"].map(|of| mark[of].clone())
}

#[tokio::test]
async fn what_is_deleted_or_edited_while_servers_are_away_comes_back_from_the_cache_also_after_a_restart() {
    let (mut shop, gate) = shop(true).await;
    shop.deliver(&shop.delivery(4, &[("K", "older")])).await.unwrap();
    let delivery = shop.delivery(5, &[("K", "good"), ("L", "good")]);
    shop.deliver(&delivery).await.unwrap();
    assert_eq!(entries(&shop), 1);
    let before = mark(&shop.get("db").await.unwrap());

    gate.is_open.send_replace(false);
    shop.delete("db").await;
    let begun = std::time::Instant::now();
    let back = comes_back(&shop, &delivery).await;
    println!("deleted: restored after {:?}", begun.elapsed());
    assert_eq!(mark(&back), before);
    shop.edit(json!({ "stringData": { "K": value("edited") }, "data": { "L": null } })).await;
    let begun = std::time::Instant::now();
    comes_back(&shop, &delivery).await;
    println!("edited: restored after {:?}, the pause before a second repair being 2 s", begun.elapsed());
    assert_eq!(shop.fixture.metric("lockstep_agent_restored_from_cache_total"), "2");
    assert!(shop.logged("restored from the cache"));

    shop.end().await;
    shop.delete("db").await;
    shop.running = Some(shop.fixture.start());
    let back = comes_back(&shop, &delivery).await;
    assert_eq!(mark(&back), before);

    // To the server it is as if nothing had happened.
    gate.is_open.send_replace(true);
    shop.linked_again().await;
    let held = &shop.hello.inventory[0];
    assert_eq!((held.revision, held.digest.clone()), (crate::fixture::revision(5), delivery.message().digest));
    shop.remove(ONE, 6, false).await.unwrap();
    assert_eq!(entries(&shop), 0);
    shop.close().await;
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_cached_and_does_not_come_back() {
    let (mut shop, gate) = shop(true).await;
    let delivery = shop.delivery(5, &[("K", "good")]);
    shop.deliver(&delivery).await.unwrap();
    assert_eq!(entries(&shop), 1);
    // What an earlier setting left goes too.
    shop.end().await;
    shop.fixture.arguments.cache.secrets = false;
    shop.restart_from_ended().await;
    assert_eq!(entries(&shop), 0);
    shop.deliver(&shop.delivery(6, &[("K", "good")])).await.unwrap();
    assert_eq!(entries(&shop), 0);
    gate.is_open.send_replace(false);
    shop.delete("db").await;
    stays_away(&shop).await;
    shop.close().await;
}

#[tokio::test]
async fn a_revoked_cluster_has_nothing_left_to_restore() {
    let (mut shop, gate) = shop(true).await;
    shop.deliver(&shop.delivery(5, &[("K", "good")])).await.unwrap();
    assert_eq!(entries(&shop), 1);
    shop.link.say(FromServer::Revoked(Revoked { reason: "lost".to_owned() }));
    let ended = tokio::time::timeout(PATIENCE, shop.running.take().unwrap().ended).await.unwrap().unwrap();
    assert!(matches!(ended, Err(AgentError::Revoked(_))), "{ended:?}");
    assert_eq!(entries(&shop), 0);
    gate.is_open.send_replace(false);
    shop.running = Some(shop.fixture.start());
    shop.delete("db").await;
    stays_away(&shop).await;
    shop.close().await;
}
