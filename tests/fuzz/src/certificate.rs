//! Certificates and requests to sign one, as they come from who is not believed yet.

use lockstep_server::authority::{agent_identity, certificate_key_hash, request_key_hash};
use rcgen::{CertificateParams, KeyPair, SanType};

use crate::Target;

/// The target.
pub const TARGET: Target = Target { name: "certificate", run, seeds };

const HASH_BYTES: usize = 32;

fn run(data: &[u8]) {
    if let Ok(hash) = request_key_hash(data) {
        assert_eq!(hash.len(), HASH_BYTES);
        let longer = [data, b"\0"].concat();
        assert!(request_key_hash(&longer).is_err(), "what follows a request is not part of it");
    }
    if let Ok(hash) = certificate_key_hash(data) {
        assert_eq!(hash.len(), HASH_BYTES);
    }
    if let Ok((identity, _)) = agent_identity(data) {
        let uri = identity.to_string();
        assert!(data.windows(uri.len()).any(|part| part == uri.as_bytes()), "{uri} is not what the certificate says");
    }
}

/// Made anew, as keys are; what a run finds does not depend on them.
fn seeds() -> Vec<Vec<u8>> {
    let uri = "spiffe://lockstep.test/cluster/018f3c5e-0000-7000-8000-000000000001/agent/018f3c5e-0000-7000-8000-000000000002";
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
    let request = params.serialize_request(&key).expect("a request").der().to_vec();
    let certificate = params.self_signed(&key).expect("a certificate").der().to_vec();
    params.subject_alt_names.push(SanType::URI("spiffe://lockstep.test/server".try_into().expect("ASCII")));
    let of_two = params.self_signed(&key).expect("a certificate").der().to_vec();
    for (der, is_of_agent) in [(&certificate, true), (&of_two, false), (&request, false)] {
        assert_eq!(agent_identity(der).is_ok(), is_of_agent);
    }
    vec![request, certificate, of_two]
}
