//! The root of all digests' keys: lives in the home Vault, made once with check-and-set, never in Postgres.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, ensure};
use aws_lc_rs::rand;
use lockstep_core::digest::{DIGEST_BYTES, DigestKeyId, RootKey};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use lockstep_vault::{Put, Vault};
use uuid::Uuid;

/// Reads the root key, or makes it if there never was one. Whoever loses the race uses the winner's.
pub async fn load(vault: &Vault, mount: &KvMount) -> anyhow::Result<RootKey> {
    let path: KvPath = "digest-root".parse()?;
    let doing = || format!("reading the digests' root key {mount}/digest-root in the home Vault");
    if let Some(document) = vault.document(mount, &path).await.with_context(doing)? {
        return read(&document.fields);
    }
    let mut bytes = [0_u8; DIGEST_BYTES];
    rand::fill(&mut bytes).map_err(|_| anyhow!("the system gave no random bytes"))?;
    let text = |t: String| Material::new(t.into_bytes());
    let fields =
        BTreeMap::from([("id".to_owned(), text(Uuid::new_v4().to_string())), ("key".to_owned(), text(hex::encode(bytes)))]);
    match vault.put_document(mount, &path, &fields, 0).await.context("writing the digests' root key")? {
        Put::Written(_) => read(&fields),
        Put::Lost => {
            let document = vault.document(mount, &path).await.with_context(doing)?;
            read(&document.ok_or_else(|| anyhow!("the digests' root key came and went"))?.fields)
        }
    }
}

fn read(fields: &BTreeMap<String, Material>) -> anyhow::Result<RootKey> {
    let field = |key: &str| fields.get(key).ok_or_else(|| anyhow!("the digests' root key has no field {key}"));
    let id = std::str::from_utf8(field("id")?.expose()).context("the root key's id")?;
    let mut bytes = [0_u8; DIGEST_BYTES];
    // The error of a wrong digit would quote it: it is material.
    ensure!(hex::decode_to_slice(field("key")?.expose(), &mut bytes).is_ok(), "the digests' root key is not 64 hex digits");
    Ok(RootKey::new(DigestKeyId::new(id.to_owned()), bytes))
}
