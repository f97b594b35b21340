//! An entry as bytes, before it is sealed.

use std::sync::Arc;

use lockstep_core::binding::{CsiSource, CsiTarget};
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_proto::node::{CacheEntry, CacheKey, CacheSource};
use prost::Message as _;
use std::collections::BTreeSet;
use zeroize::{Zeroize as _, Zeroizing};

use crate::cache::{self, Opened};
use crate::sink::Stamp;
use crate::sink::csi::entry::Entry;

pub(super) fn encode(entry: &Entry) -> Zeroizing<Vec<u8>> {
    let Entry { name, target, sources, stamp, content, versions } = entry;
    let accounts: BTreeSet<String> = target.service_accounts.clone().into();
    let key = |(name, value): (&str, &Material)| CacheKey {
        name: name.to_owned(),
        version: versions.get(name).cloned().unwrap_or_default(),
        value: value.expose().to_vec(),
    };
    cache::encode(CacheEntry {
        name: name.clone(),
        namespaces: target.namespaces.iter().map(ToString::to_string).collect(),
        service_accounts: accounts.into_iter().collect(),
        sources: sources.iter().map(|s| CacheSource { paths: s.paths.clone(), keys: s.keys.clone() }).collect(),
        digest_key: stamp.digest.key.as_str().to_owned(),
        digest: stamp.digest.hmac.to_vec(),
        keys: content.iter().map(key).collect(),
        ..CacheEntry::default()
    })
}

/// `None`: it is none. No error says more, because it could quote what it saw.
pub(super) fn decode(opened: &Opened) -> Option<Entry> {
    let mut message = CacheEntry::decode(opened.plain.as_slice()).ok()?;
    if message.secret {
        // No pod is ever given it.
        message.keys.iter_mut().for_each(|key| key.value.zeroize());
        return None;
    }
    let accounts: BTreeSet<String> = message.service_accounts.into_iter().collect();
    let namespaces = message.namespaces.iter().map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let target = CsiTarget { namespaces, service_accounts: accounts.try_into().ok()? };
    let digest = Digest { key: DigestKeyId::new(message.digest_key), hmac: message.digest.try_into().ok()? };
    let versions = message.keys.iter().map(|key| (key.name.clone(), key.version.clone())).collect();
    let content = Rendered::of(message.keys.into_iter().map(|key| (key.name, Material::new(key.value)))).ok()?;
    Some(Entry {
        name: message.name,
        target,
        sources: message.sources.into_iter().map(|s| CsiSource { paths: s.paths, keys: s.keys }).collect(),
        stamp: Stamp { revision: opened.revision, digest },
        content: Arc::new(content),
        versions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::csi::tests::entry;

    #[test]
    fn an_entry_comes_back_as_it_was() {
        let stored = entry("db", "checkout", &[("password", "PASSWORD")], &[("PASSWORD", "canary"), ("USER", "canary")]);
        let opened = Opened { binding: uuid::Uuid::nil().into(), revision: stored.stamp.revision, plain: encode(&stored) };
        let loaded = decode(&opened).unwrap();
        assert_eq!(
            (&loaded.name, &loaded.target, &loaded.sources, &loaded.stamp, &loaded.versions),
            (&stored.name, &stored.target, &stored.sources, &stored.stamp, &stored.versions)
        );
        assert!(loaded.content.iter().eq(stored.content.iter()));
    }
}
