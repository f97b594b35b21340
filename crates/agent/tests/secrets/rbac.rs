//! What the agent's service account may do: just what the chart says.

use std::sync::LazyLock;

use lockstep_testbed::Kubernetes;
use lockstep_testbed::charts::Chart;
use serde_json::{Value, json};

const PATH: &str = "/apis/rbac.authorization.k8s.io/v1";
/// The release's namespace; only rules are taken of it, and none names it.
const HOME: &str = "home";

/// Lets the service account `agent` of namespace `home` do that in `namespace`.
pub(crate) async fn allow(kubernetes: &Kubernetes, home: &str, namespace: &str, name: &str, rules: Value) {
    let subjects = json!([{ "kind": "ServiceAccount", "namespace": home, "name": "agent" }]);
    let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name });
    let role = json!({ "metadata": { "name": name }, "rules": rules });
    let binding = json!({ "metadata": { "name": name }, "roleRef": reference, "subjects": subjects });
    let path = format!("{PATH}/namespaces/{namespace}");
    kubernetes.request("POST", &format!("{path}/roles"), Some(role)).await.unwrap();
    kubernetes.request("POST", &format!("{path}/rolebindings"), Some(binding)).await.unwrap();
}

/// Lets it list and watch namespaces.
pub(crate) async fn allow_namespaces(kubernetes: &Kubernetes, home: &str) {
    static RULES: LazyLock<Value> = LazyLock::new(|| rules("ClusterRole", None, &json!({ "namespaceSelector": true })));
    let role = json!({ "metadata": { "name": home }, "rules": *RULES });
    let binding = json!({
        "metadata": { "name": home },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": home },
        "subjects": [{ "kind": "ServiceAccount", "namespace": home, "name": "agent" }],
    });
    kubernetes.request("POST", &format!("{PATH}/clusterroles"), Some(role)).await.unwrap();
    kubernetes.request("POST", &format!("{PATH}/clusterrolebindings"), Some(binding)).await.unwrap();
}

/// What every agent needs for itself.
pub(crate) fn of_home() -> Value {
    static RULES: LazyLock<Value> = LazyLock::new(|| rules("Role", Some(HOME), &json!({})));
    RULES.clone()
}

/// The chart's `rbac.mode: namespace`.
pub(crate) fn of_namespace() -> Value {
    static RULES: LazyLock<Value> =
        LazyLock::new(|| rules("Role", Some("shop"), &json!({ "mode": "namespace", "namespaces": ["shop"] })));
    RULES.clone()
}

/// The chart's `rbac.mode: strict`.
pub(crate) fn of_names(names: &[&str]) -> Value {
    let secrets = json!([{ "namespace": "shop", "names": names }]);
    rules("Role", Some("shop"), &json!({ "mode": "strict", "strict": { "secrets": secrets } }))
}

/// The rules of the role that the chart makes in a namespace, rendered with these `rbac` values for a release in [`HOME`].
fn rules(kind: &str, namespace: Option<&str>, rbac: &Value) -> Value {
    let server = json!({ "addresses": ["https://none.example.com:8444"], "join": ["https://none.example.com:8445"] });
    let values = json!({ "image": { "repository": "none" }, "server": server, "rbac": rbac });
    let objects = Chart::Agent.objects(HOME, &values).unwrap();
    let is_it = |object: &Value| object["kind"] == kind && object["metadata"]["namespace"].as_str() == namespace;
    let role = objects.into_iter().find(is_it).expect("the chart makes such a role");
    role["rules"].clone()
}
