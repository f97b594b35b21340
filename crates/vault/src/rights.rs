//! The rights that watching and reading secrets takes: as a policy, and as the Vault says that they are there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;
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
pub type Secret = (KvMount, KvPath);

/// What is done with a secret. The capability is `read` for both; they differ in the path.
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

    /// The path, as a policy names it.
    fn path(self, (mount, path): &Secret) -> String {
        let kind = match self {
            Self::Watch => "metadata",
            Self::Read => "data",
        };
        format!("{mount}/{kind}/{path}")
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
    for path in rights.iter().flat_map(|right| secrets.iter().map(|secret| right.path(secret))) {
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
        let asked: Vec<String> = secrets.iter().map(|secret| right.path(secret)).collect();
        let mut request = Request {
            operation: Operation::Capabilities,
            method: Method::POST,
            path: "sys/capabilities-self".to_owned(),
            query: None,
            body: None,
        };
        let why = "the question could not be written";
        let body = serde_json::to_vec(&Asked { paths: &asked });
        request.body = Some(body.map(Bytes::from).map_err(|_| VaultError::Protocol { what: request.what(), why })?);
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Capabilities { data } = answer.parse(&request)?;
        let may_read = |path: &String| data.get(path).is_some_and(|has| has.iter().any(|c| SUFFICIENT.contains(&c.as_str())));
        let lacking = secrets.iter().zip(asked).filter(|(_, path)| !may_read(path));
        Ok(lacking.map(|(secret, path)| Missing { secret: secret.clone(), path, capability: "read" }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_policy_names_each_path_and_no_more() {
        let secret = |mount: &str, path: &str| (mount.parse().unwrap(), path.parse().unwrap());
        let secrets = [secret("kv", "payments/db"), secret("teams/kv", "a/+/b")];
        let policy = least_policy(&secrets, &Right::ALL);
        let lines = |policy: &str| policy.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
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
}
