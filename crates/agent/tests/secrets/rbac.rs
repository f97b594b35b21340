//! What the agent's service account may do.

use lockstep_testbed::Kubernetes;
use serde_json::{Value, json};

const PATH: &str = "/apis/rbac.authorization.k8s.io/v1";

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
    let rules = json!([{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"] }]);
    let role = json!({ "metadata": { "name": home }, "rules": rules });
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
    json!([
        {
            "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["lockstep-agent", "lockstep-agent-held"],
            "verbs": ["get", "create", "patch"],
        },
        {
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["lockstep-agent"],
            "verbs": ["get", "create", "patch", "update"],
        },
    ])
}

/// The chart's `rbac.mode: namespace`.
pub(crate) fn of_namespace() -> Value {
    json!([
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "create", "patch", "delete"] },
        { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] },
        { "apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets"], "verbs": ["get", "list", "patch"] },
        { "apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["list"] },
        { "apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["list"] },
        { "apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"] },
        { "apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["list"] },
        { "apiGroups": ["gateway.networking.k8s.io"], "resources": ["gateways"], "verbs": ["list"] },
    ])
}

/// The chart's `rbac.mode: strict`.
pub(crate) fn of_names(names: &[&str]) -> Value {
    json!([
        { "apiGroups": [""], "resources": ["secrets"], "resourceNames": names,
          "verbs": ["get", "list", "watch", "create", "patch", "delete"] },
        { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] },
    ])
}
