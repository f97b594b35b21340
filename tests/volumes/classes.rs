//! Classes that were written for Vault's own provider, with only its name changed, by the bindings that an import makes of them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::NAMESPACE;
use serde_json::{Value, json};

use crate::world::{ACCOUNT, CLUSTER, World};

/// The mounts of the provider's documentation.
const DB: &str = "database";
const SECRET: &str = "secret";
const DAY: Duration = Duration::from_hours(24);
/// Beside what the documented policy of a server lets it read.
const POLICY: &str = r#"
path "database/static-creds/*" { capabilities = ["read"] }
path "database/static-roles/*" { capabilities = ["read"] }
path "secret/data/*" { capabilities = ["read"] }
path "secret/metadata/*" { capabilities = ["read", "list"] }
path "secret/subkeys/*" { capabilities = ["read"] }
"#;

fn grant() -> String {
    format!(
        "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: shop-classes}}\nspec:\n  project: shop\n  \
         paths: [{{source: corp, mount: {DB}, globs: [\"*\"]}}, {{source: corp, mount: {SECRET}, globs: [\"**\"]}}]\n  \
         clusters: {{matchLabels: {{env: prod}}}}\n  namespaces: [{NAMESPACE}]\n---\n"
    )
}

/// Has the bindings made from the classes as they are for Vault's provider, and applies them; their names.
async fn import(fleet: &Fleet) -> Result<Vec<String>> {
    let class = |(index, (_, parameters, _)): (usize, (_, Value, _))| {
        json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
            "metadata": { "name": format!("class-{index}"), "namespace": NAMESPACE },
            "spec": { "provider": "vault", "parameters": parameters },
        })
    };
    let classes: Vec<Value> = documented().into_iter().enumerate().map(class).collect();
    let file = fleet.folder().join("classes.json");
    std::fs::write(&file, json!({ "apiVersion": "v1", "kind": "List", "items": classes }).to_string())?;
    let file = file.to_str().context("a path that is text")?;
    let import = ["import", "csi", "-f", file, "--project", "shop", "--source", "corp", "--clusters", "env=prod"];
    let done = fleet.cli_any(&[&import[..], &["--service-account", ACCOUNT]].concat()).await?;
    // What is not as it was is said: leases, and Vault's whole answer.
    anyhow::ensure!(done.code == 2 && done.stderr.contains(" 0 not mapped"), "{}", done.stderr);
    fleet.apply(&[grant(), done.stdout.clone()].concat()).await?;
    Ok(done.stdout.lines().filter_map(|line| line.strip_prefix("  name: ")).map(str::to_owned).collect())
}

/// What the documentation of Vault's provider shows, shape by shape: parameters, and which files come of them.
fn documented() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let credentials = "- objectName: \"dbUsername\"\n  secretPath: \"database/creds/db-app\"\n  secretKey: \"username\"\n\
                       - objectName: \"dbPassword\"\n  secretPath: \"database/creds/db-app\"\n  secretKey: \"password\"\n";
    let of_kv = "- objectName: \"db-password\"\n  secretPath: \"secret/data/db-pass\"\n  secretKey: \"password\"\n";
    let whole = "- objectName: \"bar\"\n  secretPath: \"secret/data/db-pass\"\n  secretKey: \"password\"\n  filePermission: 0400\n\
                 - objectName: \"all\"\n  secretPath: \"v1/secret/data/db-pass\"\n  method: \"GET\"\n";
    let bytes = "- objectName: \"key\"\n  secretPath: \"secret/data/db-pass\"\n  secretKey: \"binary\"\n  encoding: base64\n";
    vec![
        ("dynamic credentials", json!({ "roleName": "app", "objects": credentials }), &["dbPassword", "dbUsername"]),
        (
            "key/value",
            json!({ "vaultAddress": "http://vault.default:8200", "roleName": "database", "objects": of_kv }),
            &["db-password"],
        ),
        (
            "another auth mount and audience",
            json!({ "roleName": "database", "vaultAuthMountPath": "jwt", "audience": "vault", "objects": of_kv }),
            &["db-password"],
        ),
        (
            "TLS and a namespace",
            json!({
                "roleName": "database", "vaultNamespace": "team", "vaultCACertPath": "/vault/tls/ca.crt", "vaultTLSServerName": "vault",
                "vaultTLSClientCertPath": "/vault/tls/client.crt", "vaultTLSClientKeyPath": "/vault/tls/client.key",
                "vaultSkipTLSVerify": "false", "objects": of_kv,
            }),
            &["db-password"],
        ),
        ("a mode, and all keys", json!({ "roleName": "database", "objects": whole }), &["all", "bar"]),
        ("an encoding", json!({ "roleName": "database", "objects": bytes }), &["key"]),
    ]
}

#[tokio::test]
async fn classes_of_vaults_provider_mount_with_only_its_name_changed() -> Result<()> {
    let world = World::start().await?;
    let Fleet { bao, postgres, .. } = &world.fleet;
    let database = postgres.create_database().await?;
    bao.extend_policy("lockstep", POLICY).await?;
    bao.enable_database(DB, &database).await?;
    bao.static_role(DB, "db-app", &database, DAY).await?;
    bao.enable_kv(SECRET).await?;
    bao.kv_put(SECRET, "db-pass", &json!({ "password": "canary", "binary": "AP8B" })).await?;
    let bindings = import(&world.fleet).await?;
    assert_eq!(bindings, ["class-0", "class-1"], "a secret that several classes read is bound once");
    for name in &bindings {
        world.fleet.await_delivery(CLUSTER, name, "InSync").await?;
    }
    for (index, (shape, parameters, files)) in documented().into_iter().enumerate() {
        let name = format!("class-{index}");
        world.class_in(NAMESPACE, &name, &parameters).await?;
        let volume = world.pod(&format!("pod-{index}"), ACCOUNT, &name).await?;
        world.driver.publish(&volume).await.map_err(|error| error.context(shape))?;
        let mounted = world.driver.files(&volume)?;
        assert_eq!(mounted.keys().collect::<Vec<_>>(), files, "{shape}");
        println!("{shape}: mounted {}", files.join(", "));
        match files {
            ["all", "bar"] => {
                assert_eq!(mounted["bar"], (0o400, b"canary".to_vec()));
                assert_eq!(mounted["all"].1, br#"{"binary":"AP8B","password":"canary"}"#);
            }
            ["key"] => assert_eq!(mounted["key"].1, [0, 255, 1]),
            ["db-password"] => assert_eq!(mounted["db-password"], (0o644, b"canary".to_vec())),
            _ => {
                let creds = bao.static_creds(DB, "db-app").await?;
                // Not compared by assert_eq, which would print it.
                assert!(mounted["dbPassword"].1 == creds["password"].as_str().unwrap_or_default().as_bytes(), "another password");
            }
        }
    }
    Ok(())
}
