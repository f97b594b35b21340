//! A CA for one test.

use chrono::{DateTime, Utc};
use lockstep_agent::tls::pin::Pin;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use uuid::Uuid;

/// The only cluster there is.
pub(crate) const CLUSTER: Uuid = Uuid::from_u128(0xc1);

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: CertificateDer<'static>,
    pub(crate) pin: Pin,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        let pin = Pin::of(&key.subject_public_key_info());
        Self { issuer: Issuer::new(params, key), root, pin }
    }

    /// A server's certificate for 127.0.0.1, with the root in the chain so that a pin can be found.
    pub(crate) fn server(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (vec![leaf, self.root.clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }

    /// An agent's certificate for the key in a request, valid in this time.
    pub(crate) fn agent(&self, csr_der: &[u8], not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Vec<u8> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der.to_vec())).unwrap();
        let mut params = CertificateParams::default();
        let uri = format!("spiffe://lockstep.test/cluster/{CLUSTER}/agent/{}", Uuid::from_u128(0xa1));
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let time = |t: DateTime<Utc>| {
            rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(t.timestamp().try_into().unwrap())
        };
        (params.not_before, params.not_after) = (time(not_before), time(not_after));
        params.signed_by(&request.public_key, &self.issuer).unwrap().der().to_vec()
    }
}
