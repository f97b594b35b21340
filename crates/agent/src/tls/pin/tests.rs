use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData};
use rustls::crypto::aws_lc_rs;
use std::time::Duration;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pin: Pin,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap().der().clone();
    Authority { pin: Pin::of(&key.subject_public_key_info()), issuer: Issuer::new(params, key), root }
}

fn leaf(authority: &Authority) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(vec!["lockstep.test".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1));
    params.signed_by(&KeyPair::generate().unwrap(), &authority.issuer).unwrap().der().clone()
}

#[test]
fn a_pin_is_written_and_read() {
    let pin = Pin::of(b"key");
    assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
    for bad in ["", "sha256:", "sha256:00", "md5:00", &pin.to_string()[7..]] {
        assert_eq!(bad.parse::<Pin>(), Err(PinError), "{bad}");
    }
}

#[test]
fn only_a_leaf_that_the_pinned_key_signed_for_that_name_and_time_is_trusted() {
    let (ours, other) = (authority(), authority());
    let year = |y: u64| UnixTime::since_unix_epoch(Duration::from_secs((y - 1970) * 31_557_600 + 15_000_000));
    let signed = leaf(&ours);
    let cases = [
        ("signed by the pinned key", &signed, vec![&ours.root], "lockstep.test", 2001, None),
        ("with another root beside it", &signed, vec![&other.root, &ours.root], "lockstep.test", 2001, None),
        ("without any root", &signed, vec![], "lockstep.test", 2001, Some(true)),
        ("with another root only", &signed, vec![&other.root], "lockstep.test", 2001, Some(true)),
        (
            "the pinned root shown beside somebody else's leaf",
            &leaf(&other),
            vec![&ours.root, &other.root],
            "lockstep.test",
            2001,
            Some(false),
        ),
        ("another name", &signed, vec![&ours.root], "other.test", 2001, Some(false)),
        ("expired", &signed, vec![&ours.root], "lockstep.test", 2003, Some(false)),
    ];
    let verifier = PinVerifier::new(ours.pin, Arc::new(aws_lc_rs::default_provider()));
    for (case, leaf, chain, name, in_year, want) in cases {
        let chain: Vec<_> = chain.into_iter().cloned().collect();
        let name = ServerName::try_from(name).unwrap();
        let wrong_pin = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let refused = verifier.verify_server_cert(leaf, &chain, &name, &[], year(in_year)).err();
        assert_eq!(refused.map(|e| e == wrong_pin), want, "{case}");
    }
}
