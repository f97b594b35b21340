use super::*;
use chrono::TimeDelta;

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

pub(crate) fn version(incarnation: i64, number: u64) -> Version {
    Version {
        id: VersionId { incarnation: Incarnation(at(incarnation)), number: VersionNumber::new(number).unwrap() },
        created: at(incarnation + i64::try_from(number).unwrap()),
        mark: Mark::None,
    }
}

pub(crate) fn live(incarnation: i64, number: u64) -> CurrentVersion {
    CurrentVersion { version: version(incarnation, number), deletion_time: None, destroyed: false }
}

fn known(current: CurrentVersion) -> Known {
    let mut known = Known::default();
    if let Verdict::Changed(change) = observe(&known, &look(Seen::Current(current))) {
        known.apply(&change, Seq::new(1));
    }
    known
}

pub(super) fn look(seen: Seen) -> Observation {
    Observation { began: Began { token: 1, ordinal: 1 }, at: at(1_000), confirmed: false, seen }
}

pub(super) fn confirmed(seen: Seen) -> Observation {
    Observation { confirmed: true, ..look(seen) }
}

fn changed(state: SecretState, latest: Option<Version>) -> Verdict {
    Verdict::Changed(Change { state, latest })
}

#[test]
fn what_is_newer_is_believed_at_once_and_what_takes_away_only_when_confirmed() {
    let five = known(live(0, 5));
    let deleted = CurrentVersion { deletion_time: Some(at(999)), ..live(0, 5) };
    let deleted_later = CurrentVersion { deletion_time: Some(at(1_001)), ..live(0, 5) };
    let destroyed = CurrentVersion { destroyed: true, ..live(0, 5) };
    let rewritten = CurrentVersion { version: Version { created: at(77), ..version(0, 5) }, ..live(0, 5) };
    for (case, observation, want) in [
        ("same", look(Seen::Current(live(0, 5))), Verdict::Unchanged),
        ("next", look(Seen::Current(live(0, 6))), changed(SecretState::Live, Some(version(0, 6)))),
        ("skipped some", look(Seen::Current(live(0, 9))), changed(SecretState::Live, Some(version(0, 9)))),
        ("recreated: numbering restarts", look(Seen::Current(live(50, 1))), changed(SecretState::Live, Some(version(50, 1)))),
        ("soft-deleted", look(Seen::Current(deleted)), changed(SecretState::Deleted, None)),
        ("to be deleted: still live", look(Seen::Current(deleted_later)), Verdict::Unchanged),
        ("destroyed", look(Seen::Current(destroyed)), changed(SecretState::Destroyed, None)),
        ("lower", look(Seen::Current(live(0, 4))), Verdict::Confirm),
        ("lower, confirmed", confirmed(Seen::Current(live(0, 4))), changed(SecretState::WentBack, None)),
        ("older incarnation, confirmed", confirmed(Seen::Current(live(-9, 9))), changed(SecretState::WentBack, None)),
        ("same number made again, confirmed", confirmed(Seen::Current(rewritten)), changed(SecretState::WentBack, None)),
        ("absent", look(Seen::Nothing), Verdict::Confirm),
        ("absent, confirmed", confirmed(Seen::Nothing), changed(SecretState::Missing, None)),
    ] {
        assert_eq!(observe(&five, &observation), want, "{case}");
    }
}

#[test]
fn an_observation_that_began_earlier_is_dropped() {
    let mut five = known(live(0, 5));
    five.began = Began { token: 2, ordinal: 7 };
    for (token, ordinal, want) in [
        (2, 6, Verdict::Overtaken),
        (1, 99, Verdict::Overtaken),
        (2, 7, changed(SecretState::Live, Some(version(0, 6)))),
        (3, 0, changed(SecretState::Live, Some(version(0, 6)))),
    ] {
        let observation = Observation { began: Began { token, ordinal }, ..look(Seen::Current(live(0, 6))) };
        assert_eq!(observe(&five, &observation), want, "{token}.{ordinal}");
    }
}

#[test]
fn a_source_that_went_back_is_taken_up_again_once_it_is_ahead() {
    let mut secret = known(live(0, 5));
    secret.apply(&Change { state: SecretState::WentBack, latest: None }, Seq::new(2));
    assert_eq!(secret.chosen, Some(version(0, 5)));
    assert_eq!(observe(&secret, &look(Seen::Current(live(0, 4)))), Verdict::Unchanged);
    assert_eq!(observe(&secret, &look(Seen::Current(live(0, 6)))), changed(SecretState::Live, Some(version(0, 6))));
}

#[test]
fn a_source_that_went_back_to_an_earlier_life_of_the_path_is_taken_up_again_once_it_is_written() {
    let mut secret = known(live(50, 1));
    let Verdict::Changed(change) = observe(&secret, &confirmed(Seen::Current(live(0, 5)))) else { panic!() };
    secret.apply(&change, Seq::new(2));
    assert_eq!((secret.state, secret.chosen), (SecretState::WentBack, Some(version(50, 1))));
    // What the backup had is no news, however high its number.
    assert_eq!(observe(&secret, &confirmed(Seen::Current(live(0, 50)))), Verdict::Unchanged);
    let written = Version { created: at(90), ..version(0, 6) };
    let current = Seen::Current(CurrentVersion { version: written, ..live(0, 6) });
    assert_eq!(observe(&secret, &look(current)), Verdict::Confirm);
    let Verdict::Changed(change) = observe(&secret, &confirmed(current)) else { panic!() };
    secret.apply(&change, Seq::new(3));
    assert_eq!((secret.state, secret.chosen), (SecretState::Live, Some(written)));
    assert_eq!((secret.seqs.chosen, secret.seqs.incarnation), (Seq::new(3), Seq::new(3)), "a pinned version is another one too");
    // It is ahead from now on, by its numbers.
    assert_eq!(observe(&secret, &look(current)), Verdict::Unchanged);
    assert_eq!(observe(&secret, &look(Seen::Current(live(0, 7)))), changed(SecretState::Live, Some(version(0, 7))));
}

#[test]
fn the_last_version_seen_live_stays_chosen_while_newer_ones_are_gone() {
    let mut secret = known(live(0, 4));
    let gone = CurrentVersion { deletion_time: Some(at(1)), ..live(0, 5) };
    let Verdict::Changed(change) = observe(&secret, &look(Seen::Current(gone))) else { panic!() };
    secret.apply(&change, Seq::new(2));
    assert_eq!((secret.latest, secret.chosen), (Some(version(0, 5)), Some(version(0, 4))));
    assert_eq!(secret.seqs, SecretSeqs { chosen: Seq::new(1), incarnation: Seq::new(1), presence: Seq::new(2) });
    let Verdict::Changed(change) = observe(&secret, &look(Seen::Current(live(0, 5)))) else { panic!() };
    secret.apply(&change, Seq::new(3));
    assert_eq!(secret.chosen, Some(version(0, 5)));
    assert_eq!(secret.seqs, SecretSeqs { chosen: Seq::new(3), incarnation: Seq::new(1), presence: Seq::new(3) });
}

proptest::proptest! {
    #[test]
    fn observing_the_same_twice_changes_nothing_more(numbers in proptest::collection::vec((0_i64..3, 1_u64..6, 0_u8..4), 1..20)) {
        let mut secret = Known::default();
        for (i, (incarnation, number, kind)) in numbers.into_iter().enumerate() {
            let current = live(incarnation * 100, number);
            let seen = match kind {
                0 => Seen::Current(current),
                1 => Seen::Current(CurrentVersion { deletion_time: Some(at(1)), ..current }),
                2 => Seen::Current(CurrentVersion { destroyed: true, ..current }),
                _ => Seen::Nothing,
            };
            let observation = Observation { began: Began { token: 1, ordinal: i as u64 }, ..confirmed(seen) };
            let before = secret;
            if let Verdict::Changed(change) = observe(&secret, &observation) {
                secret.apply(&change, Seq::new(i as u64 + 1));
            }
            let again = observe(&secret, &observation);
            proptest::prop_assert_eq!(again, Verdict::Unchanged);
            // What is delivered never becomes older.
            if let (Some(a), Some(b)) = (before.chosen, secret.chosen) {
                proptest::prop_assert!(b.id >= a.id);
            }
        }
    }
}
