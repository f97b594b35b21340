use super::*;
use lockstep_proto::node::object::Source;
use serde_json::json;

const TOKEN: &str = "canary-token-9c41";

/// As the driver sends it.
fn attributes() -> Value {
    json!({
        "csi.storage.k8s.io/ephemeral": "true",
        "csi.storage.k8s.io/pod.name": "checkout-7d9",
        "csi.storage.k8s.io/pod.namespace": "shop",
        "csi.storage.k8s.io/pod.uid": "3b1c",
        "csi.storage.k8s.io/serviceAccount.name": "checkout",
        "csi.storage.k8s.io/serviceAccount.tokens":
            json!({ "": { "token": "other" }, "lockstep": { "token": TOKEN, "expirationTimestamp": "2030-01-01T00:00:00Z" } }).to_string(),
        "objects": "- {binding: db}\n- {secretPath: secret/data/one, secretKey: k}",
        "secretProviderClass": "db",
    })
}

fn request(attributes: &Value, permission: &str) -> MountRequest {
    MountRequest {
        attributes: attributes.to_string(),
        secrets: "{\"never\": \"looked at\"}".into(),
        target_path: "/var/lib/kubelet/pods/3b1c/volumes/kubernetes.io~csi/db/mount".into(),
        permission: permission.into(),
        current_object_version: Vec::new(),
    }
}

fn error(attributes: &Value) -> String {
    Mount::parse(&request(attributes, "420"), "lockstep").err().expect("refused").to_string()
}

#[test]
fn the_agent_is_asked_for_the_pods_objects_with_the_pods_token() {
    let mount = Mount::parse(&request(&attributes(), "256"), "lockstep").unwrap();
    assert_eq!(mount.mode.bits(), 0o400);
    let asked = mount.question();
    assert_eq!(asked.pod_token, TOKEN);
    let pod = asked.pod.unwrap();
    assert_eq!((&*pod.namespace, &*pod.name, &*pod.uid, &*pod.service_account), ("shop", "checkout-7d9", "3b1c", "checkout"));
    let source = |i: usize| asked.objects[i].source.clone().unwrap();
    assert_eq!((source(0), &*asked.objects[0].key), (Source::Binding("db".into()), ""));
    assert_eq!((source(1), &*asked.objects[1].key), (Source::Path("secret/data/one".into()), "k"));
    assert!(mount.needless.is_empty());
}

#[test]
fn parameters_of_vaults_provider_are_no_error() {
    let mut of_vault = attributes();
    for (name, value) in [
        ("roleName", "app"),
        ("audience", "vault"),
        ("vaultAddress", "https://vault:8200"),
        ("vaultNamespace", "team"),
        ("vaultCACertPath", "/vault/tls/ca.crt"),
        ("vaultTLSClientCertPath", "/vault/tls/client.crt"),
        ("vaultTLSClientKeyPath", "/vault/tls/client.key"),
        ("vaultSkipTLSVerify", "true"),
        ("vaultKubernetesMountPath", "kubernetes"),
        ("vaultAuthMountPath", "jwt"),
        ("somethingOfTomorrow", "x"),
    ] {
        of_vault[name] = value.into();
    }
    let mount = Mount::parse(&request(&of_vault, "420"), "lockstep").unwrap();
    assert_eq!(mount.needless.len(), 10, "{:?}", mount.needless);
}

#[test]
fn a_driver_without_our_audience_is_told_what_to_set() {
    let with = |tokens: Value| {
        let mut changed = attributes();
        changed[TOKENS] = tokens;
        changed
    };
    for (changed, part) in [
        (with(Value::String(String::new())), "gives no token of the pod's service account"),
        (with(json!(json!({ "vault": { "token": TOKEN } }).to_string())), "none for us"),
        (with(json!(json!({ "lockstep": { "token": "" } }).to_string())), "none for us"),
        (with(json!(json!({ "lockstep": TOKEN }).to_string())), "none for us"),
    ] {
        let error = error(&changed);
        assert!(error.contains(part) && error.contains("tokenRequests[0].audience=lockstep"), "{error}");
        assert!(!error.contains(TOKEN), "{error}");
    }
    let error = error(&with(json!(format!("{{{TOKEN}"))));
    assert!(error.contains("no JSON map of audiences") && !error.contains(TOKEN), "{error}");
}

#[test]
fn a_request_that_cannot_be_read_shows_nothing_of_itself() {
    for (text, part) in [("", "line 1"), ("[]", "no JSON map"), (&format!("{{\"a\": [\"{TOKEN}\"]}}"), "no JSON map of texts")] {
        let request = MountRequest { attributes: text.to_owned(), ..MountRequest::default() };
        let error = Mount::parse(&request, "lockstep").err().expect(text).to_string();
        assert!(error.contains(part) && !error.contains(TOKEN), "{error}");
    }
    for name in [POD_NAME, POD_NAMESPACE, POD_UID, SERVICE_ACCOUNT] {
        let mut without = attributes();
        without.as_object_mut().unwrap().remove(name);
        let error = error(&without);
        assert!(error.contains(name) && error.contains("podInfoOnMount"), "{error}");
    }
    assert!(Mount::parse(&request(&attributes(), "0x1ff"), "lockstep").is_err());
}
