//! Stores: which source, which mount, which engine.

use lockstep_core::engine::Engine;
use serde_json::Value;

use crate::import::Wanted;
use crate::import::account::Account;
use crate::import::object::Object;
use crate::import::outcome::Outcome;
use crate::import::vault_path::{MOUNT_GUESSED, VaultPlace, split_first, trimmed};

const VAULT: &str = "/spec/provider/vault";

/// A store, as far as paths depend on it.
#[derive(Debug, Clone)]
struct Store {
    kind: String,
    namespace: String,
    name: String,
    provider: Provider,
}

#[derive(Debug, Clone)]
enum Provider {
    Vault { path: Option<String>, engine: Engine },
    Other(String),
}

/// The stores that the input has.
#[derive(Debug, Default)]
pub(super) struct Stores(Vec<Store>);

/// A key of a store as a place in a source.
pub(super) struct Found {
    pub(super) source: String,
    pub(super) place: VaultPlace,
    /// What was assumed on the way.
    pub(super) assumed: Option<&'static str>,
}

const NOT_IN_INPUT: &str = "its store is not in the input, so KV version 2 was assumed and the mount taken for the path's first part: import the SecretStore with it";

impl Stores {
    pub(super) fn find(objects: &[Object]) -> Self {
        let stores = objects.iter().filter(|object| is_store(&object.kind)).map(|object| {
            let provider = match object.value.pointer(VAULT) {
                Some(vault) => {
                    let v1 = vault.get("version").and_then(Value::as_str) == Some("v1");
                    let path = vault.get("path").and_then(Value::as_str).map(|path| trimmed(path).to_owned());
                    Provider::Vault { path, engine: if v1 { Engine::KvV1 } else { Engine::KvV2 } }
                }
                None => Provider::Other(provider_of(&object.value)),
            };
            Store { kind: object.kind.clone(), namespace: object.namespace.clone(), name: object.name.clone(), provider }
        });
        Self(stores.collect())
    }

    /// Where `key` of the store that `field` refers to is.
    pub(super) fn locate(
        &self,
        account: &Account,
        field: &str,
        object: &Object,
        key: &str,
        wanted: &Wanted,
    ) -> Result<Found, String> {
        let text = |name: &str| account.look(&format!("{field}/{name}")).and_then(Value::as_str);
        let name = text("name").ok_or("it names no store")?;
        let kind = text("kind").unwrap_or("SecretStore");
        let is_it = |store: &&Store| {
            store.name == name && store.kind == kind && (kind == "ClusterSecretStore" || store.namespace == object.namespace)
        };
        let source = wanted.source_of(name);
        let (place, assumed) = match self.0.iter().find(is_it).map(|store| &store.provider) {
            Some(Provider::Other(provider)) => {
                return Err(format!("store {name} is of {provider}, and sources are Vault and OpenBao"));
            }
            Some(Provider::Vault { path, engine }) => place(path.as_deref(), *engine, key)?,
            None => (place(None, Engine::KvV2, key)?.0, Some(NOT_IN_INPUT)),
        };
        Ok(Found { source, place, assumed })
    }
}

/// A reference to a store is in the items.
pub(super) fn used(account: &mut Account, field: &str) {
    for name in ["name", "kind"] {
        account.used(&format!("{field}/{name}"));
    }
}

/// The operator's own rules. The store's path is the mount, which a key may repeat, with `data/` behind it in version 2.
fn place(mount: Option<&str>, engine: Engine, key: &str) -> Result<(VaultPlace, Option<&'static str>), String> {
    let key = trimmed(key);
    if let Some(mount) = mount {
        let repeated = key.strip_prefix(mount).and_then(|rest| rest.strip_prefix('/'));
        let path = match repeated {
            Some(rest) if engine == Engine::KvV2 => rest.strip_prefix("data/").unwrap_or(rest),
            Some(rest) => rest,
            None => key,
        };
        return Ok((VaultPlace::new(mount, path, engine), None));
    }
    if let (Engine::KvV2, Some((mount, path))) = (engine, key.split_once("/data/")) {
        return Ok((VaultPlace::new(mount, path, engine), None));
    }
    let no_mount = || format!("{key:?} has no mount before the path, and its store's `path` is not known");
    let (mount, path) = split_first(key).ok_or_else(no_mount)?;
    // Of version 2 the operator itself takes the first part.
    Ok((VaultPlace::new(mount, path, engine), (engine == Engine::KvV1).then_some(MOUNT_GUESSED)))
}

fn is_store(kind: &str) -> bool {
    matches!(kind, "SecretStore" | "ClusterSecretStore")
}

fn provider_of(store: &Value) -> String {
    let providers = store.pointer("/spec/provider").and_then(Value::as_object);
    providers.and_then(|map| map.keys().next().cloned()).unwrap_or_else(|| "no provider".to_owned())
}

/// What becomes of a store itself.
pub(super) fn outcome(object: &Object, wanted: &Wanted) -> Outcome {
    if object.value.pointer(VAULT).is_none() {
        return Outcome::not_mapped(object, format!("sources are Vault and OpenBao, not {}", provider_of(&object.value)));
    }
    let mut account = Account::new(object.value.clone());
    account.used(&format!("{VAULT}/path"));
    account.used(&format!("{VAULT}/version"));
    for name in ["server", "namespace", "caBundle", "caProvider"] {
        account.not_needed(&format!("{VAULT}/{name}"), "the source says it");
    }
    for name in ["auth", "tls"] {
        account.not_needed(&format!("{VAULT}/{name}"), "the server logs in, with a credential set that the source names");
    }
    for name in ["readYourWrites", "forwardInconsistent", "headers", "checkAndSet"] {
        account.not_needed(&format!("{VAULT}/{name}"), "the server's own affair");
    }
    for name in ["refreshInterval", "retrySettings", "controller"] {
        account.not_needed(&format!("/spec/{name}"), "the server's own affair");
    }
    account.not_needed("/spec/conditions", "which namespaces may be delivered to is a grant's");
    Outcome::read(object, format!("as source {}: an administrator registers it", wanted.source_of(&object.name)), account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_and_path_are_those_that_the_operator_reads() {
        for (mount, engine, key, want) in [
            (Some("secret"), Engine::KvV2, "foo", ("secret", "foo")),
            (Some("secret"), Engine::KvV2, "/dev/config", ("secret", "dev/config")),
            (Some("secret"), Engine::KvV2, "secret/foo", ("secret", "foo")),
            (Some("secret"), Engine::KvV2, "secret/data/foo", ("secret", "foo")),
            (Some("secret"), Engine::KvV2, "data/foo", ("secret", "data/foo")),
            (Some("team/kv"), Engine::KvV1, "team/kv/data/foo", ("team/kv", "data/foo")),
            (Some("secret"), Engine::KvV2, "secrets/foo", ("secret", "secrets/foo")),
            (None, Engine::KvV2, "team/kv/data/a/b", ("team/kv", "a/b")),
            (None, Engine::KvV2, "secret/a/b", ("secret", "a/b")),
        ] {
            let (place, assumed) = place(mount, engine, key).unwrap();
            assert_eq!(((place.mount.as_str(), place.path.as_str()), assumed), (want, None), "{mount:?} {key}");
        }
        assert!(place(None, Engine::KvV2, "foo").unwrap_err().contains("no mount"));
        assert_eq!(place(None, Engine::KvV1, "kv/a").unwrap().1, Some(MOUNT_GUESSED));
    }
}
