use super::*;
use lockstep_core::digest::{ClusterKey, Digest, DigestKeyId};
use lockstep_core::id::BindingId;
use lockstep_core::material::Material;
use lockstep_core::revision::{Epoch, Revision, Seq};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

use crate::state::StateDir;
use crate::state::keyring::KeyRing;

struct Fixture {
    folder: tempfile::TempDir,
    sink: Directory,
    keys: KeyRing,
}

fn key(byte: u8) -> ClusterKey {
    ClusterKey::new(DigestKeyId::new(byte.to_string()), [byte; 32])
}

fn owner(binding: u128) -> Owner {
    Owner { registry: Uuid::from_u128(9).into(), binding: BindingId::from(Uuid::from_u128(binding)) }
}

fn name(text: &str) -> DirectoryName {
    text.parse().unwrap()
}

fn content(pairs: &[(&str, &str)]) -> Rendered {
    Rendered::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec())))).unwrap()
}

fn stamp(seq: u64, content: &Rendered) -> Stamp {
    Stamp { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }, digest: key(1).digest(content) }
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = KeyRing::load(&StateDir::ensure(&folder.path().join("state")).unwrap()).unwrap();
        keys.learn(&key(1)).unwrap();
        let sink = Directory::open(&folder.path().join("root")).unwrap();
        Self { folder, sink, keys }
    }

    fn apply(&self, binding: u128, seq: u64, content: &Rendered) -> Result<(), SinkError> {
        self.sink.apply(&name("out"), owner(binding), &stamp(seq, content), content, &self.keys.keys())
    }

    fn observe(&self) -> Observed {
        self.sink.observe(&name("out"), owner(1), &self.keys.keys()).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.sink.root.join(path)
    }

    /// The digest of the content that a reader finds, if it is this owner's and whole.
    fn found(&self) -> Option<Digest> {
        match self.observe() {
            Observed::Content(digests, _) => digests.under(&key(1).id).cloned(),
            _ => None,
        }
    }

    /// The one content directory.
    fn data(&self) -> PathBuf {
        self.path("out").join(fs::read_link(self.path("out/..data")).unwrap())
    }

    fn refused_as_conflict(&self, part: &str) {
        let error = self.apply(1, 9, &content(&[("K", "canary")])).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, SinkError::Conflict(_)) && text.contains(part) && !text.contains("canary"), "{text}");
    }
}

#[test]
fn content_is_private_and_read_back_as_written() {
    let fixture = Fixture::new();
    let wanted = content(&[("A", "1"), ("tls.crt", ""), (".dockerconfigjson", "{}")]);
    assert!(matches!(fixture.observe(), Observed::Absent));
    fixture.apply(1, 1, &wanted).unwrap();
    assert_eq!(fixture.found(), Some(key(1).digest(&wanted)));
    assert_eq!(fs::read_to_string(fixture.path("out/A")).unwrap(), "1");
    let mode = |path| fs::metadata(fixture.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        [mode(""), mode("out"), mode("out/..data"), mode("out/A"), mode("out/..lockstep")],
        [0o700, 0o700, 0o700, 0o600, 0o600]
    );
}

#[test]
fn a_new_content_replaces_keys_and_leaves_nothing_of_the_old() {
    let fixture = Fixture::new();
    fixture.apply(1, 1, &content(&[("A", "1"), ("B", "2")])).unwrap();
    for wanted in [content(&[("B", "3"), ("C", "4")]), content(&[]), content(&[("A", "5")])] {
        fixture.apply(1, 2, &wanted).unwrap();
        assert_eq!(fixture.found(), Some(key(1).digest(&wanted)));
        // The content directory, the link to it, the link to the mark, and one link for each key.
        assert_eq!(fs::read_dir(fixture.path("out")).unwrap().count(), 3 + wanted.len());
    }
}

#[test]
fn a_concurrent_reader_never_sees_a_mix_of_two_versions() {
    let fixture = Fixture::new();
    let version = |n: u64| content(&[("A", &n.to_string()), ("B", &n.to_string())]);
    fixture.apply(1, 0, &version(0)).unwrap();
    let done = AtomicBool::new(false);
    let target = fixture.path("out");
    std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let (mut pairs, mut newest) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                // What a careful reader does: settle on one content, and begin anew if it goes away in between.
                let Ok(data) = fs::read_link(target.join("..data")) else { panic!("the link is always there") };
                let read = |key| fs::read_to_string(target.join(&data).join(key));
                let (Ok(a), Ok(b)) = (read("A"), read("B")) else { continue };
                assert_eq!(a, b);
                let version: u64 = a.parse().unwrap();
                assert!(version >= newest, "it never goes back");
                (pairs, newest) = (pairs + 1, version);
            }
            pairs
        });
        for n in 1..=200 {
            fixture.apply(1, n, &version(n)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

/// What a crash, or a person, may leave.
type Damage = fn(&Fixture);

#[test]
fn whatever_a_crash_leaves_the_next_write_completes_and_cleans_up() {
    let damages: [(&str, Damage); 8] = [
        ("half a new content", |f| {
            fs::create_dir(f.path("out/..1.2-0")).unwrap();
            fs::write(f.path("out/..1.2-0/A"), "hal").unwrap();
        }),
        ("a link not yet renamed", |f| symlink("..1.2-0", f.path("out/..link")).unwrap()),
        ("an old content not yet removed", |f| fs::create_dir(f.path("out/..0.9-0")).unwrap()),
        ("a key without its link", |f| fs::remove_file(f.path("out/A")).unwrap()),
        ("a link to a key that is no more", |f| symlink("..data/Z", f.path("out/Z")).unwrap()),
        ("no link to the content", |f| fs::remove_file(f.path("out/..data")).unwrap()),
        ("a file in a link's place", |f| {
            fs::remove_file(f.path("out/A")).unwrap();
            fs::write(f.path("out/A"), "mine").unwrap();
        }),
        ("a changed file", |f| fs::write(f.path("out/A"), "mine").unwrap()),
    ];
    for (case, damage) in damages {
        let fixture = Fixture::new();
        let wanted = content(&[("A", "1"), ("B", "2")]);
        fixture.apply(1, 1, &wanted).unwrap();
        damage(&fixture);
        fixture.apply(1, 2, &wanted).unwrap();
        assert_eq!(fixture.found(), Some(key(1).digest(&wanted)), "{case}");
        assert_eq!(fs::read_dir(fixture.path("out")).unwrap().count(), 5, "{case}");
    }
}

#[test]
fn what_a_crash_left_aside_is_removed_at_the_next_start_or_write() {
    let fixture = Fixture::new();
    let aside = fixture.sink.aside(owner(1));
    for restart in [true, false] {
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join("A"), "hal").unwrap();
        if restart {
            Directory::open(&fixture.sink.root).unwrap();
        } else {
            fixture.apply(1, 1, &content(&[("A", "1")])).unwrap();
        }
        assert!(!aside.exists());
    }
    assert_eq!(fs::read_to_string(fixture.path("out/A")).unwrap(), "1");
}

#[test]
fn a_changed_target_is_seen() {
    let damages: [(&str, Damage); 7] = [
        ("a changed file", |f| fs::write(f.path("out/A"), "2").unwrap()),
        ("a removed link", |f| fs::remove_file(f.path("out/A")).unwrap()),
        ("a removed file", |f| fs::remove_file(f.data().join("A")).unwrap()),
        ("another file", |f| fs::write(f.data().join("B"), "2").unwrap()),
        ("a link out", |f| {
            fs::remove_file(f.data().join("A")).unwrap();
            symlink("/etc/hostname", f.data().join("A")).unwrap();
        }),
        ("a pipe", |f| {
            fs::remove_file(f.data().join("A")).unwrap();
            nix::unistd::mkfifo(&f.data().join("A"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("a file that everybody may read", |f| {
            fs::set_permissions(f.path("out/A"), fs::Permissions::from_mode(0o644)).unwrap();
        }),
    ];
    for (case, damage) in damages {
        let fixture = Fixture::new();
        let wanted = content(&[("A", "1")]);
        fixture.apply(1, 1, &wanted).unwrap();
        damage(&fixture);
        assert_ne!(fixture.found(), Some(key(1).digest(&wanted)), "{case}");
    }
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("out")).unwrap();
    fixture.refused_as_conflict("does not carry this binding's mark");
    fs::write(fixture.path("out/mine"), "mine").unwrap();
    fixture.refused_as_conflict("does not carry this binding's mark");
    fixture.sink.remove(&name("out"), owner(1), &fixture.keys.keys()).unwrap();
    assert_eq!(fs::read_to_string(fixture.path("out/mine")).unwrap(), "mine");
    fs::remove_dir_all(fixture.path("out")).unwrap();
    fs::write(fixture.path("out"), "a file").unwrap();
    fixture.refused_as_conflict("not a directory");
    fs::remove_file(fixture.path("out")).unwrap();
    fixture.apply(2, 1, &content(&[])).unwrap();
    fixture.refused_as_conflict(&format!("belongs to binding {}", owner(2).binding));
}

#[test]
fn a_link_never_leads_out_of_the_root() {
    let fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, fixture.path("out")).unwrap();
    fixture.refused_as_conflict("symbolic link");
    assert!(fixture.sink.remove(&name("out"), owner(1), &fixture.keys.keys()).is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_file(fixture.path("out")).unwrap();
    // Inside a target of ours, a content link that leads out is not followed either.
    fs::write(outside.join("A"), "outside").unwrap();
    fixture.apply(1, 1, &content(&[("A", "1")])).unwrap();
    fs::remove_file(fixture.path("out/..data")).unwrap();
    symlink(&outside, fixture.path("out/..data")).unwrap();
    assert!(matches!(fixture.observe(), Observed::Altered));
    fixture.apply(1, 2, &content(&[("A", "2")])).unwrap();
    fixture.sink.remove(&name("out"), owner(1), &fixture.keys.keys()).unwrap();
    assert_eq!(fs::read_to_string(outside.join("A")).unwrap(), "outside");
}

#[test]
fn a_forged_or_copied_mark_makes_nothing_ours() {
    let fixture = Fixture::new();
    let wanted = content(&[("A", "1")]);
    fixture.apply(1, 1, &wanted).unwrap();
    let mark = fixture.data().join("..lockstep");
    let good = fs::read_to_string(&mark).unwrap();
    let forged =
        [good.replace("\"seq\": 1", "\"seq\": 9"), good.replace("\"hmac\": \"", "\"hmac\": \"00"), String::new(), "{}".into()];
    for text in forged {
        assert_ne!(text, good);
        fs::write(&mark, &text).unwrap();
        assert!(matches!(fixture.observe(), Observed::Foreign), "{text}");
        fixture.refused_as_conflict("mark");
    }
    fs::write(&mark, &good).unwrap();
    assert_eq!(fixture.found(), Some(key(1).digest(&wanted)));
    fs::rename(fixture.path("out"), fixture.path("copy")).unwrap();
    let copied = fixture.sink.observe(&name("copy"), owner(1), &fixture.keys.keys()).unwrap();
    assert!(matches!(copied, Observed::Foreign), "a mark is for one target");
}

#[test]
fn a_mark_under_an_older_key_is_still_ours() {
    let mut fixture = Fixture::new();
    fixture.apply(1, 1, &content(&[("A", "1")])).unwrap();
    fixture.keys.learn(&key(2)).unwrap();
    fixture.apply(1, 2, &content(&[("A", "2")])).unwrap();
    assert!(fixture.found().is_some());
}

#[test]
fn removing_takes_what_is_ours_and_leaves_what_is_not() {
    let fixture = Fixture::new();
    let remove = || fixture.sink.remove(&name("out"), owner(1), &fixture.keys.keys()).unwrap();
    remove();
    fixture.apply(1, 1, &content(&[("A", "1")])).unwrap();
    remove();
    assert_eq!(fs::read_dir(&fixture.sink.root).unwrap().count(), 0);
    fixture.apply(1, 1, &content(&[("A", "1")])).unwrap();
    fs::write(fixture.path("out/mine"), "mine").unwrap();
    remove();
    let left: Vec<_> = fs::read_dir(fixture.path("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["mine"]);
}

#[test]
fn a_refusal_of_the_system_is_told_and_leaves_the_old_content() {
    // Nobody may make a directory in /sys, not even root.
    let sink = Directory { root: "/sys/kernel".into() };
    let fixture = Fixture::new();
    let wanted = content(&[("A", "canary")]);
    let error = sink.apply(&name("out"), owner(1), &stamp(1, &wanted), &wanted, &fixture.keys.keys()).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, SinkError::Io { .. }) && text.contains("cannot create /sys/kernel") && !text.contains("canary"),
        "{text}"
    );
    // A directory where a link must go.
    fixture.apply(1, 1, &content(&[("A", "1")])).unwrap();
    fs::create_dir(fixture.path("out/B")).unwrap();
    assert!(matches!(fixture.apply(1, 2, &content(&[("A", "2"), ("B", "3")])), Err(SinkError::Conflict(_))));
    assert_eq!(fixture.found(), Some(key(1).digest(&content(&[("A", "1")]))));
}

#[test]
fn a_mark_that_an_earlier_version_left_is_still_ours() {
    let fixture = Fixture::new();
    let content = content(&[("K", "v")]);
    fixture.apply(1, 5, &content).unwrap();
    let hmac = "9f302ca4e63749ffb4801e834aee0beb37993eb4f35bde8049d44163b7a9126e";
    let registry = owner(1).registry;
    let mark = format!(
        r#"{{"registry":"{registry}","binding":"{}","target":"out","revision":{{"epoch":1,"seq":5}},"digest":{{"key":"1","hmac":"{}"}},"hmac":"{hmac}"}}"#,
        owner(1).binding,
        "07".repeat(32),
    );
    fs::write(fixture.path("out/..lockstep"), mark).unwrap();
    let Observed::Content(_, stamp) = fixture.observe() else { panic!("it is ours") };
    assert_eq!(stamp.digest.hmac, [7; 32]);
}
