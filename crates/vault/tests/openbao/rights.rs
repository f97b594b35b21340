//! The rights that watching and reading secrets takes.

use lockstep_core::engine::Engine;
use lockstep_testbed::OpenBao;
use lockstep_vault::{Missing, Right, Secret, VaultError, least_policy};
use serde_json::json;

use crate::fixture::{client, path};

/// A token with this policy.
async fn token(bao: &OpenBao, name: &str, policy: &str) -> String {
    bao.write_policy(name, policy).await.unwrap();
    let made = bao.request("POST", "auth/token/create", Some(json!({ "policies": [name] }))).await.unwrap();
    made["auth"]["client_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_least_policy_is_enough_and_what_it_lacks_is_named() {
    let bao = OpenBao::start().await.unwrap();
    bao.enable_kv("kv").await.unwrap();
    let mount = "kv".parse().unwrap();
    for name in ["a", "b/c"] {
        bao.kv_put("kv", name, &json!({ "k": "v" })).await.unwrap();
    }
    let secret = |name| Secret { engine: Engine::KvV2, mount: "kv".parse().unwrap(), path: path(name) };
    let secrets: Vec<_> = ["a", "b/c"].map(secret).into();
    let enough = client(&bao, &token(&bao, "enough", &least_policy(&secrets, &Right::ALL)).await);
    assert_eq!(enough.vault.missing_rights(&secrets, &Right::ALL).await, Ok(Vec::new()));
    for Secret { mount, path, .. } in &secrets {
        enough.vault.metadata(mount, path).await.unwrap();
    }
    // And not more than that.
    let other = enough.vault.metadata(&mount, &path("other")).await;
    assert!(matches!(other, Err(VaultError::Forbidden { .. })), "{other:?}");

    let less = client(&bao, &token(&bao, "less", &least_policy(&secrets[..1], &Right::ALL)).await);
    let missing = |path: &str| Missing { secret: secrets[1].clone(), path: path.to_owned(), capability: "read" };
    assert_eq!(
        less.vault.missing_rights(&secrets, &Right::ALL).await,
        Ok(vec![missing("kv/metadata/b/c"), missing("kv/data/b/c")])
    );
    assert_eq!(client(&bao, bao.root_token()).vault.missing_rights(&secrets, &Right::ALL).await, Ok(Vec::new()));
    assert_eq!(bao.count_requests(|path, _| path == "kv/data/a").unwrap(), 1, "only the test's own write touched the data");
}
