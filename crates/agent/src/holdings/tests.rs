use super::*;
use lockstep_core::binding::{Restart, Target};
use lockstep_core::digest::DigestKeyId;
use lockstep_core::history::{ChangeHash, Mark};
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::revision::{Epoch, Seq};
use std::fs;
use std::path::PathBuf;
use uuid::Uuid;

use crate::delivery::{Answer, Applied, Delete, Put};
use crate::sink::directory::Directory;
use crate::state::StateDir;
use crate::state::ledger::Held;

struct Fixture {
    folder: tempfile::TempDir,
    holdings: Holdings,
}

fn key() -> ClusterKey {
    ClusterKey::new(DigestKeyId::new("k1".into()), [1; 32])
}

fn binding() -> BindingId {
    Uuid::from_u128(1).into()
}

fn revision(epoch: u64, seq: u64) -> Revision {
    Revision { epoch: Epoch::new(epoch), seq: Seq::new(seq) }
}

fn head(seq: u64) -> Mark {
    Mark { epoch: Epoch::new(1), seq: Seq::new(seq), hash: ChangeHash::new([2; 32]) }
}

fn put(seq: u64, target: &str, value: &str) -> Put {
    let content = Rendered::of([("K".to_owned(), Material::new(value.as_bytes().to_vec()))]).unwrap();
    Put {
        registered: None,
        binding: binding(),
        name: "b".into(),
        revision: revision(1, seq),
        head: head(seq),
        target: Target::Directory { name: target.parse().unwrap() },
        sources: Vec::new(),
        allowed: AllowedNamespaces::default(),
        observe: false,
        restart: Restart::None,
        purge_former: true,
        digest: key().digest(&content),
        content: Arc::new(content),
        trace: None,
    }
}

fn delete(seq: u64, purge: bool) -> Delete {
    Delete { binding: binding(), revision: revision(1, seq), head: head(seq), purge }
}

fn load(folder: &tempfile::TempDir) -> Holdings {
    let state = StateDir::ensure(&folder.path().join("state")).unwrap();
    let directory = Some(Arc::new(Directory::open(&folder.path().join("root")).unwrap()));
    let sinks = Sinks { directory, secrets: None, csi: None, touched: Arc::default() };
    Holdings::new(Ledger::load(&state).unwrap(), KeyRing::load(&state).unwrap(), sinks, None)
}

fn kind(answer: &Answer) -> Option<RefusalKind> {
    answer.result.as_ref().err().map(|refusal| refusal.kind)
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let holdings = load(&folder);
        holdings.welcome(Uuid::from_u128(9).into(), key()).await.unwrap();
        Self { folder, holdings }
    }

    async fn put(&self, put: Put) -> Answer {
        self.holdings.put(&Arc::new(put)).await
    }

    fn held(&self) -> Held {
        let books = self.holdings.books.lock().unwrap();
        let Some(Holding::Held(held)) = books.ledger.get(binding()) else { panic!("held") };
        held.clone()
    }

    /// Back to what the ledger said at another moment.
    fn record(&self, held: Held) {
        self.holdings.books.lock().unwrap().ledger.record(binding(), Holding::Held(held), None).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    fn value(&self, target: &str) -> Option<String> {
        fs::read_to_string(self.path(target).join("K")).ok()
    }

    fn restart(&mut self) {
        self.holdings = load(&self.folder);
    }
}

#[tokio::test]
async fn no_revision_goes_back() {
    let mut fixture = Fixture::new().await;
    for (seq, value, want) in [(5, "a", None), (5, "a", None), (4, "b", Some(RefusalKind::Older)), (6, "c", None)] {
        assert_eq!(kind(&fixture.put(put(seq, "out", value)).await), want, "{seq}");
    }
    let next_epoch = Put { revision: revision(2, 1), ..put(1, "out", "d") };
    assert_eq!(kind(&fixture.put(next_epoch).await), None);
    assert_eq!(kind(&fixture.put(put(99, "out", "e")).await), Some(RefusalKind::Older));
    assert_eq!(kind(&fixture.holdings.delete(delete(99, true)).await), Some(RefusalKind::Older));
    assert_eq!(fixture.value("out").as_deref(), Some("d"));
    fixture.restart();
    assert_eq!(kind(&fixture.put(put(100, "out", "f")).await), Some(RefusalKind::Older));
}

#[tokio::test]
async fn content_that_does_not_match_its_digest_is_not_written() {
    let fixture = Fixture::new().await;
    let torn = Put { digest: put(1, "out", "other").digest, ..put(1, "out", "canary") };
    let unknown = ClusterKey::new(DigestKeyId::new("k2".into()), [1; 32]);
    let strange = put(1, "out", "canary");
    let strange = Put { digest: unknown.digest(&strange.content), ..strange };
    for (put, part) in [(torn, "does not match"), (strange, "k2")] {
        let refusal = fixture.put(put).await.result.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Failed);
        assert!(refusal.cause.contains(part) && !refusal.cause.contains("canary"), "{}", refusal.cause);
    }
    assert!(!fixture.path("out").exists());
}

#[tokio::test]
async fn a_renamed_target_is_written_first_and_the_former_removed_then() {
    let fixture = Fixture::new().await;
    fixture.put(put(1, "one", "a")).await;
    fixture.put(put(2, "two", "b")).await;
    assert_eq!((fixture.value("one"), fixture.value("two").as_deref()), (None, Some("b")));
    fixture.put(put(3, "one", "c")).await;
    assert_eq!((fixture.value("one").as_deref(), fixture.value("two")), (Some("c"), None));
}

#[tokio::test]
async fn what_was_delivered_under_a_former_name_is_kept_unless_the_binding_says_otherwise() {
    let mut fixture = Fixture::new().await;
    fixture.put(put(1, "one", "a")).await;
    fixture.put(Put { purge_former: false, ..put(2, "two", "b") }).await;
    fixture.restart();
    fixture.holdings.inventory().await;
    assert_eq!((fixture.value("one").as_deref(), fixture.value("two").as_deref()), (Some("a"), Some("b")));
    assert_eq!(fixture.held().former, []);
    // What was kept is nobody's business any more, whatever the policy is later.
    fixture.put(put(3, "three", "c")).await;
    fixture.holdings.delete(delete(4, true)).await;
    assert_eq!(["one", "two", "three"].map(|name| fixture.value(name)), [Some("a".to_owned()), None, None]);
}

#[tokio::test]
async fn a_former_target_that_a_crash_left_is_removed_at_the_next_look() {
    let mut fixture = Fixture::new().await;
    fixture.put(put(1, "one", "a")).await;
    let one = fixture.held();
    fixture.put(put(2, "two", "b")).await;
    let two = fixture.held();
    // Back to the moment between recording the new target and removing the old one.
    fixture.record(one.clone());
    fs::rename(fixture.path("two"), fixture.path("aside")).unwrap();
    fixture.put(put(1, "one", "a")).await;
    fs::rename(fixture.path("aside"), fixture.path("two")).unwrap();
    let between = Held { former: vec![one.target], ..two };
    // As an agent wrote it that did not know of policies, and as one that does.
    for (purge_former, want) in [(false, Some("a")), (true, None)] {
        fixture.record(Held { purge_former, ..between.clone() });
        fixture.restart();
        fixture.holdings.inventory().await;
        assert_eq!((fixture.value("one").as_deref(), fixture.value("two").as_deref()), (want, Some("b")));
        assert_eq!(fixture.held().former, []);
    }
}

#[tokio::test]
async fn what_was_applied_but_not_recorded_before_a_crash_is_taken_up() {
    let mut fixture = Fixture::new().await;
    fixture.put(put(1, "out", "a")).await;
    let before = fixture.held();
    fixture.put(put(2, "out", "b")).await;
    fixture.record(before);
    fixture.restart();
    let inventory = fixture.holdings.inventory().await;
    assert_eq!(inventory.held[0].1.revision, revision(1, 2));
    assert_eq!(kind(&fixture.put(put(1, "out", "a")).await), Some(RefusalKind::Older));
}

#[tokio::test]
async fn a_given_up_binding_is_purged_or_kept_and_answered_again() {
    for (purge, want) in [(true, None), (false, Some("a"))] {
        let mut fixture = Fixture::new().await;
        fixture.put(put(1, "out", "a")).await;
        for _ in 0..2 {
            assert_eq!(fixture.holdings.delete(delete(2, purge)).await.result, Ok(Applied::Delete));
            fixture.restart();
        }
        assert_eq!(fixture.value("out").as_deref(), want);
        let inventory = fixture.holdings.inventory().await;
        assert_eq!((inventory.held[0].1.digest.clone(), inventory.floor), (None, Some(head(2))));
        // It may come back later, over what was kept.
        assert_eq!(kind(&fixture.put(put(3, "out", "b")).await), None);
    }
}

#[tokio::test]
async fn a_purge_never_takes_what_is_somebody_elses() {
    let fixture = Fixture::new().await;
    fixture.put(put(1, "out", "a")).await;
    fs::remove_dir_all(fixture.path("out")).unwrap();
    fs::create_dir(fixture.path("out")).unwrap();
    fs::write(fixture.path("out/K"), "mine").unwrap();
    assert_eq!(fixture.holdings.check(binding()).await, Checked::Taken);
    // What could be ours, but for a mark that says so, is left to a person.
    fs::create_dir(fixture.path("out/..1.1-0")).unwrap();
    assert_eq!(kind(&fixture.holdings.delete(delete(2, true)).await), Some(RefusalKind::Conflict));
    // Where nothing tells of us nothing is left to be done.
    fs::remove_dir(fixture.path("out/..1.1-0")).unwrap();
    assert_eq!(kind(&fixture.holdings.delete(delete(2, true)).await), None);
    assert_eq!(fixture.value("out").as_deref(), Some("mine"));
}

#[tokio::test]
async fn a_look_tells_drift_from_what_is_as_it_should_be() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.holdings.check(binding()).await, Checked::Same, "not held");
    fixture.put(put(1, "out", "a")).await;
    assert_eq!(fixture.holdings.check(binding()).await, Checked::Same);
    fs::write(fixture.path("out/K"), "b").unwrap();
    assert_eq!(fixture.holdings.check(binding()).await, Checked::Drifted { by: None });
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(fixture.holdings.check(binding()).await, Checked::Drifted { by: None });
    let inventory = fixture.holdings.inventory().await;
    let digest = inventory.held[0].1.digest.clone().unwrap();
    let empty = key().digest(&Rendered::default());
    assert!(digest != put(1, "out", "a").digest && digest != empty, "missing is neither what is wanted nor an empty content");
}

#[tokio::test]
async fn a_greeting_of_another_registry_is_refused() {
    let fixture = Fixture::new().await;
    let other = fixture.holdings.welcome(Uuid::from_u128(8).into(), ClusterKey::new(DigestKeyId::new("x".into()), [3; 32])).await;
    assert!(matches!(other, Err(WelcomeError::Registry { .. })));
    assert_eq!(fixture.holdings.keys().await.current().unwrap().id, key().id, "its key is not taken");
    fixture.holdings.welcome(Uuid::from_u128(9).into(), key()).await.unwrap();
}
