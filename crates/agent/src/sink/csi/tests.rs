mod removing;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::binding::CsiSource;
use lockstep_core::digest::{ClusterKey, Digest, DigestKeyId};
use lockstep_core::id::ClusterId;
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_core::revision::{Epoch, Revision, Seq};
use prometheus::Registry;
use uuid::Uuid;

use super::wanted::Source;
use super::*;
use crate::cache::{CacheError, CacheKeys, Cached, KeptSecret};
use crate::clock::Clock;
use crate::command::CacheArguments;
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
const MAX: u64 = 1 << 19;
const DAY_SECONDS: u32 = 86_400;

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
    csi_with(second, MAX)
}

fn csi_with(second: i64, cache_max_bytes: u64) -> Csi {
    csi_of(second, CacheArguments { max_bytes: cache_max_bytes, ..CacheArguments::default() })
}

fn csi_of(second: i64, arguments: CacheArguments) -> Csi {
    let clock = Arc::new(Stopped(second));
    let metrics = Metrics::register(&Registry::new(), clock.clone()).unwrap();
    let arguments = CacheArguments { max_age_seconds: DAY_SECONDS, ..arguments };
    let cache = Cache::new(clock, &arguments, metrics.volumes.cache_failures.clone());
    Csi::new(Arc::new(cache), metrics.volumes)
}

impl Csi {
    /// As a replica does that begins to work.
    fn open_cache(&self, dir: &Path, cluster: ClusterId, keys: CacheKeys, bookings: &Bookings) {
        let files = self.cache.open(dir, cluster, keys).unwrap();
        self.open(&files, bookings);
        if let Ok(at) = files.confirmed() {
            self.cache.confirmed_at(at);
        }
        self.cache.use_files(files);
    }
}

fn csi() -> Csi {
    csi_at(0)
}

fn held(binding: BindingId, revision: Revision) -> Bookings {
    Bookings { mounted: BTreeMap::from([(binding, revision)]), ..Bookings::default() }
}

fn ask(csi: &Csi) -> Result<Found, NotGiven> {
    csi.look_up(CHECKOUT, &Wanted { source: Source::Binding("db".to_owned()), key: None })
}

fn hold(csi: &Csi, binding: BindingId) -> Revision {
    let entry = entry("db", "checkout", &[], &[("password", "p")]);
    let revision = entry.stamp.revision;
    csi.store(binding, &entry);
    csi.write(|entries| drop(entries.insert(binding, entry)));
    revision
}

#[test]
fn a_restarted_agent_without_a_server_gives_what_was_held_as_stale_until_it_is_too_old() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let first = csi();
    first.open_cache(dir.path(), cluster, keys(), &Bookings::default());
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
    first.open_cache(dir.path(), cluster, keys(), &Bookings::default());
    let revision = hold(&first, binding);
    let other = csi();
    other.open_cache(dir.path(), Uuid::from_u128(9).into(), keys(), &held(binding, revision));
    assert_eq!((other.len(), files()), (0, 1));
    csi().open_cache(dir.path(), cluster, keys(), &Bookings::default());
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
    leader.open_cache(leads.path(), cluster, keys(), &Bookings::default());
    let revision = hold(&leader, binding);
    let sealed = leader.sealed(binding, revision).unwrap();

    let standby = csi();
    assert_eq!(standby.follow(follows.path(), cluster, keys()).unwrap(), BTreeMap::new());
    standby.take(binding, &sealed).unwrap();
    assert!(matches!(ask(&standby), Err(NotGiven::NotAtHand(_))));
    standby.set_level(Level { is_linked: false, confirmed: Some(Stopped(0).now()) });
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

/// Half of what content may be, so that few of them fill a cache.
fn large() -> Entry {
    entry("db", "checkout", &[], &[("password", &"p".repeat(1 << 19))])
}

#[test]
fn what_does_not_fit_into_the_cache_is_given_from_memory_and_its_older_file_is_gone() {
    let (leads, follows, text) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding, other): (_, BindingId, BindingId) =
        (Uuid::from_u128(1).into(), Uuid::from_u128(2).into(), Uuid::from_u128(3).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let files = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
    // All that a pod may mount fits nowhere here, but what was there before did.
    let (leader, standby, roomy) = (csi_with(0, MAX), csi_with(0, MAX), csi_with(0, 8 * MAX));
    leader.open_cache(leads.path(), cluster, keys(), &Bookings::default());
    standby.follow(follows.path(), cluster, keys()).unwrap();
    hold(&leader, binding);
    let revision = hold(&leader, other);
    let sealed = leader.sealed(binding, revision).unwrap();
    standby.take(binding, &sealed).unwrap();
    assert_eq!((files(leads.path()), files(follows.path())), (2, 1));
    for is_linked in [&leader, &standby] {
        is_linked.set_linked(true);
    }

    leader.store(binding, &large());
    let elsewhere = tempfile::tempdir().unwrap();
    roomy.open_cache(elsewhere.path(), cluster, keys(), &Bookings::default());
    roomy.store(binding, &large());
    standby.take(binding, &roomy.sealed(binding, revision).unwrap()).unwrap();
    // The other binding's, and when a server was last there.
    assert_eq!((files(leads.path()), files(follows.path())), (2, 1));
    for full in [&leader, &standby] {
        assert_eq!(full.sealed(binding, revision), None);
        assert!(!ask(full).unwrap().is_stale);
        assert_eq!(full.metrics.cache_failures.get(), 1);
    }
    // Once it is small again it is cached again.
    hold(&leader, binding);
    assert!(leader.sealed(binding, revision).is_some());
}

#[test]
fn a_cache_that_has_too_much_when_it_is_opened_is_used_as_far_as_it_may_and_keeps_what_is_held_first() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let cluster = Uuid::from_u128(1).into();
    let keys = || CacheKeys::parse(&text).unwrap();
    let roomy = csi_with(0, 8 * MAX);
    roomy.open_cache(dir.path(), cluster, keys(), &Bookings::default());
    let bindings = [2, 3, 4].map(|number| BindingId::from(Uuid::from_u128(number)));
    for binding in bindings {
        roomy.store(binding, &large());
    }
    std::fs::write(dir.path().join(format!("{}.sealed.tmp", Uuid::from_u128(5))), "left by a crash").unwrap();
    let files = || std::fs::read_dir(dir.path()).unwrap().count();
    let revision = large().stamp.revision;
    let booked = |held: &[BindingId]| Bookings {
        mounted: held.iter().map(|binding| (*binding, revision)).collect(),
        floor: Some(revision),
        ..Bookings::default()
    };
    let open = |held: &[BindingId]| {
        let two = csi_with(0, 5 * MAX / 2);
        two.open_cache(dir.path(), cluster, keys(), &booked(held));
        two
    };
    // What is beyond is left: with a higher limit it can be used again.
    let two = open(&bindings);
    assert_eq!((two.revisions().into_keys().collect::<Vec<_>>(), files()), (bindings[..2].to_vec(), 3));
    assert_eq!((two.lacked(), two.metrics.cache_failures.get()), (BTreeSet::from([bindings[2]]), 1));
    // Unless it is not held any more.
    let two = open(&bindings[1..]);
    assert_eq!((two.revisions().into_keys().collect::<Vec<_>>(), files()), (bindings[1..].to_vec(), 2));
    assert_eq!((two.lacked(), two.metrics.cache_failures.get()), (BTreeSet::new(), 0));
    two.store(bindings[0], &large());
    assert_eq!((files(), two.metrics.cache_failures.get()), (2, 1), "there is no room for it");
    let follows = csi_with(0, 3 * MAX / 2);
    assert_eq!(follows.follow(dir.path(), cluster, keys()).unwrap().len(), 1);
}

#[test]
fn what_an_older_key_sealed_is_sealed_anew_when_it_is_opened_or_taken_so_that_the_older_one_can_be_dropped() {
    let (leads, follows) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (older, newer) = (CacheKeys::generate(), CacheKeys::generate());
    let (cluster, binding): (_, BindingId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = |text: &str| CacheKeys::parse(text).unwrap();
    let both = format!("{}{}", *newer, *older);
    let before = csi();
    before.open_cache(leads.path(), cluster, keys(&older), &Bookings::default());
    let revision = hold(&before, binding);
    let sealed = before.sealed(binding, revision).unwrap();
    let booked = held(binding, revision);
    // Each with a file of when a server was last there, of the older key too.
    before.set_linked(true);
    let of_older = csi();
    of_older.follow(follows.path(), cluster, keys(&older)).unwrap();
    of_older.take(binding, &sealed).unwrap();
    of_older.set_linked(true);

    let second = csi_at(3600);
    second.open_cache(leads.path(), cluster, keys(&both), &booked);
    csi_at(3600).follow(follows.path(), cluster, keys(&both)).unwrap();
    for dir in [leads.path(), follows.path()] {
        assert_eq!(Cached::look(dir).unwrap().confirmed, Some(Stopped(0).now()), "no server was there since");
        let third = csi_at(3600);
        third.open_cache(dir, cluster, keys(&newer), &booked);
        assert!(ask(&third).unwrap().is_stale);
        assert_eq!(third.metrics.cache_failures.get(), 0);
    }
    // What another replica still sealed with the older one.
    let elsewhere = tempfile::tempdir().unwrap();
    let standby = csi();
    standby.follow(elsewhere.path(), cluster, keys(&both)).unwrap();
    standby.take(binding, &sealed).unwrap();
    assert_eq!(csi().follow(elsewhere.path(), cluster, keys(&newer)).unwrap(), BTreeMap::from([(binding, revision)]));
    assert_eq!(csi().follow(elsewhere.path(), cluster, keys(&older)).unwrap(), BTreeMap::new());
}

#[test]
fn the_content_of_a_secret_reaches_the_replica_that_stands_by_and_no_pod() {
    let (leads, follows, text) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding): (_, BindingId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let files =
        |dir: &Path| std::fs::read_dir(dir).unwrap().filter(|f| f.as_ref().unwrap().file_name() != "confirmed.sealed").count();
    let keeping = || csi_of(0, CacheArguments { secrets: true, max_bytes: MAX, ..CacheArguments::default() });
    let leader = keeping();
    leader.open_cache(leads.path(), cluster, keys(), &Bookings::default());
    let entry = entry("db", "checkout", &[], &[("password", "p")]);
    let (revision, digest) = (entry.stamp.revision, entry.stamp.digest);
    leader.cache.keep_secret(binding, revision, &KeptSecret { registered: None, digest, content: entry.content });
    assert_eq!(leader.revisions(), BTreeMap::from([(binding, revision)]));
    let sealed = leader.sealed(binding, revision).unwrap();

    let standby = keeping();
    standby.follow(follows.path(), cluster, keys()).unwrap();
    standby.take(binding, &sealed).unwrap();
    let again = keeping();
    assert_eq!(again.follow(follows.path(), cluster, keys()).unwrap(), BTreeMap::from([(binding, revision)]));
    for csi in [&leader, &standby, &again] {
        csi.set_linked(true);
        assert!(matches!(ask(csi), Err(NotGiven::Denied(_))) && csi.len() == 0);
        assert!(csi.cache.secret(binding, revision).is_ok());
    }
    // A delivery to its Secret says that no pod mounts it.
    leader.remove(binding);
    assert_eq!(files(leads.path()), 1);
    standby.let_go(binding);
    assert_eq!((files(follows.path()), standby.revisions()), (0, BTreeMap::new()));

    // What was lost with the disk of the one that works is not taken for gone by the other one, until there is a newer one or none.
    let (empty, lost) = (tempfile::tempdir().unwrap(), keeping());
    lost.open_cache(
        empty.path(),
        cluster,
        keys(),
        &Bookings { secrets: BTreeMap::from([(binding, revision)]), ..Bookings::default() },
    );
    assert_eq!(lost.lacked(), BTreeSet::from([binding]));
    lost.remove(binding);
    assert_eq!(lost.lacked(), BTreeSet::new());

    // Where it is not asked for, it is not taken, and what was there before is removed, whatever the ledger says.
    let without = csi();
    without.follow(leads.path(), cluster, keys()).unwrap();
    without.take(binding, &sealed).unwrap();
    assert_eq!((files(leads.path()), without.revisions()), (0, BTreeMap::new()));
}
