use super::super::tests::{at, confirmed, look};
use super::super::{Began, Seen, observe};
use super::*;
use crate::revision::Seq;

fn rotated(second: i64) -> Seen {
    Seen::Counted(Counted::Rotated(at(second)))
}

fn held(byte: u8) -> Seen {
    Seen::Counted(Counted::Fingerprint([byte; 16]))
}

fn pair(first: Option<i64>, second: Option<i64>) -> Seen {
    Seen::Counted(Counted::Pair { first: first.map(at), second: second.map(at) })
}

fn counted(number: u64, created: i64, mark: Mark) -> Version {
    let id = VersionId { incarnation: Incarnation::COUNTED, number: VersionNumber::new(number).unwrap() };
    Version { id, created: at(created), mark }
}

fn changed(state: SecretState, latest: Option<Version>) -> Verdict {
    Verdict::Changed(Change { state, latest })
}

/// What is known after these looks, each confirmed.
fn after(looks: &[Seen]) -> Known {
    let mut known = Known::default();
    for (seq, seen) in (1..).zip(looks) {
        if let Verdict::Changed(change) = observe(&known, &confirmed(*seen)) {
            known.apply(&change, Seq::new(seq));
        }
    }
    known
}

#[test]
fn a_newer_stamp_is_the_next_version_and_an_older_one_is_believed_only_when_confirmed() {
    let known = after(&[rotated(10), rotated(20)]);
    assert_eq!((known.latest, known.chosen), (Some(counted(2, 20, Mark::None)), Some(counted(2, 20, Mark::None))));
    for (case, observation, want) in [
        ("same", look(rotated(20)), Verdict::Unchanged),
        ("newer", look(rotated(21)), changed(SecretState::Live, Some(counted(3, 21, Mark::None)))),
        ("older", look(rotated(10)), Verdict::Confirm),
        ("older, confirmed", confirmed(rotated(10)), changed(SecretState::WentBack, None)),
        ("no role", look(Seen::Nothing), Verdict::Confirm),
        ("no role, confirmed", confirmed(Seen::Nothing), changed(SecretState::Missing, None)),
    ] {
        assert_eq!(observe(&known, &observation), want, "{case}");
    }
}

#[test]
fn a_role_that_went_back_is_taken_up_again_with_the_stamp_that_was_known_or_a_newer_one() {
    let known = after(&[rotated(10), rotated(20), rotated(10)]);
    assert_eq!((known.state, known.chosen), (SecretState::WentBack, Some(counted(2, 20, Mark::None))));
    assert_eq!(observe(&known, &look(rotated(10))), Verdict::Unchanged);
    assert_eq!(observe(&known, &look(rotated(20))), changed(SecretState::Live, None));
    assert_eq!(observe(&known, &look(rotated(30))), changed(SecretState::Live, Some(counted(3, 30, Mark::None))));
}

#[test]
fn a_role_that_was_made_anew_goes_on_with_the_next_number() {
    let known = after(&[rotated(10), Seen::Nothing]);
    assert_eq!((known.state, known.chosen), (SecretState::Missing, Some(counted(1, 10, Mark::None))));
    assert_eq!(observe(&known, &look(rotated(40))), changed(SecretState::Live, Some(counted(2, 40, Mark::None))));
}

#[test]
fn another_fingerprint_is_the_next_version_also_where_it_was_there_before() {
    let known = after(&[held(1), held(2), held(1), held(1)]);
    assert_eq!(known.latest, Some(counted(3, 1_000, Mark::Fingerprint([1; 16]))), "seen first when the look was");
    assert_eq!(observe(&known, &look(held(1))), Verdict::Unchanged);
    let gone = after(&[held(1), Seen::Nothing]);
    assert_eq!(observe(&gone, &look(held(1))), changed(SecretState::Live, None), "it came back as it was");
}

#[test]
fn only_the_role_of_a_pair_that_is_delivered_makes_versions() {
    let first = Mark::Member(Member::First);
    let mut known = after(&[pair(Some(10), Some(5)), pair(Some(10), Some(99)), pair(Some(11), None)]);
    assert_eq!(known.chosen, Some(counted(2, 11, first)));
    assert_eq!(observe(&known, &look(pair(None, Some(99)))), Verdict::Confirm, "it is gone, whatever the other is");

    // A rotation chooses the other one.
    let moved = known.next_counted(at(50), Mark::Member(Member::Second));
    known.apply(&Change { state: SecretState::Live, latest: Some(moved) }, Seq::new(9));
    assert_eq!((known.chosen, known.active_member()), (Some(counted(3, 50, Mark::Member(Member::Second))), Member::Second));
    assert_eq!(observe(&known, &look(pair(Some(70), Some(50)))), Verdict::Unchanged);
    assert_eq!(observe(&known, &confirmed(pair(Some(70), Some(49)))), changed(SecretState::WentBack, None));
    let rotated = changed(SecretState::Live, Some(counted(4, 51, Mark::Member(Member::Second))));
    assert_eq!(observe(&known, &look(pair(Some(70), Some(51)))), rotated);
}

#[test]
fn a_pair_that_was_rolled_back_stays_so_while_its_role_comes_and_goes() {
    let mut known = after(&[pair(Some(10), Some(5))]);
    let before = known.chosen;
    let moved = known.next_counted(at(50), Mark::Member(Member::Second));
    known.apply(&Change { state: SecretState::Live, latest: Some(moved) }, Seq::new(2));
    known.chosen = before;
    assert_eq!(observe(&known, &look(pair(Some(10), Some(50)))), Verdict::Unchanged);
    for seen in [pair(None, Some(50)), pair(Some(10), Some(50))] {
        let Verdict::Changed(change) = observe(&known, &confirmed(seen)) else { panic!("{seen:?}") };
        known.apply(&change, Seq::new(3));
        assert_eq!(known.chosen, before);
    }
    assert_eq!(known.next_counted(at(60), Mark::None).id.number.get(), 3, "no number is given twice");
}

#[test]
fn a_pair_that_is_bound_again_delivers_the_role_that_it_did() {
    let mut known = after(&[pair(Some(10), Some(5))]);
    let moved = known.next_counted(at(50), Mark::Member(Member::Second));
    known.apply(&Change { state: SecretState::Live, latest: Some(moved) }, Seq::new(2));
    (known.state, known.chosen) = (SecretState::Unseen, None);
    let Verdict::Changed(change) = observe(&known, &look(pair(Some(90), Some(50)))) else { panic!() };
    known.apply(&change, Seq::new(3));
    assert_eq!(known.chosen, Some(moved));
}

proptest::proptest! {
    #[test]
    fn observing_the_same_twice_counts_nothing_more_and_numbers_only_grow(
        kind in 0_u8..3,
        looks in proptest::collection::vec((proptest::option::of(1_u8..6), proptest::option::of(1_u8..6), proptest::bool::ANY), 1..25),
    ) {
        let mut known = Known::default();
        for (i, (a, b, turn)) in looks.into_iter().enumerate() {
            let seen = match kind {
                0 => a.map_or(Seen::Nothing, held),
                1 => a.map_or(Seen::Nothing, |a| rotated(a.into())),
                _ => pair(a.map(Into::into), b.map(Into::into)),
            };
            let before = known;
            let observation = Observation { began: Began { token: 1, ordinal: i as u64 }, ..confirmed(seen) };
            if let Verdict::Changed(change) = observe(&known, &observation) {
                known.apply(&change, Seq::new(i as u64 + 1));
            }
            proptest::prop_assert_eq!(observe(&known, &observation), Verdict::Unchanged);
            proptest::prop_assert_eq!(before.active_member(), known.active_member(), "a look moves no member");
            if let (Some(a), Some(b)) = (before.latest, known.latest) {
                proptest::prop_assert!(b == a || b.id.number.get() == a.id.number.get() + 1);
                proptest::prop_assert!(kind == 0 || turn || b == a || b.created > a.created || b.mark != a.mark);
            }
            // A rotation now and then.
            if kind == 2 && turn && known.latest.is_some() {
                let created = at(10 + i64::try_from(i).unwrap());
                let moved = known.next_counted(created, Mark::Member(known.active_member().other()));
                known.apply(&Change { state: SecretState::Live, latest: Some(moved) }, Seq::new(i as u64 + 1));
            }
        }
    }
}
