//! The rights that watching and reading secrets takes: as a policy, and as the Vault says that they are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lockstep_core::engine::{Engine, members};
use lockstep_core::kv::{KvMount, KvPath};
use serde::{Deserialize, Serialize};

use crate::client::Vault;
use crate::error::VaultError;
use crate::request::{Operation, Request};

/// Paths of one question: an answer names each twice.
const ASKED_AT_ONCE: usize = 500;
/// Capabilities with which a path can be read.
const SUFFICIENT: [&str; 3] = ["read", "root", "sudo"];

/// A secret, as far as rights go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret {
    /// What it is drawn from.
    pub engine: Engine,
    /// The engine's mount.
    pub mount: KvMount,
    /// The path below it.
    pub path: KvPath,
}

/// What is done with a secret. The capability is `read` for both; they differ in the path, but for KV version 1, which has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To see when it changed.
    Watch,
    /// To read its data.
    Read,
}

impl Right {
    /// Both: what it takes where the server itself reads.
    pub const ALL: [Self; 2] = [Self::Watch, Self::Read];

    /// The paths, as a policy names them.
    fn paths(self, Secret { engine, mount, path }: &Secret) -> Vec<String> {
        let of_role = |role: &KvPath| match self {
            Self::Watch => format!("{mount}/static-roles/{role}"),
            Self::Read => format!("{mount}/static-creds/{role}"),
        };
        match (engine, self) {
            (Engine::KvV2, Self::Watch) => vec![format!("{mount}/metadata/{path}")],
            (Engine::KvV2, Self::Read) => vec![format!("{mount}/data/{path}")],
            (Engine::KvV1, Self::Watch | Self::Read) => vec![format!("{mount}/{path}")],
            (Engine::StaticRole, _) => vec![of_role(path)],
            (Engine::RolePair, _) => members(path).into_iter().flat_map(|(a, b)| [of_role(&a), of_role(&b)]).collect(),
        }
    }
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Of this secret.
    pub secret: Secret,
    /// The path, as a policy names it.
    pub path: String,
    /// What is missing there.
    pub capability: &'static str,
}

#[derive(Serialize)]
struct Asked<'a> {
    paths: &'a [String],
}

#[derive(Deserialize)]
struct Capabilities {
    data: BTreeMap<String, Vec<String>>,
}

/// The least policy that gives these rights to these secrets, in HCL, each by its own path.
pub fn least_policy(secrets: &[Secret], rights: &[Right]) -> String {
    let mut policy = String::new();
    let mut named = BTreeSet::new();
    for path in rights.iter().flat_map(|right| secrets.iter().flat_map(|secret| right.paths(secret))) {
        if !named.insert(path.clone()) {
            continue;
        }
        // Vault takes a whole segment `+` for any.
        if path.split('/').any(|segment| segment == "+") {
            policy.push_str("# A segment of the next path is \"+\", which a policy takes for any segment.\n");
        }
        // Neither quotes nor backslashes are in a path.
        let _ = writeln!(policy, "path \"{path}\" {{ capabilities = [\"read\"] }}");
    }
    policy
}

impl Vault {
    /// Which of these rights to these secrets our token lacks. Asks what it may do and reads nothing.
    pub async fn missing_rights(&self, secrets: &[Secret], rights: &[Right]) -> Result<Vec<Missing>, VaultError> {
        let mut missing = Vec::new();
        for right in rights {
            for some in secrets.chunks(ASKED_AT_ONCE) {
                missing.extend(self.lacking(*right, some).await?);
            }
        }
        Ok(missing)
    }

    async fn lacking(&self, right: Right, secrets: &[Secret]) -> Result<Vec<Missing>, VaultError> {
        let of_each: Vec<(&Secret, String)> =
            secrets.iter().flat_map(|secret| right.paths(secret).into_iter().map(move |path| (secret, path))).collect();
        let asked: Vec<String> = of_each.iter().map(|(_, path)| path.clone()).collect();
        let has = self.capabilities(&asked).await?;
        let may_read = |path: &String| has.get(path).is_some_and(|has| has.iter().any(|c| SUFFICIENT.contains(&c.as_str())));
        let lacking = of_each.into_iter().filter(|(_, path)| !may_read(path));
        Ok(lacking.map(|(secret, path)| Missing { secret: secret.clone(), path, capability: "read" }).collect())
    }

    /// What our token may do at each of these paths.
    pub(crate) async fn capabilities(&self, paths: &[String]) -> Result<BTreeMap<String, Vec<String>>, VaultError> {
        let request = Request::post_json(Operation::Capabilities, "sys/capabilities-self".to_owned(), &Asked { paths })?;
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Capabilities { data } = answer.parse(&request)?;
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(engine: Engine, mount: &str, path: &str) -> Secret {
        Secret { engine, mount: mount.parse().unwrap(), path: path.parse().unwrap() }
    }

    fn lines(policy: &str) -> Vec<String> {
        policy.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn the_least_policy_names_each_path_and_no_more() {
        let secrets = [secret(Engine::KvV2, "kv", "payments/db"), secret(Engine::KvV2, "teams/kv", "a/+/b")];
        let policy = least_policy(&secrets, &Right::ALL);
        assert_eq!(lines(&least_policy(&secrets, &[Right::Read])), lines(&policy)[2..]);
        assert_eq!(
            lines(&policy),
            [
                "path \"kv/metadata/payments/db\" { capabilities = [\"read\"] }",
                "path \"teams/kv/metadata/a/+/b\" { capabilities = [\"read\"] }",
                "path \"kv/data/payments/db\" { capabilities = [\"read\"] }",
                "path \"teams/kv/data/a/+/b\" { capabilities = [\"read\"] }",
            ]
        );
        assert_eq!(policy.matches("takes for any segment").count(), 2);
    }

    #[test]
    fn a_path_of_any_engine_is_named_once() {
        let secrets = [
            secret(Engine::KvV1, "old", "db"),
            secret(Engine::StaticRole, "database", "app"),
            secret(Engine::RolePair, "database", "app,app_b"),
        ];
        assert_eq!(
            lines(&least_policy(&secrets, &Right::ALL)),
            [
                "old/db",
                "database/static-roles/app",
                "database/static-roles/app_b",
                "database/static-creds/app",
                "database/static-creds/app_b"
            ]
            .map(|path| format!("path \"{path}\" {{ capabilities = [\"read\"] }}"))
        );
    }
}
