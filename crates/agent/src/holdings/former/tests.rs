use super::*;
use lockstep_core::binding::{Restart, SecretTarget};
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::revision::{Epoch, Revision, Seq};

fn secret(name: &str, namespaces: &[&str]) -> Target {
    Target::Secret(SecretTarget::new(name.parse().unwrap(), namespaces.iter().map(|n| n.parse().unwrap()).collect()))
}

fn selecting(name: &str) -> Target {
    let Target::Secret(target) = secret(name, &[]) else { unreachable!() };
    Target::Secret(SecretTarget { namespace_selector: Some("team=shop".parse().unwrap()), ..target })
}

fn directory(name: &str) -> Target {
    Target::Directory { name: name.parse().unwrap() }
}

fn namespaces(names: &[&str]) -> BTreeSet<Namespace> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn held(target: Target, reached: &[&str], former: Vec<Target>) -> Held {
    Held {
        name: "b".into(),
        revision: Revision { epoch: Epoch::new(1), seq: Seq::new(5) },
        digest: Digest { key: DigestKeyId::new("k".into()), hmac: [0; 32] },
        target,
        sources: Vec::new(),
        allowed: AllowedNamespaces::default(),
        reached: namespaces(reached),
        unfinished: false,
        restart: Restart::None,
        former,
        purge_former: false,
    }
}

#[test]
fn former_places_are_those_that_the_target_has_no_longer() {
    for (before, target, selected, want) in [
        (held(secret("db", &["a"]), &[], vec![]), secret("db", &["a"]), &[][..], vec![]),
        (held(secret("db", &["a", "b"]), &[], vec![]), secret("db", &["b", "c"]), &[], vec![secret("db", &["a"])]),
        (held(secret("db", &["a"]), &[], vec![]), secret("x", &["a"]), &[], vec![secret("db", &["a"])]),
        // By label: what was reached, and not what would be selected now.
        (held(selecting("db"), &["a", "b"], vec![]), selecting("db"), &["b", "c"], vec![secret("db", &["a"])]),
        (held(selecting("db"), &["a", "b"], vec![]), secret("db", &["a"]), &[], vec![secret("db", &["b"])]),
        (held(secret("db", &["a", "b"]), &[], vec![]), selecting("db"), &["b"], vec![secret("db", &["a"])]),
        // What waits goes on to wait, but for what the target has again.
        (
            held(secret("x", &["a"]), &[], vec![secret("db", &["a"]), secret("y", &["a"])]),
            secret("y", &["a"]),
            &[],
            vec![secret("db", &["a"]), secret("x", &["a"])],
        ),
        (held(directory("one"), &[], vec![]), directory("one"), &[], vec![]),
        (held(directory("one"), &[], vec![]), directory("two"), &[], vec![directory("one")]),
        (held(directory("one"), &[], vec![]), secret("db", &["a"]), &[], vec![directory("one")]),
    ] {
        assert_eq!(former(&before, &target, &namespaces(selected)), want, "{before:?} {target:?}");
    }
}

#[test]
fn an_immutable_secret_of_the_same_name_is_another_place() {
    let Target::Secret(target) = secret("db", &["a"]) else { unreachable!() };
    let immutable = Target::Secret(SecretTarget { immutable: true, ..target });
    let before = held(secret("db", &["a"]), &[], vec![]);
    assert_eq!(former(&before, &immutable, &BTreeSet::new()), [secret("db", &["a"])]);
}

#[test]
fn no_more_than_some_former_targets_are_kept_in_mind() {
    let waiting: Vec<Target> = (0..FORMER_MAX + 3).map(|n| secret(&format!("db-{n}"), &["a"])).collect();
    let before = held(secret("last", &["a"]), &[], waiting);
    let left = former(&before, &secret("now", &["a"]), &BTreeSet::new());
    assert_eq!((left.len(), left.last()), (FORMER_MAX, Some(&secret("last", &["a"]))));
}
