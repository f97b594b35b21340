use lockstep_testbed::Kubernetes;
use tonic::Code;

use crate::site::{AUDIENCE, Site, of_binding, read};

#[tokio::test]
async fn without_the_api_server_nobody_is_believed_and_a_node_that_asks_too_much_at_once_is_told_so() {
    // Nobody else's: it is paused.
    let kubernetes: &'static Kubernetes = Box::leak(Box::new(Kubernetes::start().await.unwrap()));
    let mut site = Site::of(kubernetes).await;
    site.fixture.arguments.volumes.node_requests = 1;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, "one").await;
    let pod = site.pod(&site.shop, "web-1", "web", &site.nodes[0]).await;
    let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    let ask = async || read(&client, &node_token, &pod, &token, vec![of_binding("checkout-db", "")]).await;
    ask().await.unwrap();
    kubernetes.pause_api().unwrap();
    let (first, second) = tokio::join!(ask(), ask());
    kubernetes.resume_api().unwrap();
    let refused = [first.unwrap_err(), second.unwrap_err()];
    let with = |code| refused.iter().find(|status| status.code() == code).unwrap_or_else(|| panic!("{refused:?}"));
    assert!(with(Code::Unavailable).message().contains("cannot be asked"), "{refused:?}");
    assert!(with(Code::ResourceExhausted).message().contains(&site.nodes[0]), "{refused:?}");
    let again = async || ask().await.ok();
    lockstep_testbed::wait::until("the API server to answer again", crate::site::PATIENCE, again).await.unwrap();
    site.nothing_shown(&[&node_token, &token]);
    drop(link);
    running.end().await.unwrap();
    kubernetes.stop_api().await.unwrap();
}
