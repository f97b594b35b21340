use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use lockstep_core::binding::{
    Binding, BindingSpec, CsiTarget, Delivered, Item, Restart, SecretRef, SecretTarget, ServiceAccounts, Target,
};
use lockstep_core::digest::DigestKeyId;
use lockstep_core::engine::Engine;
use lockstep_core::history::{ChangeHash, Mark};
use lockstep_core::plan::{Desired, Want};
use lockstep_core::render::Rendered;
use lockstep_core::revision::{Epoch, Seq};
use lockstep_core::version::Known;
use lockstep_store::desired::Facts;
use uuid::Uuid;

use super::*;

fn work(delivered: &Delivered, placement: &Placement) -> Work {
    let spec =
        BindingSpec { clusters: "".parse().unwrap(), delivered: delivered.clone(), deletion_policy: DeletionPolicy::Retain };
    let (id, project) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let facts = Facts {
        cluster: Uuid::from_u128(3).into(),
        name: "b".to_owned(),
        binding: Binding { id, project, spec, spec_seq: Seq::new(1) },
        registered: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
        placement: placement.clone(),
        desired: Desired { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(5) }, want: Want::Content(Vec::new()) },
        secrets: Vec::new(),
        acked: None,
    };
    Work { facts, head: Mark { epoch: Epoch::new(1), seq: Seq::new(5), hash: ChangeHash::new([0; 32]) }, is_retry: false }
}

fn put(delivered: &Delivered, placement: &Placement) -> v1::Put {
    put_of(work(delivered, placement))
}

fn put_of(work: Work) -> v1::Put {
    let digest = Digest { key: DigestKeyId::new("k".to_owned()), hmac: [0; 32] };
    let prepared = Prepared { content: Rendered::default(), digest };
    let server_message::Message::Put(put) = message(work, Some(prepared)) else { unreachable!("a put") };
    put
}

#[test]
fn a_put_says_what_becomes_of_the_places_that_its_target_has_no_longer() {
    let delivered = Delivered::new(Vec::new(), Target::Directory { name: "d".parse().unwrap() });
    for (policy, purge) in [(DeletionPolicy::Retain, false), (DeletionPolicy::Delete, true)] {
        let mut work = work(&delivered, &Placement::Placed);
        work.facts.binding.spec.deletion_policy = policy;
        assert_eq!(put_of(work).purge_former, purge, "{policy:?}");
    }
}

#[test]
fn a_put_says_where_what_restarts_and_whether_to_write() {
    let target = SecretTarget::new("db".parse().unwrap(), Vec::new());
    let selector = Some("team=shop".parse().unwrap());
    let target = Target::Secret(SecretTarget { namespace_selector: selector, ..target });
    let allowed = AllowedNamespaces::from(vec![vec!["shop-*".parse().unwrap()]]);
    let mut delivered = Delivered::new(Vec::new(), target.clone());
    (delivered.mode, delivered.restart) = (Mode::Observe, Restart::Auto);

    let within = put(&delivered, &Placement::PlacedWithin(allowed.clone()));
    let sent = within.target.unwrap();
    assert_eq!(convert::allowed_namespaces(&sent).unwrap(), allowed);
    assert_eq!((Target::try_from(sent).unwrap(), within.observe), (target.clone(), true));
    assert_eq!(convert::restart(within.restart).unwrap(), Restart::Auto);
    assert_eq!(within.registered_us, 1_700_000_000_000_001);

    // An older planner's answer knows of no namespaces: then none is allowed.
    let plain = put(&Delivered::new(Vec::new(), target), &Placement::Placed);
    assert!(convert::allowed_namespaces(&plain.target.unwrap()).unwrap().is_none());
    assert_eq!((plain.observe, plain.restart), (false, None));
}

#[test]
fn a_put_for_volumes_says_by_which_paths_pods_may_ask_unless_only_templates_are_delivered() {
    let secret = SecretRef {
        source: "corp".parse().unwrap(),
        engine: Engine::KvV2,
        mount: "kv".parse().unwrap(),
        path: "shop/db".parse().unwrap(),
    };
    let keys = BTreeMap::from([("password".to_owned(), "PASSWORD".to_owned())]);
    let item = Item { secret: secret.into(), keys: keys.clone(), pin: None, base64: BTreeSet::new() };
    let target = CsiTarget { namespaces: vec!["shop".parse().unwrap()], service_accounts: ServiceAccounts::Each };
    for (templates_only, paths) in [(false, vec![("kv/data/shop/db", "kv/shop/db")]), (true, Vec::new())] {
        let mut delivered = Delivered::new(vec![item.clone()], Target::Csi(target.clone()));
        delivered.templates_only = templates_only;
        let mut work = work(&delivered, &Placement::Placed);
        work.facts.secrets = vec![SecretRecord {
            id: Uuid::from_u128(4).into(),
            engine: Engine::KvV2,
            mount: "kv".parse().unwrap(),
            path: "shop/db".parse().unwrap(),
            known: Known::default(),
            trace: None,
            problem: None,
        }];
        let sources = convert::csi_sources(&put_of(work).target.unwrap());
        let wanted =
            paths.into_iter().map(|(api, plain)| CsiSource { paths: vec![api.into(), plain.into()], keys: keys.clone() });
        assert_eq!(sources, wanted.collect::<Vec<_>>(), "templates only: {templates_only}");
    }
}

#[test]
fn what_only_observes_is_forgotten_and_never_purged() {
    for (mode, policy, purge) in [
        (Mode::Deliver, DeletionPolicy::Delete, true),
        (Mode::Deliver, DeletionPolicy::Retain, false),
        (Mode::Observe, DeletionPolicy::Delete, false),
    ] {
        let mut delivered = Delivered::new(Vec::new(), Target::Directory { name: "d".parse().unwrap() });
        delivered.mode = mode;
        let mut work = work(&delivered, &Placement::Removed(policy));
        work.facts.desired.want = Want::Remove(policy);
        let server_message::Message::Delete(delete) = message(work, None) else { panic!("{mode:?} {policy:?}") };
        assert_eq!(delete.purge, purge, "{mode:?} {policy:?}");
    }
}
