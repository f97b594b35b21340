use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer as Signer, KeyPair};

use super::*;

struct Ca {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

/// All of them have one name, as an operator may well call them.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name.push(DnType::CommonName, "Lockstep root");
    params
}

fn root() -> Ca {
    let (params, key) = (params(), KeyPair::generate().unwrap());
    let certificate = params.self_signed(&key).unwrap();
    Ca { params, key, certificate }
}

/// A certificate of `of`'s key, signed by `by`.
fn signed(by: &Ca, of: &KeyPair) -> Vec<u8> {
    params().signed_by(of, &Signer::from_params(&by.params, &by.key)).unwrap().der().to_vec()
}

fn issuer(name: &str, chain_der: Vec<Vec<u8>>, signs: bool) -> Issuer {
    Issuer { id: format!("id-{name}"), name: name.to_owned(), chain_der, signs }
}

fn der(ca: &Ca) -> Vec<u8> {
    ca.certificate.der().to_vec()
}

fn key(ca: &Ca) -> KeyHash {
    Link::of(&der(ca)).unwrap().key
}

fn named<'a>(roots: &'a [Root], ca: &Ca) -> &'a Root {
    roots.iter().find(|root| root.key == key(ca)).unwrap()
}

#[test]
fn a_cross_signed_certificate_is_no_root_but_says_who_vouches_for_one_of_the_same_name() {
    let (old, new) = (root(), root());
    let cross = signed(&old, &new.key);
    let issuers = [
        issuer("old", vec![der(&old)], true),
        issuer("new", vec![der(&new), cross.clone(), der(&old)], false),
        issuer("", vec![cross, der(&new), der(&old)], false),
    ];
    let roots = of(&issuers).unwrap();
    assert_eq!(roots.len(), 2);
    let (old_root, new_root) = (named(&roots, &old), named(&roots, &new));
    assert_eq!((old_root.signs, old_root.issuers.as_slice()), (true, ["old".to_owned()].as_slice()));
    assert_eq!(new_root.der.to_vec(), der(&new), "the root's own certificate, not the cross-signed one");
    assert_eq!((new_root.signs, new_root.issuers.as_slice()), (false, ["new".to_owned(), "id-".to_owned()].as_slice()));
    assert_eq!(new_root.vouched_for_by, BTreeSet::from([key(&old)]));
    assert_eq!(old_root.vouched_for_by, BTreeSet::new());
}

#[test]
fn a_cross_signed_certificate_that_outlives_the_old_root_makes_no_root_of_its_own() {
    let (old, new) = (root(), root());
    let cross = signed(&old, &new.key);
    let issuers = [issuer("new", vec![der(&new), cross.clone()], true), issuer("", vec![cross, der(&new)], false)];
    let roots = of(&issuers).unwrap();
    assert_eq!(roots.iter().map(|root| &root.key).collect::<Vec<_>>(), [&key(&new)]);
    assert_eq!(roots[0].der.to_vec(), der(&new));
}

#[test]
fn an_intermediates_root_is_the_top_of_its_chain_wherever_that_is() {
    let (top, below) = (root(), root());
    let intermediate = signed(&top, &below.key);
    let known = of(&[issuer("below", vec![intermediate.clone(), der(&top)], true)]).unwrap();
    assert_eq!(known.iter().map(|root| (&root.key, root.signs)).collect::<Vec<_>>(), [(&key(&top), true)]);
    let elsewhere = of(&[issuer("below", vec![intermediate.clone()], true)]).unwrap();
    assert_eq!((elsewhere.len(), elsewhere[0].der.to_vec()), (1, intermediate));
}

#[test]
fn a_root_is_withdrawn_when_two_readings_in_a_row_lack_it_and_never_that_of_our_own_certificate() {
    let (old, new) = (root(), root());
    let both = of(&[issuer("old", vec![der(&old)], false), issuer("new", vec![der(&new)], true)]).unwrap();
    let one = || of(&[issuer("new", vec![der(&new)], true)]).unwrap();
    let (first, absent) = settle(&both, one(), &BTreeSet::new(), Some(&key(&new)));
    assert_eq!((first.len(), named(&first, &old).issuers.len()), (2, 0));
    let (back, none) = settle(&first, both.clone(), &absent, Some(&key(&new)));
    assert_eq!((back, none), (both.clone(), BTreeSet::new()), "it was there after all");
    let (second, still) = settle(&first, one(), &absent, Some(&key(&new)));
    assert_eq!(second, one());
    assert_eq!(still, BTreeSet::from([key(&old)]));
    let (own, _) = settle(&first, one(), &absent, Some(&key(&old)));
    assert_eq!(own.len(), 2);
}
