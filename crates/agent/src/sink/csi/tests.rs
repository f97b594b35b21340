use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use lockstep_core::binding::CsiSource;
use lockstep_core::digest::{ClusterKey, Digest, DigestKeyId};
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_core::revision::{Epoch, Revision, Seq};
use prometheus::Registry;
use uuid::Uuid;

use super::wanted::Source;
use super::*;
use crate::metrics::Metrics;

pub(super) fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// A binding of secret `kv/NAME` for service account `account` of namespace `shop`.
pub(super) fn entry(name: &str, account: &str, keys: &[(&str, &str)], content: &[(&str, &str)]) -> Entry {
    let key = ClusterKey::new(DigestKeyId::new("k".into()), [7; 32]);
    let pairs = content.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec())));
    let content = Arc::new(Rendered::of(pairs).unwrap());
    let versions = content.iter().map(|(k, v)| (k.to_owned(), key.version([(k, v)]))).collect();
    Entry {
        name: name.to_owned(),
        target: CsiTarget {
            namespaces: vec!["shop".parse().unwrap()],
            service_accounts: BTreeSet::from([account.to_owned()]).try_into().unwrap(),
        },
        sources: vec![CsiSource { paths: vec!["kv/data/db".to_owned(), "kv/db".to_owned()], keys: texts(keys) }],
        stamp: Stamp {
            revision: Revision { epoch: Epoch::new(1), seq: Seq::new(1) },
            digest: Digest { key: key.id, hmac: [0; 32] },
        },
        content,
        versions,
    }
}

const CHECKOUT: Asker<'static> = Asker { namespace: "shop", service_account: "checkout" };
const DAY: Duration = Duration::from_secs(86_400);

/// A clock that stands at a second.
struct Stopped(i64);

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + self.0, 0).unwrap()
    }
    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
}

fn csi_at(second: i64) -> Csi {
    let clock = Arc::new(Stopped(second));
    let metrics = Metrics::register(&Registry::new(), clock.clone()).unwrap();
    Csi::new(clock, DAY, metrics.volumes)
}

fn csi() -> Csi {
    csi_at(0)
}

fn held(binding: BindingId, revision: Revision) -> Mounted {
    Mounted { held: BTreeMap::from([(binding, revision)]), ..Mounted::default() }
}

fn ask(csi: &Csi) -> Result<Found, NotGiven> {
    csi.look_up(CHECKOUT, &Wanted { source: Source::Binding("db".to_owned()), key: None })
}

fn hold(csi: &Csi, binding: BindingId) -> Revision {
    let entry = entry("db", "checkout", &[], &[("password", "p")]);
    let revision = entry.stamp.revision;
    csi.in_cache(|cache| cache.store(binding, &entry));
    csi.write(|entries| drop(entries.insert(binding, entry)));
    revision
}

#[test]
fn a_restarted_agent_without_a_server_gives_what_was_held_as_stale_until_it_is_too_old() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let first = csi();
    first.open_cache(dir.path(), cluster, keys(), &Mounted::default());
    let revision = hold(&first, binding);
    assert!(matches!(ask(&first), Err(NotGiven::NotAtHand(_))), "no server ever said that it is the newest");
    first.set_linked(true);
    assert!(!ask(&first).unwrap().is_stale);
    first.set_linked(false);
    assert!(ask(&first).unwrap().is_stale);

    let again = csi_at(86_400);
    again.open_cache(dir.path(), cluster, keys(), &held(binding, revision));
    assert!(ask(&again).unwrap().is_stale);
    let later = csi_at(86_401);
    later.open_cache(dir.path(), cluster, keys(), &held(binding, revision));
    assert!(matches!(ask(&later), Err(NotGiven::NotAtHand(why)) if why.contains("--cache-max-age-seconds")));
}

#[test]
fn what_is_not_held_any_more_leaves_the_cache_and_what_another_cluster_left_is_not_used() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let files = || std::fs::read_dir(dir.path()).unwrap().count();
    let first = csi();
    first.open_cache(dir.path(), cluster, keys(), &Mounted::default());
    let revision = hold(&first, binding);
    let other = csi();
    other.open_cache(dir.path(), Uuid::from_u128(9).into(), keys(), &held(binding, revision));
    assert_eq!((other.len(), files()), (0, 1));
    csi().open_cache(dir.path(), cluster, keys(), &Mounted::default());
    assert_eq!(files(), 0);
}

#[test]
fn what_is_held_and_not_in_the_cache_is_not_taken_for_gone() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding): (_, BindingId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let csi = csi();
    assert_eq!(csi.caching(), Caching::NotYet);
    let revision = Revision { epoch: Epoch::new(1), seq: Seq::new(1) };
    csi.open_cache(dir.path(), cluster, keys(), &held(binding, revision));
    assert_eq!(csi.caching(), Caching::Settled);
    assert_eq!(csi.lacked(), BTreeSet::from([binding]));
    csi.remove(binding);
    assert_eq!(csi.lacked(), BTreeSet::new());
}

#[test]
fn a_replica_that_follows_gives_nothing_before_it_was_told_how_fresh_that_is() {
    let (leads, follows, text) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding): (_, BindingId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let leader = csi();
    leader.open_cache(leads.path(), cluster, keys(), &Mounted::default());
    let revision = hold(&leader, binding);
    let sealed = leader.sealed(binding, revision).unwrap();

    let standby = csi();
    assert_eq!(standby.follow(follows.path(), cluster, keys()).unwrap(), BTreeMap::new());
    standby.take(binding, &sealed).unwrap();
    assert!(matches!(ask(&standby), Err(NotGiven::NotAtHand(_))));
    standby.set_level(Level { is_linked: false, confirmed: Some(standby.clock.now()) });
    assert!(ask(&standby).unwrap().is_stale);
    standby.set_level(Level { is_linked: true, confirmed: None });
    assert!(!ask(&standby).unwrap().is_stale);
    let mut altered = sealed.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(standby.take(binding, &altered).is_err());
    // Started again, it has it on disk, and says so; what that is worth it does not know.
    let again = csi();
    assert_eq!(again.follow(follows.path(), cluster, keys()).unwrap(), BTreeMap::from([(binding, revision)]));
    assert!(matches!(ask(&again), Err(NotGiven::NotAtHand(_))));
}

#[test]
fn what_was_sealed_in_another_cluster_is_refused_and_nothing_older_of_it_stays() {
    let (leads, follows, text) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding): (ClusterId, BindingId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let sealed = |number| {
        let leader = csi();
        leader.open_cache(leads.path(), Uuid::from_u128(number).into(), keys(), &Mounted::default());
        let revision = hold(&leader, binding);
        leader.sealed(binding, revision).unwrap()
    };
    let standby = csi();
    standby.follow(follows.path(), cluster, keys()).unwrap();
    standby.take(binding, &sealed(1)).unwrap();
    assert_eq!((standby.len(), std::fs::read_dir(follows.path()).unwrap().count()), (1, 1));
    assert!(matches!(standby.take(binding, &sealed(9)), Err(CacheError::Altered)));
    standby.refuse(binding);
    assert_eq!((standby.len(), std::fs::read_dir(follows.path()).unwrap().count()), (0, 0));
}

#[test]
fn a_revoked_cluster_has_nothing_left_in_memory_or_on_disk() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let csi = csi();
    csi.open_cache(dir.path(), Uuid::from_u128(1).into(), CacheKeys::parse(&text).unwrap(), &Mounted::default());
    hold(&csi, Uuid::from_u128(2).into());
    csi.set_linked(true);
    assert!(ask(&csi).is_ok() && std::fs::read_dir(dir.path()).unwrap().count() == 2);
    csi.purge(Some(dir.path()));
    assert!(matches!(ask(&csi), Err(NotGiven::Denied(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_revoked_cluster_has_nothing_left_on_disk_where_its_cache_was_never_opened_either() {
    let dir = tempfile::tempdir().unwrap();
    let first = csi();
    first.open_cache(
        dir.path(),
        Uuid::from_u128(1).into(),
        CacheKeys::parse(&CacheKeys::generate()).unwrap(),
        &Mounted::default(),
    );
    hold(&first, Uuid::from_u128(2).into());
    first.set_linked(true);
    std::fs::write(dir.path().join("left.sealed.tmp"), "by a crash").unwrap();
    std::fs::write(dir.path().join("another's"), "stays").unwrap();
    let again = csi();
    again.not_cached(&"the keys cannot be read");
    assert_eq!(again.caching(), Caching::Without);
    again.purge(Some(dir.path()));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["another's"]);
    again.purge(Some(&dir.path().join("never made")));
}

#[test]
fn a_damaged_file_is_removed_at_open_unless_its_binding_is_held() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let cluster = Uuid::from_u128(1).into();
    let (one, another): (BindingId, BindingId) = (Uuid::from_u128(2).into(), Uuid::from_u128(3).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let path = |binding: BindingId| dir.path().join(format!("{}.sealed", binding.uuid()));
    let first = csi();
    first.open_cache(dir.path(), cluster, keys(), &Mounted::default());
    let revision = hold(&first, one);
    hold(&first, another);
    for binding in [one, another] {
        let mut bytes = std::fs::read(path(binding)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path(binding), bytes).unwrap();
    }
    let again = csi();
    // Newer than what the ledger knows of, by what it says of itself; but it does not open.
    let floor = Some(Revision { seq: Seq::new(0), ..revision });
    again.open_cache(dir.path(), cluster, keys(), &Mounted { floor, ..held(one, revision) });
    assert_eq!((again.len(), path(one).exists(), path(another).exists()), (0, true, false));
    assert_eq!(again.lacked(), BTreeSet::from([one]));
}
