use std::collections::BTreeMap;

use futures::FutureExt as _;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::selector::Selector;

use super::super::namespaces::{NO_ANSWER, Namespaces};
use super::id;

fn team(name: &str) -> BTreeMap<String, String> {
    [("team".to_owned(), name.to_owned())].into()
}

fn rule() -> (Selector, AllowedNamespaces) {
    ("team=shop".parse().unwrap(), vec![vec!["*".parse().unwrap()]].into())
}

async fn selected(namespaces: &Namespaces) -> Result<Vec<String>, String> {
    let (selector, allowed) = rule();
    let selected = namespaces.selected(&selector, &allowed).await.map_err(|error| error.to_string())?;
    Ok(selected.into_iter().map(|name| name.to_string()).collect())
}

/// As a whole list tells.
fn list(namespaces: &Namespaces, of: &[(&str, &str)]) {
    namespaces.begin();
    for (name, team_name) in of {
        namespaces.comes(name, Some(team(team_name)));
    }
    namespaces.listed();
}

#[tokio::test]
async fn nobody_waits_for_a_list_that_is_known_to_fail() {
    let namespaces = Namespaces::default();
    let mut waiting = Box::pin(selected(&namespaces));
    assert!((&mut waiting).now_or_never().is_none(), "it may come yet");
    for (code, part) in [(403, "ClusterRole"), (503, "answers 503"), (NO_ANSWER, "does not answer")] {
        namespaces.failed(code);
        let cause = selected(&namespaces).now_or_never().expect("at once").unwrap_err();
        assert!(cause.contains(part) && (code == 403 || !cause.contains("ClusterRole")), "{cause}");
    }
    assert!(waiting.now_or_never().expect("who waits is told").is_err());
    list(&namespaces, &[("a", "shop")]);
    assert_eq!(selected(&namespaces).now_or_never().unwrap().unwrap(), ["a"]);
}

#[tokio::test]
async fn the_last_list_is_good_until_another_one_is_whole() {
    let namespaces = Namespaces::default();
    list(&namespaces, &[("a", "shop"), ("b", "shop"), ("c", "other")]);
    namespaces.failed(500);
    assert_eq!(selected(&namespaces).await.unwrap(), ["a", "b"]);
    namespaces.begin();
    namespaces.comes("b", Some(team("shop")));
    assert_eq!(selected(&namespaces).await.unwrap(), ["a", "b"], "the new one is not whole");
    assert!(!namespaces.is_gone(&"a".parse().unwrap()));
    namespaces.listed();
    assert_eq!(selected(&namespaces).await.unwrap(), ["b"]);
    assert!(namespaces.is_gone(&"a".parse().unwrap()));
    // Without a watch nobody knows.
    namespaces.leave();
    namespaces.failed(403);
    assert!(selected(&namespaces).await.is_err() && !namespaces.is_gone(&"a".parse().unwrap()));
}

#[test]
fn who_selects_a_namespace_only_now_or_no_longer_is_told() {
    let namespaces = Namespaces::default();
    let (selector, allowed) = rule();
    namespaces.tell(id(1), &selector, &allowed);
    list(&namespaces, &[]);
    for (labels, want) in [
        (Some(team("other")), vec![]),
        (Some(team("shop")), vec![id(1)]),
        (Some(team("shop")), vec![]),
        (Some(team("other")), vec![id(1)]),
        (Some(team("shop")), vec![id(1)]),
        // What was in it goes with it.
        (None, vec![]),
    ] {
        assert_eq!(namespaces.told("a", labels.clone()), want, "{labels:?}");
    }
    namespaces.forget(id(1));
    assert_eq!(namespaces.told("a", Some(team("shop"))), []);
}
