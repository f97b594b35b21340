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

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
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

/// What is read of each secret: when it changed, and its data.
fn paths(secrets: &[Secret]) -> impl Iterator<Item = String> {
    let of = |kind: &'static str| move |(mount, path): &Secret| format!("{mount}/{kind}/{path}");
    secrets.iter().map(of("metadata")).chain(secrets.iter().map(of("data")))
}

/// The least policy with which these secrets can be watched and read, in HCL, each by its own path.
pub fn least_policy(secrets: &[Secret]) -> String {
    let mut policy = String::new();
    for path in paths(secrets) {
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
    /// Which of the rights that these secrets take our token lacks. Asks what it may do and reads nothing.
    pub async fn missing_rights(&self, secrets: &[Secret]) -> Result<Vec<Missing>, VaultError> {
        let (paths, mut missing): (Vec<String>, _) = (paths(secrets).collect(), Vec::new());
        for asked in paths.chunks(ASKED_AT_ONCE) {
            let mut request = Request {
                operation: Operation::Capabilities,
                method: Method::POST,
                path: "sys/capabilities-self".to_owned(),
                query: None,
                body: None,
            };
            let why = "the question could not be written";
            let body = serde_json::to_vec(&Asked { paths: asked });
            request.body = Some(body.map(Bytes::from).map_err(|_| VaultError::Protocol { what: request.what(), why })?);
            let answer = self.call(&request).await?;
            if !answer.is_success() {
                return Err(answer.failure(&request));
            }
            let Capabilities { data } = answer.parse(&request)?;
            let may_read = |path: &String| data.get(path).is_some_and(|has| has.iter().any(|c| SUFFICIENT.contains(&c.as_str())));
            missing.extend(
                asked.iter().filter(|path| !may_read(path)).map(|path| Missing { path: path.clone(), capability: "read" }),
            );
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_policy_names_each_path_and_no_more() {
        let secret = |mount: &str, path: &str| (mount.parse().unwrap(), path.parse().unwrap());
        let policy = least_policy(&[secret("kv", "payments/db"), secret("teams/kv", "a/+/b")]);
        let lines: Vec<&str> = policy.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
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
