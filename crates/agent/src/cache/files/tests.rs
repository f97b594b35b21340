use super::*;

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

fn of(seq: u64) -> Revision {
    Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }
}

#[test]
fn an_entry_comes_back_as_it_was_and_nothing_on_disk_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Files::open(dir.path(), cluster(1), keys(), MAX).unwrap();
    cache.store(id(1), of(5), b"canary").unwrap();
    for (name, bytes) in files(dir.path()) {
        assert!(!bytes.windows(6).any(|window| window == b"canary"), "{name}");
    }
    let loaded = cache.load(id(1), Booked::Held(of(5))).unwrap();
    assert_eq!((loaded.binding, loaded.revision, loaded.plain.as_slice()), (id(1), of(5), &b"canary"[..]));
    assert_eq!(cache.bindings(|_| true), (vec![id(1)], vec![]));
    cache.purge().unwrap();
    assert_eq!(files(dir.path()), []);
}

#[test]
fn a_file_of_another_cluster_another_binding_another_revision_or_with_a_bit_changed_is_refused() {
    let (dir, text) = (tempfile::tempdir().unwrap(), CacheKeys::generate());
    let open = |number| Files::open(dir.path(), cluster(number), CacheKeys::parse(&text).unwrap(), MAX).unwrap();
    let (cache, held) = (open(1), Booked::Held(of(5)));
    cache.store(id(1), of(5), b"content").unwrap();
    assert!(matches!(open(2).load(id(1), held), Err(CacheError::Altered)));
    fs::copy(cache.path(id(1)), cache.path(id(2))).unwrap();
    assert!(matches!(cache.load(id(2), held), Err(CacheError::Altered)));
    for (booked, is_good) in [
        (Booked::Held(of(4)), true),
        (Booked::Held(of(6)), false),
        (Booked::NotSince(of(4)), true),
        (Booked::NotSince(of(5)), false),
        (Booked::Never, false),
        (Booked::Unknown, true),
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
    let cache = Files::open(dir.path(), cluster(1), keys(), MAX).unwrap();
    assert!(matches!(cache.confirmed(), Err(CacheError::Io { .. })));
    let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    cache.confirm(at).unwrap();
    assert_eq!(cache.confirmed().unwrap(), at);
    let foreign = Files::open(other.path(), cluster(1), keys(), MAX).unwrap();
    foreign.confirm(at + chrono::Duration::days(1)).unwrap();
    fs::copy(other.path().join(CONFIRMED), dir.path().join(CONFIRMED)).unwrap();
    assert!(matches!(cache.confirmed(), Err(CacheError::UnknownKey(_))));
    // An entry is no confirmation.
    cache.store(id(1), of(5), b"content").unwrap();
    fs::copy(cache.path(id(1)), dir.path().join(CONFIRMED)).unwrap();
    assert!(cache.confirmed().is_err());
}
