//! The rights that a rotation takes.

use std::collections::BTreeMap;

use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use lockstep_testbed::OpenBao;
use lockstep_vault::{Act, IssueRequest, Json, Lacking, VaultError, least_policy_of};
use serde_json::json;

use crate::fixture::{Client, client, path};

async fn with_policy(bao: &OpenBao, name: &str, policy: &str) -> Client {
    bao.write_policy(name, policy).await.unwrap();
    client(bao, &bao.create_token(&[name]).await.unwrap())
}

#[tokio::test]
async fn the_least_policy_is_enough_for_what_it_is_for_and_what_another_lacks_is_named() {
    let bao = OpenBao::start().await.unwrap();
    bao.enable_kv("kv").await.unwrap();
    bao.enable_pki("pki").await.unwrap();
    bao.request("POST", "pki/roles/web", Some(json!({ "allow_any_name": true }))).await.unwrap();
    let policy = json!({ "policy": "length = 20\nrule \"charset\" { charset = \"abc\" }" });
    bao.request("POST", "sys/policies/password/strong", Some(policy)).await.unwrap();
    bao.kv_put("kv", "old", &json!({ "k": 1 })).await.unwrap();
    let (kv, pki): (KvMount, KvMount) = ("kv".parse().unwrap(), "pki".parse().unwrap());
    let acts = [
        Act::Write(kv.clone(), path("old")),
        Act::Create(kv.clone(), path("new")),
        Act::GeneratePassword(path("strong")),
        Act::Issue(pki.clone(), path("web")),
        Act::Revoke(pki.clone()),
        Act::RotateStaticRole("database".parse().unwrap(), path("app")),
        Act::ReadConnection("database".parse().unwrap(), path("shop")),
    ];
    let enough = with_policy(&bao, "enough", &least_policy_of(&acts)).await;
    let enough = &enough.vault;
    assert_eq!(enough.lacking_for(&acts).await, Ok(vec![]));
    let keys = BTreeMap::from([("k".to_owned(), Json::text(&Material::new(b"v".to_vec())).unwrap())]);
    let write = async |at: &KvPath, cas| enough.write(&kv, at, &keys, cas).await;
    enough.current(&kv, &path("old")).await.unwrap();
    write(&path("old"), 1).await.unwrap();
    write(&path("new"), 0).await.unwrap();
    assert!(matches!(write(&path("other"), 0).await, Err(VaultError::Forbidden { .. })));
    enough.generate_password(&path("strong")).await.unwrap();
    enough.pki_role(&pki, &path("web")).await.unwrap();
    let wanted =
        IssueRequest { common_name: "a.test".to_owned(), alt_names: vec![], ip_sans: vec![], uri_sans: vec![], ttl: None };
    let issued = enough.issue(&pki, &path("web"), &wanted).await.unwrap();
    enough.revoke_certificate(&pki, &issued.serial).await.unwrap();

    let less = with_policy(&bao, "less", r#"path "kv/data/+" { capabilities = ["read", "create"] }"#).await;
    let lacking = |path: &str, capability| Lacking { path: path.to_owned(), capability };
    assert_eq!(
        less.vault.lacking_for(&acts).await.unwrap(),
        [
            lacking("database/config/shop", "read"),
            lacking("database/rotate-role/app", "update"),
            lacking("kv/data/new", "update"),
            lacking("kv/data/old", "update"),
            lacking("pki/issue/web", "update"),
            lacking("pki/revoke", "update"),
            lacking("pki/roles/web", "read"),
            lacking("sys/policies/password/strong/generate", "read"),
        ]
    );
    assert_eq!(client(&bao, bao.root_token()).vault.lacking_for(&acts).await, Ok(vec![]));
}
