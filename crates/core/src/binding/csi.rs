//! What pods may mount, and by which names they ask for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Item, SecretRef};
use crate::engine::Engine;
use crate::name::{Namespace, ServiceAccountName};

/// Stands for every service account of the namespaces, where they are listed.
pub const EACH_SERVICE_ACCOUNT: &str = "*";
/// The most service accounts one target may name.
pub const SERVICE_ACCOUNTS_MAX: usize = 64;

/// Which pods may mount the content: those of these service accounts, in these namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CsiTarget {
    /// Where. Each must be granted.
    pub namespaces: Vec<Namespace>,
    /// Whose pods.
    pub service_accounts: ServiceAccounts,
}

/// Service accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<String>", into = "BTreeSet<String>")]
pub enum ServiceAccounts {
    /// Every one.
    Each,
    /// These.
    Named(BTreeSet<ServiceAccountName>),
}

impl CsiTarget {
    /// Whether pods of this service account of this namespace may mount it.
    pub fn allows(&self, namespace: &str, service_account: &str) -> bool {
        let is_allowed = match &self.service_accounts {
            ServiceAccounts::Each => true,
            ServiceAccounts::Named(names) => names.iter().any(|name| name.as_str() == service_account),
        };
        is_allowed && self.namespaces.iter().any(|allowed| allowed.as_str() == namespace)
    }
}

impl TryFrom<BTreeSet<String>> for ServiceAccounts {
    type Error = crate::name::SubdomainError;
    fn try_from(names: BTreeSet<String>) -> Result<Self, Self::Error> {
        if names.contains(EACH_SERVICE_ACCOUNT) {
            return Ok(Self::Each);
        }
        names.into_iter().map(|name| name.parse()).collect::<Result<_, _>>().map(Self::Named)
    }
}

impl From<ServiceAccounts> for BTreeSet<String> {
    fn from(accounts: ServiceAccounts) -> Self {
        match accounts {
            ServiceAccounts::Each => Self::from([EACH_SERVICE_ACCOUNT.to_owned()]),
            ServiceAccounts::Named(names) => names.into_iter().map(Into::into).collect(),
        }
    }
}

/// One secret of the content, and how a pod that was written for the Vault provider asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsiSource {
    /// Its paths: in Vault's API, and of KV version 2 also as people write it.
    pub paths: Vec<String>,
    /// From the secret's keys to the content's. Empty: each key under its own name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
}

impl CsiSource {
    /// What an item is asked for by, where it draws from `secret`. `None`: by nothing that a class of the Vault provider has.
    pub fn of(item: &Item, secret: &SecretRef) -> Option<Self> {
        let SecretRef { engine, mount, path, .. } = secret;
        let paths = match engine {
            Engine::KvV2 => vec![format!("{mount}/data/{path}"), format!("{mount}/{path}")],
            Engine::KvV1 => vec![format!("{mount}/{path}")],
            // A class that had dynamic credentials of a role gets those of the static role of that name.
            Engine::StaticRole => vec![format!("{mount}/static-creds/{path}"), format!("{mount}/creds/{path}")],
            // Which of the two it is changes with each rotation.
            Engine::RolePair => return None,
        };
        Some(Self { paths, keys: item.keys.clone() })
    }

    /// Whether it is asked for by that path. A slash before it, as some classes have it, means nothing.
    pub fn is_at(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        self.paths.iter().any(|known| known == path)
    }

    /// The content's key of one of the secret's.
    pub fn content_key<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        if self.keys.is_empty() { Some(key) } else { self.keys.get(key).map(String::as_str) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::tests::{item, secret_ref};

    fn target(accounts: &[&str]) -> CsiTarget {
        let accounts: BTreeSet<String> = accounts.iter().map(|name| (*name).to_owned()).collect();
        CsiTarget { namespaces: vec!["shop".parse().unwrap()], service_accounts: accounts.try_into().unwrap() }
    }

    #[test]
    fn a_pod_needs_both_an_allowed_namespace_and_an_allowed_service_account() {
        for (accounts, namespace, account, may) in [
            (&["checkout"][..], "shop", "checkout", true),
            (&["checkout"], "shop", "default", false),
            (&["checkout"], "other", "checkout", false),
            (&[], "shop", "checkout", false),
            (&["*"], "shop", "default", true),
            (&["*"], "other", "default", false),
            (&["checkout"], "shop", "*", false),
        ] {
            assert_eq!(target(accounts).allows(namespace, account), may, "{accounts:?} {namespace} {account}");
        }
    }

    #[test]
    fn service_accounts_are_stored_as_they_are_written() {
        for accounts in [&["a", "b.c"][..], &["*"]] {
            let stored = serde_json::to_string(&target(accounts)).unwrap();
            assert_eq!(serde_json::from_str::<CsiTarget>(&stored).unwrap(), target(accounts), "{stored}");
        }
        assert!(serde_json::from_str::<ServiceAccounts>(r#"["A"]"#).is_err());
    }

    #[test]
    fn a_secret_is_asked_for_as_the_vault_provider_reads_it() {
        let of = |engine, path: &str| CsiSource::of(&item(path, &[("password", "PASSWORD")]), &secret_ref(engine, path));
        let kv = of(Engine::KvV2, "shop/db").unwrap();
        for (path, is_there) in [
            ("kv/data/shop/db", true),
            ("/kv/data/shop/db", true),
            ("kv/shop/db", true),
            ("kv/shop", false),
            ("data/shop/db", false),
        ] {
            assert_eq!(kv.is_at(path), is_there, "{path}");
        }
        assert_eq!((kv.content_key("password"), kv.content_key("PASSWORD")), (Some("PASSWORD"), None));
        assert!(of(Engine::KvV1, "a").unwrap().is_at("kv/a") && !of(Engine::KvV1, "a").unwrap().is_at("kv/data/a"));
        let role = of(Engine::StaticRole, "app").unwrap();
        assert!(role.is_at("kv/static-creds/app") && role.is_at("kv/creds/app") && !role.is_at("kv/app"));
        assert_eq!(of(Engine::RolePair, "a,b"), None);
        let all = CsiSource::of(&item("a", &[]), &secret_ref(Engine::KvV2, "a")).unwrap();
        assert_eq!(all.content_key("any"), Some("any"));
    }
}
