//! The new values of a rotated KV secret's keys.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lockstep_core::material::Material;
use lockstep_core::rotation::life::Life;
use lockstep_core::rotation::{CertificateRequest, Kind};
use lockstep_vault::{IssueRequest, Json, Vault};

use super::making;
use super::trouble::Trouble;
use crate::clock;

/// The keys of a certificate, as a Secret of type `kubernetes.io/tls` and those around it name them.
pub(super) const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";
const AUTHORITY: &str = "ca.crt";

/// What was made.
pub(super) struct Values {
    /// By key.
    pub(super) keys: BTreeMap<String, Json>,
    /// Of a certificate.
    pub(super) serial: Option<String>,
    /// Of a certificate.
    pub(super) life: Option<Life>,
}

/// The names of the keys that the kind writes.
pub(crate) fn names(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Generate { keys, .. } => {
            keys.iter().flat_map(|(key, recipe)| std::iter::once(key.as_str()).chain(recipe.public_key())).collect()
        }
        Kind::Pki { .. } | Kind::PkiPerCluster { .. } => vec![CERTIFICATE, PRIVATE_KEY, AUTHORITY],
        Kind::DatabaseStatic { .. } | Kind::DatabasePair { .. } => Vec::new(),
    }
}

/// Makes all of them. A value is bytes of text: what a key pair or a certificate is written in, and what alphabets have.
pub(super) async fn make(vault: &Vault, kind: &Kind) -> Result<Values, Trouble> {
    let mut values: BTreeMap<String, Material> = BTreeMap::new();
    let (mut serial, mut life) = (None, None);
    match kind {
        Kind::Generate { keys, .. } => {
            for (key, recipe) in keys {
                let made = making::make(recipe, vault).await.map_err(|error| Trouble::Again(error.to_string()))?;
                values.insert(key.clone(), made.value);
                if let (Some(name), Some(public)) = (recipe.public_key(), made.public) {
                    values.insert(name.to_owned(), public);
                }
            }
        }
        Kind::Pki { certificate, .. } => {
            let CertificateRequest { mount, role, common_name, alt_names, uris, ttl } = certificate;
            let request = IssueRequest {
                common_name: common_name.clone(),
                alt_names: alt_names.clone(),
                ip_sans: Vec::new(),
                uri_sans: uris.clone(),
                ttl: *ttl,
            };
            let issued = vault.issue(mount, role, &request).await?;
            let text = |text: &str| Material::new(text.as_bytes().to_vec());
            values.insert(CERTIFICATE.to_owned(), text(&issued.bundle()));
            values.insert(AUTHORITY.to_owned(), text(issued.root().unwrap_or_default()));
            values.insert(PRIVATE_KEY.to_owned(), issued.key);
            serial = Some(issued.serial);
            let not_before = begin(&issued.certificate).unwrap_or_else(clock::now);
            life = Some(Life { not_before, not_after: issued.not_after });
        }
        // Of each cluster's own, its part makes it.
        Kind::PkiPerCluster { .. } | Kind::DatabaseStatic { .. } | Kind::DatabasePair { .. } => {}
    }
    let json = |(key, value): (String, Material)| {
        let json = Json::text(&value).ok_or_else(|| Trouble::Again(format!("the value made for {key} is no text")))?;
        Ok((key, json))
    };
    Ok(Values { keys: values.into_iter().map(json).collect::<Result<_, Trouble>>()?, serial, life })
}

/// When a certificate begins, which only it says: the engine dates it back.
fn begin(pem: &str) -> Option<DateTime<Utc>> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    DateTime::from_timestamp(block.parse_x509().ok()?.validity().not_before.timestamp(), 0)
}
