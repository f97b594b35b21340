//! Which certificate issued which: by key identifiers, and by names where a certificate has none. Pure; signatures are checked by TLS.
//!
//! Names alone do not tell: an operator may call every root the same, and a cross-signed certificate has the name of the root beside it.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{KeyHash, key_hash};

/// The longest way from a leaf to its root.
const DEPTH_MAX: usize = 8;

/// What links a certificate to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(super) key: KeyHash,
    pub(super) not_before: DateTime<Utc>,
    pub(super) not_after: DateTime<Utc>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    own_id: Option<Vec<u8>>,
    issuer_id: Option<Vec<u8>>,
}

impl Link {
    pub(super) fn of(der: &[u8]) -> anyhow::Result<Self> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| anyhow!("not a certificate"))?;
        let time = |t: x509_parser::time::ASN1Time| {
            DateTime::from_timestamp(t.timestamp(), 0).ok_or_else(|| anyhow!("a certificate's time is no time"))
        };
        let (mut own_id, mut issuer_id) = (None, None);
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => own_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => issuer_id = id.key_identifier.as_ref().map(|id| id.0.to_vec()),
                _ => {}
            }
        }
        Ok(Self {
            key: key_hash(certificate.public_key().raw),
            not_before: time(certificate.validity().not_before)?,
            not_after: time(certificate.validity().not_after)?,
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            own_id,
            issuer_id,
        })
    }

    pub(super) fn is_self_signed(&self) -> bool {
        self.is_issued_by(self)
    }

    fn is_issued_by(&self, other: &Self) -> bool {
        self.issuer == other.subject
            && match (&self.issuer_id, &other.own_id) {
                (Some(wanted), Some(id)) => wanted == id,
                _ => true,
            }
    }

    /// The certificate at the end of the way up, among these: a root, or the topmost that is known. A root is preferred to a cross-signed
    /// certificate of the same key.
    pub(super) fn top<'a>(&'a self, among: &'a [Self]) -> &'a Self {
        let mut at = self;
        for _ in 0..DEPTH_MAX {
            if at.is_self_signed() {
                return at;
            }
            let issuers = || among.iter().filter(|other| other.key != at.key && at.is_issued_by(other));
            let Some(next) = issuers().find(|other| other.is_self_signed()).or_else(|| issuers().next()) else { return at };
            at = next;
        }
        at
    }
}
