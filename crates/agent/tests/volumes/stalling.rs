use lockstep_proto::node::{Object, Pod, ReadRequest, ReadResponse};
use lockstep_testbed::wait;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Streaming};
use tonic_prost::ProstCodec;

use crate::site::{AUDIENCE, PATIENCE, Site, connect, of_binding, of_path, read, server_name};

/// Each object has about a mebibyte.
fn three() -> Vec<Object> {
    vec![of_path("kv/data/db", "password"), of_binding("checkout-db", "PASSWORD"), of_path("kv/db", "password")]
}

/// Asks over a connection of its own, and reads no more than that there is an answer.
async fn stalled(site: &Site, node_token: &str, pod: &Pod, token: &str) -> Streaming<ReadResponse> {
    let address = site.fixture.arguments.volumes.listen.unwrap();
    let mut client = Grpc::new(connect(address, &site.bundle().await, &server_name(&site.home)).await.unwrap());
    client.ready().await.unwrap();
    let mut request = Request::new(ReadRequest { pod: Some(pod.clone()), pod_token: token.to_owned(), objects: three() });
    request.metadata_mut().insert("authorization", format!("Bearer {node_token}").parse().unwrap());
    let codec = ProstCodec::<ReadRequest, ReadResponse>::default();
    let path = PathAndQuery::from_static("/lockstep.node.v1.Volumes/Read");
    client.server_streaming(request, path, codec).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_node_that_does_not_read_its_answers_keeps_its_part_of_the_memory_and_no_more() {
    let mut site = Site::new().await;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, &"x".repeat(1_000_000)).await;
    let pods = [0, 1].map(|node| format!("web-{node}"));
    let [pod, elsewhere] = [
        site.pod(&site.shop, &pods[0], "web", &site.nodes[0]).await,
        site.pod(&site.shop, &pods[1], "web", &site.nodes[1]).await,
    ];
    let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    let first = stalled(&site, &node_token, &pod, &token).await;
    let _second = stalled(&site, &node_token, &pod, &token).await;
    let refused = read(&client, &node_token, &pod, &token, three()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains(&format!("on their way to node {}", site.nodes[0])), "{refused}");
    let (other_node, other) = (site.node_token(1).await, site.token(&elsewhere, AUDIENCE).await);
    read(&client, &other_node, &elsewhere, &other, three()).await.expect("another node has its own part");
    // Its end gives its part back.
    drop(first);
    let given = async || read(&client, &node_token, &pod, &token, three()).await.ok();
    let given = wait::until("room for the node's answers", PATIENCE, given).await.unwrap();
    assert_eq!(given.objects.len(), 3);
    site.nothing_shown(&[&node_token, &token, &other_node, &other]);
    drop(link);
    running.end().await.unwrap();
}
