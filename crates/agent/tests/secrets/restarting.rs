//! What changed where: restarts follow the content of each namespace, also where a delivery failed in another.

use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::reject::Kind;
use lockstep_proto::v1::{Restart, RestartReport};
use lockstep_testbed::wait;
use serde_json::{Value, json};

use crate::fixture::revision;
use crate::rbac;
use crate::shop::{Delivery, ONE, PATIENCE, Shop};

impl Shop {
    /// A Deployment that uses the Secret `db`, and a pod that it selects. No controller runs here: with no replicas wanted it is
    /// rolled out all the same.
    async fn user(&self, namespace: &str) {
        let post = async |path: String, object: Value| {
            self.kubernetes.request("POST", &path, Some(object)).await.unwrap();
        };
        post(format!("/api/v1/namespaces/{namespace}/serviceaccounts"), json!({ "metadata": { "name": "default" } })).await;
        let labels = json!({ "app": "user" });
        let spec = json!({ "containers": [{ "name": "c", "image": "i", "envFrom": [{ "secretRef": { "name": "db" } }] }] });
        let pod = json!({ "metadata": { "name": "user", "labels": labels }, "spec": spec });
        post(format!("/api/v1/namespaces/{namespace}/pods"), pod).await;
        let template = json!({ "metadata": { "labels": labels }, "spec": spec });
        let deployment = json!({
            "metadata": { "name": "user" },
            "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": template },
        });
        post(format!("/apis/apps/v1/namespaces/{namespace}/deployments"), deployment).await;
    }

    /// Lets the agent write Secrets in a namespace, or keeps it from that.
    async fn let_write(&self, namespace: &str, may: bool) {
        let mut rules = rbac::of_namespace();
        if !may {
            rules[0]["verbs"] = json!(["get", "list", "watch"]);
        }
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/shop");
        self.kubernetes.request("PATCH", &path, Some(json!({ "rules": rules }))).await.unwrap();
        // The API server learns of its own rules by a watch.
        let asked = json!({ "spec": {
            "user": format!("system:serviceaccount:{}:agent", self.home),
            "resourceAttributes": { "namespace": namespace, "verb": "patch", "resource": "secrets", "name": "db" },
        } });
        let review = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        wait::until("the rules to be in force", PATIENCE, async || {
            let review = self.kubernetes.request("POST", review, Some(asked.clone())).await?;
            anyhow::ensure!(review["status"]["allowed"] == may, "{}", review["status"]);
            Ok(())
        })
        .await
        .unwrap();
    }

    /// What the Deployment was last restarted for.
    async fn restarted_for(&self, namespace: &str) -> Option<String> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/user");
        let user = self.kubernetes.request("GET", &path, None).await.unwrap();
        user["spec"]["template"]["metadata"]["annotations"]["lockstep.dev/restarted-for"].as_str().map(str::to_owned)
    }

    async fn await_restart(&self, namespace: &str, revision: &str) {
        wait::until("a restart", PATIENCE, async || {
            let there = self.restarted_for(namespace).await;
            anyhow::ensure!(there.as_deref() == Some(revision), "{there:?}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// The next report of restarts for which it holds.
    async fn restarts(&mut self, holds: impl Fn(&RestartReport) -> bool) {
        loop {
            if let FromAgent::Report(report) = self.hear().await
                && report.restarts.iter().any(&holds)
            {
                return;
            }
        }
    }

    /// What the Secret's mark says of its last change.
    async fn changed(&self) -> Value {
        let secret = self.get("db").await.unwrap();
        let mark = secret["metadata"]["annotations"][format!("lockstep.dev/binding.{ONE}")].as_str().unwrap().to_owned();
        serde_json::from_str::<Value>(&mark).unwrap()["changed"].clone()
    }
}

impl Delivery {
    async fn put(&self, shop: &mut Shop) -> Result<lockstep_proto::v1::Ack, lockstep_proto::v1::Reject> {
        let restart = Some(Restart { policy: "Auto".to_owned(), ..Restart::default() });
        let put = lockstep_proto::v1::Put { restart, ..self.message() };
        shop.link.say(lockstep_proto::v1::server_message::Message::Put(put));
        shop.answer(self.binding).await
    }
}

#[tokio::test]
async fn a_partly_failed_delivery_restarts_just_where_it_came() {
    let mut shop = Shop::open().await;
    let (here, there) = (shop.namespace.clone(), shop.namespace("b", json!({})).await);
    let delivery = |shop: &Shop, seq, text| {
        let mut delivery = shop.delivery(seq, &[("K", text)]);
        delivery.target.namespaces.push(format!("{}-b", shop.namespace));
        delivery
    };
    delivery(&shop, 5, "five").put(&mut shop).await.unwrap();
    for namespace in [&here, &there] {
        shop.user(namespace).await;
    }
    delivery(&shop, 6, "six").put(&mut shop).await.unwrap();
    for namespace in [&here, &there] {
        shop.await_restart(namespace, "1.6").await;
    }
    shop.let_write(&there, false).await;
    let reject = delivery(&shop, 7, "seven").put(&mut shop).await.unwrap_err();
    assert_eq!(reject.kind(), Kind::Failed, "{}", reject.cause);
    shop.await_restart(&here, "1.7").await;

    // An agent that knows only what is there takes nothing else for due.
    shop.restart().await;
    shop.restarts(|report| report.revision == revision(7) && (report.restarted, report.total) == (2, 2)).await;
    assert_eq!(shop.restarted_for(&there).await.as_deref(), Some("1.6"), "its content is the old one");

    // Repaired, with the same revision: now it is.
    shop.let_write(&there, true).await;
    delivery(&shop, 7, "seven").put(&mut shop).await.unwrap();
    shop.await_restart(&there, "1.7").await;
    assert_eq!(shop.restarted_for(&here).await.as_deref(), Some("1.7"));
    shop.close().await;
}

#[tokio::test]
async fn a_secret_that_went_while_no_agent_was_there_and_comes_back_with_other_content_has_changed() {
    let mut shop = Shop::open().await;
    shop.deliver(&shop.delivery(5, &[("K", "five")])).await.unwrap();
    shop.end().await;
    shop.delete("db").await;
    shop.restart_from_ended().await;
    shop.deliver(&shop.delivery(6, &[("K", "six")])).await.unwrap();
    let changed = shop.changed().await;
    assert_eq!(changed["revision"], json!({ "epoch": 1, "seq": 6 }), "{changed}");

    // The same content again is no change.
    shop.end().await;
    shop.delete("db").await;
    shop.restart_from_ended().await;
    shop.deliver(&shop.delivery(7, &[("K", "six")])).await.unwrap();
    assert_eq!(shop.changed().await, Value::Null);
    shop.close().await;
}
