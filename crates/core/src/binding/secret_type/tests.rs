use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nY2FuYXJ5\n-----END EC PRIVATE KEY-----\n";

fn content(pairs: &[(&str, &str)]) -> Rendered {
    Rendered::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec())))).unwrap()
}

#[test]
fn types_are_stored_and_read_in_kubernetes_words() {
    for secret_type in SecretType::ALL {
        let stored = serde_json::to_value(secret_type).unwrap();
        assert_eq!(stored, secret_type.as_str());
        assert_eq!(serde_json::from_value::<SecretType>(stored).unwrap(), secret_type);
    }
    let unknown = "kubernetes.io/service-account-token".parse::<SecretType>().unwrap_err().to_string();
    assert!(unknown.contains("Opaque, kubernetes.io/tls, kubernetes.io/dockerconfigjson, "), "{unknown}");
}

#[test]
fn content_that_a_type_asks_for_is_good() {
    let preamble = format!("Bag Attributes\n  friendlyName: x\n{CERTIFICATE}{CERTIFICATE}");
    for (secret_type, pairs) in [
        (SecretType::Opaque, vec![]),
        (SecretType::Tls, vec![("tls.crt", CERTIFICATE), ("tls.key", KEY), ("ca.crt", CERTIFICATE)]),
        (SecretType::Tls, vec![("tls.crt", preamble.as_str()), ("tls.key", KEY)]),
        (SecretType::DockerConfigJson, vec![(".dockerconfigjson", r#"{"a":[1,{}],"auths":{"r":{"auth":"x"}}, "b":"é"} "#)]),
        (SecretType::BasicAuth, vec![("username", "u")]),
        (SecretType::BasicAuth, vec![("password", "p")]),
        (SecretType::SshAuth, vec![("ssh-privatekey", "k")]),
    ] {
        assert_eq!(secret_type.check(&content(&pairs)), Ok(()), "{secret_type} {pairs:?}");
    }
}

#[test]
fn content_that_a_type_cannot_be_made_of_is_refused_by_key_and_type_and_never_shown() {
    let open = "-----BEGIN CERTIFICATE-----\ncanary";
    for (secret_type, pairs, part) in [
        (SecretType::Tls, vec![("tls.key", KEY)], "needs key tls.crt, which is not there"),
        (SecretType::Tls, vec![("tls.crt", CERTIFICATE)], "needs key tls.key, which is not there"),
        (SecretType::Tls, vec![("tls.crt", "canary"), ("tls.key", KEY)], "key tls.crt as a PEM certificate"),
        (SecretType::Tls, vec![("tls.crt", open), ("tls.key", KEY)], "key tls.crt as a PEM certificate"),
        (SecretType::Tls, vec![("tls.crt", KEY), ("tls.key", CERTIFICATE)], "key tls.crt as a PEM certificate"),
        (SecretType::Tls, vec![("tls.crt", CERTIFICATE), ("tls.key", "-----BEGIN canary")], "key tls.key as a PEM private key"),
        (SecretType::DockerConfigJson, vec![("config.json", "canary")], "needs key .dockerconfigjson, which is not there"),
        (SecretType::DockerConfigJson, vec![(".dockerconfigjson", "canary")], "object \"auths\""),
        (SecretType::DockerConfigJson, vec![(".dockerconfigjson", "[\"canary\"]")], "object \"auths\""),
        (SecretType::DockerConfigJson, vec![(".dockerconfigjson", r#"{"auths":["canary"]}"#)], "object \"auths\""),
        (SecretType::DockerConfigJson, vec![(".dockerconfigjson", r#"{"canary":{}}"#)], "object \"auths\""),
        (SecretType::DockerConfigJson, vec![(".dockerconfigjson", r#"{"auths":{}} canary"#)], "object \"auths\""),
        (SecretType::BasicAuth, vec![("user", "canary")], "key username or password"),
        (SecretType::SshAuth, vec![("id_rsa", "canary")], "key ssh-privatekey"),
    ] {
        let error = secret_type.check(&content(&pairs)).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(part) && text.contains(secret_type.as_str()), "{text}");
        assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
    }
}
