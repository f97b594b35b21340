//! What is removed, from memory and from disk.

use super::*;

/// A replica that was told where its cache is, and did not open it.
fn in_dir(dir: &Path) -> Csi {
    csi_of(0, CacheArguments { dir: Some(dir.to_owned()), max_bytes: MAX, ..CacheArguments::default() })
}

#[test]
fn what_was_sealed_in_another_cluster_is_refused_and_nothing_older_of_it_stays() {
    let (leads, follows, text) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), CacheKeys::generate());
    let (cluster, binding): (ClusterId, BindingId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let sealed = |number| {
        let leader = csi();
        leader.open_cache(leads.path(), Uuid::from_u128(number).into(), keys(), &Bookings::default());
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
    csi.open_cache(dir.path(), Uuid::from_u128(1).into(), CacheKeys::parse(&text).unwrap(), &Bookings::default());
    hold(&csi, Uuid::from_u128(2).into());
    csi.set_linked(true);
    assert!(ask(&csi).is_ok() && std::fs::read_dir(dir.path()).unwrap().count() == 2);
    csi.purge();
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
        &Bookings::default(),
    );
    hold(&first, Uuid::from_u128(2).into());
    first.set_linked(true);
    std::fs::write(dir.path().join("left.sealed.tmp"), "by a crash").unwrap();
    std::fs::write(dir.path().join("another's"), "stays").unwrap();
    in_dir(dir.path()).purge();
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["another's"]);
    in_dir(&dir.path().join("never made")).purge();
}

#[test]
fn a_damaged_file_is_removed_at_open_unless_its_binding_is_held() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let cluster = Uuid::from_u128(1).into();
    let (one, another): (BindingId, BindingId) = (Uuid::from_u128(2).into(), Uuid::from_u128(3).into());
    let keys = || CacheKeys::parse(&text).unwrap();
    let path = |binding: BindingId| dir.path().join(format!("{}.sealed", binding.uuid()));
    let first = csi();
    first.open_cache(dir.path(), cluster, keys(), &Bookings::default());
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
    again.open_cache(dir.path(), cluster, keys(), &Bookings { floor, ..held(one, revision) });
    assert_eq!((again.len(), path(one).exists(), path(another).exists()), (0, true, false));
    assert_eq!(again.lacked(), BTreeSet::from([one]));
}
