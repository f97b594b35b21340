//! From paths of Vault's HTTP API, as other tools write them, to mount and path.

use lockstep_api::binding::Item;
use lockstep_core::engine::Engine;

/// One thing in a Vault, as an item names it, without source and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VaultPlace {
    pub(super) mount: String,
    pub(super) path: String,
    pub(super) engine: Engine,
}

/// A mount whose name the path does not tell from what is below it.
pub(super) const MOUNT_GUESSED: &str =
    "where the mount ends is not said: taken for the path's first part; correct mount and path in the item if it is longer";

impl VaultPlace {
    pub(super) fn new(mount: &str, path: &str, engine: Engine) -> Self {
        Self { mount: trimmed(mount).to_owned(), path: trimmed(path).to_owned(), engine }
    }

    /// An item without keys.
    pub(super) fn item(&self, source: &str) -> Item {
        let plain = Item { source: source.to_owned(), mount: self.mount.clone(), ..Item::default() };
        match self.engine {
            Engine::StaticRole => Item { static_role: Some(self.path.clone()), ..plain },
            Engine::KvV1 => Item { path: Some(self.path.clone()), engine: Some(Engine::KvV1.as_str().to_owned()), ..plain },
            Engine::KvV2 | Engine::RolePair => Item { path: Some(self.path.clone()), ..plain },
        }
    }
}

/// Without slashes at either end.
pub(super) fn trimmed(path: &str) -> &str {
    path.trim_matches('/')
}

/// The mount as the first part of a path.
pub(super) fn split_first(path: &str) -> Option<(&str, &str)> {
    trimmed(path).split_once('/')
}

/// Of a static role's or KV secret's path in the HTTP API; `true`: where the mount ends is a guess.
pub(super) fn of_api_path(path: &str) -> Result<(VaultPlace, bool), String> {
    let path = of_api(path);
    let cut = |word: &str| path.split_once(&format!("/{word}/"));
    if let Some((mount, role)) = cut("static-creds") {
        return Ok((VaultPlace::new(mount, role, Engine::StaticRole), false));
    }
    if let Some((mount, path)) = cut("data") {
        return Ok((VaultPlace::new(mount, path, Engine::KvV2), false));
    }
    if cut("creds").is_some() {
        return Err(DYNAMIC.to_owned());
    }
    if cut("issue").is_some() || cut("sign").is_some() {
        return Err(CERTIFICATE.to_owned());
    }
    let (mount, path) = split_first(path).ok_or_else(|| format!("{path:?} has no mount before the path"))?;
    Ok((VaultPlace::new(mount, path, Engine::KvV1), true))
}

/// The static role that has the name of the role whose credentials a path of the HTTP API makes.
pub(super) fn of_credentials(path: &str) -> Option<VaultPlace> {
    let makes_some = of_api_path(path).is_err_and(|why| why == DYNAMIC);
    let (mount, role) = of_api(path).split_once("/creds/").filter(|_| makes_some)?;
    Some(VaultPlace::new(mount, role, Engine::StaticRole))
}

/// Without the API's version before it.
fn of_api(path: &str) -> &str {
    let path = trimmed(path);
    path.strip_prefix("v1/").unwrap_or(path)
}

/// Credentials that are made for each reader.
pub(super) const DYNAMIC: &str =
    "dynamic credentials are not delivered: use a static role of the database engine (staticRole, or rolePair for two in turn)";
/// Certificates that are issued for each reader.
pub(super) const CERTIFICATE: &str = "certificates are not issued on delivery: write a Rotation with `pki`, which issues one into a KV version 2 secret before it expires, and bind that secret";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_api_tells_engine_mount_and_path() {
        for (path, want, guessed) in [
            ("secret/data/db-pass", ("secret", "db-pass", Engine::KvV2), false),
            ("/v1/team/kv/data/a/b", ("team/kv", "a/b", Engine::KvV2), false),
            ("database/static-creds/app", ("database", "app", Engine::StaticRole), false),
            ("kv/app/config", ("kv", "app/config", Engine::KvV1), true),
        ] {
            let (place, is_guess) = of_api_path(path).unwrap();
            assert_eq!(((place.mount.as_str(), place.path.as_str(), place.engine), is_guess), (want, guessed), "{path}");
        }
        assert!(of_api_path("database/creds/app").unwrap_err().contains("dynamic"));
        let role = of_credentials("/v1/team/database/creds/app").unwrap();
        assert_eq!((role.mount.as_str(), role.path.as_str(), role.engine), ("team/database", "app", Engine::StaticRole));
        assert_eq!(["kv/data/creds/app", "database/static-creds/app"].map(of_credentials), [None, None]);
        assert!(of_api_path("pki/issue/web").unwrap_err().contains("Rotation"));
        assert!(of_api_path("secret").is_err());
    }
}
