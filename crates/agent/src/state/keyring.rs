//! This cluster's digest keys. Older ones stay for a while: marks and digests on disk may have been made with them.

use std::sync::Arc;

use lockstep_core::digest::{ClusterKey, DIGEST_BYTES, Digest, DigestKeyId};
use lockstep_core::render::Rendered;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{State, StateDir, StateError, directory};

const FILE: &str = "digest-keys.json";

/// How many keys are kept: the present one and the few before it that something on disk may still be marked with.
pub(crate) const DIGEST_KEYS_MAX: usize = 4;

/// Digest keys, the present one first; a copy costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(Arc<Vec<ClusterKey>>);

/// The digests of one content, under each key that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests(Vec<Digest>);

/// The keys, and where they are kept.
#[derive(Debug)]
pub(crate) struct KeyRing {
    state: State,
    keys: Keys,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct StoredKey {
    #[zeroize(skip)]
    id: DigestKeyId,
    #[serde(with = "hex::serde")]
    key: [u8; DIGEST_BYTES],
}

impl Keys {
    /// The present key; `None` before the first `Welcome`.
    pub(crate) fn current(&self) -> Option<&ClusterKey> {
        self.0.first()
    }

    /// The key of that id.
    pub(crate) fn get(&self, id: &DigestKeyId) -> Option<&ClusterKey> {
        self.0.iter().find(|key| key.id == *id)
    }

    /// The digests of `content`.
    pub(crate) fn digests(&self, content: &Rendered) -> Digests {
        Digests(self.0.iter().map(|key| key.digest(content)).collect())
    }
}

impl Digests {
    /// The digest under the key of that id; `None` means "unknown", never "changed".
    pub(crate) fn under(&self, key: &DigestKeyId) -> Option<&Digest> {
        self.0.iter().find(|digest| digest.key == *key)
    }
}

impl KeyRing {
    /// From wherever the state is.
    pub(crate) async fn open(state: &State) -> Result<Self, StateError> {
        match state {
            State::Directory(dir) => Self::load(dir),
            State::Secret(_) => Ok(Self::of(state.clone(), state.read_json(FILE).await?)),
        }
    }

    /// From a state directory.
    pub(crate) fn load(dir: &StateDir) -> Result<Self, StateError> {
        Ok(Self::of(State::Directory(dir.clone()), directory::read_json(&dir.file(FILE))?))
    }

    fn of(state: State, stored: Option<Vec<StoredKey>>) -> Self {
        let keys = stored.unwrap_or_default().into_iter().map(|k| ClusterKey::new(k.id.clone(), k.key)).collect();
        Self { state, keys: Keys(Arc::new(keys)) }
    }

    /// As they are now.
    pub(crate) fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// Makes `key` the present one, stored first. Blocks.
    pub(crate) fn learn(&mut self, key: &ClusterKey) -> Result<(), StateError> {
        if self.keys.current().is_some_and(|known| known.id == key.id && known.expose() == key.expose()) {
            return Ok(());
        }
        let older = self.keys.0.iter().filter(|known| known.id != key.id).cloned();
        let keys: Vec<ClusterKey> = std::iter::once(key.clone()).chain(older).take(DIGEST_KEYS_MAX).collect();
        let stored = keys.iter().map(|k| StoredKey { id: k.id.clone(), key: *k.expose() });
        self.state.write_json_blocking(FILE, &stored.collect::<Vec<_>>())?;
        self.keys = Keys(Arc::new(keys));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> ClusterKey {
        ClusterKey::new(DigestKeyId::new(id.to_string()), [id; DIGEST_BYTES])
    }

    #[test]
    fn the_newest_keys_are_kept_and_survive_a_restart() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::ensure(temporary.path()).unwrap();
        let mut ring = KeyRing::load(&dir).unwrap();
        assert!(ring.keys().current().is_none());
        for id in [1, 2, 3, 3, 2, 4, 5, 6] {
            ring.learn(&key(id)).unwrap();
        }
        let again = KeyRing::load(&dir).unwrap().keys();
        let ids: Vec<_> = again.0.iter().map(|k| k.id.as_str().to_owned()).collect();
        assert_eq!(ids, ["6", "5", "4", "2"]);
        assert_eq!(again.get(&key(2).id).unwrap().expose(), key(2).expose());
        assert!(again.get(&key(1).id).is_none());
    }
}
