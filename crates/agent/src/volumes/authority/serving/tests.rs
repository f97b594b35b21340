use chrono::TimeDelta;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::super::ca;
use super::*;

const NAME: &str = "lockstep-agent-volumes.lockstep.svc";

fn at(days: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + days)
}

/// Whether whoever trusts `bundle` believes that the present certificate is `name`'s.
fn believes(bundle: &str, serving: &Serving, name: &str, now: DateTime<Utc>) -> bool {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let shown = serving.0.read().unwrap().as_ref().unwrap().shown.clone();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.timestamp().try_into().unwrap()));
    verifier.verify_server_cert(&shown.cert[0], &[], &ServerName::try_from(name.to_owned()).unwrap(), &[], now).is_ok()
}

#[test]
fn what_is_shown_chains_to_what_is_published_and_lives_a_day() {
    let (serving, list, names) = (Serving::default(), vec![Ca::make(at(0)).unwrap()], vec![NAME.to_owned()]);
    assert!(serving.renew(&list, &names, at(0)).unwrap());
    let bundle = ca::bundle(&list);
    assert!(believes(&bundle, &serving, NAME, at(0)));
    assert!(!believes(&bundle, &serving, "other.lockstep.svc", at(0)), "a name of another");
    assert!(!believes(&bundle, &serving, NAME, at(2)), "after its end");
    let other = ca::bundle(&[Ca::make(at(0)).unwrap()]);
    assert!(!believes(&other, &serving, NAME, at(0)), "another agent's CA, made in the same second");
    assert!(!serving.renew(&list, &names, at(0) + TimeDelta::hours(15)).unwrap());
    assert!(serving.renew(&list, &names, at(0) + TimeDelta::hours(16)).unwrap());
    assert_eq!(serving.not_after(), Some(at(0) + TimeDelta::hours(40)));
}

#[test]
fn the_next_ca_signs_once_it_has_been_published_for_a_day() {
    let (serving, names) = (Serving::default(), vec![NAME.to_owned()]);
    let mut list = vec![Ca::make(at(0)).unwrap()];
    list[0].times.published = Some(at(0));
    let old = ca::bundle(&list);
    list.insert(0, Ca::make(at(250)).unwrap());
    list[0].times.published = Some(at(250));
    serving.renew(&list, &names, at(250)).unwrap();
    assert!(believes(&old, &serving, NAME, at(250)), "a node that has not read the new one yet");
    assert!(serving.renew(&list, &names, at(251)).unwrap());
    assert!(!believes(&old, &serving, NAME, at(251)));
    assert!(believes(&ca::bundle(&list), &serving, NAME, at(251)));
}

#[test]
fn what_is_kept_is_read_again_and_anything_else_is_not_understood() {
    let mut list = vec![Ca::make(at(1)).unwrap(), Ca::make(at(0)).unwrap()];
    list[1].times.published = Some(at(0));
    let kept = ca::write(&list).unwrap();
    let again = ca::read(&kept).unwrap();
    assert_eq!(ca::bundle(&again), ca::bundle(&list));
    assert_eq!(again.iter().map(|ca| ca.times).collect::<Vec<_>>(), list.iter().map(|ca| ca.times).collect::<Vec<_>>());
    let serving = Serving::default();
    serving.renew(&again, &[NAME.to_owned()], at(1)).unwrap();
    assert!(believes(&ca::bundle(&list), &serving, NAME, at(1)));
    let text = String::from_utf8(kept.to_vec()).unwrap();
    let swapped = {
        let (a, b) = (ca::write(&list[..1]).unwrap(), ca::write(&list[1..]).unwrap());
        let key = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()[0]["key"].to_string();
        String::from_utf8(a.to_vec()).unwrap().replace(&key(&a), &key(&b))
    };
    for other in ["", "{}", "null", &text[1..], &text.replace("BEGIN CERTIFICATE", "BEGIN SOMETHING"), &swapped] {
        assert!(ca::read(other.as_bytes()).is_none());
    }
    assert!(!format!("{list:?}").contains("PRIVATE"));
}
