//! Neither tokens nor material show in errors, `Debug` or logs.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::io;
use std::sync::{Arc, Mutex};

use lockstep_core::material::Material;
use lockstep_vault::{Json, NOISY_TARGETS};
use serde_json::json;
use tempfile::TempDir;
use tracing_subscriber::EnvFilter;

use crate::fixture::{app_role, client, kv, number, path, with};

const CANARY: &str = "canary-7f3a";

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shown<T: Debug, E: Debug + Display>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?} {error}"),
    }
}

#[tokio::test]
async fn nothing_shows_a_token_or_material() {
    let log = Log::default();
    let writer = log.clone();
    let quiet = NOISY_TARGETS.iter().fold("trace".to_owned(), |filter, target| format!("{filter},{target}=off"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(quiet)).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let (bao, mount, admin) = kv("secrecy").await;
    // A policy that makes the same password each time.
    let policy = json!({ "policy": "length = 20\nrule \"charset\" { charset = \"Q\" }" });
    bao.request("POST", "sys/policies/password/secrecy", Some(policy)).await.unwrap();
    let weak = bao.create_token(&["default"]).await.unwrap();
    bao.kv_put("secrecy", "db", &json!({ "p": CANARY, "o": { "nested": CANARY } })).await.unwrap();
    let fields = BTreeMap::from([("k".to_owned(), Material::new(CANARY.as_bytes().to_vec()))]);
    let small = with(bao.root_token(), |settings| settings.body_max_bytes = 100, &[bao.addr()]);
    let folder = TempDir::new().unwrap();
    let credentials = app_role(bao, "secrecy-auth", json!({ "token_ttl": "1h" }), folder.path()).await;
    let secret_id = std::fs::read_to_string(folder.path().join("secret_id")).unwrap();
    let role = with("", |settings| settings.credentials = credentials, &[bao.addr()]);
    let unknown_token = format!("s.{CANARY}");

    let mut texts = Vec::new();
    for client in [admin, client(bao, &weak), client(bao, &unknown_token), small, role] {
        let vault = &client.vault;
        texts.push(format!("{vault:?}"));
        texts.push(shown(vault.metadata(&mount, &path("db")).await));
        texts.push(shown(vault.read(&mount, &path("db"), number(1)).await));
        texts.push(shown(vault.scan(&mount, "", None, 10).await));
        texts.push(shown(vault.put_document(&mount, &path("doc"), &fields, 0).await));
        texts.push(shown(vault.put_document(&mount, &path("doc"), &fields, 7).await));
        texts.push(shown(vault.document(&mount, &path("doc")).await));
        texts.push(shown(vault.current(&mount, &path("db")).await));
        let keys = BTreeMap::from([("k".to_owned(), Json::text(&fields["k"]).unwrap())]);
        texts.push(shown(vault.write(&mount, &path("doc2"), &keys, 0).await));
        texts.push(shown(vault.write(&mount, &path("doc2"), &keys, 7).await));
        texts.push(shown(vault.write(&"sys".parse().unwrap(), &path("x"), &keys, 0).await));
        texts.push(shown(vault.generate_password(&path("secrecy")).await));
        // An engine that quotes what it was given.
        texts.push(shown(vault.put_document(&"sys".parse().unwrap(), &path("x"), &fields, 0).await));
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("logged in"), "the log was not collected: {logged}");
    texts.push(logged);
    assert!(texts.iter().any(|text| text == "Material(20 bytes)"), "a password was made");
    assert!(texts[2].contains("Material(11 bytes)"), "{}", texts[2]);
    for text in &texts {
        for secret in [CANARY, "QQQQQ", bao.root_token(), &weak, &secret_id] {
            assert!(!text.contains(secret), "a secret shows in: {text}");
        }
    }
}
