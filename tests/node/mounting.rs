//! Volumes that are mounted.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lockstep_tests::csi_driver::{Class, Mounted};
use tokio::task::JoinSet;

use crate::world::{VALUE, World, pod};

fn files(mounted: &Mounted) -> Vec<(&str, i32, &[u8])> {
    mounted.files.iter().map(|(path, (mode, contents))| (&**path, *mode, &**contents)).collect()
}

#[tokio::test]
async fn a_volume_has_the_files_modes_and_encodings_of_its_class() -> Result<()> {
    let world = World::start(1, &[]).await?;
    let version = world.driver.version().await?;
    assert_eq!((&*version.version, &*version.runtime_name), ("v1alpha1", "lockstep"));
    let value = VALUE.as_bytes();
    let mounted = world
        .mount(
            "- {binding: db, secretKey: password, objectName: db/pass, filePermission: 0400}
- {binding: db, objectName: db.json}
- {binding: tls, filePermission: 0o600}
- {binding: odd, secretKey: base64, objectName: a, encoding: base64}
- {binding: odd, secretKey: hex, objectName: b, encoding: Hex}
- {binding: odd, secretKey: bytes}
- {path: secret/data/one, secretKey: bar1, objectName: one}",
        )
        .await?;
    let json = format!("{{\"password\":\"{VALUE}\",\"username\":\"shop\"}}");
    assert_eq!(
        files(&mounted),
        [
            ("a", 0o644, &b"\x00\xff"[..]),
            ("b", 0o644, b"\x00\xff"),
            ("bytes", 0o644, b"\x00\xff"),
            ("db.json", 0o644, json.as_bytes()),
            ("db/pass", 0o400, value),
            ("one", 0o644, value),
            ("tls.crt", 0o600, b"certificate"),
            ("tls.key", 0o600, value),
        ]
    );
    assert_eq!(mounted.versions.keys().collect::<Vec<_>>(), ["a", "b", "db.json", "db/pass", "odd#bytes", "one", "tls"]);
    assert_eq!(world.asked(), [1], "one question for all objects");
    world.leaves_no_trace().await
}

#[tokio::test]
async fn a_republish_has_the_same_versions_until_there_is_new_content() -> Result<()> {
    let world = World::start(1, &[]).await?;
    let objects = "- {binding: db, secretKey: password}\n- {binding: tls}";
    let first = world.mount(objects).await?;
    for _ in 0..3 {
        assert_eq!(world.mount(objects).await?, first);
    }
    world.agents[0].mind().content.get_mut("db").context("db")?.insert("password".to_owned(), b"new".to_vec());
    let second = world.mount(objects).await?;
    assert_eq!(second.files["password"].1, b"new");
    assert_ne!(second.versions["db#password"], first.versions["db#password"]);
    assert_eq!(second.versions["tls"], first.versions["tls"], "what did not change has the version it had");
    world.leaves_no_trace().await
}

#[tokio::test]
async fn a_volume_that_may_be_old_is_mounted_and_counted() -> Result<()> {
    let world = World::start(1, &[]).await?;
    world.mount("- {binding: db}").await?;
    assert_eq!(world.node.metric("lockstep_node_stale_mounts_total").await?, 0);
    world.agents[0].mind().is_stale = true;
    world.mount("- {binding: db}").await?;
    assert_eq!(world.node.metric("lockstep_node_stale_mounts_total").await?, 1);
    assert_eq!(world.node.metric("lockstep_node_mounts_total{outcome=\"mounted\"}").await?, 2);
    assert_eq!(world.node.metric("lockstep_node_mount_seconds_count").await?, 2);
    world.leaves_no_trace().await
}

/// Those of the documents of Vault's provider, and of its own tests: what their parameters look like, with other names.
#[tokio::test]
async fn the_classes_of_vaults_provider_are_mounted_as_they_are() -> Result<()> {
    let world = World::start(1, &[]).await?;
    let credentials = "- objectName: \"dbUsername\"
  secretPath: \"database/creds/shop\"
  secretKey: \"username\"
- objectName: \"dbPassword\"
  secretPath: \"database/creds/shop\"
  secretKey: \"password\"
";
    let two = "- objectName: \"secret-1\"
  secretPath: \"secret/data/one\"
  secretKey: \"bar1\"
  filePermission: 0600
- objectName: \"secret-2\"
  secretPath: \"/secret/data/two\"
  secretKey: \"bar2\"
";
    let tls = [
        ("vaultAddress", "https://vault:8200"),
        ("vaultCACertPath", "/vault/tls/ca.crt"),
        ("vaultTLSClientCertPath", "/vault/tls/client.crt"),
        ("vaultTLSClientKeyPath", "/vault/tls/client.key"),
    ];
    for (parameters, objects, names) in [
        // Dynamic database credentials as files; synced to a Secret, the parameters are the same.
        (&[("roleName", "app")][..], credentials, &["dbPassword", "dbUsername"][..]),
        (&tls[..2], credentials, &["dbPassword", "dbUsername"]),
        (&tls, two, &["secret-1", "secret-2"]),
        (&[("roleName", "kv"), ("audience", "vault"), ("vaultNamespace", "team")], two, &["secret-1", "secret-2"]),
        (&[("roleName", "kv"), ("vaultAuthMountPath", "jwt")], two, &["secret-1", "secret-2"]),
        (&[("roleName", "kv"), ("vaultKubernetesMountPath", "kubernetes")], two, &["secret-1", "secret-2"]),
        (
            &[("roleName", "example"), ("vaultAddress", "http://vault:8200"), ("vaultSkipTLSVerify", "true")],
            "- secretPath: \"v1/secret/data/one\"\n  objectName: \"whole\"\n  method: \"GET\"\n",
            &["whole"],
        ),
    ] {
        let class = parameters.iter().fold(Class::of(objects), |class, (name, value)| class.with(name, value));
        let mounted = world.driver.mount(&pod(), &class).await?;
        assert_eq!(mounted.files.keys().collect::<Vec<_>>(), names, "{class:?}");
    }
    let log = world.node.log()?;
    for parameter in ["roleName", "vaultAddress", "vaultCACertPath", "audience"] {
        let told = log.lines().filter(|line| line.contains("not needed") && line.contains(&format!("\"{parameter}\""))).count();
        ensure!(told == 1, "{parameter} was told {told} times");
    }
    world.leaves_no_trace().await
}

#[tokio::test]
async fn a_hundred_volumes_at_a_time_are_all_mounted() -> Result<()> {
    let world = World::start(1, &["--concurrent-mounts", "4"]).await?;
    let mut mounts = JoinSet::new();
    for _ in 0..100 {
        let driver = world.node.driver();
        mounts.spawn(async move { driver.mount(&pod(), &Class::of("- {binding: db}")).await });
    }
    let mut all = BTreeSet::new();
    for mounted in mounts.join_all().await {
        all.insert(format!("{:?}", mounted?.versions));
    }
    assert_eq!((all.len(), world.asked()), (1, vec![100]));
    assert_eq!(world.node.metric("lockstep_node_mounts_in_flight").await?, 0);
    world.leaves_no_trace().await
}
