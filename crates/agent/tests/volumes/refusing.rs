use lockstep_proto::node::Pod;
use lockstep_testbed::wait;
use tonic::Code;

use crate::site::{AUDIENCE, PATIENCE, Site, of_binding, of_path, read};

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
    let impostor = site.pod(&site.shop, "agent-1", "lockstep-node", &n1).await;
    let unplaced = site.pod(&site.shop, "web-3", "web", "").await;
    let (node, node_2) = (site.node_token(0).await, site.node_token(1).await);
    let token = site.token(&pod, AUDIENCE).await;
    let of_twin = site.token(&twin, AUDIENCE).await;
    let of_other = site.token(&other, AUDIENCE).await;
    let of_afar = site.token(&afar, AUDIENCE).await;
    let of_impostor = site.token(&impostor, AUDIENCE).await;
    let of_unplaced = site.token(&unplaced, AUDIENCE).await;
    let of_api = site.token(&pod, "https://kubernetes.default.svc").await;
    let of_vault = site.token(&pod, "vault").await;
    let unbound = site.kubernetes.token(&site.shop, "web", &[AUDIENCE]).await.unwrap();
    let unbound_node = site.kubernetes.token(&site.home, "lockstep-node", &[AUDIENCE]).await.unwrap();
    let forged = {
        let (head, signature) = token.rsplit_once('.').unwrap();
        format!("{head}.{}", signature.chars().rev().collect::<String>())
    };
    let claimed = |change: fn(&mut Pod)| {
        let mut pod = pod.clone();
        change(&mut pod);
        pod
    };
    let (un, denied) = (Code::Unauthenticated, Code::PermissionDenied);
    let cases: [(&str, &str, Pod, &str, Code, &str); 22] = [
        ("another service account", &node, other.clone(), &of_other, denied, "no binding gives"),
        ("another namespace", &node, afar.clone(), &of_afar, denied, "no binding gives"),
        (
            "another service account claimed",
            &node,
            claimed(|p| p.service_account = "other".into()),
            &token,
            denied,
            "another service account",
        ),
        (
            "another namespace claimed",
            &node,
            claimed(|p| p.namespace = "kube-system".into()),
            &token,
            denied,
            "another service account",
        ),
        ("the token of a pod of the same account", &node, pod.clone(), &of_twin, denied, "another pod"),
        ("a former pod of the same name", &node, claimed(|p| p.uid = "0".into()), &token, denied, "another pod"),
        ("the token of another's pod", &node, pod.clone(), &of_other, denied, "another service account"),
        ("a pod of another node", &node_2, pod.clone(), &token, denied, "not on node"),
        ("a pod that is on no node yet", &node, unplaced.clone(), &of_unplaced, denied, "names no node"),
        ("the API server's audience", &node, pod.clone(), &of_api, un, "tokenRequests"),
        ("Vault's audience", &node, pod.clone(), &of_vault, un, "tokenRequests"),
        ("a token bound to no pod", &node, pod.clone(), &unbound, denied, "bound to no pod"),
        ("no token of the pod", &node, pod.clone(), "", un, "no token of the pod"),
        ("a forged token", &node, pod.clone(), &forged, un, "tokenRequests"),
        ("garbage", &node, pod.clone(), "garbage", un, "tokenRequests"),
        ("the node agent's token as the pod's", &node, pod.clone(), &node, denied, "another service account"),
        ("the pod's token as the node agent's", &token, pod.clone(), &token, denied, "--node-service-account"),
        ("the two exchanged", &token, pod.clone(), &node, denied, "--node-service-account"),
        ("a node agent's account of another namespace", &of_impostor, pod.clone(), &token, denied, "--node-service-account"),
        ("a node agent that is bound to no pod", &unbound_node, pod.clone(), &token, denied, "names no node"),
        ("no node agent's token", "", pod.clone(), &token, un, "Bearer"),
        ("a garbage node agent's token", "garbage", pod.clone(), &token, un, "projected"),
    ];
    for (what, node_token, pod, pod_token, code, part) in cases {
        let objects = vec![of_binding("checkout-db", "")];
        let refused = read(&client, node_token, &pod, pod_token, objects).await.expect_err(what);
        assert_eq!(refused.code(), code, "{what}: {refused}");
        assert!(refused.message().contains(part), "{what}: {refused}");
    }
    // And what it is all right for.
    read(&client, &node, &pod, &token, vec![of_binding("checkout-db", "")]).await.unwrap();
    read(&client, &node, &twin, &of_twin, vec![of_path("kv/db", "user")]).await.unwrap();
    let tokens = [&node, &node_2, &token, &of_twin, &of_other, &of_afar, &of_impostor, &of_api, &of_vault, &unbound, &forged];
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
