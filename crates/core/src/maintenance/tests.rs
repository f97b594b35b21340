use std::collections::BTreeMap;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn allow(text: &str, zone: &str, duration: &str) -> Rule {
    Rule::Allow { schedule: Schedule::new(text, Some(zone)).unwrap(), duration: crate::duration::parse(duration).unwrap() }
}

fn freeze(from: &str, until: &str) -> Rule {
    Rule::Freeze { from: at(from), until: at(until) }
}

fn named(name: &str, scope: Scope, rule: Rule) -> Named {
    (name.parse().unwrap(), Window { scope, rule })
}

fn of(project: &str) -> Scope {
    Scope::Project(project.parse().unwrap())
}

fn clusters(selector: &str) -> Scope {
    Scope::Clusters(selector.parse().unwrap())
}

/// Clusters by name and `env`.
fn registered(of: &[(&str, &str)]) -> Vec<(ClusterName, Labels)> {
    let labels = |env: &str| Labels::try_from(BTreeMap::from([("env".to_owned(), env.to_owned())])).unwrap();
    of.iter().map(|(name, env)| (name.parse().unwrap(), labels(env))).collect()
}

/// `open`, or the name of the window that closes and until when.
fn said(windows: &[Named], project: &str, on: &[(&str, &str)], now: &str) -> String {
    match open_at(windows, &project.parse().unwrap(), &registered(on), at(now)) {
        Opening::Open => "open".to_owned(),
        Opening::Closed { because, until } => {
            format!("{because} {}", until.map_or("for good".to_owned(), |until| until.format("%dT%H:%M").to_string()))
        }
    }
}

#[test]
fn of_each_scope_that_covers_any_of_it_one_window_must_be_open() {
    let windows = [
        named("prod-night", clusters("env=prod"), allow("0 2 * * *", "UTC", "2h")),
        named("prod-noon", clusters("env=prod"), allow("0 12 * * *", "UTC", "1h")),
        named("test-noon", clusters("env=test"), allow("30 12 * * *", "UTC", "1h")),
        named("payments", of("payments"), allow("0 20 * * *", "UTC", "1h")),
    ];
    let (prod, test, dev) = (("a", "prod"), ("b", "test"), ("c", "dev"));
    for (project, on, now, want) in [
        ("shop", vec![prod], "2026-03-10T01:59:59Z", "prod-night 10T02:00"),
        ("shop", vec![prod], "2026-03-10T02:00:00Z", "open"),
        ("shop", vec![prod], "2026-03-10T03:59:59Z", "open"),
        ("shop", vec![prod], "2026-03-10T04:00:00Z", "prod-noon 10T12:00"),
        ("shop", vec![prod], "2026-03-10T13:00:00Z", "prod-night 11T02:00"),
        // Of two clusters the one that opens later says when.
        ("shop", vec![prod, test], "2026-03-10T03:00:00Z", "test-noon 10T12:30"),
        ("shop", vec![prod, test], "2026-03-10T12:15:00Z", "test-noon 10T12:30"),
        ("shop", vec![prod, test], "2026-03-10T12:45:00Z", "open"),
        ("shop", vec![prod, test], "2026-03-10T13:15:00Z", "prod-night 11T02:00"),
        // What no window covers is open, but a project's window covers its clusters all.
        ("shop", vec![dev], "2026-03-10T05:00:00Z", "open"),
        ("shop", vec![], "2026-03-10T05:00:00Z", "open"),
        ("payments", vec![dev], "2026-03-10T05:00:00Z", "payments 10T20:00"),
        ("payments", vec![], "2026-03-10T05:00:00Z", "payments 10T20:00"),
        // Nor does a project's window open clusters that others keep shut, or theirs the project.
        ("payments", vec![prod], "2026-03-10T20:30:00Z", "prod-night 11T02:00"),
        ("payments", vec![prod], "2026-03-10T02:30:00Z", "payments 10T20:00"),
    ] {
        assert_eq!(said(&windows, project, &on, now), want, "{project} on {on:?} at {now}");
    }
}

#[test]
fn a_freeze_closes_whatever_it_covers_a_part_of() {
    let windows = [
        named("always", Scope::Everything, allow("@hourly", "UTC", "1h")),
        named("quarter", of("payments"), freeze("2026-03-30T00:00:00Z", "2026-04-02T00:00:00Z")),
        named("move", clusters("env=prod"), freeze("2026-03-31T00:00:00Z", "2026-03-31T12:00:00Z")),
        named("holidays", Scope::Everything, freeze("2026-12-24T00:00:00Z", "2026-12-27T00:00:00Z")),
    ];
    let (prod, dev) = (("a", "prod"), ("c", "dev"));
    for (project, on, now, want) in [
        ("payments", vec![dev], "2026-03-29T23:59:59Z", "open"),
        ("payments", vec![dev], "2026-03-30T00:00:00Z", "quarter 02T00:00"),
        ("payments", vec![], "2026-03-30T00:00:00Z", "quarter 02T00:00"),
        ("payments", vec![dev], "2026-04-02T00:00:00Z", "open"),
        ("shop", vec![dev], "2026-03-31T01:00:00Z", "open"),
        ("shop", vec![dev, prod], "2026-03-31T01:00:00Z", "move 31T12:00"),
        // Of two freezes the one that ends later.
        ("payments", vec![prod], "2026-03-31T01:00:00Z", "quarter 02T00:00"),
        ("shop", vec![], "2026-12-25T01:00:00Z", "holidays 27T00:00"),
    ] {
        assert_eq!(said(&windows, project, &on, now), want, "{project} on {on:?} at {now}");
    }
}

#[test]
fn a_window_lasts_as_long_as_it_says_also_where_the_clocks_change() {
    let night = [named("night", Scope::Everything, allow("30 1 * * *", "Europe/Berlin", "1h"))];
    for (now, want) in [
        // Set forward: from 01:30 +01:00 to 03:30 +02:00 on the wall, an hour in truth.
        ("2026-03-29T00:29:59Z", "night 29T00:30"),
        ("2026-03-29T00:30:00Z", "open"),
        ("2026-03-29T01:29:59Z", "open"),
        ("2026-03-29T01:30:00Z", "night 29T23:30"),
        // Set back: from 01:30 to 02:30 of the first pass; not again in the second.
        ("2026-10-24T23:30:00Z", "open"),
        ("2026-10-25T00:29:59Z", "open"),
        ("2026-10-25T00:30:00Z", "night 26T00:30"),
        ("2026-10-25T01:15:00Z", "night 26T00:30"),
    ] {
        assert_eq!(said(&night, "shop", &[], now), want, "{now}");
    }
}

#[test]
fn the_next_opening_is_where_all_agree() {
    let windows = [
        named("prod", clusters("env=prod"), allow("0 */2 * * *", "UTC", "30m")),
        named("test", clusters("env=test"), allow("15 */3 * * *", "UTC", "30m")),
        named("frozen", Scope::Everything, freeze("2026-03-10T06:00:00Z", "2026-03-10T07:00:00Z")),
    ];
    let next = |on: &[(&str, &str)], now| next_opening(&windows, &"shop".parse().unwrap(), &registered(on), at(now));
    let both = [("a", "prod"), ("b", "test")];
    assert_eq!(next(&both, "2026-03-10T00:20:00Z"), Some(at("2026-03-10T00:20:00Z")));
    assert_eq!(next(&both, "2026-03-10T00:40:00Z"), Some(at("2026-03-10T12:15:00Z")), "06:15 is frozen");
    assert_eq!(next(&both[..1], "2026-03-10T05:00:00Z"), Some(at("2026-03-10T08:00:00Z")));
    let never = [
        named("even", clusters("env=prod"), allow("0 */2 * * *", "UTC", "30m")),
        named("odd", clusters("env=test"), allow("0 1-23/2 * * *", "UTC", "30m")),
    ];
    assert_eq!(next_opening(&never, &"shop".parse().unwrap(), &registered(&both), at("2026-03-10T00:00:00Z")), None);
}

#[test]
fn a_windows_own_state_says_when_it_changes() {
    let state = |rule: Rule, now| {
        let state = Window { scope: Scope::Everything, rule }.state(at(now));
        (state.active, state.changes)
    };
    let night = || allow("0 2 * * *", "UTC", "2h");
    assert_eq!(state(night(), "2026-03-10T00:00:00Z"), (false, Some(at("2026-03-10T02:00:00Z"))));
    assert_eq!(state(night(), "2026-03-10T03:00:00Z"), (true, Some(at("2026-03-10T04:00:00Z"))));
    // Three that begin as the one before ends are one.
    assert_eq!(state(allow("0 2,3,4 * * *", "UTC", "1h"), "2026-03-10T02:10:00Z"), (true, Some(at("2026-03-10T05:00:00Z"))));
    let holidays = || freeze("2026-12-24T00:00:00Z", "2026-12-27T00:00:00Z");
    assert_eq!(state(holidays(), "2026-12-23T00:00:00Z"), (false, Some(at("2026-12-24T00:00:00Z"))));
    assert_eq!(state(holidays(), "2026-12-24T00:00:00Z"), (true, Some(at("2026-12-27T00:00:00Z"))));
    assert_eq!(state(holidays(), "2026-12-27T00:00:00Z"), (false, None));
}

#[test]
fn what_makes_no_sense_is_refused_when_it_is_written() {
    let now = at("2026-03-10T00:00:00Z");
    let check = |rule: Rule| {
        let window = Window { scope: Scope::Everything, rule };
        window.check().and_then(|()| window.check_at(now)).map_err(|e| e.to_string())
    };
    for (rule, refusal) in [
        (allow("0 2 * * *", "UTC", "24h"), None),
        (
            allow("0 2 * * *", "UTC", "24h1m"),
            Some("a window of 1d1m opens again after 1d: make it shorter, or the schedule rarer"),
        ),
        (allow("*/5 * * * *", "UTC", "6m"), Some("a window of 6m opens again after 5m: make it shorter, or the schedule rarer")),
        (allow("0 2 * * *", "UTC", "0s"), Some("a window that is open for 0s is never open")),
        (freeze("2026-03-09T00:00:00Z", "2026-03-11T00:00:00Z"), None),
        (freeze("2026-03-12T00:00:00Z", "2026-03-11T00:00:00Z"), Some("cannot end at 2026-03-11")),
        (freeze("2026-03-12T00:00:00Z", "2026-03-12T00:00:00Z"), Some("cannot end at 2026-03-12")),
        (freeze("2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z"), Some("is over already")),
    ] {
        let got = check(rule.clone());
        match refusal {
            None => assert_eq!(got, Ok(()), "{rule:?}"),
            Some(said) => assert!(got.clone().is_err_and(|e| e.contains(said)), "{rule:?}: {got:?}"),
        }
    }
}

#[test]
fn two_windows_of_one_scope_may_touch_but_not_overlap_within_a_year() {
    let now = at("2026-03-10T00:00:00Z");
    let one = |scope: Scope, text: &str, zone: &str, duration: &str| Window { scope, rule: allow(text, zone, duration) };
    let there = [named("night", clusters("env=prod"), allow("0 2 * * *", "UTC", "2h"))];
    for (scope, text, zone, duration, overlap) in [
        ("env=prod", "0 4 * * *", "UTC", "1h", None),
        ("env=prod", "0 1 * * *", "UTC", "1h", None),
        ("env=prod", "0 1 * * *", "UTC", "61m", Some("2026-03-10T02:00:00Z")),
        ("env=prod", "59 3 * * *", "UTC", "1h", Some("2026-03-10T03:59:00Z")),
        ("env=prod", "0 3 1 1 *", "UTC", "1m", Some("2027-01-01T03:00:00Z")),
        // Only once the clocks in Berlin are set forward.
        ("env=prod", "0 5 * * *", "Europe/Berlin", "1h", Some("2026-03-29T03:00:00Z")),
        // Beyond a year.
        ("env=prod", "0 3 29 2 *", "UTC", "1m", None),
        ("env=test", "0 2 * * *", "UTC", "2h", None),
    ] {
        let got = one(clusters(scope), text, zone, duration).check_beside(&there, now);
        let want = overlap.map_or(Ok(()), |text| Err(WindowError::Overlaps { other: "night".parse().unwrap(), at: at(text) }));
        assert_eq!(got, want, "{scope} {text} {zone} {duration}");
    }
    let frozen = named("frozen", clusters("env=prod"), freeze("2026-03-10T00:00:00Z", "2026-05-10T00:00:00Z"));
    assert_eq!(frozen.1.check_beside(&there, now), Ok(()), "a freeze may lie over anything");
}
