//! What a class says of how Vault is reached.

use super::super::account::{Account, below};

pub(super) fn account_for(account: &mut Account) {
    for name in account.names("/spec/parameters") {
        let why = match name.as_str() {
            "vaultAddress"
            | "vaultNamespace"
            | "vaultCAPem"
            | "vaultCACertPath"
            | "vaultCADirectory"
            | "vaultTLSServerName"
            | "vaultTLSClientCertPath"
            | "vaultTLSClientKeyPath"
            | "vaultSkipTLSVerify" => "the source says it",
            "roleName" | "audience" | "vaultKubernetesMountPath" | "vaultAuthMountPath" => {
                "the server logs in, with a credential set that the source names"
            }
            _ => continue,
        };
        account.not_needed(&below("/spec/parameters", &name), why);
    }
}
