//! SCAN of a tree.

use lockstep_core::version::Seen;
use lockstep_vault::VaultError;
use serde_json::json;

use crate::fixture::{client, current, kv, path};

#[tokio::test]
async fn a_scan_shows_what_a_look_at_each_path_shows() {
    let (bao, mount, client) = kv("scan-same").await;
    for secret in ["a/b", "a/c", "a/d/e", "f"] {
        bao.kv_put("scan-same", secret, &json!({ "p": "x" })).await.unwrap();
    }
    bao.kv_put("scan-same", "a/b", &json!({ "p": "y" })).await.unwrap();
    bao.kv_soft_delete("scan-same", "a/c", &[1]).await.unwrap();
    bao.request("POST", "scan-same/metadata/a/empty", Some(json!({ "max_versions": 3 }))).await.unwrap();
    for (prefix, expected) in [
        ("a", ["a/b", "a/c", "a/d/e", "a/empty"].as_slice()),
        ("a/", &["a/b", "a/c", "a/d/e", "a/empty"]),
        ("a/d", &["a/d/e"]),
        ("", &["a/b", "a/c", "a/d/e", "a/empty", "f"]),
        ("a/b", &[]),
        ("nowhere", &[]),
    ] {
        let mut page = client.vault.scan(&mount, prefix, None, 1000).await.unwrap();
        page.entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let found: Vec<_> = page.entries.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(found, expected, "below {prefix:?}");
        assert_eq!(page.last, None);
        for (secret, seen) in page.entries {
            assert_eq!(client.vault.metadata(&mount, &secret).await.unwrap(), seen, "{secret}");
        }
    }
}

#[tokio::test]
async fn pages_end_and_hold_everything_whether_or_not_the_server_pages() {
    let (bao, mount, client) = kv("scan-pages").await;
    for i in 0..6 {
        bao.kv_put("scan-pages", &format!("t/s{i}"), &json!({ "p": "x" })).await.unwrap();
    }
    for limit in [1, 2, 3, 5, 6, 7] {
        let mut found = std::collections::BTreeSet::new();
        let (mut after, mut pages) = (None, 0);
        loop {
            let page = client.vault.scan(&mount, "t", after.as_deref(), limit).await.unwrap();
            found.extend(page.entries.into_iter().map(|(path, _)| path));
            pages += 1;
            assert!(pages <= 7, "the pages of {limit} do not end");
            after = page.last;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), 6, "in pages of {limit}");
    }
}

#[tokio::test]
async fn a_forbidden_scan_is_no_unsupported_one() {
    let (bao, mount, admin) = kv("scan-policy").await;
    bao.kv_put("scan-policy", "a/b", &json!({ "p": "x" })).await.unwrap();
    let gets = r#"path "scan-policy/metadata/*" { capabilities = ["read", "list"] }"#;
    let scans = r#"path "scan-policy/detailed-metadata/a/*" { capabilities = ["scan"] }"#;
    bao.write_policy("scan-gets", gets).await.unwrap();
    bao.write_policy("scan-scans", scans).await.unwrap();

    let gets = client(bao, &bao.create_token(&["scan-gets"]).await.unwrap());
    let scan = gets.vault.scan(&mount, "a", None, 10).await;
    assert!(matches!(scan, Err(VaultError::Forbidden { .. })), "{scan:?}");
    current(gets.vault.metadata(&mount, &path("a/b")).await.unwrap());

    let scans = client(bao, &bao.create_token(&["scan-scans"]).await.unwrap());
    assert_eq!(scans.vault.scan(&mount, "a", None, 10).await.unwrap().entries.len(), 1);
    let outside = scans.vault.scan(&mount, "", None, 10).await;
    assert!(matches!(outside, Err(VaultError::Forbidden { .. })), "{outside:?}");

    // An engine that knows no such path answers as a server without SCAN does.
    bao.enable_engine("scan-transit", "transit").await.unwrap();
    let unsupported = admin.vault.scan(&"scan-transit".parse().unwrap(), "a", None, 10).await;
    assert!(matches!(unsupported, Err(VaultError::Unsupported { .. })), "{unsupported:?}");
    let no_mount = admin.vault.scan(&"scan-nowhere".parse().unwrap(), "a", None, 10).await;
    assert!(matches!(no_mount, Err(VaultError::NoMount { .. })), "{no_mount:?}");
}

#[tokio::test]
async fn a_scan_leaves_out_what_no_binding_can_name() {
    let (bao, mount, client) = kv("scan-names").await;
    bao.kv_put("scan-names", "a/odd%2A", &json!({ "p": "x" })).await.unwrap();
    bao.kv_put("scan-names", "a/b c", &json!({ "p": "x" })).await.unwrap();
    let page = client.vault.scan(&mount, "a", None, 10).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].0, path("a/b c"));
    assert!(matches!(page.entries[0].1, Seen::Current(_)));
}
