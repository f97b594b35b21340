use super::*;

fn paths(texts: &[&str]) -> BTreeSet<KvPath> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn many(count: usize) -> BTreeSet<KvPath> {
    (0..count).map(|i| format!("team/s{i}").parse().unwrap()).collect()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

#[test]
fn a_scan_is_chosen_where_it_is_allowed_and_cheaper() {
    let soon = now() + TimeDelta::minutes(1);
    let seen = |entries_seen| ScanSupport::Supported { entries_seen, at: now() };
    let long_ago = ScanSupport::Supported { entries_seen: usize::MAX, at: now() - RETRY };
    for (case, bound, support, page, scans) in [
        ("few paths", 8, ScanSupport::Unknown, 1000, false),
        ("not tried yet", 9, ScanSupport::Unknown, 1000, true),
        ("one page", 100, seen(100), 1000, true),
        ("as many pages as paths", 10, seen(100), 10, false),
        ("fewer pages than paths", 11, seen(100), 10, true),
        ("a tree that is just not too large", 10, seen(200), 1000, true),
        ("a tree that is far larger", 10, seen(201), 1000, false),
        ("an answer over the limit", 1000, seen(usize::MAX), 1000, false),
        ("an answer over the limit, long ago", 1000, long_ago, 1000, true),
        ("unsupported", 100, ScanSupport::Unsupported { until: soon }, 1000, false),
        ("unsupported, long ago", 100, ScanSupport::Unsupported { until: now() }, 1000, true),
        ("forbidden", 100, ScanSupport::Forbidden { until: soon }, 1000, false),
        ("forbidden, long ago", 100, ScanSupport::Forbidden { until: now() }, 1000, true),
        ("a page of nothing", 100, seen(100), 0, false),
    ] {
        let reads = plan(&many(bound), support, page, now());
        if scans {
            assert_eq!(reads, [Read::Scan { prefix: "team".into() }], "{case}");
        } else {
            let gets: Vec<_> = many(bound).into_iter().map(Read::Get).collect();
            assert_eq!(reads, gets, "{case}");
        }
    }
    assert_eq!(plan(&BTreeSet::new(), ScanSupport::Unknown, 1000, now()), []);
}

#[test]
fn a_scan_begins_at_the_longest_directory_that_holds_all_paths() {
    for (texts, directory) in [
        (["a/b/c", "a/b/d"].as_slice(), "a/b"),
        (&["a/b/c", "a/bb/d"], "a"),
        (&["a/b", "a/b/c"], "a"),
        (&["a/b c", "a/b/c", "a/b+/d"], "a"),
        (&["a", "b"], ""),
        (&["a", "a/b"], ""),
        (&["x/y/z"], "x/y"),
    ] {
        assert_eq!(common_directory(&paths(texts)), directory, "{texts:?}");
    }
}

#[test]
fn only_an_answer_about_scans_changes_what_is_known_of_them() {
    let what = String::new;
    let known = ScanSupport::Supported { entries_seen: 3, at: now() };
    let until = now() + RETRY;
    for (error, after) in [
        (VaultError::Unsupported { what: what() }, ScanSupport::Unsupported { until }),
        (VaultError::Forbidden { what: what() }, ScanSupport::Forbidden { until }),
        (VaultError::TooLarge { what: what(), limit_bytes: 1 }, ScanSupport::Supported { entries_seen: usize::MAX, at: now() }),
        (VaultError::Sealed, known),
        (VaultError::Throttled { retry_after: None }, known),
    ] {
        assert_eq!(known.after(Err(&error), now()), after, "{error}");
    }
    assert_eq!(ScanSupport::Unknown.after(Ok(3), now()), known);
}

#[test]
fn a_scan_that_failed_is_tried_again_after_a_pause_that_doubles() {
    let slow = VaultError::Timeout { after: std::time::Duration::from_secs(5) };
    let (mut support, mut at, mut pauses) = (ScanSupport::Unknown, now(), Vec::new());
    for _ in 0..8 {
        support = support.after(Err(&slow), at);
        let ScanSupport::Failed { until, pause } = support else { panic!("{support:?}") };
        assert!(!support.is_worth_it(100, 1000, until - TimeDelta::seconds(1)) && support.is_worth_it(100, 1000, until));
        pauses.push(pause.num_minutes());
        at = until;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    let odd = VaultError::Protocol { what: String::new(), why: "it is another thing" };
    assert!(matches!(ScanSupport::Unknown.after(Err(&odd), at), ScanSupport::Failed { .. }));
    assert_eq!(support.after(Err(&VaultError::Sealed), at), support, "the Vault as a whole failed, not the scan");
    assert_eq!(support.forget_failure(), ScanSupport::Unknown);
    assert_eq!(support.after(Ok(3), at), ScanSupport::Supported { entries_seen: 3, at });
}
