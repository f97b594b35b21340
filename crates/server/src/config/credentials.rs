//! Credential sets: what the server shows to a Vault, and to which.

use std::path::PathBuf;

use anyhow::ensure;
use lockstep_core::name::CredentialsName;
use serde::Deserialize;

/// A credential set and the addresses it may be sent to.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialSet {
    /// What sources call it.
    pub name: CredentialsName,
    /// The only addresses it is ever sent to.
    pub addresses: Vec<String>,
    /// A file with a Vault token; read again when it changes.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// `AppRole`.
    #[serde(default)]
    pub app_role: Option<AppRole>,
    /// Kubernetes: a service account's token.
    #[serde(default)]
    pub kubernetes: Option<TokenLogin>,
    /// A JWT.
    #[serde(default)]
    pub jwt: Option<TokenLogin>,
    /// A TLS client certificate.
    #[serde(default)]
    pub certificate: Option<CertificateLogin>,
}

/// Vault's login with a token that somebody else made.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenLogin {
    /// Where the method is mounted; `kubernetes` or `jwt`, if absent.
    #[serde(default)]
    pub mount: Option<String>,
    /// The role to log in to.
    pub role: String,
    /// A file with the token; read again at each login.
    pub token_file: PathBuf,
}

/// Vault's login with a TLS client certificate.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateLogin {
    /// Where the method is mounted.
    #[serde(default = "cert_mount")]
    pub mount: String,
    /// The role to log in to; any that trusts the certificate, if absent.
    #[serde(default)]
    pub role: Option<String>,
    /// A PEM file with the certificate, and what leads to its root; read again at each login.
    pub certificate_file: PathBuf,
    /// A PEM file with its private key.
    pub key_file: PathBuf,
}

/// Vault's AppRole login.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppRole {
    /// Where the method is mounted.
    #[serde(default = "approle_mount")]
    pub mount: String,
    /// A file with the role id.
    pub role_id_file: PathBuf,
    /// A file with the secret id.
    pub secret_id_file: PathBuf,
}

fn cert_mount() -> String {
    "cert".to_owned()
}
fn approle_mount() -> String {
    "approle".to_owned()
}

impl CredentialSet {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let given = [
            self.token_file.is_some(),
            self.app_role.is_some(),
            self.kubernetes.is_some(),
            self.jwt.is_some(),
            self.certificate.is_some(),
        ];
        let one = given.into_iter().filter(|is_given| *is_given).count() == 1;
        ensure!(one, "credentials {}: exactly one of tokenFile, appRole, kubernetes, jwt and certificate is needed", self.name);
        Ok(())
    }
}
