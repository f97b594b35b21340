use super::*;
use uuid::Uuid;

const DRIFTED: Checked = Checked::Drifted { by: None };

fn binding(number: u128) -> BindingId {
    Uuid::from_u128(number).into()
}

/// A look at everything.
fn look(memory: &mut DriftMemory, second: u64, checked: &[(BindingId, Checked)]) -> Findings {
    memory.digest(Duration::from_secs(second), checked, true, true)
}

#[test]
fn drift_is_reported_once_and_asked_for_until_it_is_answered() {
    let mut memory = DriftMemory::default();
    let (one, two) = (binding(1), binding(2));
    let both = [(one, DRIFTED), (two, DRIFTED)];
    for (second, checked, report, need) in [
        (0, &both[..1], vec![one], vec![one]),
        (0, &both[..], vec![two], vec![]),
        (1, &both[..], vec![], vec![two]),
        (29, &both[..], vec![], vec![]),
        (30, &both[..], vec![], vec![one]),
        (32, &both[..], vec![], vec![two]),
        (40, &[(one, Checked::Same), (two, Checked::Unknown)], vec![], vec![]),
        (900, &both[..], vec![one], vec![one, two]),
    ] {
        let findings = look(&mut memory, second, checked);
        assert_eq!((findings.report, findings.need), (report, need), "second {second}");
    }
}

#[test]
fn what_a_greeting_finds_is_reported_and_was_asked_for_with_it() {
    let mut memory = DriftMemory::default();
    let (one, two) = (binding(1), binding(2));
    let findings = memory.greeted(Duration::ZERO, &[(one, DRIFTED), (two, Checked::Wanting)]);
    assert_eq!((findings.report, findings.need), (vec![one], vec![]));
    // Another greeting finds nothing new, and what does not come is asked for as always.
    assert_eq!(memory.greeted(Duration::from_secs(1), &[(one, DRIFTED), (two, Checked::Wanting)]), Findings::default());
    assert_eq!(look(&mut memory, 30, &[(one, DRIFTED), (two, Checked::Wanting)]), Findings::default());
    assert_eq!(look(&mut memory, 31, &[(one, DRIFTED), (two, Checked::Wanting)]).need, [one, two]);
}

#[test]
fn what_drifts_again_and_again_is_asked_for_after_growing_pauses_and_is_a_conflict_from_the_third_time_on() {
    let mut memory = DriftMemory::default();
    let by = Some(("a/b".to_owned(), "other".to_owned()));
    let drifted = [(binding(1), Checked::Drifted { by: by.clone() })];
    let mut second = 0;
    // Each time it is asked for it comes, and is overwritten a second later.
    for (pause, is_fight) in [
        (0, false),
        (2, false),
        (30, true),
        (60, true),
        (120, true),
        (240, true),
        (480, true),
        (960, true),
        (1800, true),
        (1800, true),
    ] {
        let findings = look(&mut memory, second, &drifted);
        let fights = if is_fight {
            vec![Fight { binding: binding(1), by: by.clone(), pause: Duration::from_secs(pause) }]
        } else {
            vec![]
        };
        assert_eq!((findings.report.len(), findings.fights), (1, fights), "pause {pause}");
        let asked = second.saturating_sub(1) + pause;
        if pause > 0 {
            assert!(findings.need.is_empty(), "asked too early: pause {pause}");
            assert_eq!(memory.next_due(), Some(Duration::from_secs(asked)));
            assert!(look(&mut memory, asked - 1, &drifted).need.is_empty());
            assert_eq!(look(&mut memory, asked, &drifted).need, [binding(1)], "pause {pause}");
        } else {
            assert_eq!(findings.need, [binding(1)]);
        }
        memory.applied(Duration::from_secs(asked), binding(1));
        assert_eq!(memory.next_due(), None);
        second = asked + 1;
    }
}

#[test]
fn a_fight_that_is_over_is_asked_for_once_more_if_the_server_still_thinks_it_goes_on() {
    for repaired in [true, false] {
        let mut memory = DriftMemory::default();
        let drifted = [(binding(1), DRIFTED)];
        let same = [(binding(1), Checked::Same)];
        for second in [0, 10] {
            look(&mut memory, second, &drifted);
            memory.applied(Duration::from_secs(second), binding(1));
        }
        assert_eq!(look(&mut memory, 20, &drifted).fights.len(), 1);
        if repaired {
            assert_eq!(look(&mut memory, 45, &drifted).need, [binding(1)]);
            memory.applied(Duration::from_secs(45), binding(1));
        }
        assert!(look(&mut memory, 500, &same).need.is_empty());
        assert_eq!(look(&mut memory, 700, &same).need.len(), usize::from(!repaired));
        assert_eq!(look(&mut memory, 800, &same), Findings::default());
        assert!(memory.troubles.is_empty());
        let again = look(&mut memory, 900, &drifted);
        assert_eq!((again.need.len(), again.fights.len()), (1, 0), "forgotten");
    }
}

#[test]
fn an_hourly_drift_is_repaired_at_once_and_never_a_conflict() {
    let mut memory = DriftMemory::default();
    for hour in 0..20 {
        let findings = look(&mut memory, hour * 3600, &[(binding(1), DRIFTED)]);
        assert_eq!((findings.need.len(), findings.fights.len()), (1, 0), "hour {hour}");
        memory.applied(Duration::from_secs(hour * 3600), binding(1));
    }
}

#[test]
fn a_target_that_is_somebody_elses_is_asked_for_once() {
    let mut memory = DriftMemory::default();
    let taken = [(binding(1), Checked::Taken)];
    let asked: usize = (0..10).map(|i| look(&mut memory, 30 * i, &taken).need.len()).sum();
    assert_eq!(asked, 1);
}

#[test]
fn what_is_wanted_is_asked_for_and_not_reported() {
    let mut memory = DriftMemory::default();
    let wanting = [(binding(1), Checked::Wanting)];
    for (second, need) in [(0, 1), (10, 0), (30, 1)] {
        let findings = look(&mut memory, second, &wanting);
        assert_eq!((findings.need.len(), findings.report.len()), (need, 0), "second {second}");
    }
}

#[test]
fn a_look_at_some_leaves_the_others_as_they_were() {
    let mut memory = DriftMemory::default();
    look(&mut memory, 0, &[(binding(1), DRIFTED)]);
    let findings = memory.digest(Duration::from_secs(2), &[(binding(2), DRIFTED)], false, true);
    assert_eq!((findings.report, findings.need), (vec![binding(2)], vec![binding(2)]));
    assert_eq!(memory.next_due(), Some(Duration::from_secs(30)));
    assert!(look(&mut memory, 40, &[]).need.is_empty(), "nothing of it is held any more");
    assert!(memory.troubles.is_empty());
}

#[test]
fn nothing_is_asked_for_while_it_has_no_point() {
    let mut memory = DriftMemory::default();
    let drifted = [(binding(1), DRIFTED)];
    let findings = memory.digest(Duration::ZERO, &drifted, true, false);
    assert_eq!((findings.report.len(), findings.need.len()), (1, 0));
    assert_eq!(look(&mut memory, 1, &drifted).need.len(), 1);
}

#[test]
fn one_message_has_a_bounded_number_of_bindings_and_the_rest_follows() {
    let mut memory = DriftMemory::default();
    let many: Vec<_> = (0..1500).map(|i| (binding(i), DRIFTED)).collect();
    let counts = [0, 1, 2].map(|second| {
        let findings = look(&mut memory, second, &many);
        (findings.report.len(), findings.need.len())
    });
    assert_eq!(counts, [(1000, 1000), (500, 500), (0, 0)]);
}

#[test]
fn what_was_found_before_content_was_applied_is_no_second_drift() {
    let mut memory = DriftMemory::default();
    assert!(!memory.is_overtaken(binding(1), Duration::ZERO), "nothing is known of it");
    memory.digest(Duration::from_secs(1), &[(binding(1), DRIFTED)], false, true);
    assert!(!memory.is_overtaken(binding(1), Duration::from_secs(1)));
    memory.applied(Duration::from_secs(3), binding(1));
    assert!(memory.is_overtaken(binding(1), Duration::from_secs(2)), "the look at everything that was under way");
    assert!(!memory.is_overtaken(binding(1), Duration::from_secs(4)), "what drifts after that does so anew");
}
