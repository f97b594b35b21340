use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lockstep_testbed::wait;
use serde_json::json;
use tonic::Code;

use crate::site::{AUDIENCE, PATIENCE, Site, connect, of_binding, read, server_name};

#[tokio::test]
async fn replicas_that_start_together_share_one_ca_and_one_that_stands_by_says_so() {
    let mut site = Site::new().await;
    let replicas: Vec<_> = (0..4).map(|_| site.start()).collect();
    let (mut link, _) = tokio::time::timeout(PATIENCE, site.fixture.linked()).await.expect("one links");
    site.deliver(&mut link, 1, "one").await;
    let pod = site.pod(&site.shop, "web-1", "web", &site.nodes[0]).await;
    let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    let bundle = site.bundle().await;
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 1, "{bundle}");
    let mut given = 0;
    for (_, address) in &replicas {
        let client = site.client(*address).await;
        match read(&client, &node_token, &pod, &token, vec![of_binding("checkout-db", "")]).await {
            Ok(_) => given += 1,
            Err(refused) => {
                assert_eq!(refused.code(), Code::Unavailable, "{refused}");
                assert!(refused.message().contains("stands by"), "{refused}");
            }
        }
    }
    assert_eq!(given, 1, "one leads");
    assert_eq!(site.bundle().await, bundle);
    assert!(connect(replicas[0].1, &bundle, "elsewhere.example").await.is_err(), "it shows the names that it was given");
    site.nothing_shown(&[&node_token, &token]);
    drop(link);
    for (running, _) in replicas {
        running.end().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_published_is_put_back_when_somebody_changes_it() {
    let mut site = Site::new().await;
    let (running, _) = site.start();
    let bundle = site.bundle().await;
    for change in [json!({ "data": { "ca.crt": "another's" } }), json!({ "data": null })] {
        site.tamper(change).await;
        let put_back = async || (site.bundle().await == bundle).then_some(());
        wait::until("it to be put back", PATIENCE, put_back).await.unwrap();
    }
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_starts_again_uses_the_ca_that_is_there() {
    let mut site = Site::new().await;
    let (running, _) = site.start();
    let bundle = site.bundle().await;
    running.end().await.unwrap();
    let (running, address) = site.start();
    let connected = async || connect(address, &bundle, &server_name(&site.home)).await.ok();
    wait::until("a certificate of the former CA", PATIENCE, connected).await.unwrap();
    assert_eq!(site.bundle().await, bundle);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_secret_that_holds_something_else_is_left_as_it_is() {
    let mut site = Site::new().await;
    let precious = json!({ "authorities.json": BASE64_STANDARD.encode("canary-7a2e of somebody") });
    let (path, name) = site.keys().rsplit_once('/').map(|(path, name)| (path.to_owned(), name.to_owned())).unwrap();
    let secret = json!({ "metadata": { "name": name }, "data": precious });
    site.kubernetes.request("POST", &path, Some(secret)).await.unwrap();
    let (running, address) = site.start();
    let said = || site.log.text().lines().any(|line| line.contains(&site.home) && line.contains("it is left as it is"));
    wait::until("that to be said", PATIENCE, async || said().then_some(())).await.unwrap();
    assert_eq!(site.kubernetes.request("GET", &site.keys(), None).await.unwrap()["data"], precious);
    let published = format!("/api/v1/namespaces/{}/configmaps/lockstep-agent-volumes", site.home);
    site.kubernetes.request("GET", &published, None).await.expect_err("nothing is published");
    // There is a listener, and no certificate to show.
    tokio::net::TcpStream::connect(address).await.unwrap();
    // What it held is needed by nobody.
    site.kubernetes.request("DELETE", &site.keys(), None).await.unwrap();
    site.client(address).await;
    site.nothing_shown(&[]);
    running.end().await.unwrap();
}
