//! What is due, what it is restarted for, where it stands, who is next.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::revision::{Epoch, Revision, Seq};
use uuid::Uuid;

use crate::restart::annotation::Restarted;
use crate::restart::kind::{Kind, Workload};
use crate::restart::left_alone::LeftAlone;
use crate::restart::plan::{
    Candidate, Moment, Stand, Tracked, choose, concerns, has_just_begun, in_motion, is_due, restart_for, stand,
};
use crate::restart::report::Tally;
use crate::restart::rollout::Rollout;
use crate::restart::seen::Seen;
use crate::restart::{Changed, Report};

fn moment(second: i64) -> Moment {
    Moment { now: at(second), stuck_after: Duration::from_secs(600) }
}

/// Seconds of a day of tests.
fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(second)
}

fn revision(epoch: u64, seq: u64) -> Revision {
    Revision { epoch: Epoch::new(epoch), seq: Seq::new(seq) }
}

fn changed(seq: u64, second: i64) -> Changed {
    Changed { revision: revision(1, seq), at: at(second) }
}

fn seen(restarted: Option<(u64, i64)>, rollout: Rollout) -> Seen {
    let restarted = restarted.map(|(seq, second)| Restarted { revision: revision(1, seq), at: at(second) });
    Seen { created: at(0), restarted, rollout, ..Seen::default() }
}

fn moving() -> Rollout {
    Rollout::Moving("1 of 3 pods updated".into())
}

fn workload(name: &str) -> Workload {
    Workload { namespace: "shop".into(), kind: Kind::Deployment, name: name.into() }
}

#[test]
fn a_workload_is_due_until_it_was_restarted_for_the_change() {
    for (restarted, change, want, why) in [
        (None, changed(5, 100), true, "never restarted"),
        (Some((4, 50)), changed(5, 100), true, "restarted for an older change"),
        (Some((5, 101)), changed(5, 100), false, "restarted for it"),
        (Some((5, 99)), changed(5, 100), false, "restarted for it, by a clock that is behind"),
        (Some((6, 101)), changed(5, 100), false, "restarted for a newer one of another binding, after it came"),
        (Some((6, 99)), changed(5, 100), true, "restarted for a newer one of another binding, before it came"),
    ] {
        assert_eq!(is_due(&seen(restarted, Rollout::Done), &change, moment(102)), want, "{why}");
    }
    let old_epoch = Restarted { revision: revision(1, 900), at: at(50) };
    let seen = Seen { restarted: Some(old_epoch), ..Seen::default() };
    assert!(is_due(&seen, &Changed { revision: revision(2, 5), at: at(100) }, moment(102)), "the epoch weighs more than the seq");
}

#[test]
fn a_workload_that_was_made_after_the_change_is_not_concerned() {
    let of = |second| Seen { created: at(second), ..Seen::default() };
    assert!(concerns(&of(99), &changed(5, 100), moment(102)));
    assert!([100, 101].into_iter().all(|made| !concerns(&of(made), &changed(5, 100), moment(102))));
}

#[test]
fn one_restart_covers_all_changes_that_are_there_and_makes_nothing_due() {
    for (restarted, changes, now, want) in [
        (None, vec![changed(5, 100)], 102, Some((5, 102))),
        (None, vec![changed(5, 100), changed(7, 101), changed(6, 99)], 102, Some((7, 102))),
        (Some((6, 98)), vec![changed(5, 100)], 102, Some((6, 102))),
        (Some((6, 98)), vec![changed(7, 200)], 102, Some((7, 200))),
        (Some((7, 102)), vec![changed(5, 100), changed(7, 101)], 103, None),
        (None, vec![], 102, None),
    ] {
        let mut seen = seen(restarted, Rollout::Done);
        let next = restart_for(&seen, &changes, moment(now));
        assert_eq!(next, want.map(|(seq, second)| Restarted { revision: revision(1, seq), at: at(second) }), "{changes:?}");
        seen.restarted = next.or(seen.restarted);
        assert!(!changes.iter().any(|changed| is_due(&seen, changed, moment(now))), "{changes:?}");
    }
}

#[test]
fn where_a_workload_stands() {
    let stuck = |text: &str| Stand::Stuck(text.into());
    let failed = || Rollout::Failed("ProgressDeadlineExceeded".into());
    let never = Rollout::Done;
    // restarted, rollout, left alone, refused, was stuck, now
    for (restarted, rollout, left_alone, refused, is_stuck, now, want) in [
        (None, never.clone(), None, None, false, 101, Stand::Due),
        (None, never.clone(), Some(LeftAlone::Paused), None, false, 101, Stand::LeftAlone(LeftAlone::Paused)),
        (None, never.clone(), None, Some("may not"), false, 101, stuck("may not")),
        (None, failed(), None, None, false, 101, Stand::Due),
        (Some((5, 101)), Rollout::Done, None, None, true, 102, Stand::Healthy),
        (Some((5, 101)), Rollout::Done, Some(LeftAlone::Paused), None, false, 102, Stand::Healthy),
        (Some((5, 101)), moving(), None, None, false, 102, Stand::Moving),
        (Some((5, 101)), moving(), None, None, false, 701, Stand::Moving),
        (Some((5, 101)), moving(), None, None, false, 702, stuck("still not rolled out: 1 of 3 pods updated")),
        (Some((5, 101)), moving(), None, None, true, 102, stuck("still not rolled out: 1 of 3 pods updated")),
        (Some((5, 101)), moving(), Some(LeftAlone::Paused), None, false, 102, Stand::LeftAlone(LeftAlone::Paused)),
        (Some((5, 101)), failed(), None, None, false, 102, stuck("ProgressDeadlineExceeded")),
        // Changed again while it rolls out.
        (Some((4, 90)), moving(), None, None, false, 101, Stand::Due),
    ] {
        let mut tracked = Tracked::new(Seen { left_alone, ..seen(restarted, rollout) }, BTreeSet::new());
        tracked.refused = refused.map(str::to_owned);
        tracked.is_stuck = is_stuck;
        let stand = stand(&tracked, &[changed(5, 100)], moment(now));
        assert_eq!(stand, want, "{tracked:?} at {now}");
        let holds_slot = in_motion(&tracked, moment(now));
        assert!(holds_slot == (stand == Stand::Moving) || stand == Stand::Due, "{tracked:?} at {now}");
    }
}

#[test]
fn a_workload_that_moves_is_restarted_again_only_after_a_while() {
    let again_after = Duration::from_secs(30);
    for (restarted, rollout, now, want) in [
        (None, moving(), 101, false),
        (Some((4, 100)), moving(), 129, true),
        (Some((4, 100)), moving(), 130, false),
        (Some((4, 100)), Rollout::Done, 101, false),
        (Some((4, 100)), Rollout::Failed("no progress".into()), 101, false),
    ] {
        let tracked = Tracked::new(seen(restarted, rollout), BTreeSet::new());
        assert_eq!(has_just_begun(&tracked, at(now), again_after), want, "{tracked:?} at {now}");
    }
}

#[test]
fn the_budget_is_used_in_full_and_never_exceeded() {
    let names: Vec<_> = (0..20).map(|i| workload(&format!("w{i:02}"))).collect();
    for (due, moving, budget, want) in [(20, 0, 3, 3), (20, 2, 3, 1), (20, 3, 3, 0), (20, 4, 3, 0), (2, 0, 3, 2), (20, 0, 0, 0)] {
        let candidates = names.iter().take(due).enumerate();
        let candidates =
            candidates.map(|(position, workload)| Candidate { workload, position, revision: revision(1, 5), in_motion: false });
        let chosen = choose(candidates.rev().collect(), moving, budget);
        assert_eq!(chosen, names[..want], "{due} due, {moving} in motion, budget {budget}");
    }
    let again = Candidate { workload: &names[9], position: 9, revision: revision(1, 5), in_motion: true };
    let new = Candidate { workload: &names[0], position: 0, revision: revision(1, 5), in_motion: false };
    assert_eq!(choose(vec![again, new], 3, 3), [names[9].clone()], "one that moves needs no second slot");
}

#[test]
fn a_binding_with_one_workload_does_not_wait_for_one_with_many() {
    let many: Vec<_> = (0..5).map(|i| workload(&format!("a{i}"))).collect();
    let one = workload("z");
    let mut due: Vec<(&Workload, usize)> = many.iter().enumerate().map(|(i, w)| (w, i)).chain([(&one, 0)]).collect();
    let mut order = Vec::new();
    while !due.is_empty() {
        let candidates = due.iter().map(|(workload, position)| Candidate {
            workload,
            position: *position,
            revision: revision(1, 5),
            in_motion: false,
        });
        let next = choose(candidates.collect(), 0, 1);
        due.retain(|(workload, _)| **workload != next[0]);
        order.push(next[0].name.clone());
    }
    assert_eq!(order, ["a0", "z", "a1", "a2", "a3", "a4"]);
}

#[test]
fn a_report_counts_and_names_and_its_lists_end() {
    let report = |troubles: &[String], tracked: &[(Workload, Tracked)]| {
        let mut tally = Tally::new(Uuid::from_u128(1).into(), revision(1, 5), troubles, &["Deployment x: gone".into()]);
        for (workload, tracked) in tracked {
            tally.count(workload, tracked, &changed(5, 100), moment(102));
        }
        tally.finish()
    };
    let tracked = |name: &str, seen: Seen| (workload(name), Tracked::new(seen, BTreeSet::new()));
    let paused = Seen { left_alone: Some(LeftAlone::Paused), ..seen(None, Rollout::Done) };
    let workloads = [
        tracked("done", seen(Some((5, 101)), Rollout::Done)),
        tracked("due", seen(None, Rollout::Done)),
        tracked("moves", seen(Some((5, 101)), moving())),
        tracked("fails", seen(Some((5, 101)), Rollout::Failed("no progress".into()))),
        tracked("paused", paused),
    ];
    let Report { restarted, total, healthy, stuck, skipped, .. } = report(&[], &workloads);
    assert_eq!((restarted, total, healthy), (3, 4, 1));
    assert_eq!(stuck, ["Deployment shop/fails: no progress"]);
    assert_eq!(skipped, ["Deployment x: gone", "Deployment shop/paused: it is paused; it is restarted once it is resumed"]);

    let many: Vec<String> = (0..15).map(|i| format!("trouble {i}")).collect();
    let stuck = report(&many, &[]).stuck;
    assert_eq!((stuck.len(), stuck.last().map(String::as_str)), (11, Some("and 5 more")));
}
