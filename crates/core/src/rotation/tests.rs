//! Tables of what a run does next, under a fake clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::confirm::{Absent, Confirm, OnDeadline, When};
use super::consumer::Consumer;
use super::life::Life;
use super::stage::{Delivered, Done, Intent, Made, Stage, Void};
use super::step::{Action, Course, Next, Standing, Step, made, next, retired};
use crate::cluster::ClusterState;
use crate::engine::Member;
use crate::version::VersionNumber;

const DEADLINE: Duration = Duration::from_secs(600);
const PAIR: Course = Course::InTurn { min_overlap: TimeDelta::seconds(60) };

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn number(number: u64) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

/// A cluster that has `has` and should have `wants`.
fn cluster(name: &str, has: u64, wants: u64) -> Consumer {
    Consumer {
        cluster: name.to_owned(),
        binding: "db".to_owned(),
        state: ClusterState::Active,
        is_online: true,
        has: VersionNumber::new(has),
        wants: VersionNumber::new(wants),
        is_healthy: true,
        cause: None,
    }
}

fn confirm(on_deadline: OnDeadline) -> Confirm {
    Confirm { deadline: DEADLINE, on_deadline, ..Confirm::default() }
}

fn candidate() -> Made {
    Made::InTurn { candidate: Member::Second, at: at(0) }
}

fn delivered(version: u64) -> Delivered {
    Delivered { made: candidate(), version: Some(number(version)), former: VersionNumber::new(version - 1), without: None }
}

/// What follows `second` seconds after the stage began at 0.
fn after(second: i64, course: Course, confirm: &Confirm, stage: &Stage, consumers: &[Consumer]) -> Next {
    next(Standing { course, confirm, stage, since: at(0), trouble: None, consumers, renew_at: None }, at(second))
}

fn enter(stage: Stage) -> Step {
    Step::Enter(stage)
}

#[test]
fn a_pair_goes_through_all_its_stages_and_retires_only_what_everybody_has_left() {
    let confirm = confirm(OnDeadline::Hold);
    let holds = |version| [cluster("fra-1", version, version), cluster("iad-1", version, version)];
    let on = |second, stage: &Stage, consumers: &[Consumer]| after(second, PAIR, &confirm, stage, consumers).step;
    assert_eq!(on(0, &Stage::Preparing, &holds(1)), Step::Do(Action::Prepare));
    let intent = Intent::InTurn { candidate: Member::Second, before: at(-9) };
    assert_eq!(on(0, &Stage::Making(intent), &holds(1)), Step::Do(Action::Make));
    assert_eq!(made(PAIR, candidate()), Stage::Verifying(candidate()));
    assert_eq!(on(0, &Stage::Verifying(candidate()), &holds(1)), Step::Do(Action::Verify));
    assert_eq!(on(0, &Stage::Delivering(candidate()), &holds(1)), Step::Do(Action::Deliver));
    let confirming = Stage::Confirming(delivered(2));
    let half = [cluster("fra-1", 2, 2), cluster("iad-1", 1, 2)];
    assert_eq!(on(5, &confirming, &half), Step::Wait(Some(at(600))));
    assert_eq!(on(5, &confirming, &holds(2)), enter(Stage::Overlapping(delivered(2))));
    let overlapping = Stage::Overlapping(delivered(2));
    assert_eq!(on(59, &overlapping, &holds(2)), Step::Wait(Some(at(60))));
    assert_eq!(on(60, &overlapping, &holds(2)), Step::Do(Action::PrepareRetiring));
    let void = Void { member: Member::First, before: at(-99) };
    assert_eq!(on(0, &Stage::Retiring(delivered(2), void), &holds(2)), Step::Do(Action::Retire));
    assert_eq!(retired(&delivered(2)), Stage::Done(Done { version: Some(number(2)), without: None, life: None }));
}

#[test]
fn one_value_for_all_is_done_when_all_have_confirmed() {
    for course in [Course::Replace, Course::InPlace] {
        let made_here = Made::InPlace { at: at(0) };
        assert_eq!(made(course, made_here.clone()), Stage::Delivering(made_here));
        let confirming = Stage::Confirming(delivered(4));
        let done = enter(Stage::Done(Done { version: Some(number(4)), without: None, life: None }));
        let newer = [cluster("fra-1", 5, 5)];
        assert_eq!(after(1, course, &Confirm::default(), &confirming, &newer).step, done, "a version after it is no less");
        let nobody: [Consumer; 0] = [];
        assert_eq!(after(1, course, &Confirm::default(), &confirming, &nobody).step, done);
    }
}

#[test]
fn at_the_deadline_the_policy_decides_and_names_who_is_missing() {
    let mut late = cluster("iad-1", 1, 2);
    late.cause = Some("the cluster's agent is not connected".to_owned());
    let consumers = [cluster("fra-1", 2, 2), late];
    let who = "iad-1 (binding db: the cluster's agent is not connected)";
    let held = Some(format!("not confirmed by {who}"));
    let confirming = Stage::Confirming(delivered(2));
    let table = [
        (PAIR, OnDeadline::Hold, Next { step: Step::Wait(None), held: held.clone() }),
        (PAIR, OnDeadline::Proceed, {
            let without = Some(who.to_owned());
            Next { step: enter(Stage::Overlapping(Delivered { without, ..delivered(2) })), held: None }
        }),
        (PAIR, OnDeadline::RollBack, {
            Next { step: enter(Stage::RollingBack(delivered(2), held.clone().unwrap())), held: None }
        }),
        (Course::InPlace, OnDeadline::RollBack, Next { step: Step::Wait(None), held: held.clone() }),
    ];
    for (course, policy, expected) in table {
        let confirm = confirm(policy);
        assert_eq!(after(599, course, &confirm, &confirming, &consumers).step, Step::Wait(Some(at(600))), "{policy:?}");
        assert_eq!(after(600, course, &confirm, &confirming, &consumers), expected, "{policy:?}");
    }
    let back = [cluster("fra-1", 2, 2), cluster("iad-1", 2, 2)];
    let held_too_long = after(9_000, PAIR, &confirm(OnDeadline::Hold), &confirming, &back);
    assert_eq!(held_too_long.step, enter(Stage::Overlapping(delivered(2))), "who comes back late lets it go on");
}

#[test]
fn whoever_is_missing_when_the_certificate_is_itself_due_waits_for_the_next_and_holds_up_nobody() {
    let consumers = [cluster("fra-1", 2, 2), cluster("iad-1", 1, 2)];
    let life = Some(Life { not_before: at(0), not_after: at(1_000) });
    let made = Made::Written { number: number(2), base: None, before: None, life };
    let confirming = Stage::Confirming(Delivered { made, ..delivered(2) });
    let policy = confirm(OnDeadline::Hold);
    let on = |second| {
        let standing = Standing {
            course: Course::Replace,
            confirm: &policy,
            stage: &confirming,
            since: at(0),
            trouble: None,
            consumers: &consumers,
            renew_at: Some(at(660)),
        };
        next(standing, at(second))
    };
    assert!(on(659).held.is_some_and(|held| held.contains("iad-1")));
    let without = Some("iad-1 (binding db)".to_owned());
    assert_eq!(on(660).step, enter(Stage::Done(Done { version: Some(number(2)), without, life })));
}

#[test]
fn who_is_away_counts_as_the_policy_says() {
    use ClusterState::{Active, Paused, Pending, Removing, Revoked};
    let confirming = Stage::Confirming(delivered(2));
    for (state, is_online, waits_by_default) in [
        (Active, true, true),
        (Active, false, true),
        (Pending, false, true),
        (Paused, true, true),
        (Revoked, false, false),
        (Removing, true, false),
    ] {
        let consumer = Consumer { state, is_online, ..cluster("iad-1", 1, 2) };
        let waits = |confirm: &Confirm| {
            matches!(after(0, PAIR, confirm, &confirming, std::slice::from_ref(&consumer)).step, Step::Wait(_))
        };
        assert_eq!(waits(&Confirm::default()), waits_by_default, "{state:?} {is_online}");
        let all = |absent| Confirm { paused: absent, revoked: absent, offline: absent, ..Confirm::default() };
        assert!(waits(&all(Absent::Wait)), "{state:?}");
        assert_eq!(waits(&all(Absent::Skip)), state == Active && is_online, "{state:?} {is_online}");
    }
}

#[test]
fn healthy_asks_for_more_than_applied() {
    let consumers = [Consumer { is_healthy: false, ..cluster("fra-1", 2, 2) }];
    let confirming = Stage::Confirming(delivered(2));
    let waits = |when| {
        let confirm = Confirm { when, ..Confirm::default() };
        matches!(after(0, PAIR, &confirm, &confirming, &consumers).step, Step::Wait(_))
    };
    assert!(!waits(When::Applied));
    assert!(waits(When::Healthy));
}

#[test]
fn whoever_is_placed_during_the_overlap_has_to_confirm_as_well() {
    let overlapping = Stage::Overlapping(delivered(2));
    let consumers = [cluster("fra-1", 2, 2), Consumer { has: None, ..cluster("new", 1, 2) }];
    let waiting = after(60, PAIR, &Confirm::default(), &overlapping, &consumers);
    assert_eq!(waiting, Next { step: Step::Wait(None), held: Some("not confirmed by new (binding db)".to_owned()) });
    let without = Stage::Overlapping(Delivered { without: Some("iad-1".to_owned()), ..delivered(2) });
    let proceeded = after(60, PAIR, &confirm(OnDeadline::Proceed), &without, &consumers);
    assert_eq!(proceeded.step, Step::Do(Action::PrepareRetiring));
}

#[test]
fn an_idle_role_that_somebody_may_still_use_is_left_alone() {
    let proceed = confirm(OnDeadline::Proceed);
    let confirm = confirm(OnDeadline::Hold);
    let behind = [cluster("fra-1", 2, 3), Consumer { has: None, ..cluster("empty", 1, 3) }];
    let why = "the idle role may still be in use by fra-1 (binding db)".to_owned();
    let waiting = after(1, PAIR, &confirm, &Stage::Preparing, &behind);
    assert_eq!(waiting, Next { step: Step::Wait(None), held: Some(why.clone()) });
    let failed = after(600, PAIR, &confirm, &Stage::Preparing, &behind);
    assert_eq!(failed.step, enter(Stage::Failed(format!("nothing was changed: {why}"))));
    assert_eq!(after(599, PAIR, &proceed, &Stage::Preparing, &behind).step, Step::Wait(None));
    assert_eq!(after(600, PAIR, &proceed, &Stage::Preparing, &behind).step, Step::Do(Action::Prepare));
    assert_eq!(after(1, Course::Replace, &confirm, &Stage::Preparing, &behind).step, Step::Do(Action::Prepare));
}

#[test]
fn trouble_ends_a_run_only_while_nothing_was_changed_for_anybody() {
    let confirm = confirm(OnDeadline::Hold);
    let sealed = |stage: &Stage, second| {
        next(
            Standing {
                course: PAIR,
                confirm: &confirm,
                stage,
                since: at(0),
                trouble: Some("sealed"),
                consumers: &[],
                renew_at: None,
            },
            at(second),
        )
    };
    let intent = Intent::InTurn { candidate: Member::First, before: at(-9) };
    let void = Void { member: Member::First, before: at(-99) };
    let goes_on = [
        (Stage::Making(intent), Action::Make),
        (Stage::Delivering(candidate()), Action::Deliver),
        (Stage::Retiring(delivered(2), void), Action::Retire),
        (Stage::RollingBack(delivered(2), String::new()), Action::Withdraw),
    ];
    for (stage, action) in goes_on {
        assert_eq!(sealed(&stage, 599), Next { step: Step::Do(action), held: None });
        assert_eq!(sealed(&stage, 600), Next { step: Step::Do(action), held: Some("sealed".to_owned()) });
    }
    for (stage, action) in [(Stage::Preparing, Action::Prepare), (Stage::Verifying(candidate()), Action::Verify)] {
        assert_eq!(sealed(&stage, 599).step, Step::Do(action));
        let Step::Enter(Stage::Failed(why)) = sealed(&stage, 600).step else { panic!("{stage:?} goes on") };
        assert!(why.ends_with("sealed"), "{why}");
    }
}

#[test]
fn nothing_follows_the_end() {
    for end in [Stage::Done(Done { version: None, without: None, life: None }), Stage::Failed("x".to_owned())] {
        assert!(end.is_end());
        assert_eq!(after(9, PAIR, &Confirm::default(), &end, &[]), Next { step: Step::Wait(None), held: None });
    }
}

#[test]
fn many_that_are_missing_are_counted() {
    let consumers: Vec<_> = (0..13).map(|i| cluster(&format!("c{i:02}"), 1, 2)).collect();
    let held = after(600, PAIR, &confirm(OnDeadline::Hold), &Stage::Confirming(delivered(2)), &consumers).held.unwrap();
    assert!(held.ends_with("c09 (binding db), 3 more"), "{held}");
}

#[test]
fn what_is_stored_is_read_again() {
    let stages = [
        Stage::Making(Intent::Write {
            base: None,
            before: None,
            print: super::stage::Fingerprint([7; 16]),
            serial: None,
            life: None,
        }),
        Stage::Retiring(delivered(2), Void { member: Member::First, before: at(0) }),
    ];
    for stage in stages {
        let stored = serde_json::to_value(&stage).unwrap();
        assert_eq!(serde_json::from_value::<Stage>(stored).unwrap(), stage);
    }
}
