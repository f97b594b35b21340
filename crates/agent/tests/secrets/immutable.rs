use lockstep_agent::command::SecretAccess;
use serde_json::{Value, json};

use crate::rbac;
use crate::shop::{Delivery, ONE, PATIENCE, Shop, TWO, value};

impl Shop {
    /// The Secrets of the namespace with our label, in order of their first value.
    async fn names(&self) -> Vec<String> {
        let path = format!("/api/v1/namespaces/{}/secrets?labelSelector=lockstep.dev/managed", self.namespace);
        let list = self.kubernetes.request("GET", &path, None).await.unwrap();
        let mut items: Vec<_> = list["items"].as_array().unwrap().clone();
        items.sort_by_key(|item| item["data"]["K"].as_str().unwrap().to_owned());
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// This content for an immutable target.
fn immutable(shop: &Shop, seq: u64, text: &str) -> Delivery {
    let mut delivery = shop.delivery(seq, &[("K", text)]);
    delivery.target.immutable = true;
    delivery
}

/// One object of each kind that serves or pulls with a Secret, or once ran with it, and is no pod and makes none now.
fn users(secret: &str) -> [(&'static str, Value); 3] {
    let web = json!({ "app": "web" });
    [
        (
            "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
            json!({
                "metadata": { "name": "web" },
                "spec": {
                    "tls": [{ "hosts": ["shop.example.com"], "secretName": secret }],
                    "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } },
                },
            }),
        ),
        (
            "/api/v1/namespaces/{}/serviceaccounts",
            json!({ "metadata": { "name": "web" }, "imagePullSecrets": [{ "name": secret }] }),
        ),
        (
            "/apis/apps/v1/namespaces/{}/replicasets",
            json!({
                "metadata": { "name": "web" },
                "spec": { "replicas": 0, "selector": { "matchLabels": web }, "template": {
                    "metadata": { "labels": web },
                    "spec": {
                        "containers": [{ "name": "c", "image": "i" }],
                        "volumes": [{ "name": "v", "secret": { "secretName": secret } }],
                    },
                } },
            }),
        ),
    ]
}

#[tokio::test]
async fn an_older_content_is_kept_while_an_ingress_a_service_account_or_a_former_replica_set_refers_to_it() {
    let mut shop = Shop::open().await;
    let mut names = Vec::new();
    for (index, (seq, text)) in [(5, "1"), (6, "2"), (7, "3")].into_iter().enumerate() {
        shop.deliver(&immutable(&shop, seq, text)).await.unwrap();
        let name = shop.names().await.pop().unwrap();
        let (path, object) = users(&name)[index].clone();
        shop.kubernetes.request("POST", &path.replace("{}", &shop.namespace), Some(object)).await.unwrap();
        names.push(name);
    }
    shop.deliver(&immutable(&shop, 8, "4")).await.unwrap();
    shop.deliver(&immutable(&shop, 9, "5")).await.unwrap();
    names.push(shop.names().await.pop().unwrap());
    // This API server has no Gateways: that none can refer to anything is no doubt.
    shop.restart().await;
    assert_eq!(shop.names().await, names, "only the fourth is neither used nor the present one");
    for (path, object) in users("") {
        let path = format!("{}/{}", path.replace("{}", &shop.namespace), object["metadata"]["name"].as_str().unwrap());
        shop.kubernetes.request("DELETE", &path, Some(json!({ "propagationPolicy": "Background" }))).await.unwrap();
        shop.restart().await;
        names.remove(0);
        assert_eq!(shop.names().await, names, "{path} is gone");
    }
    shop.close().await;
}

#[tokio::test]
async fn an_older_content_is_kept_for_a_while_whoever_refers_to_it() {
    let mut shop = Shop::open().await;
    shop.fixture.arguments.cluster.keep_older_seconds = 3_600;
    shop.restart().await;
    shop.deliver(&immutable(&shop, 5, "1")).await.unwrap();
    shop.deliver(&immutable(&shop, 6, "2")).await.unwrap();
    let names = shop.names().await;
    shop.restart().await;
    assert_eq!(shop.names().await, names, "a custom resource may name it, and be nothing that the agent can list");
    shop.fixture.arguments.cluster.keep_older_seconds = 0;
    shop.restart().await;
    assert_eq!(shop.names().await, names[1..]);
    shop.close().await;
}

#[tokio::test]
async fn an_older_content_is_kept_where_the_agent_may_not_see_who_refers_to_it() {
    let mut rules = rbac::of_namespace();
    rules.as_array_mut().unwrap().retain(|rule| rule["resources"] != json!(["ingresses"]));
    let mut shop = Shop::with(SecretAccess::Namespaces, &rules).await;
    shop.deliver(&immutable(&shop, 5, "1")).await.unwrap();
    shop.deliver(&immutable(&shop, 6, "2")).await.unwrap();
    let names = shop.names().await;
    shop.restart().await;
    assert_eq!((names.len(), shop.names().await), (2, names));
    rbac::allow(shop.kubernetes, &shop.home, &shop.namespace, "rest", rbac::of_namespace()).await;
    let token = shop.kubernetes.token(&shop.home, "agent", &[]).await.unwrap();
    let ingresses = format!("/apis/networking.k8s.io/v1/namespaces/{}/ingresses", shop.namespace);
    let may_list = async || shop.kubernetes.request_as(&token, "GET", &ingresses, None).await;
    lockstep_testbed::wait::until("the right to list them", PATIENCE, may_list).await.unwrap();
    shop.restart().await;
    assert_eq!(shop.names().await.len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn an_immutable_content_is_a_secret_of_its_own_and_kept_while_a_pod_refers_to_it() {
    let mut shop = Shop::open().await;
    let delivery = |shop: &Shop, seq, text| {
        let mut delivery = shop.delivery(seq, &[("K", text)]);
        delivery.target.immutable = true;
        delivery
    };
    shop.deliver(&delivery(&shop, 5, "1")).await.unwrap();
    let first = shop.names().await.remove(0);
    assert!(first.starts_with("db-") && first.len() == 13, "{first}");
    assert_eq!(shop.get(&first).await.unwrap()["immutable"], true);
    let account = json!({ "metadata": { "name": "default" } });
    shop.kubernetes
        .request("POST", &format!("/api/v1/namespaces/{}/serviceaccounts", shop.namespace), Some(account))
        .await
        .unwrap();
    let pod = json!({
        "metadata": { "name": "user" },
        "spec": { "containers": [{ "name": "c", "image": "i", "envFrom": [{ "secretRef": { "name": first } }] }] },
    });
    shop.kubernetes.request("POST", &format!("/api/v1/namespaces/{}/pods", shop.namespace), Some(pod)).await.unwrap();
    shop.deliver(&delivery(&shop, 6, "2")).await.unwrap();
    let second = shop.names().await.remove(1);
    // A look comes with the inventory of each start.
    shop.deliver(&delivery(&shop, 7, "3")).await.unwrap();
    shop.restart().await;
    let names = shop.names().await;
    assert_eq!((names.len(), &names[0]), (2, &first), "the first is used, the second is not, the third is the present one");
    assert!(!names.contains(&second));
    shop.kubernetes
        .request("DELETE", &format!("/api/v1/namespaces/{}/pods/user", shop.namespace), Some(json!({ "gracePeriodSeconds": 0 })))
        .await
        .unwrap();
    shop.restart().await;
    assert_eq!(shop.names().await, names[1..]);
    assert_eq!(shop.get(&names[1]).await.unwrap()["data"], json!({ "K": value("3") }));

    // The same content again has the same name, and a purge takes all of it.
    shop.deliver(&delivery(&shop, 8, "1")).await.unwrap();
    assert_eq!(shop.names().await[0], first);
    shop.remove(ONE, 9, true).await.unwrap();
    assert_eq!(shop.names().await.len(), 0);
    shop.close().await;
}

#[tokio::test]
async fn an_immutable_secret_that_was_deleted_is_restored() {
    let mut shop = Shop::open().await;
    let mut delivery = shop.delivery(5, &[("K", "1")]);
    delivery.target.immutable = true;
    shop.deliver(&delivery).await.unwrap();
    shop.watched().await;
    let name = shop.names().await.remove(0);
    shop.delete(&name).await;
    shop.needed(ONE).await;
    shop.deliver(&delivery).await.unwrap();
    assert_eq!(shop.names().await, [name]);
    shop.close().await;
}

#[tokio::test]
async fn two_immutable_bindings_with_the_same_content_share_a_secret_and_the_last_one_takes_it_away() {
    let mut shop = Shop::open().await;
    for (seq, binding) in [(5, ONE), (6, TWO)] {
        let mut delivery = Delivery { binding, ..shop.delivery(seq, &[("K", "1")]) };
        delivery.target.immutable = true;
        shop.deliver(&delivery).await.unwrap();
    }
    let names = shop.names().await;
    assert_eq!(names.len(), 1);
    shop.restart().await;
    assert_eq!(shop.hello.inventory.len(), 2);
    assert_eq!(shop.hello.inventory[0].digest, shop.hello.inventory[1].digest);
    shop.remove(ONE, 7, true).await.unwrap();
    let secret = shop.get(&names[0]).await.unwrap();
    assert_eq!(secret["data"], json!({ "K": value("1") }));
    assert!(secret["metadata"]["annotations"].get(format!("lockstep.dev/binding.{ONE}")).is_none());
    shop.remove(TWO, 8, true).await.unwrap();
    assert!(shop.get(&names[0]).await.is_none());
    shop.close().await;
}
