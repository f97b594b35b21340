use std::collections::BTreeSet;
use std::sync::Arc;

use super::{at, content, id, keys, owner, stamp};
use crate::sink::secret::field::Field;
use crate::sink::secret::location::Location;
use crate::sink::secret::mark::SecretMark;
use crate::sink::secret::memory::{Look, Memory, Seen};
use crate::sink::secret::watch::Scope;

fn seen() -> Seen {
    let (content, keys) = (content(&[("A", "a")]), keys(&[1]));
    let fields = BTreeSet::from([Field::Key("A".into())]);
    let mark = SecretMark::sign(owner(1), None, &at("db"), &stamp(5, &content), None, fields, &keys).unwrap();
    Seen { digests: keys.digests(&content), mark: Arc::new(mark) }
}

fn namespace() -> Scope {
    Scope::Namespace(at("db").namespace)
}

/// Binding 1 has content in `db`, written as version 5.
fn written() -> (Memory, Location) {
    let (memory, db) = (Memory::default(), at("db"));
    memory.locate(id(1), std::slice::from_ref(&db), false);
    memory.writes(&db);
    assert!(memory.wrote(&db, id(1), None, "5", seen()).is_empty());
    (memory, db)
}

#[test]
fn only_a_watch_vouches_for_what_was_seen() {
    let (memory, db) = written();
    let vouched = |memory: &Memory| memory.unchanged(&db, id(1)).is_some();
    assert!(!vouched(&memory));
    memory.set_synced(&namespace(), true);
    assert!(vouched(&memory));
    // Our own write, told late.
    assert!(memory.told(&db, "5", true).is_empty() && memory.told(&db, "4", false).is_empty());
    assert!(vouched(&memory));
    assert_eq!(memory.told(&db, "6", true), [id(1)]);
    assert!(!vouched(&memory));
    assert_eq!(memory.known(&db, id(1)).0.as_deref(), Some("5"), "what may be written over is what was looked at");
    memory.looked(&db, id(1), Look { version: Some("6".into()), seen: Some(seen()), ..Look::default() });
    assert!(vouched(&memory));
    memory.set_synced(&namespace(), false);
    assert!(!vouched(&memory));
}

#[test]
fn a_mark_that_outlives_its_secret_does_not_make_the_next_one_ours() {
    let (memory, db) = written();
    assert!(!memory.is_strange(&db, id(1)));
    memory.looked(&db, id(1), Look::default());
    assert!(!memory.is_strange(&db, id(1)), "where nothing is, nothing is taken");
    memory.looked(&db, id(1), Look { version: Some("9".into()), ..Look::default() });
    assert!(memory.is_strange(&db, id(1)) && memory.known(&db, id(1)).1.is_some());
    memory.looked(&db, id(1), Look { version: Some("9".into()), seen: Some(seen()), ..Look::default() });
    assert!(!memory.is_strange(&db, id(1)));
}

#[test]
fn what_is_told_during_a_write_is_told_when_it_was_not_our_own() {
    for (told, is_there, want) in [("6", true, 0), ("7", true, 1), ("7", false, 1)] {
        let (memory, db) = written();
        memory.writes(&db);
        assert!(memory.told(&db, told, is_there).is_empty());
        assert_eq!(memory.wrote(&db, id(1), Some("5"), "6", seen()).len(), want, "{told}");
    }
    let (memory, db) = written();
    memory.writes(&db);
    assert!(memory.told(&db, "6", true).is_empty());
    assert_eq!(memory.did_not_write(&db), [id(1)]);
    memory.writes(&db);
    assert!(memory.did_not_write(&db).is_empty());
}

#[test]
fn a_binding_s_write_leaves_what_was_seen_of_another_one() {
    let (memory, db) = written();
    memory.set_synced(&namespace(), true);
    memory.locate(id(2), std::slice::from_ref(&db), false);
    assert!(memory.is_contested(&db, id(2), &[Field::Key("A".into())].into()));
    assert!(!memory.is_contested(&db, id(2), &[Field::Key("B".into())].into()));
    assert!(!memory.is_contested(&db, id(1), &[Field::Key("A".into())].into()), "its own");
    memory.writes(&db);
    memory.wrote(&db, id(2), Some("5"), "6", seen());
    assert!(memory.unchanged(&db, id(1)).is_some() && memory.unchanged(&db, id(2)).is_some());
    // Over a version that the first has not seen.
    memory.told(&db, "7", true);
    memory.writes(&db);
    memory.wrote(&db, id(2), Some("7"), "8", seen());
    assert!(memory.unchanged(&db, id(1)).is_none() && memory.unchanged(&db, id(2)).is_some());
}

#[test]
fn what_nobody_has_content_in_is_forgotten() {
    let (memory, db) = written();
    assert_eq!((memory.count(), memory.is_delivered(&db, id(1))), (1, true));
    memory.looked(&db, id(1), Look::default());
    assert_eq!(memory.count(), 0);
    assert!(memory.known(&db, id(1)).1.is_some(), "a mark outlives its Secret");
    memory.looked(&db, id(1), Look { version: Some("9".into()), seen: Some(seen()), ..Look::default() });
    assert_eq!((memory.count(), memory.below(&namespace())), (1, vec![db.clone()]));
    assert_eq!(memory.not_listed(&db), [id(1)]);
    memory.locate(id(1), &[at("other")], false);
    assert_eq!((memory.count(), memory.known(&db, id(1)).1.is_none()), (0, true));
    assert!(!memory.is_delivered(&db, id(1)) && memory.is_delivered(&at("other"), id(1)));
    memory.forget(id(1));
    assert!(!memory.is_delivered(&at("other"), id(1)));
    assert!(memory.told(&db, "10", true).is_empty());
}

#[test]
fn a_comparison_holds_until_its_own_watch_tells_of_another_version() {
    let (memory, db) = (Memory::default(), at("db"));
    memory.locate(id(1), std::slice::from_ref(&db), true);
    let recorded = "5".to_owned();
    let compared = |memory: &Memory, recorded| memory.compared(&db, id(1), recorded);
    assert_eq!(compared(&memory, None), None, "a namespace that came since");
    assert_eq!(compared(&memory, Some(&recorded)), Some("5".into()), "by another run");
    memory.set_synced(&namespace(), true);
    assert_eq!(memory.watched(&db), None, "that watch sees only what carries our label");
    memory.told(&db, "5", true);
    memory.set_synced(&Scope::Object(db.clone()), true);
    assert!(memory.watched(&db) == Some("5".into()) && memory.below(&namespace()).is_empty());
    memory.told(&db, "6", true);
    assert_eq!(memory.watched(&db), Some("6".into()));
    memory.looked(&db, id(1), Look { version: Some("6".into()), compared: true, ..Look::default() });
    assert_eq!(compared(&memory, Some(&recorded)), Some("6".into()));
    memory.told(&db, "7", false);
    assert_eq!(memory.watched(&db), Some(String::new()));
    memory.looked(&db, id(1), Look { compared: true, ..Look::default() });
    assert_eq!(compared(&memory, Some(&recorded)), Some(String::new()), "there was none");
    assert!(!memory.is_delivered(&db, id(1)), "it only observes");
}
