//! Documents with check-and-set.

use std::collections::BTreeMap;

use lockstep_core::material::Material;
use lockstep_vault::{Document, Gone, Put, VaultError};

use crate::fixture::{kv, path};

fn fields(value: &[u8]) -> BTreeMap<String, Material> {
    BTreeMap::from([("key".to_owned(), Material::new(value.to_vec()))])
}

#[tokio::test]
async fn of_two_writers_one_loses_and_finds_the_others_document() {
    let (_, mount, client) = kv("doc-cas").await;
    let at = path("lockstep/digest");
    assert_eq!(client.vault.document(&mount, &at).await, Ok(None));
    assert_eq!(client.vault.put_document(&mount, &at, &fields(b"a\"\\\n\x01\xc3\xbc"), 0).await, Ok(Put::Written(1)));
    assert_eq!(client.vault.put_document(&mount, &at, &fields(b"b"), 0).await, Ok(Put::Lost));
    let first = Document { version: 1, fields: fields(b"a\"\\\n\x01\xc3\xbc") };
    assert_eq!(client.vault.document(&mount, &at).await, Ok(Some(first)));
    assert_eq!(client.vault.put_document(&mount, &at, &fields(b"c"), 1).await, Ok(Put::Written(2)));
    assert_eq!(client.vault.put_document(&mount, &at, &fields(b"d"), 1).await, Ok(Put::Lost));
}

#[tokio::test]
async fn a_deleted_document_is_not_an_absent_one() {
    let (bao, mount, client) = kv("doc-gone").await;
    let at = path("mark");
    client.vault.put_document(&mount, &at, &fields(b"a"), 0).await.unwrap();
    bao.kv_soft_delete("doc-gone", "mark", &[1]).await.unwrap();
    assert_eq!(client.vault.document(&mount, &at).await, Err(VaultError::Gone(Gone::Deleted)));
    assert_eq!(client.vault.put_document(&mount, &at, &fields(b"b"), 0).await, Ok(Put::Lost));
    bao.kv_destroy("doc-gone", "mark", &[1]).await.unwrap();
    assert_eq!(client.vault.document(&mount, &at).await, Err(VaultError::Gone(Gone::Destroyed)));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_before_they_leave() {
    let (bao, mount, client) = kv("doc-bytes").await;
    let put = client.vault.put_document(&mount, &path("mark"), &fields(b"\xff"), 0).await;
    assert!(matches!(put, Err(VaultError::Refused { .. })), "{put:?}");
    assert_eq!(bao.count_requests(|path, _| path == "doc-bytes/data/mark").unwrap(), 0);
}
