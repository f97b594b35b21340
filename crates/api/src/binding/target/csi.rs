//! What pods mount.

use std::collections::BTreeSet;

use lockstep_core::binding::{CsiTarget as Checked, EACH_SERVICE_ACCOUNT, NAMESPACES_MAX, SERVICE_ACCOUNTS_MAX, ServiceAccounts};
use lockstep_core::name::ServiceAccountName;
use serde::{Deserialize, Serialize};

use super::check_names;
use crate::field::Mistakes;

const FIELD: &str = "spec.target.csi";

/// Files in volumes of pods. A SecretProviderClass with `provider: lockstep` names what a volume has: this binding, or a path in Vault that
/// it draws from. Nothing is written in the cluster, neither as a Secret nor on a node's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CsiTarget {
    /// In which namespaces pods may mount it. A grant must allow each.
    pub namespaces: Vec<String>,
    /// Pods of which service accounts may; `*`: of each in these namespaces.
    pub service_accounts: Vec<String>,
}

impl CsiTarget {
    pub(super) fn check(&self, mistakes: &mut Mistakes) -> Option<Checked> {
        let (namespaces, accounts) = (format!("{FIELD}.namespaces"), format!("{FIELD}.serviceAccounts"));
        if self.namespaces.is_empty() {
            mistakes.add(&namespaces, "where is not said: name the namespaces whose pods may mount it");
        }
        if self.service_accounts.is_empty() {
            let reason = "whose pods is not said: name their service accounts, or \"*\" for each of these namespaces";
            mistakes.add(&accounts, reason);
        }
        let namespaces = check_names(&self.namespaces, NAMESPACES_MAX, &namespaces, mistakes);
        let service_accounts = self.check_accounts(&accounts, mistakes);
        Some(Checked { namespaces: namespaces?, service_accounts: service_accounts? })
    }

    fn check_accounts(&self, field: &str, mistakes: &mut Mistakes) -> Option<ServiceAccounts> {
        if !self.service_accounts.iter().any(|name| name == EACH_SERVICE_ACCOUNT) {
            let names: Vec<ServiceAccountName> = check_names(&self.service_accounts, SERVICE_ACCOUNTS_MAX, field, mistakes)?;
            return Some(ServiceAccounts::Named(names.into_iter().collect()));
        }
        if self.service_accounts.len() > 1 {
            mistakes.add(field, "\"*\" allows each service account already: leave out the others, or \"*\"");
        }
        Some(ServiceAccounts::Each)
    }
}

impl From<&Checked> for CsiTarget {
    fn from(checked: &Checked) -> Self {
        let accounts: BTreeSet<String> = checked.service_accounts.clone().into();
        Self {
            namespaces: checked.namespaces.iter().map(ToString::to_string).collect(),
            service_accounts: accounts.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(namespaces: &[&str], accounts: &[&str]) -> Result<Checked, Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut mistakes = Mistakes::default();
        let checked = CsiTarget { namespaces: owned(namespaces), service_accounts: owned(accounts) }.check(&mut mistakes);
        mistakes.finish(checked).map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn namespaces_and_service_accounts_are_named_or_refused_with_their_field() {
        let checked = check(&["shop"], &["checkout", "cart"]).unwrap();
        assert!(checked.allows("shop", "cart") && !checked.allows("shop", "default"));
        assert!(check(&["shop"], &["*"]).unwrap().allows("shop", "default"));
        for (namespaces, accounts, field) in [
            (&[][..], &["a"][..], "spec.target.csi.namespaces"),
            (&["a"], &[], "spec.target.csi.serviceAccounts"),
            (&["A"], &["a"], "spec.target.csi.namespaces[0]"),
            (&["a", "a"], &["a"], "spec.target.csi.namespaces[1]"),
            (&["a"], &["a", "a*"], "spec.target.csi.serviceAccounts[1]"),
            (&["a"], &["a", "*"], "spec.target.csi.serviceAccounts"),
        ] {
            assert_eq!(check(namespaces, accounts).unwrap_err(), [field], "{namespaces:?} {accounts:?}");
        }
    }
}
