//! An agent with namespaces to deliver to, and a server that says what it shall hold.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lockstep_agent::command::SecretAccess;
use lockstep_proto::convert::entries;
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{self, Ack, Hello, Limits, NamespaceRule, Put, Reject, Requirement, SecretTarget, Selector};
use lockstep_testbed::Kubernetes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::capture::{self, Lines};
use crate::fixture::{Fixture, REGISTRY, Running, content, digest, head, put, revision, welcome};
use crate::rbac;
use crate::server::Link;

/// Ten times what anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Every value begins with it.
pub(crate) const CANARY: &str = "canary-5d1c";
pub(crate) const ONE: Uuid = Uuid::from_u128(0xb1);
pub(crate) const TWO: Uuid = Uuid::from_u128(0xb2);

pub(crate) struct Shop {
    pub(crate) fixture: Fixture,
    pub(crate) kubernetes: &'static Kubernetes,
    /// The agent's.
    pub(crate) home: String,
    /// Where it may deliver.
    pub(crate) namespace: String,
    pub(crate) link: Link,
    pub(crate) hello: Hello,
    pub(crate) running: Option<Running>,
    /// How often the agent looks at everything: so rarely that what is seen earlier a watch saw.
    pub(crate) verify_interval_ms: u32,
    /// All that the agent said.
    pub(crate) said: Vec<FromAgent>,
    log: &'static Lines,
}

/// A target, and the values that go there.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) binding: Uuid,
    pub(crate) seq: u64,
    pub(crate) target: SecretTarget,
    pub(crate) values: Vec<(&'static str, String)>,
    pub(crate) observe: bool,
    /// When the binding was registered.
    pub(crate) registered_us: u64,
    /// Whether what its target has no longer is deleted.
    pub(crate) purge_former: bool,
}

/// A value for a test.
pub(crate) fn value(text: &str) -> String {
    format!("{CANARY}-{text}")
}

/// Values for a test, as a Secret's data.
pub(crate) fn encoded(values: &[(&str, &str)]) -> Value {
    values
        .iter()
        .map(|(key, text)| ((*key).to_owned(), BASE64_STANDARD.encode(value(text)).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

impl Shop {
    /// An agent that may use all Secrets of one namespace.
    pub(crate) async fn open() -> Self {
        Self::with(SecretAccess::Namespaces, &rbac::of_namespace()).await
    }

    /// An agent that may do that in one namespace.
    pub(crate) async fn with(access: SecretAccess, rules: &Value) -> Self {
        Self::of(Kubernetes::shared().await.unwrap(), access, rules).await
    }

    /// The same in another cluster.
    pub(crate) async fn of(kubernetes: &'static Kubernetes, access: SecretAccess, rules: &Value) -> Self {
        let namespace = format!("shop-{}", Uuid::new_v4().simple());
        kubernetes.create_namespace(&namespace).await.unwrap();
        Self::agent(kubernetes, namespace, access, rules).await
    }

    /// Another agent that delivers to the same namespace, as one would that leads in the first one's place.
    pub(crate) async fn second(&self) -> Self {
        Self::agent(self.kubernetes, self.namespace.clone(), SecretAccess::Namespaces, &rbac::of_namespace()).await
    }

    async fn agent(kubernetes: &'static Kubernetes, namespace: String, access: SecretAccess, rules: &Value) -> Self {
        let log = capture::begin();
        let home = format!("home-{}", Uuid::new_v4().simple());
        kubernetes.create_namespace(&home).await.unwrap();
        kubernetes.create_service_account(&home, "agent").await.unwrap();
        rbac::allow(kubernetes, &home, &home, "home", rbac::of_home()).await;
        rbac::allow(kubernetes, &home, &namespace, &home, rules.clone()).await;
        let mut fixture = Fixture::new().await;
        let arguments = &mut fixture.arguments;
        (arguments.state_dir, arguments.directory_root) = (None, None);
        let cluster = &mut arguments.cluster;
        (cluster.kubernetes, cluster.secret_access) = (true, access);
        // Long: an API server that all these tests share may keep an agent waiting.
        cluster.lease_duration_seconds = 120;
        (cluster.state_secret, cluster.lease) = ("lockstep-agent".to_owned(), "lockstep-agent".to_owned());
        (cluster.namespace, cluster.pod_name) = (Some(home.clone()), Some("agent".to_owned()));
        cluster.kubeconfig = Some(kubeconfig(kubernetes, &home).await);
        let running = Some(fixture.start());
        let verify_interval_ms = 3_600_000;
        let (link, hello) = linked(&mut fixture, verify_interval_ms).await;
        Self { fixture, kubernetes, home, namespace, link, hello, running, verify_interval_ms, said: Vec::new(), log }
    }

    /// Ends the agent and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.end().await;
        self.restart_from_ended().await;
    }

    pub(crate) async fn restart_from_ended(&mut self) {
        self.running = Some(self.fixture.start());
        self.linked_again().await;
    }

    /// An agent that is not this process' links.
    pub(crate) async fn linked_again(&mut self) {
        (self.link, self.hello) = linked(&mut self.fixture, self.verify_interval_ms).await;
    }

    /// Makes sure that a delivery was applied, which may be heard already.
    pub(crate) async fn answered(&mut self, delivery: &Delivery) {
        let is_it = |message: &FromAgent| matches!(message, FromAgent::Ack(ack) if ack.binding == delivery.binding.as_bytes());
        if let Some(at) = self.said.iter().position(is_it) {
            self.said.swap_remove(at);
            return;
        }
        while !is_it(&self.hear().await) {}
        self.said.pop();
    }

    pub(crate) async fn end(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.cancel();
        // The server's side of the stream ends only when this is dropped.
        self.link.say = tokio::sync::mpsc::unbounded_channel().0;
        running.end().await.unwrap();
    }

    /// Gives a namespace another label `team`, or none.
    pub(crate) async fn set_team(&self, namespace: &str, team: Option<&str>) {
        let change = json!({ "metadata": { "labels": { "team": team } } });
        self.kubernetes.request("PATCH", &format!("/api/v1/namespaces/{namespace}"), Some(change)).await.unwrap();
    }

    /// A delivery to all namespaces whose label `team` is this shop's.
    pub(crate) fn delivery_to_team(&self, seq: u64, values: &[(&'static str, &str)]) -> Delivery {
        let mut delivery = self.delivery(seq, values);
        delivery.target.namespaces.clear();
        let requirement = Requirement { key: "team".into(), operator: "In".into(), values: vec![self.namespace.clone()] };
        delivery.target.namespace_selector = Some(Selector { requirements: vec![requirement] });
        delivery.target.allowed_namespaces = vec![NamespaceRule { globs: vec![format!("{}-*", self.namespace)] }];
        delivery
    }

    /// Whether the agent ever asked for a binding's content.
    pub(crate) fn was_asked_for(&self, binding: Uuid) -> bool {
        let asks = |message: &FromAgent| matches!(message, FromAgent::Need(need) if need.bindings.iter().any(|b| b == binding.as_bytes()));
        self.said.iter().any(asks)
    }

    /// Another namespace where the agent may deliver.
    pub(crate) async fn namespace(&self, suffix: &str, labels: Value) -> String {
        let name = format!("{}-{suffix}", self.namespace);
        let namespace = json!({ "metadata": { "name": name } });
        self.kubernetes.request("POST", "/api/v1/namespaces", Some(namespace)).await.unwrap();
        rbac::allow(self.kubernetes, &self.home, &name, "shop", rbac::of_namespace()).await;
        // It is selected only once the agent may look there: refused, it would look again in an hour.
        let token = self.kubernetes.token(&self.home, "agent", &[]).await.unwrap();
        let secrets = format!("/api/v1/namespaces/{name}/secrets");
        let may_list = async || self.kubernetes.request_as(&token, "GET", &secrets, None).await;
        lockstep_testbed::wait::until("the right to look there", PATIENCE, may_list).await.unwrap();
        let labels = json!({ "metadata": { "labels": labels } });
        self.kubernetes.request("PATCH", &format!("/api/v1/namespaces/{name}"), Some(labels)).await.unwrap();
        name
    }

    /// Takes the shop's namespace away with all that is in it, as the namespace controller does, which does not run here.
    pub(crate) async fn demolish(&self) {
        let (core, namespace) =
            (format!("/api/v1/namespaces/{}", self.namespace), json!({ "metadata": { "name": self.namespace } }));
        self.kubernetes.request("DELETE", &core, None).await.unwrap();
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", self.namespace);
        for all in [format!("{rbac}/rolebindings"), format!("{rbac}/roles"), format!("{core}/secrets")] {
            self.kubernetes.request("DELETE", &all, None).await.unwrap();
        }
        self.kubernetes.request("PUT", &format!("{core}/finalize"), Some(namespace)).await.unwrap();
        self.kubernetes.request("GET", &core, None).await.expect_err("it is gone");
    }

    /// Binding `ONE`'s content for the Secret `db` of the namespace.
    pub(crate) fn delivery(&self, seq: u64, values: &[(&'static str, &str)]) -> Delivery {
        let target = SecretTarget {
            name: "db".to_owned(),
            namespaces: vec![self.namespace.clone()],
            r#type: "Opaque".to_owned(),
            ..SecretTarget::default()
        };
        let values = values.iter().map(|(key, text)| (*key, value(text))).collect();
        Delivery { binding: ONE, seq, target, values, observe: false, purge_former: false, registered_us: 1_700_000_000_000_000 }
    }

    /// Says it, and hears what becomes of it.
    pub(crate) async fn deliver(&mut self, delivery: &Delivery) -> Result<Ack, Reject> {
        self.say(delivery);
        self.answer(delivery.binding).await
    }

    pub(crate) fn say(&self, delivery: &Delivery) {
        self.link.say(FromServer::Put(delivery.message()));
    }

    pub(crate) async fn answer(&mut self, binding: Uuid) -> Result<Ack, Reject> {
        loop {
            match self.hear().await {
                FromAgent::Ack(ack) if ack.binding == binding.as_bytes() => return Ok(ack),
                FromAgent::Reject(reject) if reject.binding == binding.as_bytes() => return Err(reject),
                _ => {}
            }
        }
    }

    /// Gives a binding up.
    pub(crate) async fn remove(&mut self, binding: Uuid, seq: u64, purge: bool) -> Result<Ack, Reject> {
        let delete = v1::Delete { binding: binding.as_bytes().to_vec(), revision: revision(seq), head: head(seq), purge };
        self.link.say(FromServer::Delete(delete));
        self.answer(binding).await
    }

    /// Waits until the Secret `db` is watched: a change of another's key is seen without being asked for.
    pub(crate) async fn watched(&mut self) {
        let seen = || self.log_of_watch();
        lockstep_testbed::wait::until("the watch to begin", PATIENCE, async || seen().then_some(())).await.unwrap();
    }

    /// Whether an agent of this process logged something.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log.text().contains(text)
    }

    fn log_of_watch(&self) -> bool {
        let scope = format!("{:?}", self.namespace);
        self.log.text().lines().any(|line| line.contains("watching") && line.contains(scope.trim_matches('"')))
    }

    /// Waits until the agent asks for a binding's content.
    pub(crate) async fn needed(&mut self, binding: Uuid) {
        loop {
            if let FromAgent::Need(need) = self.hear().await
                && need.bindings.contains(&binding.as_bytes().to_vec())
            {
                return;
            }
        }
    }

    /// Answers what the agent asks for until `holds`; says how long it took.
    pub(crate) async fn repaired(&mut self, delivery: &Delivery, holds: impl Fn(&Value) -> bool) -> Duration {
        let begun = Instant::now();
        loop {
            self.needed(delivery.binding).await;
            self.deliver(delivery).await.unwrap();
            if self.get("db").await.is_some_and(|secret| holds(&secret)) {
                return begun.elapsed();
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> FromAgent {
        let message = tokio::time::timeout(PATIENCE, self.link.hear()).await.expect("the agent says something");
        self.said.push(message.clone());
        message
    }

    /// A Secret of the namespace, its data decoded.
    pub(crate) async fn get(&self, name: &str) -> Option<Value> {
        self.get_in(&self.namespace, name).await
    }

    pub(crate) async fn get_in(&self, namespace: &str, name: &str) -> Option<Value> {
        let mut secret = self.kubernetes.request("GET", &path(namespace, name), None).await.ok()?;
        for value in secret["data"].as_object_mut().into_iter().flat_map(|data| data.values_mut()) {
            *value = String::from_utf8(BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap().into();
        }
        Some(secret)
    }

    /// What is in the Secret `db`.
    pub(crate) async fn data(&self) -> Option<Value> {
        Some(self.get("db").await?["data"].clone())
    }

    /// Another tool makes a Secret.
    pub(crate) async fn make(&self, manager: &str, secret: Value) {
        self.make_in(&self.namespace, manager, secret).await;
    }

    pub(crate) async fn make_in(&self, namespace: &str, manager: &str, secret: Value) {
        let path = format!("/api/v1/namespaces/{namespace}/secrets?fieldManager={manager}");
        self.kubernetes.request("POST", &path, Some(secret)).await.unwrap();
    }

    /// Another tool takes fields of the Secret `db` over.
    pub(crate) async fn take(&self, manager: &str, mut secret: Value) {
        (secret["apiVersion"], secret["kind"], secret["metadata"]["name"]) = ("v1".into(), "Secret".into(), "db".into());
        let path = format!("{}?fieldManager={manager}&force=true", path(&self.namespace, "db"));
        self.kubernetes.request("PATCH", &path, Some(secret)).await.unwrap();
    }

    /// Somebody edits the Secret `db`.
    pub(crate) async fn edit(&self, change: Value) {
        self.kubernetes.request("PATCH", &path(&self.namespace, "db"), Some(change)).await.unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.kubernetes.request("DELETE", &path(&self.namespace, name), None).await.unwrap();
    }

    /// How many requests of that kind the agent sent; `code`: with that answer.
    pub(crate) fn requests(&self, verb: &str, code: Option<&str>) -> u64 {
        let families = self.fixture.metrics.gather();
        let requests = families.iter().filter(|family| family.name() == "lockstep_agent_kubernetes_requests_total");
        let has = |metric: &prometheus::proto::Metric, name: &str, value: &str| {
            metric.get_label().iter().any(|label| label.name() == name && label.value() == value)
        };
        let counted = requests.flat_map(prometheus::proto::MetricFamily::get_metric).filter(|metric| has(metric, "verb", verb));
        let counted = counted.filter(|metric| code.is_none_or(|code| has(metric, "code", code)));
        counted.map(|metric| metric.get_counter().get_value().to_string().parse::<u64>().unwrap()).sum()
    }

    /// Ends the agent, and makes sure that no value went where none may be.
    pub(crate) async fn close(mut self) {
        if self.running.is_some() {
            self.end().await;
        }
        let said = format!("{:?}", self.said);
        let encoded = BASE64_STANDARD.encode(CANARY);
        for text in [said.as_str(), &self.log.text()] {
            for canary in [CANARY, &encoded[..encoded.len() - 4]] {
                let at = text.find(canary);
                assert!(at.is_none(), "a value was shown: …{}…", &text[at.unwrap().saturating_sub(200)..][..300]);
            }
        }
    }
}

impl Delivery {
    pub(crate) fn message(&self) -> Put {
        let values: Vec<(&str, &str)> = self.values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let content = content(&values);
        Put {
            binding: self.binding.as_bytes().to_vec(),
            target: Some(v1::Target { target: Some(v1::target::Target::Secret(self.target.clone())) }),
            content: entries(&content),
            digest: digest(&content),
            observe: self.observe,
            registered_us: self.registered_us,
            purge_former: self.purge_former,
            ..put(self.seq, "", &content)
        }
    }
}

pub(crate) fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

async fn kubeconfig(kubernetes: &Kubernetes, home: &str) -> PathBuf {
    kubernetes.kubeconfig_for(&kubernetes.token(home, "agent", &[]).await.unwrap()).unwrap()
}

/// The next link, greeted.
async fn linked(fixture: &mut Fixture, verify_interval_ms: u32) -> (Link, Hello) {
    let mut link = tokio::time::timeout(PATIENCE, fixture.server.link()).await.expect("the agent links");
    let FromAgent::Hello(hello) = link.hear().await else { panic!("the first message is Hello") };
    let limits = Limits { heartbeat_interval_ms: 5_000, in_flight: 32, verify_interval_ms };
    link.say(FromServer::Welcome(v1::Welcome { limits: Some(limits), ..welcome(REGISTRY) }));
    (link, hello)
}
