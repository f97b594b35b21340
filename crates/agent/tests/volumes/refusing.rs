use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use lockstep_proto::node::Pod;
use lockstep_proto::node::volumes_client::VolumesClient;
use lockstep_testbed::{Kubernetes, wait};
use serde_json::Value;
use tonic::Code;
use tonic::transport::Channel;

use crate::site::{AUDIENCE, PATIENCE, Site, of_binding, of_path, read};

/// A name; the node agent's token; whose volume; the pod's token; what the answer is, and a part of its sentence.
type Case<'a> = (&'a str, &'a str, Pod, &'a str, Code, &'a str);
const UN: Code = Code::Unauthenticated;
const DENIED: Code = Code::PermissionDenied;

async fn are_refused(client: &VolumesClient<Channel>, cases: impl IntoIterator<Item = Case<'_>>) {
    for (what, node_token, pod, pod_token, code, part) in cases {
        let objects = vec![of_binding("checkout-db", "")];
        let refused = read(client, node_token, &pod, pod_token, objects).await.expect_err(what);
        assert_eq!(refused.code(), code, "{what}: {refused}");
        assert!(refused.message().contains(part), "{what}: {refused}");
    }
}

/// The same pod with something else said of it.
fn said(pod: &Pod, change: fn(&mut Pod)) -> Pod {
    let mut pod = pod.clone();
    change(&mut pod);
    pod
}

#[tokio::test]
async fn nobody_but_the_pod_on_its_own_node_is_given_it() {
    let mut site = Site::new().await;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, "one").await;
    let n1 = site.nodes[0].clone();
    let pod = site.pod(&site.shop, "web-1", "web", &n1).await;
    let twin = site.pod(&site.shop, "web-2", "web", &n1).await;
    let other = site.pod(&site.shop, "other-1", "other", &n1).await;
    let afar = site.pod(&site.home, "web-1", "agent", &n1).await;
    let unplaced = site.pod(&site.shop, "web-3", "web", "").await;
    let (node, node_2) = (site.node_token(0).await, site.node_token(1).await);
    let token = site.token(&pod, AUDIENCE).await;
    let of_twin = site.token(&twin, AUDIENCE).await;
    let of_other = site.token(&other, AUDIENCE).await;
    let of_afar = site.token(&afar, AUDIENCE).await;
    let of_unplaced = site.token(&unplaced, AUDIENCE).await;
    let of_api = site.token(&pod, "https://kubernetes.default.svc").await;
    let of_vault = site.token(&pod, "vault").await;
    let unbound = site.kubernetes.token(&site.shop, "web", &[AUDIENCE]).await.unwrap();
    let (forged, ended) = (forged(&token), signed_again(site.kubernetes, &token, Some(1)));
    let other_account = said(&pod, |pod| pod.service_account = "other".into());
    let other_namespace = said(&pod, |pod| pod.namespace = "kube-system".into());
    let former = said(&pod, |pod| pod.uid = "0".into());
    let cases: [Case<'_>; 16] = [
        ("another service account", &node, other.clone(), &of_other, DENIED, "no binding gives"),
        ("another namespace", &node, afar.clone(), &of_afar, DENIED, "no binding gives"),
        ("another service account claimed", &node, other_account, &token, DENIED, "another service account"),
        ("another namespace claimed", &node, other_namespace, &token, DENIED, "another service account"),
        ("the token of a pod of the same account", &node, pod.clone(), &of_twin, DENIED, "another pod"),
        ("a former pod of the same name", &node, former, &token, DENIED, "another pod"),
        ("the token of another's pod", &node, pod.clone(), &of_other, DENIED, "another service account"),
        ("a pod of another node", &node_2, pod.clone(), &token, DENIED, "not on node"),
        ("a pod that is on no node yet", &node, unplaced, &of_unplaced, DENIED, "names no node"),
        ("the API server's audience", &node, pod.clone(), &of_api, UN, "tokenRequests"),
        ("Vault's audience", &node, pod.clone(), &of_vault, UN, "tokenRequests"),
        ("a token bound to no pod", &node, pod.clone(), &unbound, DENIED, "bound to no pod"),
        ("no token of the pod", &node, pod.clone(), "", UN, "no token of the pod"),
        ("a forged token", &node, pod.clone(), &forged, UN, "tokenRequests"),
        ("a token that has ended", &node, pod.clone(), &ended, UN, "tokenRequests"),
        ("garbage", &node, pod.clone(), "garbage", UN, "tokenRequests"),
    ];
    are_refused(&client, cases).await;
    // And what it is all right for; signed again as it was, too: it was its end that was refused.
    let again = signed_again(site.kubernetes, &token, None);
    read(&client, &node, &pod, &again, vec![of_binding("checkout-db", "")]).await.unwrap();
    read(&client, &node, &pod, &token, vec![of_binding("checkout-db", "")]).await.unwrap();
    read(&client, &node, &twin, &of_twin, vec![of_path("kv/db", "user")]).await.unwrap();
    let tokens = [&node, &node_2, &token, &of_twin, &of_other, &of_afar, &of_api, &of_vault, &unbound, &forged, &ended];
    site.nothing_shown(&tokens.map(String::as_str));
    drop(link);
    running.end().await.unwrap();
}

#[tokio::test]
async fn nobody_but_a_node_agent_may_ask() {
    let mut site = Site::new().await;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, "one").await;
    let n1 = site.nodes[0].clone();
    let pod = site.pod(&site.shop, "web-1", "web", &n1).await;
    let impostor = site.pod(&site.shop, "agent-1", "lockstep-node", &n1).await;
    let neighbour = site.pod(&site.home, "agent-1", "agent", &n1).await;
    let (node, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    let of_impostor = site.token(&impostor, AUDIENCE).await;
    let of_neighbour = site.token(&neighbour, AUDIENCE).await;
    let unbound = site.kubernetes.token(&site.home, "lockstep-node", &[AUDIENCE]).await.unwrap();
    let of_api = site.kubernetes.token(&site.home, "lockstep-node", &[]).await.unwrap();
    let (forged, ended) = (forged(&node), signed_again(site.kubernetes, &node, Some(1)));
    let cases: [Case<'_>; 11] = [
        ("its token as the pod's", &node, pod.clone(), &node, DENIED, "another service account"),
        ("the pod's token as its", &token, pod.clone(), &token, DENIED, "--node-service-account"),
        ("the two exchanged", &token, pod.clone(), &node, DENIED, "--node-service-account"),
        ("the account's name in another namespace", &of_impostor, pod.clone(), &token, DENIED, "--node-service-account"),
        ("another account of its namespace", &of_neighbour, pod.clone(), &token, DENIED, "--node-service-account"),
        ("bound to no pod", &unbound, pod.clone(), &token, DENIED, "names no node"),
        ("the API server's audience", &of_api, pod.clone(), &token, UN, "projected"),
        ("none", "", pod.clone(), &token, UN, "Bearer"),
        ("forged", &forged, pod.clone(), &token, UN, "projected"),
        ("one that has ended", &ended, pod.clone(), &token, UN, "projected"),
        ("garbage", "garbage", pod.clone(), &token, UN, "projected"),
    ];
    are_refused(&client, cases).await;
    read(&client, &node, &pod, &token, vec![of_binding("checkout-db", "")]).await.unwrap();
    let tokens = [&node, &token, &of_impostor, &of_neighbour, &unbound, &of_api, &forged, &ended];
    site.nothing_shown(&tokens.map(String::as_str));
    drop(link);
    running.end().await.unwrap();
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_all_refused_and_said() {
    let mut site = Site::new().await;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, "one").await;
    let pod = site.pod(&site.shop, "web-1", "web", &site.nodes[0]).await;
    let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    for (objects, code, part) in [
        (vec![of_path("kv/db", ""), of_path("kv/db", "absent")], Code::InvalidArgument, "absent"),
        (vec![of_path("kv/db", ""), of_binding("none", "")], Code::PermissionDenied, "none"),
        (vec![], Code::InvalidArgument, "names 0 objects"),
        (vec![of_path("kv/db", ""); 65], Code::InvalidArgument, "names 65 objects"),
    ] {
        let refused = read(&client, &node_token, &pod, &token, objects).await.expect_err(part);
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(part), "{refused}");
    }
    drop(link);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_deleted_pods_token_gives_nothing() {
    let mut site = Site::new().await;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, "one").await;
    let pod = site.pod(&site.shop, "web-1", "web", &site.nodes[0]).await;
    let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    let given = async || read(&client, &node_token, &pod, &token, vec![of_binding("checkout-db", "")]).await;
    given().await.unwrap();
    site.delete(&pod).await;
    let began = std::time::Instant::now();
    // The API server itself remembers a good token for ten seconds.
    let refused = wait::until("the deleted pod's token to be refused", PATIENCE, async || given().await.err()).await.unwrap();
    println!("a deleted pod's token was refused after {:?}", began.elapsed());
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    assert!(refused.message().contains("must still be there"), "{refused}");
    drop(link);
    running.end().await.unwrap();
}

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    format!("{head}.{}", signature.chars().rev().collect::<String>())
}

/// The same token with the API server's own signature, and another end if one is given, in Unix seconds.
fn signed_again(kubernetes: &Kubernetes, token: &str, exp: Option<i64>) -> String {
    let [head, claims, _] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    if let Some(exp) = exp {
        claims["exp"] = exp.into();
    }
    let signed = format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = rcgen::KeyPair::from_pem(&kubernetes.service_account_signing_key_pem().unwrap()).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
