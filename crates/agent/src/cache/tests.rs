use chrono::TimeDelta;
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_core::revision::{Epoch, Seq};
use uuid::Uuid;

use super::*;

/// A clock that stands at a second.
struct Stopped(i64);

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + self.0, 0).unwrap()
    }
    fn uptime(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

fn at(seq: u64) -> Revision {
    Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }
}

fn id(number: u128) -> BindingId {
    Uuid::from_u128(number).into()
}

fn kept() -> KeptSecret {
    let content = Rendered::of([("password".to_owned(), Material::new(b"canary".to_vec()))]).unwrap();
    KeptSecret {
        registered: DateTime::from_timestamp_micros(1_700_000_000_000_001),
        digest: Digest { key: DigestKeyId::new("k".into()), hmac: [7; 32] },
        content: Arc::new(content),
    }
}

/// Keeps what is in Secrets for a minute, at a second.
fn keeping(second: i64, secrets: bool) -> Cache {
    let arguments = CacheArguments { secrets, max_age_seconds: 60, ..CacheArguments::default() };
    Cache::new(Arc::new(Stopped(second)), &arguments, IntCounter::new("failures", "of the test").unwrap())
}

struct Folder {
    dir: tempfile::TempDir,
    keys: zeroize::Zeroizing<String>,
}

impl Folder {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), keys: CacheKeys::generate() }
    }

    /// As an agent does that begins to work, with a ledger that says this.
    fn open(&self, cache: &Cache, bookings: &Bookings) {
        let files = cache.open(self.dir.path(), Uuid::from_u128(1).into(), CacheKeys::parse(&self.keys).unwrap()).unwrap();
        assert!(cache.load(&files, bookings, |_| None::<()>).is_empty());
        if let Ok(at) = files.confirmed() {
            cache.confirmed_at(at);
        }
        cache.use_files(files);
    }

    fn entries(&self) -> usize {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        files.filter(|file| file.as_ref().unwrap().file_name() != "confirmed.sealed").count()
    }
}

fn in_secrets(binding: BindingId, revision: Revision) -> Bookings {
    Bookings { secrets: BTreeMap::from([(binding, revision)]), ..Bookings::default() }
}

#[test]
fn the_content_of_a_secret_comes_back_at_its_own_revision_only_and_not_when_it_is_too_old() {
    let folder = Folder::new();
    let cache = keeping(0, true);
    folder.open(&cache, &Bookings::default());
    cache.keep_secret(id(2), at(5), &kept());
    assert!(matches!(cache.secret(id(2), at(5)), Err(NotKept::TooOld(None))), "no server ever said that it is the newest");
    cache.set_linked(true);
    cache.set_linked(false);

    let again = keeping(60, true);
    folder.open(&again, &in_secrets(id(2), at(5)));
    let back = again.secret(id(2), at(5)).unwrap();
    assert_eq!((back.registered, &back.digest), (kept().registered, &kept().digest));
    assert!(back.content.iter().eq(kept().content.iter()));
    for (binding, revision) in [(id(2), at(4)), (id(2), at(6)), (id(3), at(5))] {
        assert!(matches!(again.secret(binding, revision), Err(NotKept::Other { .. } | NotKept::Absent)), "{binding} {revision}");
    }
    let later = keeping(61, true);
    folder.open(&later, &in_secrets(id(2), at(5)));
    assert!(
        matches!(later.secret(id(2), at(5)), Err(NotKept::TooOld(Some(at))) if Stopped(61).now() - at == TimeDelta::seconds(61))
    );
    again.purge();
    assert!(matches!(again.secret(id(2), at(5)), Err(NotKept::TooOld(None))));
    assert_eq!(folder.entries(), 0);
}

#[test]
fn what_an_earlier_setting_an_earlier_target_or_an_earlier_revision_left_is_not_used_and_removed_where_it_is_not_held() {
    let gone = || Bookings { gone: BTreeMap::from([(id(2), at(5))]), ..Bookings::default() };
    // The ledger is written behind: it may say an older revision, or nothing at all.
    let behind = || Bookings { floor: Some(at(4)), ..Bookings::default() };
    let mounted = || Bookings { mounted: BTreeMap::from([(id(2), at(5))]), ..Bookings::default() };
    for (secrets, bookings, entries, is_given) in [
        (true, in_secrets(id(2), at(5)), 1, true),
        (true, in_secrets(id(2), at(6)), 1, false),
        (true, gone(), 0, false),
        (true, behind(), 0, false),
        (true, mounted(), 0, false),
        (false, gone(), 0, false),
        (false, behind(), 0, false),
        (false, mounted(), 0, false),
    ] {
        let folder = Folder::new();
        let before = keeping(0, true);
        folder.open(&before, &Bookings::default());
        before.keep_secret(id(2), at(5), &kept());
        let cache = keeping(0, secrets);
        folder.open(&cache, &bookings);
        cache.set_linked(true);
        assert_eq!((folder.entries(), cache.secret(id(2), at(5)).is_ok()), (entries, is_given), "{secrets} {bookings:?}");
    }
}

#[test]
fn what_is_forgotten_or_does_not_fit_is_not_given() {
    let folder = Folder::new();
    let cache = keeping(0, true);
    folder.open(&cache, &Bookings::default());
    cache.set_linked(true);
    cache.keep_secret(id(2), at(5), &kept());
    cache.forget_secret(id(2));
    assert!(matches!(cache.secret(id(2), at(5)), Err(NotKept::Absent)));
    // What pods mount is not a Secret's.
    cache.in_files(|files| files.store(id(3), at(5), b"mounted"));
    cache.forget_secret(id(3));
    assert_eq!(folder.entries(), 1);
    assert!(matches!(cache.secret(id(3), at(5)), Err(NotKept::Absent)));
}
