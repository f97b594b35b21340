//! The rights that a rotation takes: as a policy, and as the Vault says that they are there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lockstep_core::kv::{KvMount, KvPath};

use crate::client::Vault;
use crate::error::VaultError;

/// What a rotation does at a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Reads a secret's newest version and writes the next.
    Write(KvMount, KvPath),
    /// The same, where the first version may be ours to write.
    Create(KvMount, KvPath),
    /// Has the password of a database's static role changed.
    RotateStaticRole(KvMount, KvPath),
    /// Looks where a database is, to try a login there.
    ReadConnection(KvMount, KvPath),
    /// Has a password made after a policy.
    GeneratePassword(KvPath),
    /// Has a certificate made, and looks how long it may live.
    Issue(KvMount, KvPath),
    /// Revokes certificates.
    Revoke(KvMount),
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The path, as a policy names it.
    pub path: String,
    /// What is missing there.
    pub capability: &'static str,
}

/// What each path needs, in the order of paths.
type Needs = BTreeMap<String, Vec<&'static str>>;

impl Act {
    /// Paths and capabilities. Whether a write is `create` or `update` depends, in a Vault, on whether there is something already.
    fn needs(&self) -> Vec<(String, &'static [&'static str])> {
        match self {
            Self::Write(mount, path) => vec![(format!("{mount}/data/{path}"), &["read", "update"])],
            Self::Create(mount, path) => vec![(format!("{mount}/data/{path}"), &["create", "read", "update"])],
            Self::RotateStaticRole(mount, role) => vec![(format!("{mount}/rotate-role/{role}"), &["update"])],
            Self::ReadConnection(mount, name) => vec![(format!("{mount}/config/{name}"), &["read"])],
            Self::GeneratePassword(policy) => vec![(format!("sys/policies/password/{policy}/generate"), &["read"])],
            Self::Issue(mount, role) => {
                vec![(format!("{mount}/issue/{role}"), &["update"]), (format!("{mount}/roles/{role}"), &["read"])]
            }
            Self::Revoke(mount) => vec![(format!("{mount}/revoke"), &["update"])],
        }
    }
}

fn needs(acts: &[Act]) -> Needs {
    let mut needs = Needs::new();
    for (path, capabilities) in acts.iter().flat_map(Act::needs) {
        let needed = needs.entry(path).or_default();
        needed.extend(capabilities);
        needed.sort_unstable();
        needed.dedup();
    }
    needs
}

/// The least policy that lets these be done, in HCL, each by its own path.
pub fn least_policy_of(acts: &[Act]) -> String {
    let mut policy = String::new();
    for (path, capabilities) in needs(acts) {
        // Neither quotes nor backslashes are in a path.
        let _ = writeln!(policy, "path \"{path}\" {{ capabilities = [\"{}\"] }}", capabilities.join("\", \""));
    }
    policy
}

impl Vault {
    /// Which rights for these our token lacks. Asks what it may do, and does none of it.
    pub async fn lacking_for(&self, acts: &[Act]) -> Result<Vec<Lacking>, VaultError> {
        let needs = needs(acts);
        let has = self.capabilities(&needs.keys().cloned().collect::<Vec<_>>()).await?;
        let may = |path: &str, capability: &str| {
            has.get(path).is_some_and(|has| has.iter().any(|has| has == capability || has == "root"))
        };
        let each = needs.iter().flat_map(|(path, needed)| needed.iter().map(move |&capability| (path, capability)));
        let lacking = each.filter(|(path, capability)| !may(path, capability));
        Ok(lacking.map(|(path, capability)| Lacking { path: path.clone(), capability }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_on_one_path_share_a_line() {
        let (mount, path) = ("kv".parse::<KvMount>().unwrap(), "a/b".parse::<KvPath>().unwrap());
        let acts = [Act::Write(mount.clone(), path.clone()), Act::Create(mount.clone(), path), Act::Revoke(mount)];
        assert_eq!(
            least_policy_of(&acts),
            "path \"kv/data/a/b\" { capabilities = [\"create\", \"read\", \"update\"] }\npath \"kv/revoke\" { capabilities = \
             [\"update\"] }\n"
        );
    }
}
