//! The agent's private key: ECDSA P-256. It never leaves the state directory.

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// A private key.
pub(crate) struct AgentKey {
    pair: KeyPair,
}

impl AgentKey {
    /// A new one.
    pub(crate) fn generate() -> Result<Self, rcgen::Error> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(|pair| Self { pair })
    }

    /// From its PKCS#8 PEM. The error says nothing of the content.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, rcgen::Error> {
        KeyPair::from_pem(pem).map(|pair| Self { pair })
    }

    /// Its PKCS#8 PEM, for the state directory.
    pub(crate) fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.pair.serialize_pem())
    }

    /// The public key, as `SubjectPublicKeyInfo` in DER.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// A certificate request in DER. It names nothing: the server takes the public key only.
    pub(crate) fn certificate_request(&self) -> Result<Vec<u8>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&self.pair)?.der().to_vec())
    }

    /// Signs with ECDSA P-256 and SHA-256, ASN.1.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.pair.sign(message)
    }

    /// As the TLS library wants it.
    pub(crate) fn to_tls(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pair.serialize_der()))
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentKey")
    }
}
