use super::*;
use crate::sink::csi::tests::entry;

/// Room for some entries.
const MAX: u64 = 1 << 20;

fn keys() -> CacheKeys {
    CacheKeys::parse(&CacheKeys::generate()).unwrap()
}

fn id(number: u128) -> BindingId {
    Uuid::from_u128(number).into()
}

fn cluster(number: u128) -> ClusterId {
    Uuid::from_u128(number).into()
}

/// All that is in the directory, by name.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let file = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(file).collect();
    files.sort();
    files
}

#[test]
fn an_entry_comes_back_as_it_was_and_nothing_on_disk_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), cluster(1), keys(), MAX).unwrap();
    let stored = entry("db", "checkout", &[("password", "PASSWORD")], &[("PASSWORD", "canary"), ("USER", "canary")]);
    cache.store(id(1), &stored).unwrap();
    for (name, bytes) in files(dir.path()) {
        for word in [&b"canary"[..], b"PASSWORD", b"checkout"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word), "{name}");
        }
    }
    let loaded = cache.load(id(1), Booked::Held(stored.stamp.revision)).unwrap();
    assert_eq!(
        (&loaded.name, &loaded.target, &loaded.sources, &loaded.stamp, &loaded.versions),
        (&stored.name, &stored.target, &stored.sources, &stored.stamp, &stored.versions)
    );
    assert!(loaded.content.iter().eq(stored.content.iter()));
    assert_eq!(cache.bindings(|_| true), (vec![id(1)], vec![]));
    cache.purge().unwrap();
    assert_eq!(files(dir.path()), []);
}

#[test]
fn a_file_of_another_cluster_another_binding_another_revision_or_with_a_bit_changed_is_refused() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let open = |number| Cache::open(dir.path(), cluster(number), CacheKeys::parse(&text).unwrap(), MAX).unwrap();
    let (cache, stored) = (open(1), entry("db", "checkout", &[], &[("password", "p")]));
    let revision = stored.stamp.revision;
    let held = Booked::Held(revision);
    cache.store(id(1), &stored).unwrap();
    assert!(matches!(open(2).load(id(1), held), Err(CacheError::Altered)));
    fs::copy(cache.path(id(1)), cache.path(id(2))).unwrap();
    assert!(matches!(cache.load(id(2), held), Err(CacheError::Altered)));
    let newer = Revision { seq: Seq::new(revision.seq.get() + 1), ..revision };
    let older = Revision { seq: Seq::new(revision.seq.get() - 1), ..revision };
    for (booked, is_good) in [
        (Booked::Held(older), true),
        (Booked::Held(newer), false),
        (Booked::NotSince(older), true),
        (Booked::NotSince(revision), false),
        (Booked::Never, false),
    ] {
        assert_eq!(cache.load(id(1), booked).is_ok(), is_good, "{booked:?}");
    }
    let mut bytes = fs::read(cache.path(id(1))).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(cache.path(id(1)), bytes).unwrap();
    assert!(matches!(cache.load(id(1), held), Err(CacheError::Altered)));
    assert!(matches!(cache.load(id(3), held), Err(CacheError::Io { .. })));
}

#[test]
fn when_a_server_was_last_there_cannot_be_made_up() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::open(dir.path(), cluster(1), keys(), MAX).unwrap();
    assert!(matches!(cache.confirmed(), Err(CacheError::Io { .. })));
    let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    cache.confirm(at).unwrap();
    assert_eq!(cache.confirmed().unwrap(), at);
    let foreign = Cache::open(other.path(), cluster(1), keys(), MAX).unwrap();
    foreign.confirm(at + chrono::Duration::days(1)).unwrap();
    fs::copy(other.path().join(CONFIRMED), dir.path().join(CONFIRMED)).unwrap();
    assert!(matches!(cache.confirmed(), Err(CacheError::UnknownKey(_))));
    // An entry is no confirmation.
    cache.store(id(1), &entry("db", "checkout", &[], &[])).unwrap();
    fs::copy(cache.path(id(1)), dir.path().join(CONFIRMED)).unwrap();
    assert!(cache.confirmed().is_err());
}
