//! Each kind, from the manifest to the clusters.

use anyhow::{Result, ensure};
use lockstep_testbed::fleet::{KV, Settings};

use crate::shop::{DB, PKI, Shop};

#[tokio::test]
async fn every_kind_makes_a_new_value_that_clusters_have_when_the_run_is_done() -> Result<()> {
    let shop = Shop::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    let fleet = &shop.fleet;
    let before = shop.credentials("cluster-1", "app")?;
    let pair_before = shop.credentials("cluster-1", "pair")?;
    fleet
        .apply(
            &[
                Shop::rotation(
                    "token",
                    &format!("generate: {{source: corp, mount: {KV}, path: shop/token, keys: {{token: {{random: {{length: 40}}}}, key: {{ed25519: {{publicKey: key.pub}}}}}}}}"),
                ),
                Shop::rotation("app", &format!("databaseStatic: {{source: corp, mount: {DB}, role: app}}")),
                Shop::rotation("pair", &format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: 1s}}")),
                Shop::rotation(
                    "tls",
                    &format!("pki: {{source: corp, mount: {PKI}, role: web, commonName: shop.example, ttl: 30d, into: {{mount: {KV}, path: shop/tls}}}}"),
                ),
            ]
            .concat(),
        )
        .await?;

    let run = shop.run("token").await?;
    ensure!(run["state"] == "Done" && run["version"] == 2, "{run}");
    for cluster in ["cluster-1", "cluster-2"] {
        let file = |key| fleet.file(cluster, "token", key);
        ensure!(file("token")?.is_some_and(|token| token.len() == 40), "a new value");
        ensure!(file("other")?.as_deref() == Some("kept") && file("count")?.as_deref() == Some("7"), "the others are kept");
        ensure!(file("key")?.is_some_and(|key| key.starts_with("-----BEGIN PRIVATE KEY")), "a private key");
        ensure!(file("key.pub")?.is_some_and(|key| key.starts_with("-----BEGIN PUBLIC KEY")), "its public key");
    }

    let run = shop.run("app").await?;
    ensure!(run["state"] == "Done", "{run}");
    println!("databaseStatic: the gap was {} s", run["gapSeconds"]);
    let after = shop.credentials("cluster-2", "app")?;
    ensure!(after != before, "it was changed");
    let (user, password) = after.expect("there");
    ensure!(shop.database.lets_in(&user, &password).await?, "the new one works");
    let (user, password) = before.expect("there");
    ensure!(!shop.database.lets_in(&user, &password).await?, "the one before does not");

    let run = shop.run("pair").await?;
    ensure!(run["state"] == "Done", "{run}");
    let (user, password) = shop.credentials("cluster-1", "pair")?.expect("there");
    let (user_before, password_before) = pair_before.expect("there");
    ensure!(user != user_before, "the other user");
    ensure!(shop.database.lets_in(&user, &password).await?, "the new one works");
    ensure!(!shop.database.lets_in(&user_before, &password_before).await?, "the one before is retired");

    let run = shop.run("tls").await?;
    ensure!(run["state"] == "Done" && run["version"] == 1, "{run}");
    ensure!(
        fleet.file("cluster-2", "tls", "tls.crt")?.is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE")),
        "a certificate"
    );

    println!("{}", fleet.cli(&["get", "rotations", "-o", "wide"]).await?.stdout);
    for name in ["token", "app", "pair", "tls"] {
        println!("{}", fleet.cli(&["rotation", "history", name, "-o", "wide"]).await?.stdout);
    }
    Ok(())
}
