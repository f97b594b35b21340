//! One CA: a key, its certificate, and since when the certificate is published.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::rotation::{LIFE, Times};
use crate::certificate;

/// A certificate is good from so long before it was made: the clocks of nodes differ.
const BACKDATED: TimeDelta = TimeDelta::hours(1);
/// How long a serving certificate lives. It is in memory only, so a replica that is gone takes it along.
const SERVING_LIFE: TimeDelta = TimeDelta::hours(24);

/// As `rcgen` wants it; its type's own crate is no dependency of ours.
macro_rules! time {
    ($at:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs($at.timestamp().try_into().unwrap_or(0))
    };
}

/// A CA.
#[derive(Clone)]
pub(super) struct Ca {
    pub(super) certificate: String,
    key: Zeroizing<String>,
    pub(super) times: Times,
}

/// As it is in the Secret.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// PEM.
    certificate: String,
    /// PKCS#8, PEM.
    key: Zeroizing<String>,
    /// Since when it is published, in Unix seconds.
    published_s: Option<i64>,
}

/// A certificate of a CA for one replica, with its key.
pub(super) struct Issued {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) not_before: DateTime<Utc>,
    pub(super) not_after: DateTime<Utc>,
}

impl Ca {
    /// A new one.
    pub(super) fn make(now: DateTime<Utc>) -> Result<Self, rcgen::Error> {
        // As a certificate says it: whole seconds.
        let not_before = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now) - BACKDATED;
        let times = Times { not_before, not_after: not_before + LIFE, published: None };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params(times).self_signed(&key)?.pem();
        Ok(Self { certificate, key: Zeroizing::new(key.serialize_pem()), times })
    }

    /// A certificate for `names`, which ends no later than the CA.
    pub(super) fn issue(&self, names: &[String], now: DateTime<Utc>) -> Result<Issued, rcgen::Error> {
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name = named("lockstep-agent".to_owned());
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let (not_before, not_after) = (now - BACKDATED, (now + SERVING_LIFE).min(self.times.not_after));
        (leaf.not_before, leaf.not_after) = (time!(not_before), time!(not_after));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let issuer = Issuer::new(params(self.times), KeyPair::from_pem(&self.key)?);
        let chain = vec![leaf.signed_by(&key, &issuer)?.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // Counted from now, not from where it was dated back to.
        Ok(Issued { chain, key, not_before: now, not_after })
    }
}

/// A CA shows no key, whoever prints it.
impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("times", &self.times).finish_non_exhaustive()
    }
}

/// From what is in the Secret. `None`: it cannot be understood. What it holds is in no error.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Ca>> {
    let kept: Vec<Kept> = serde_json::from_slice(bytes).ok()?;
    kept.into_iter().map(of_kept).collect()
}

/// For the Secret.
pub(super) fn write(list: &[Ca]) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    let kept: Vec<Kept> = list
        .iter()
        .map(|ca| Kept {
            certificate: ca.certificate.clone(),
            key: ca.key.clone(),
            published_s: ca.times.published.map(|at| at.timestamp()),
        })
        .collect();
    serde_json::to_vec(&kept).map(Zeroizing::new)
}

/// All certificates, for whoever checks.
pub(super) fn bundle(list: &[Ca]) -> String {
    list.iter().map(|ca| ca.certificate.as_str()).collect()
}

fn of_kept(kept: Kept) -> Option<Ca> {
    let facts = certificate::facts(&CertificateDer::from_pem_slice(kept.certificate.as_bytes()).ok()?).ok()?;
    let pair = KeyPair::from_pem(&kept.key).ok()?;
    let published = kept.published_s.map(|s| DateTime::from_timestamp(s, 0).ok_or(())).transpose().ok()?;
    let times = Times { not_before: facts.not_before, not_after: facts.not_after, published };
    (pair.subject_public_key_info() == facts.public_key).then_some(Ca { certificate: kept.certificate, key: kept.key, times })
}

/// Made again from its times alone: an issuer is known by its name, and the name says when it began.
fn params(times: Times) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(format!("lockstep-agent volumes {}", times.not_before.timestamp()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (time!(times.not_before), time!(times.not_after));
    params
}

fn named(common_name: String) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
