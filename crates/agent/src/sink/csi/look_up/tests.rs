use std::collections::BTreeMap;

use super::*;
use crate::sink::csi::tests::{entry, texts};

const CHECKOUT: Asker<'static> = Asker { namespace: "shop", service_account: "checkout" };

fn wanted(text: &str) -> Wanted {
    let (source, key) = text.split_once('#').map_or((text, None), |(source, key)| (source, Some(key.to_owned())));
    let source = match source.strip_prefix("binding:") {
        Some(name) => Source::Binding(name.to_owned()),
        None => Source::Path(source.to_owned()),
    };
    Wanted { source, key }
}

/// What is given, as text.
fn given(entries: &[Entry], asker: Asker<'_>, text: &str) -> Result<BTreeMap<String, String>, NotGiven> {
    let found = look_up(entries.iter(), asker, &wanted(text))?;
    Ok(found.entries().map(|(key, value)| (key.to_owned(), String::from_utf8(value.expose().to_vec()).unwrap())).collect())
}

#[test]
fn a_pod_is_given_what_it_names_by_the_names_it_used() {
    let entries = [
        entry("db", "checkout", &[("password", "PASSWORD"), ("user", "USER")], &[("PASSWORD", "p"), ("USER", "u"), ("URL", "x")]),
        entry("db-of-others", "billing", &[], &[("password", "other")]),
    ];
    for (text, want) in [
        ("binding:db#PASSWORD", &[("PASSWORD", "p")][..]),
        ("binding:db", &[("PASSWORD", "p"), ("URL", "x"), ("USER", "u")]),
        ("kv/data/db#password", &[("password", "p")]),
        ("/kv/db#user", &[("user", "u")]),
        ("kv/data/db", &[("password", "p"), ("user", "u")]),
    ] {
        assert_eq!(given(&entries, CHECKOUT, text).unwrap(), texts(want), "{text}");
    }
}

#[test]
fn what_is_not_for_the_pod_is_refused_just_as_what_is_not_there() {
    let entries = [entry("db", "checkout", &[], &[("password", "canary")])];
    let elsewhere = Asker { namespace: "other", ..CHECKOUT };
    let other = Asker { service_account: "default", ..CHECKOUT };
    for (asker, text) in
        [(other, "binding:db"), (elsewhere, "binding:db"), (elsewhere, "kv/data/db#password"), (CHECKOUT, "kv/data/none")]
    {
        let refused = given(&entries, asker, text).unwrap_err();
        assert!(matches!(&refused, NotGiven::Denied(why) if why.contains(asker.namespace)), "{text}: {refused:?}");
        let of_nothing = given(&[], asker, text).unwrap_err();
        assert_eq!(refused, of_nothing, "{text}");
    }
    let refused = given(&entries, CHECKOUT, "binding:db#user").unwrap_err();
    assert!(matches!(&refused, NotGiven::NoSuchKey(why) if why.contains("password") && !why.contains("canary")), "{refused:?}");
}

#[test]
fn two_bindings_of_one_secret_must_agree() {
    let one = || entry("one", "checkout", &[], &[("password", "p")]);
    let same = entry("two", "checkout", &[("password", "password")], &[("password", "p")]);
    let pinned = entry("two", "checkout", &[], &[("password", "older")]);
    assert!(given(&[one(), same], CHECKOUT, "kv/db#password").is_ok());
    let refused = given(&[one(), pinned], CHECKOUT, "kv/db#password").unwrap_err();
    assert!(matches!(&refused, NotGiven::Ambiguous(why) if why.contains("\"one\" and \"two\"")), "{refused:?}");
}

#[test]
fn a_version_changes_with_what_is_asked_for_and_with_nothing_else() {
    let version = |content: &[(&str, &str)], text: &str| {
        look_up([entry("db", "checkout", &[], content)].iter(), CHECKOUT, &wanted(text)).unwrap().version
    };
    let (before, after) = ([("password", "p"), ("user", "u")], [("password", "p"), ("user", "v")]);
    assert_eq!(version(&before, "binding:db#password"), version(&after, "binding:db#password"));
    assert_ne!(version(&before, "binding:db#user"), version(&after, "binding:db#user"));
    assert_ne!(version(&before, "binding:db"), version(&after, "binding:db"));
    assert_eq!(version(&before, "binding:db"), version(&before, "kv/data/db"));
}
