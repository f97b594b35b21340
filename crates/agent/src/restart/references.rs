//! Which pods use a Secret.

use super::object::{Container, PodSpec};

/// Whether pods of this template keep what they read of the Secret when they started.
///
/// Not asked: `imagePullSecrets`, which the kubelet reads anew at each pull, and a CSI volume's `nodePublishSecretRef`, which it
/// hands to the driver at each mount; the process in the pod never sees either. Ephemeral containers are no part of a template.
/// A volume's files are renewed by the kubelet, but few programs read them again (and none with `subPath`), so volumes count.
pub(super) fn refers_to(pod: &PodSpec, secret: &str) -> bool {
    let containers = pod.containers.iter().chain(&pod.init_containers).flatten();
    containers.into_iter().any(|container| container_refers(container, secret)) || volumes_refer(pod, secret)
}

fn container_refers(container: &Container, secret: &str) -> bool {
    let keys = container.env.iter().flatten().filter_map(|var| var.value_from.as_ref()?.secret_key_ref.as_ref());
    let whole = container.env_from.iter().flatten().filter_map(|from| from.secret_ref.as_ref());
    keys.chain(whole).any(|reference| reference.name == secret)
}

fn volumes_refer(pod: &PodSpec, secret: &str) -> bool {
    pod.volumes.iter().flatten().any(|volume| {
        let direct = volume.secret.as_ref().is_some_and(|volume| volume.secret_name == secret);
        let mut sources = volume.projected.iter().flat_map(|projected| &projected.sources).flatten();
        direct || sources.any(|source| source.secret.as_ref().is_some_and(|reference| reference.name == secret))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(value: &Value) -> PodSpec {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn every_way_a_template_can_use_a_secret_is_found() {
        let key = json!([{ "name": "A", "value": "plain" }, { "name": "B", "valueFrom": { "secretKeyRef": { "name": "db", "key": "x" } } }]);
        let whole =
            json!([{ "configMapRef": { "name": "other" } }, { "prefix": "P_", "secretRef": { "name": "db", "optional": true } }]);
        for (how, spec) in [
            ("env", json!({ "containers": [{ "name": "a" }, { "name": "b", "env": key }] })),
            ("env of an init container", json!({ "containers": [], "initContainers": [{ "name": "a", "env": key }] })),
            ("envFrom", json!({ "containers": [{ "name": "a", "envFrom": whole }] })),
            ("envFrom of an init container", json!({ "initContainers": [{ "name": "a", "envFrom": whole }] })),
            ("a volume", json!({ "volumes": [{ "name": "v", "secret": { "secretName": "db" } }] })),
            (
                "a projected volume",
                json!({ "volumes": [{ "name": "v", "projected": { "sources": [
                    { "serviceAccountToken": { "path": "t" } }, { "secret": { "name": "db", "items": [] } },
                ] } }] }),
            ),
        ] {
            assert!(refers_to(&pod(&spec), "db"), "{how}");
            assert!(!refers_to(&pod(&spec), "db2"), "{how}, another Secret");
        }
    }

    #[test]
    fn what_the_process_in_the_pod_never_sees_is_no_use() {
        for (how, spec) in [
            ("nothing", json!({})),
            ("no containers", json!({ "containers": null, "volumes": null })),
            ("imagePullSecrets", json!({ "containers": [{ "name": "a" }], "imagePullSecrets": [{ "name": "db" }] })),
            ("CSI", json!({ "volumes": [{ "name": "v", "csi": { "driver": "d", "nodePublishSecretRef": { "name": "db" } } }] })),
            ("a ConfigMap", json!({ "containers": [{ "envFrom": [{ "configMapRef": { "name": "db" } }] }] })),
            ("a volume of that name", json!({ "volumes": [{ "name": "db", "emptyDir": {} }] })),
            ("a plain value", json!({ "containers": [{ "env": [{ "name": "db", "value": "db" }] }] })),
        ] {
            assert!(!refers_to(&pod(&spec), "db"), "{how}");
        }
    }
}
