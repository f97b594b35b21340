use uuid::Uuid;

use super::*;
use crate::binding::tests::{item, spec};
use crate::binding::{BindingSpec, SecretTarget};
use crate::placement::Placement;
use crate::plan::desired;
use crate::revision::{Epoch, Seq};
use crate::version::Known;

/// A binding `db` that delivers to a Secret of that name in these namespaces.
fn binding(namespaces: &[&str]) -> BindingSpec {
    let mut spec = spec(vec![item("a", &[])], "env=prod");
    let namespaces = namespaces.iter().map(|n| n.parse().unwrap()).collect();
    spec.delivered.target = Target::Secret(SecretTarget::new("db".parse().unwrap(), namespaces));
    spec
}

fn secret(spec: &mut BindingSpec) -> &mut SecretTarget {
    match &mut spec.delivered.target {
        Target::Secret(target) => target,
        Target::Directory { .. } | Target::Csi(_) => panic!("it is no Secret"),
    }
}

fn with(mut spec: BindingSpec, change: impl FnOnce(&mut BindingSpec)) -> BindingSpec {
    change(&mut spec);
    spec
}

fn deleting(spec: &mut BindingSpec) {
    spec.deletion_policy = DeletionPolicy::Delete;
}

fn selecting(spec: &mut BindingSpec) {
    secret(spec).namespace_selector = Some("team".parse().unwrap());
}

fn held(targets: u64) -> Held {
    Held { targets, ..Held::default() }
}

/// What becomes of one delivery in cluster `c1`, of which nothing was seen at its source yet.
fn one(before: &BindingSpec, after: &BindingSpec, answer: Option<&Placement>, held: Option<Held>) -> BlastRadius {
    let mut radius = BlastRadius::default();
    add(&mut radius, (1, "c1", true), before, after, answer, held);
    radius
}

fn add(
    radius: &mut BlastRadius,
    (id, name, is_seen): (u128, &str, bool),
    before: &BindingSpec,
    after: &BindingSpec,
    answer: Option<&Placement>,
    held: Option<Held>,
) {
    let binding = Binding {
        id: Uuid::from_u128(50).into(),
        project: Uuid::from_u128(99).into(),
        spec: after.clone(),
        spec_seq: Seq::new(2),
    };
    let placement = answer.unwrap_or(&Placement::Placed);
    let known = Known::default();
    let secrets: Vec<&Known> = after.delivered.items.iter().map(|_| &known).collect();
    let want = desired(Epoch::new(1), placement, Seq::new(2), Some(&binding), &secrets).want;
    radius.add(&Moved {
        cluster: Uuid::from_u128(id).into(),
        name,
        is_seen,
        binding: &binding,
        before: &before.delivered,
        want,
        is_placed: matches!(placement, Placement::Placed | Placement::PlacedWithin(_)),
        is_answered_anew: answer.is_some(),
        held,
    });
}

/// Created, rewritten, deleted, kept; with a `+` where there may be more.
fn counts(radius: &BlastRadius) -> [String; 4] {
    let part = |part: &Part| format!("{}{}", part.targets, if part.at_least { "+" } else { "" });
    [&radius.create, &radius.rewrite, &radius.delete, &radius.keep].map(part)
}

#[test]
fn what_is_there_is_told_from_what_is_new() {
    let two = binding(&["a", "b"]);
    let placed = Some(&Placement::Placed);
    assert_eq!(counts(&one(&two, &two, placed, None)), ["2", "0", "0", "0"]);
    assert_eq!(counts(&one(&two, &two, placed, Some(held(2)))), ["0", "2", "0", "0"]);
    let directory = spec(vec![item("a", &[])], "env=prod");
    let radius = one(&directory, &directory, placed, None);
    assert_eq!((radius.create.targets, radius.create.directories, radius.namespaces.count()), (1, 1, 0));
}

#[test]
fn what_leaves_a_target_goes_the_way_of_the_binding_s_policy() {
    let two = binding(&["a", "b"]);
    let moved = binding(&["b", "c"]);
    assert_eq!(counts(&one(&two, &moved, None, Some(held(2)))), ["1", "1", "0", "1"]);
    assert_eq!(counts(&one(&two, &with(moved.clone(), deleting), None, Some(held(2)))), ["1", "1", "1", "0"]);
    assert_eq!(counts(&one(&two, &with(moved, deleting), None, None)), ["2", "0", "0", "0"], "it has nothing that could leave");
    let renamed = with(two.clone(), |s| secret(s).name = "other".parse().unwrap());
    assert_eq!(counts(&one(&two, &with(renamed, deleting), None, Some(held(2)))), ["2", "0", "2", "0"]);
    let immutable = with(two.clone(), |s| secret(s).immutable = true);
    assert_eq!(counts(&one(&two, &immutable, None, Some(held(2)))), ["2", "0", "0", "2"]);
    let radius = one(&two, &with(binding(&["c"]), deleting), None, Some(held(2)));
    assert_eq!(radius.namespaces.names().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn what_is_given_up_is_deleted_or_kept_where_a_cluster_has_it() {
    let two = binding(&["a", "b"]);
    let removed = |policy| Placement::Removed(policy);
    assert_eq!(counts(&one(&two, &two, Some(&removed(DeletionPolicy::Delete)), Some(held(2)))), ["0", "0", "2", "0"]);
    assert_eq!(counts(&one(&two, &two, Some(&removed(DeletionPolicy::Retain)), Some(held(2)))), ["0", "0", "0", "2"]);
    let nothing = one(&two, &two, Some(&removed(DeletionPolicy::Delete)), None);
    assert_eq!(nothing, BlastRadius::default(), "it never got there");
}

#[test]
fn other_content_of_what_is_denied_moves_nothing() {
    let two = binding(&["a", "b"]);
    let denied = Placement::Denied(crate::placement::Denial::Revoked);
    assert_eq!(counts(&one(&two, &two, Some(&denied), Some(held(2)))), ["0", "0", "0", "2"]);
    let mut radius = BlastRadius::default();
    let other = with(two.clone(), |s| s.delivered.items.push(item("b", &[])));
    let binding =
        Binding { id: Uuid::from_u128(50).into(), project: Uuid::from_u128(99).into(), spec: other, spec_seq: Seq::new(2) };
    radius.add(&Moved {
        cluster: Uuid::from_u128(1).into(),
        name: "c1",
        is_seen: true,
        binding: &binding,
        before: &two.delivered,
        want: Want::Withhold(Withheld::Denied),
        is_placed: false,
        is_answered_anew: false,
        held: Some(held(2)),
    });
    assert_eq!(radius, BlastRadius::default());
}

#[test]
fn a_binding_that_observes_writes_and_deletes_nothing() {
    let two = with(binding(&["a", "b"]), deleting);
    let observing = with(two.clone(), |s| s.delivered.mode = Mode::Observe);
    let placed = Some(&Placement::Placed);
    let removed = Some(&Placement::Removed(DeletionPolicy::Delete));
    assert_eq!(one(&observing, &observing, placed, Some(held(2))), BlastRadius::default());
    assert_eq!(one(&observing, &observing, removed, Some(held(2))), BlastRadius::default());
    assert_eq!(counts(&one(&two, &observing, None, Some(held(2)))), ["0", "0", "0", "2"], "it is no longer kept in step");
    assert_eq!(counts(&one(&observing, &two, None, Some(held(2)))), ["2", "0", "0", "0"], "what was there is another's");
}

#[test]
fn namespaces_that_a_label_selects_are_counted_as_reported_and_never_guessed() {
    let both = with(binding(&["a"]), selecting);
    let placed = Some(&Placement::Placed);
    assert_eq!(counts(&one(&both, &both, placed, None)), ["1+", "0", "0", "0"]);
    let relabelled = with(both.clone(), |s| s.delivered.items.push(item("b", &[])));
    assert_eq!(counts(&one(&both, &relabelled, None, Some(held(3)))), ["0", "3", "0", "0"]);
    // Which of them a grant's new rule allows is known to the agent.
    assert_eq!(counts(&one(&both, &both, placed, Some(held(3)))), ["0+", "3", "0", "0+"]);
    let radius = one(&both, &with(both.clone(), deleting), placed, Some(held(3)));
    assert_eq!((counts(&radius)[2].as_str(), radius.delete.clusters.count()), ("0+", 1));
    let others = with(both.clone(), |s| secret(s).namespace_selector = Some("env".parse().unwrap()));
    assert_eq!(counts(&one(&both, &with(others, deleting), None, Some(held(3)))), ["0+", "1", "0+", "0"]);
    assert_eq!(counts(&one(&both, &with(binding(&["a"]), deleting), None, Some(held(3)))), ["0", "1", "2", "0"]);
    let renamed = with(both.clone(), |s| secret(s).name = "other".parse().unwrap());
    assert_eq!(counts(&one(&both, &with(renamed, deleting), None, Some(held(3)))), ["1+", "0", "3", "0"]);
}

#[test]
fn restarts_follow_where_content_that_is_there_would_change_and_somebody_asked_for_them() {
    let quiet = binding(&["a"]);
    let auto = with(quiet.clone(), |s| s.delivered.restart = Restart::Auto);
    let other = |spec: &BindingSpec| with(spec.clone(), |s| drop(s.delivered.templates.insert("T".to_owned(), "x".to_owned())));
    let reported = Held { workloads: Some(3), ..held(1) };
    let restarts = |before: &BindingSpec, after: &BindingSpec, held: Option<Held>| {
        let Restarts { clusters, auto, workloads, unreported, .. } = one(before, after, None, held).restarts;
        (clusters.count(), auto, workloads, unreported)
    };
    assert_eq!(restarts(&auto, &other(&auto), Some(reported.clone())), (1, 1, 3, 0));
    assert_eq!(restarts(&auto, &other(&auto), Some(held(1))), (1, 1, 0, 1), "no number is made up");
    assert_eq!(restarts(&auto, &other(&auto), None), (0, 0, 0, 0), "of the first content nobody has an older one");
    assert_eq!(restarts(&quiet, &other(&quiet), Some(reported.clone())), (0, 0, 0, 0));
    assert_eq!(restarts(&quiet, &auto, Some(held(1))), (1, 1, 0, 1), "whatever is older than the content");
    assert_eq!(restarts(&auto, &quiet, Some(reported.clone())), (0, 0, 0, 0));
    let labelled = with(auto.clone(), |s| drop(secret(s).labels.insert("x".to_owned(), "y".to_owned())));
    assert_eq!(restarts(&auto, &labelled, Some(reported)), (0, 0, 0, 0), "the same bytes");
}

#[test]
fn a_version_that_came_meanwhile_restarts_too() {
    let auto = with(binding(&["a"]), |s| {
        s.delivered.restart = Restart::Auto;
        s.delivered.items[0].pin = VersionNumber::new(2);
    });
    let binding = Binding {
        id: Uuid::from_u128(50).into(),
        project: Uuid::from_u128(99).into(),
        spec: auto.clone(),
        spec_seq: Seq::new(1),
    };
    for (had, want) in [(Some(1), 1), (Some(2), 0), (None, 0)] {
        let versions = had.map(|number| vec![VersionNumber::new(number)]);
        let mut radius = BlastRadius::default();
        let incarnation = crate::version::Incarnation(crate::version::tests::at(1));
        radius.add(&Moved {
            cluster: Uuid::from_u128(1).into(),
            name: "c1",
            is_seen: true,
            binding: &binding,
            before: &auto.delivered,
            want: Want::Content(vec![Choice::Pinned(incarnation, VersionNumber::new(2).unwrap())]),
            is_placed: true,
            is_answered_anew: true,
            held: Some(Held { versions, ..held(1) }),
        });
        assert_eq!(radius.restarts.clusters.count(), want, "{had:?}");
    }
}

#[test]
fn everything_is_counted_and_a_few_are_named_of_those_that_the_caller_may_see() {
    let two = binding(&["a", "b"]);
    let mut radius = BlastRadius::default();
    for id in 0..1_000_u128 {
        let name = format!("c{id:04}");
        for _ in 0..2 {
            add(&mut radius, (id, &name, id % 2 == 1), &two, &two, Some(&Placement::Placed), None);
        }
    }
    assert_eq!((radius.create.targets, radius.create.clusters.count(), radius.clusters.count()), (4_000, 1_000, 1_000));
    let names: Vec<&str> = radius.clusters.names().collect();
    assert_eq!((names.len(), names[0], names[9]), (NAMED_MAX, "c0001", "c0019"));
    assert_eq!((radius.namespaces.count(), radius.namespaces.names().count()), (2, 2));
    let mut unseen = BlastRadius::default();
    add(&mut unseen, (1, "c1", false), &two, &two, Some(&Placement::Placed), None);
    assert_eq!((unseen.namespaces.count(), unseen.namespaces.names().count(), unseen.clusters.names().count()), (2, 0, 0));
}
