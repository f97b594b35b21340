//! What can be known to be wrong is refused when it is written, with the reason.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, Settings};
use serde_json::json;

use crate::shop::{DB, PKI, Shop};

/// Rights that the shop does not give, so that a refusal is for another reason than that they are missing.
const MORE: &str = r#"
path "kv/data/other/*" { capabilities = ["create", "read", "update"] }
path "web-pki/issue/nope" { capabilities = ["update"] }
path "web-pki/roles/nope" { capabilities = ["read"] }
path "sys/policies/password/nope/generate" { capabilities = ["read"] }
"#;

fn generate(path: &str, recipe: &str) -> String {
    format!("generate: {{source: corp, mount: {KV}, path: {path}, keys: {{token: {{{recipe}}}}}}}")
}

fn pair(roles: &str) -> String {
    format!("databasePair: {{source: corp, mount: {DB}, roles: [{roles}], minOverlap: 1s}}")
}

fn one(role: &str) -> String {
    format!("databaseStatic: {{source: corp, mount: {DB}, role: {role}}}")
}

fn window(name: &str, schedule: &str) -> String {
    format!(
        "apiVersion: lockstep.dev/v1\nkind: MaintenanceWindow\nmetadata: {{name: {name}}}\nspec: {{project: shop, \
         allow: {{schedule: \"{schedule}\", duration: 2h}}}}\n---\n"
    )
}

/// That these manifests are refused with all of this said.
async fn refused(shop: &Shop, manifests: &str, said: &[&str]) -> Result<()> {
    let error = shop.fleet.apply(manifests).await.err().with_context(|| format!("it was taken:\n{manifests}"))?;
    let error = format!("{error:#}");
    for text in said {
        ensure!(error.contains(text), "{text:?} is not in: {error}");
    }
    println!("{}", error.split_once(": ").map_or(error.as_str(), |(_, said)| said).trim());
    Ok(())
}

#[tokio::test]
async fn a_rotation_that_cannot_work_is_refused_when_it_is_written() -> Result<()> {
    let shop = Shop::start(Settings { replicas: 1, clusters: 0, ..Settings::default() }).await?;
    let bao = &shop.fleet.bao;
    bao.extend_policy("lockstep", MORE).await?;
    // A role of another database, one that Vault rotates often, and an engine that the server has no rights in.
    let other = shop.fleet.postgres.create_database().await?;
    bao.connect_database(DB, "other", &other).await?;
    let user = other.create_user("elsewhere").await?;
    let role = json!({"db_name": "other", "username": user, "rotation_period": "31536000s"});
    bao.request("POST", &format!("{DB}/static-roles/elsewhere"), Some(role)).await?;
    bao.static_role(DB, "often", &shop.database, Duration::from_hours(24)).await?;
    bao.enable_database("closed", &shop.database).await?;
    bao.static_role("closed", "app", &shop.database, Duration::from_hours(24)).await?;
    // Granted to the project; what the server's token lacks there is a right.
    let granted = "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {name: shop-closed}\nspec:\n  project: shop\n  \
        paths: [{source: corp, mount: closed, globs: [\"*\"]}]\n  clusters: {matchLabels: {env: prod}}\n  namespaces: []\n";
    shop.fleet.apply(granted).await?;
    shop.fleet
        .apply(&[Shop::rotation("app", &one("app")), Shop::rotation("token", &generate("shop/token", "random: {}"))].concat())
        .await?;

    let new = |spec: &str| Shop::rotation("new", spec);
    let pki = format!(
        "pki: {{source: corp, mount: {PKI}, role: nope, commonName: shop.example, into: {{mount: {KV}, path: shop/tls}}}}"
    );
    let never = new(&pair("pair_a, pair_b")).replace("0 3 1 * *", "0 0 30 2 *");
    let by_age = |name: &str, ttl: &str, path: &str| {
        let pki = format!("role: web, commonName: shop.example, ttl: {ttl}, into: {{mount: {KV}, path: {path}}}");
        crate::renewed::by_age(name, &pki, "")
    };
    let cases: [(String, &[&str]); 17] = [
        (new(&one("nope")), &["spec.databaseStatic.role", "the database engine database has no static role nope"]),
        (new(&pair("pair_a, nope")), &["spec.databasePair.roles[1]", "has no static role nope"]),
        (new(&generate("shop/new", "policy: nope")), &["spec.generate.keys[token].policy", "makes no password by policy nope"]),
        (new(&one("pair_a").replace("corp", "nowhere")), &["spec.databaseStatic.source", "nowhere"]),
        (new(&pki), &["spec.pki.role", "the PKI engine web-pki has no role nope"]),
        (
            new(&one("app").replace("mount: database", "mount: closed")),
            &["may not update closed/rotate-role/app: add it to their policy"],
        ),
        (new(&pair("pair_a, elsewhere")), &["spec.databasePair.roles", "two databases, app and other"]),
        (new(&pair("pair_a, often")), &["spec.databasePair.roles[1]", "rotates role often every 86400 s", "less than 10 times"]),
        (new(&pair("pair_a, app")), &["rotation \"app\" rotates role app already"]),
        (new(&generate("shop/token", "random: {}")), &["rotation \"token\" rotates key token of shop/token already"]),
        (
            new(&generate("other/token", "random: {}")),
            &["no grant of project shop allows source corp, mount kv, path other/token"],
        ),
        (by_age("new", "20s", "shop/tls"), &["spec.pki.renewAtPercent", "is renewed every 3s", "waited for up to 20s"]),
        (by_age("new", "30d", "shop/token"), &["rotation \"token\" writes shop/token as well", "needs a secret of its own"]),
        (never, &["spec.schedule", "is never due"]),
        (new("suspend: true"), &["exactly one of generate, databaseStatic, databasePair and pki is needed"]),
        (new(&format!("{}\nconfirm: {{onDeadline: RollBack}}", one("pair_a"))), &["databaseStatic cannot roll back"]),
        (
            [window("night", "0 1 * * *"), window("late", "0 2 * * *")].concat(),
            &["while night of the same scope is: make them one, or move one"],
        ),
    ];
    for (manifests, said) in &cases {
        refused(&shop, manifests, said).await?;
    }
    bao.seal().await?;
    refused(
        &shop,
        &new(&pair("pair_a, pair_b")),
        &["it cannot be checked now, and was not written: try again", "sealed: unseal it"],
    )
    .await?;
    bao.unseal().await?;
    shop.fleet.apply(&new(&pair("pair_a, pair_b"))).await
}
