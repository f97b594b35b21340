//! What the agent reads in certificates: how long they live, whose key they hold, which agent they name.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::spiffe::AgentIdentity;
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    /// Not valid before.
    pub(crate) not_before: DateTime<Utc>,
    /// Not valid after.
    pub(crate) not_after: DateTime<Utc>,
    /// `SubjectPublicKeyInfo` in DER.
    pub(crate) public_key: Vec<u8>,
    /// Who it names, if it names an agent.
    pub(crate) agent: Option<AgentIdentity>,
}

/// Not a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an X.509 certificate")]
pub(crate) struct NotACertificate;

/// Reads a certificate; its signature is not checked.
pub(crate) fn facts(der: &[u8]) -> Result<CertificateFacts, NotACertificate> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NotACertificate)?;
    let time = |t: x509_parser::time::ASN1Time| DateTime::from_timestamp(t.timestamp(), 0).ok_or(NotACertificate);
    let names = certificate.subject_alternative_name().map_err(|_| NotACertificate)?;
    let agent = names.and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => uri.parse().ok(),
            _ => None,
        })
    });
    Ok(CertificateFacts {
        not_before: time(certificate.validity().not_before)?,
        not_after: time(certificate.validity().not_after)?,
        public_key: certificate.public_key().raw.to_vec(),
        agent,
    })
}

/// What a public key is known by.
pub(crate) fn key_hash(public_key: &[u8]) -> Vec<u8> {
    digest(&SHA256, public_key).as_ref().to_vec()
}

/// From when on to renew: one third of the life, and up to a sixth more by `jitter` (0 to 1), so that agents that joined together
/// do not renew together.
pub(crate) fn renew_at(not_before: DateTime<Utc>, not_after: DateTime<Utc>, jitter: f64) -> DateTime<Utc> {
    let life = (not_after - not_before).to_std().unwrap_or_default();
    let wait = life / 3 + (life / 6).mul_f64(jitter.clamp(0.0, 1.0));
    not_before + TimeDelta::from_std(wait).unwrap_or(TimeDelta::zero())
}

/// Whether to renew now.
pub(crate) fn should_renew(now: DateTime<Utc>, not_before: DateTime<Utc>, not_after: DateTime<Utc>, jitter: f64) -> bool {
    now >= renew_at(not_before, not_after, jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_begins_between_one_third_and_one_half_of_life() {
        let hour = |h: i64| DateTime::UNIX_EPOCH + TimeDelta::hours(h);
        for (now, jitter, want) in [
            (-1, 0.0, false),
            (55, 0.0, false),
            (56, 0.0, true),
            (56, 1.0, false),
            (83, 1.0, false),
            (84, 1.0, true),
            (84, 7.0, true),
            (83, f64::INFINITY, false),
            (168, 0.5, true),
            (400, 1.0, true),
        ] {
            assert_eq!(should_renew(hour(now), hour(0), hour(168), jitter), want, "hour {now}, jitter {jitter}");
        }
        assert!(should_renew(hour(9), hour(9), hour(8), 1.0), "a certificate that never lived");
    }

    #[test]
    fn garbage_is_not_a_certificate() {
        assert_eq!(facts(b"garbage"), Err(NotACertificate));
    }
}
